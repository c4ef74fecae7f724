//! Query analysis: built in, or in a `mongo_crypt_v1` library that the caller names.
//!
//! `$SYSTEM` as a search path means the system's library paths to other clients; here it finds the
//! analysis that is built in. Any other path is searched for a library, and an override path must
//! hold one. A process has at most one such library.

use std::ffi::{CStr, c_int};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::log::{self, Log};
use crate::status::Failure;

mod library;
mod symbols;

pub(crate) use library::Library;

/// The search path that finds the built-in analysis.
const SYSTEM: &str = "$SYSTEM";
/// Stands for the directory of this library at the start of a path.
const ORIGIN: &str = "$ORIGIN";

/// What the built-in analysis calls itself; drivers show it, and test suites parse it.
const BUILT_IN_VERSION_TEXT: &CStr = c"mongo_crypt_v1-fieldveil-8.2.0";
/// Four parts of 16 bits. It speaks the analysis protocol of server 8.2: several schemas in one
/// command, and JSON schemas beside encrypted fields.
const BUILT_IN_VERSION: u64 = 0x0008_0002_0000_0000;

/// Where the caller wants analysis to be found.
#[derive(Debug, Default)]
pub(crate) struct SearchPaths {
    pub(crate) directories: Vec<String>,
    pub(crate) override_path: Option<String>,
}

/// Who analyses commands.
pub(crate) enum Analyser {
    /// The caller, who is asked for markings.
    Caller,
    /// The analysis in this library.
    BuiltIn,
    /// A library that was loaded.
    Library(LibraryUse),
}

impl Analyser {
    /// The version text, unless the caller analyses.
    pub(crate) fn version_text(&self) -> Option<&CStr> {
        match self {
            Self::Caller => None,
            Self::BuiltIn => Some(BUILT_IN_VERSION_TEXT),
            Self::Library(used) => used.library().map(Library::version_text),
        }
    }

    /// The version number, 0 if the caller analyses.
    pub(crate) fn version(&self) -> u64 {
        match self {
            Self::Caller => 0,
            Self::BuiltIn => BUILT_IN_VERSION,
            Self::Library(used) => used.library().map_or(0, Library::version_number),
        }
    }

    /// Follows the caller's paths.
    pub(crate) fn find(paths: &SearchPaths, log: &Log) -> Result<Self, Failure> {
        if let Some(path) = &paths.override_path {
            let loaded = Library::open(&absolute(path, log)?, log);
            return match loaded {
                Ok(library) => the_one_library(Some(library), log).map(Self::found),
                Err(error) => Err(Failure::client(format!(
                    "A crypt_shared override path was specified [{path}], but we failed to open a \
                     dynamic library at that location. Load error: [{}]",
                    error.message()
                ))),
            };
        }
        for directory in &paths.directories {
            if directory == SYSTEM {
                log.write(log::INFO, "Using the built-in query analysis");
                return Ok(Self::BuiltIn);
            }
            let file = Path::new(directory).join(file_name());
            let Some(file) = with_origin(&file.to_string_lossy(), log) else { continue };
            if let Ok(library) = Library::open(&file, log) {
                return the_one_library(Some(library), log).map(Self::found);
            }
        }
        if paths.directories.is_empty() {
            return Ok(Self::Caller);
        }
        the_one_library(None, log).map(Self::found)
    }

    fn found(library: Option<LibraryUse>) -> Self {
        library.map_or(Self::Caller, Self::Library)
    }
}

/// The library of this process, as long as anything uses it.
static LOADED: Mutex<Option<Arc<Library>>> = Mutex::new(None);

/// A use of the process's library. The last one to go ends it, before another can begin.
pub(crate) struct LibraryUse(Option<Arc<Library>>);

impl LibraryUse {
    pub(crate) fn library(&self) -> Option<&Library> {
        self.0.as_deref()
    }
}

impl Drop for LibraryUse {
    fn drop(&mut self) {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        self.0 = None;
        if loaded.as_ref().is_some_and(|library| Arc::strong_count(library) == 1) {
            *loaded = None;
        }
    }
}

/// Makes a library that was found the one of this process, or checks that it is the same.
fn the_one_library(found: Option<Library>, log: &Log) -> Result<Option<LibraryUse>, Failure> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(existing) = &*loaded else {
        let Some(mut library) = found else { return Ok(None) };
        library.start()?;
        log.write(log::INFO, &format!("Opened crypt_shared library [{}]", library.path()));
        let library = Arc::new(library);
        *loaded = Some(Arc::clone(&library));
        return Ok(Some(LibraryUse(Some(library))));
    };
    match found {
        Some(library) if library.path() == existing.path() => {
            Ok(Some(LibraryUse(Some(Arc::clone(existing)))))
        }
        Some(library) => Err(Failure::client(format!(
            "An existing crypt_shared library is loaded by the application at [{}], but the \
             current call to mongocrypt_init() attempted to load a second crypt_shared library \
             from [{}]. This is not allowed.",
            existing.path(),
            library.path()
        ))),
        None => Err(Failure::client(format!(
            "An existing crypt_shared library is loaded by the application at [{}], but the \
             current call to mongocrypt_init() failed to find that same library.",
            existing.path()
        ))),
    }
}

/// `mongo_crypt_v1` with the suffix that libraries have here.
fn file_name() -> String {
    format!("mongo_crypt_v1{}", std::env::consts::DLL_SUFFIX)
}

/// A path that the loader does not search for.
fn absolute(path: &str, log: &Log) -> Result<PathBuf, Failure> {
    let path = with_origin(path, log).unwrap_or_else(|| PathBuf::from(path));
    std::path::absolute(&path).map_err(|error| Failure::client(format!("{path:?}: {error}")))
}

/// Puts this library's directory in place of a leading `$ORIGIN`; `None` if it is not known.
fn with_origin(path: &str, log: &Log) -> Option<PathBuf> {
    let Some(rest) = path.strip_prefix(ORIGIN) else { return Some(PathBuf::from(path)) };
    if !rest.is_empty() && !rest.starts_with(std::path::is_separator) {
        return Some(PathBuf::from(path));
    }
    let own_path = symbols::path_of(file_name as *const ());
    let directory = own_path.as_deref().and_then(Path::parent);
    if directory.is_none() {
        log.write(log::WARNING, &format!("Cannot substitute $ORIGIN in search path [{path}]"));
    }
    Some(directory?.join(rest.trim_start_matches(std::path::is_separator)))
}

/// Says what a status of a loaded library says.
fn explain(explanation: &str, error: c_int, code: c_int) -> String {
    format!("{explanation} [Error {error}, code {code}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(directories: &[&str], override_path: Option<&str>) -> Result<Analyser, Failure> {
        let paths = SearchPaths {
            directories: directories.iter().map(ToString::to_string).collect(),
            override_path: override_path.map(str::to_owned),
        };
        Analyser::find(&paths, &Log::default())
    }

    #[test]
    fn the_system_path_finds_the_built_in_analysis() {
        let analyser = find(&["/doesnotexist", SYSTEM], None).unwrap();
        assert!(matches!(analyser, Analyser::BuiltIn));
        assert!(analyser.version() >= 0x0008_0002_0000_0000);
        assert!(analyser.version_text().unwrap().to_str().unwrap().contains("8.2"));
    }

    #[test]
    fn without_a_library_the_caller_analyses() {
        for directories in [&[][..], &["/doesnotexist"], &["$ORIGIN"]] {
            let analyser = find(directories, None).unwrap();
            assert!(matches!(analyser, Analyser::Caller));
            assert_eq!((analyser.version(), analyser.version_text()), (0, None));
        }
    }

    #[test]
    fn an_override_path_must_hold_a_library() {
        let error = find(&[SYSTEM], Some("/doesnotexist")).err().unwrap();
        let text = error.message();
        assert!(
            text.starts_with(
                "A crypt_shared override path was specified [/doesnotexist], but we failed to \
                 open a dynamic library at that location. Load error: ["
            ),
            "{text}"
        );
        assert!(text.contains("/doesnotexist: cannot open shared object file"), "{text}");
    }

    #[test]
    fn origin_is_a_whole_part_of_a_path() {
        let log = Log::default();
        assert_eq!(with_origin("$ORIGINAL/x", &log), Some(PathBuf::from("$ORIGINAL/x")));
        let own = with_origin("$ORIGIN/x", &log).unwrap();
        assert!(own.is_absolute() && own.ends_with("x"), "{own:?}");
    }
}
