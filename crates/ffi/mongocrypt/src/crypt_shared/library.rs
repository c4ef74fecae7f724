//! A loaded `mongo_crypt_v1` library.

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::{self, NonNull};

use bson::{RawDocument, RawDocumentBuf};

use super::explain;
use super::symbols::{Symbols, is_mongocrypt};
use crate::log::{self, Log};
use crate::status::Failure;

/// The library, and its one instance once it is started.
pub(crate) struct Library {
    symbols: Symbols,
    path: String,
    instance: Option<NonNull<c_void>>,
    /// Never unloaded: on Linux, static destructors of C++ do not run well then.
    _handle: ManuallyDrop<libloading::Library>,
}

// SAFETY: the library's header allows an instance to be shared by threads; a query analyser, which
// may not be, is made for each call.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads a file and looks its functions up.
    pub(super) fn open(path: &Path, log: &Log) -> Result<Self, Failure> {
        let shown = path.display();
        // SAFETY: loading runs the initialisers of a library that the caller named for this.
        let handle = unsafe { libloading::Library::new(path) }.map_err(|error| {
            let reason = load_error(&error);
            let text = format!(
                "Error while opening candidate for crypt_shared dynamic library [{shown}]: {reason}"
            );
            log.write(log::WARNING, &text);
            Failure::client(text)
        })?;
        let symbols = Symbols::load(&handle).map_err(|name| {
            log.write(
                log::ERROR,
                &format!(
                    "Missing required symbol '{name}' from crypt_shared dynamic library [{shown}]"
                ),
            );
            if is_mongocrypt(&handle) {
                return Failure::client(format!(
                    "Tried to load crypt_shared dynamic library at path [{shown}] but detected \
                     libmongocrypt"
                ));
            }
            Failure::client(format!(
                "One or more required symbols are missing from crypt_shared dynamic library \
                 [{shown}], so this dynamic library will not be used."
            ))
        })?;
        let path = symbols.path().unwrap_or_else(|| path.to_owned()).display().to_string();
        Ok(Self { symbols, path, instance: None, _handle: ManuallyDrop::new(handle) })
    }

    /// Makes the one instance.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        let status = StatusOf::new(&self.symbols);
        // SAFETY: the status is live. No other instance is: the caller holds the process's lock.
        let instance = unsafe { (self.symbols.lib_create)(status.pointer) };
        self.instance = NonNull::new(instance);
        match self.instance {
            Some(_) => Ok(()),
            None => Err(Failure::crypt_shared(format!(
                "csfle lib_create() failed: {}",
                status.explanation()
            ))),
        }
    }

    /// The file, as the loader knows it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn version_number(&self) -> u64 {
        // SAFETY: it has no preconditions.
        unsafe { (self.symbols.get_version)() }
    }

    pub(super) fn version_text(&self) -> &CStr {
        // SAFETY: it has no preconditions, and returns a static string.
        unsafe { as_text((self.symbols.get_version_str)()) }
    }

    /// Analyses a command of the protocol that `mongocryptd` speaks, on `namespace`.
    pub(crate) fn analyze(
        &self,
        command: &RawDocument,
        namespace: &str,
    ) -> Result<RawDocumentBuf, Failure> {
        let status = StatusOf::new(&self.symbols);
        let analyzer = Analyzer::new(self, &status);
        self.check(&status, "query_analyzer_create")?;
        let length = u32::try_from(namespace.len()).unwrap_or(u32::MAX);
        let mut reply_length = 0;
        // SAFETY: analyser and status are live; the command is a whole document, whose length is
        // its first field; the namespace has the given length.
        let reply = unsafe {
            (self.symbols.analyze_query)(
                analyzer.pointer,
                command.as_bytes().as_ptr(),
                namespace.as_ptr().cast(),
                length,
                &raw mut reply_length,
                status.pointer,
            )
        };
        self.check(&status, "analyze_query")?;
        if reply.is_null() {
            return Err(Failure::crypt_shared("crypt_shared returned no reply"));
        }
        let length = usize::try_from(reply_length).unwrap_or_default();
        // SAFETY: without an error the reply has that many bytes, until it is freed.
        let bytes = unsafe { std::slice::from_raw_parts(reply, length) }.to_vec();
        // SAFETY: it is ours to free, once.
        unsafe { (self.symbols.bson_free)(reply) };
        RawDocumentBuf::from_bytes(bytes)
            .map_err(|_| Failure::crypt_shared("crypt_shared returned malformed BSON"))
    }

    fn check(&self, status: &StatusOf<'_>, function: &str) -> Result<(), Failure> {
        // SAFETY: the status is live.
        if unsafe { (self.symbols.status_get_error)(status.pointer) } == 0 {
            return Ok(());
        }
        let version = self.version_text().to_string_lossy();
        let version = version.strip_prefix("mongo_crypt_v1-dev-").unwrap_or(&version);
        Err(Failure::crypt_shared(format!(
            "[crypt_shared {version}] {function} failed: {}",
            status.explanation()
        )))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            let status = StatusOf::new(&self.symbols);
            // SAFETY: the instance is live and this is its only owner.
            unsafe { (self.symbols.lib_destroy)(instance.as_ptr(), status.pointer) };
        }
    }
}

/// The loader's own words.
fn load_error(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// # Safety
/// `text` is NULL or a static, NUL-terminated string.
unsafe fn as_text<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: the caller's promise.
    if text.is_null() { c"" } else { unsafe { CStr::from_ptr(text) } }
}

/// A status of the loaded library.
struct StatusOf<'l> {
    symbols: &'l Symbols,
    pointer: *mut c_void,
}

impl<'l> StatusOf<'l> {
    fn new(symbols: &'l Symbols) -> Self {
        // SAFETY: it has no preconditions.
        Self { symbols, pointer: unsafe { (symbols.status_create)() } }
    }

    fn explanation(&self) -> String {
        // SAFETY: the status is live, and its text lives as long.
        let (text, error, code) = unsafe {
            (
                as_text((self.symbols.status_get_explanation)(self.pointer)),
                (self.symbols.status_get_error)(self.pointer),
                (self.symbols.status_get_code)(self.pointer),
            )
        };
        explain(&text.to_string_lossy(), error, code)
    }
}

impl Drop for StatusOf<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours to destroy, once.
        unsafe { (self.symbols.status_destroy)(self.pointer) };
    }
}

/// A query analyser of the loaded library.
struct Analyzer<'l> {
    symbols: &'l Symbols,
    pointer: *mut c_void,
}

impl<'l> Analyzer<'l> {
    fn new(library: &'l Library, status: &StatusOf<'_>) -> Self {
        let instance = library.instance.map_or(ptr::null_mut(), NonNull::as_ptr);
        let symbols = &library.symbols;
        // SAFETY: the instance is live or NULL, which the library reports; the status is live.
        let pointer = unsafe { (symbols.query_analyzer_create)(instance, status.pointer) };
        Self { symbols, pointer }
    }
}

impl Drop for Analyzer<'_> {
    fn drop(&mut self) {
        if !self.pointer.is_null() {
            // SAFETY: it is ours to destroy, once.
            unsafe { (self.symbols.query_analyzer_destroy)(self.pointer) };
        }
    }
}
