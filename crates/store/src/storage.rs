//! The data directory: its marker and lock, and the redb file in it.
//!
//! ```text
//! <dir>/fieldveil.toml   says that the directory is ours, and in which format
//! <dir>/lock             held while a process has the directory open
//! <dir>/data.redb        everything else
//! <dir>/temporary-*      sorts that do not fit into memory; without a name while they are used
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{BackendError, Database, DatabaseError, ReadableDatabase, StorageBackend};

use crate::tables::{CATALOG, FORMAT_VERSION_ROW, META, NEXT_ID_ROW, SIZES};

use self::ahead::FilledAhead;

mod ahead;

/// The format that this version writes. It reads those before as well, and makes this one of them:
/// in format 1, the value of an index entry was a record id and nothing else; up to format 2, the
/// catalog did not say how an index with a collation orders its strings.
pub const FORMAT_VERSION: u64 = 3;

/// The oldest format that this version reads.
const FORMAT_OLDEST: u64 = 1;

const MARKER: &str = "fieldveil.toml";
const LOCK: &str = "lock";
const DATA: &str = "data.redb";

/// The beginning of the names of temporary files.
const TEMPORARY: &str = "temporary-";

/// How much of the file is kept in memory while it is compacted.
const COMPACT_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The marker's first line; a directory without it is not ours.
const MARKER_TITLE: &str = "# Fieldveil data directory. Do not edit.";

/// Files up to this size are read and verified whole when they are opened.
const VERIFY_ON_OPEN_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Why a data directory cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store in this one, has it open.
    #[error(
        "the data directory {} is in use by another process; stop that one or choose another \
         directory", .0.display()
    )]
    InUse(PathBuf),
    /// It holds files, but not ours.
    #[error(
        "{} is not empty and not a Fieldveil data directory; choose an empty directory or one \
         that does not exist yet", .0.display()
    )]
    NotOurs(PathBuf),
    /// It is a file, or something else that is no directory.
    #[error("{} is not a directory; choose a directory for the data", .0.display())]
    NotADirectory(PathBuf),
    /// A later version wrote it.
    #[error(
        "the data directory {} has format {found}, and this version reads format \
         {FORMAT_VERSION}; open it with a newer version of Fieldveil", .directory.display()
    )]
    NewerFormat {
        /// The directory.
        directory: PathBuf,
        /// Its format.
        found: u64,
    },
    /// What is written there does not hold together.
    #[error(
        "the data directory {} is damaged ({reason}); restore it from a dump or a copy, or move \
         it away to start empty", .directory.display()
    )]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot open the data directory {}: {source}", .directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// How large the data file was before and after it was compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactReport {
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// Whether a directory is a data directory already; opening another makes it one.
#[must_use]
pub fn is_data_directory(directory: &Path) -> bool {
    directory.join(MARKER).exists()
}

/// Makes the data file of a directory that nobody has open as small as it can be.
///
/// # Errors
/// See [`OpenError`]; `Io` also if the directory has no data.
pub fn compact(directory: &Path) -> Result<CompactReport, OpenError> {
    let data = directory.join(DATA);
    let size = || {
        let metadata = fs::metadata(&data);
        metadata
            .map(|metadata| metadata.len())
            .map_err(|source| OpenError::Io { directory: directory.to_owned(), source })
    };
    let before = size()?;
    let medium = Medium::directory(directory)?;
    let Opened { mut database, .. } = medium.open(COMPACT_CACHE_BYTES)?;
    // Each pass moves what the one before made room for.
    loop {
        match database.compact() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(medium.io_or_damaged(error.into())),
        }
    }
    drop(database);
    Ok(CompactReport { before, after: size()? })
}

/// Where the data is, and how to open it again after a failure.
#[derive(Debug)]
pub(crate) enum Medium {
    /// Nowhere: gone when the store is.
    Memory,
    /// A data directory, locked.
    Directory {
        path: PathBuf,
        /// Locked while it is open.
        _lock: File,
    },
    /// Storage of a test.
    #[cfg(test)]
    Test(test_medium::OpenBackend),
}

/// How tests bring their own storage.
#[cfg(test)]
pub(crate) mod test_medium {
    use std::fmt;
    use std::sync::Arc;

    use redb::StorageBackend;

    /// Opens the same bytes again at each call.
    #[derive(Clone)]
    pub(crate) struct OpenBackend(
        pub(crate) Arc<dyn Fn() -> Box<dyn StorageBackend> + Send + Sync>,
    );

    impl fmt::Debug for OpenBackend {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("OpenBackend")
        }
    }
}

/// An opened database, and the switch that cuts it off from its file.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) switch: Switch,
}

/// Once off, the database it belongs to neither reads nor writes its file any more.
///
/// After an I/O failure the file is opened a second time; the first database must not read pages
/// that the second one has given to something else.
#[derive(Clone, Debug)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn turn_off(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Result<(), BackendError> {
        if self.0.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(BackendError::Io(io::Error::other(
                "the data file was opened again after a storage failure; repeat the operation",
            )))
        }
    }
}

impl Medium {
    /// Takes the directory at `path`, making it if there is none.
    pub(crate) fn directory(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { directory: path.to_owned(), source };
        if path.exists() && !path.is_dir() {
            return Err(OpenError::NotADirectory(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(io)?;
        let is_new = !path.join(MARKER).exists();
        if is_new && !is_fresh(path).map_err(io)? {
            return Err(OpenError::NotOurs(path.to_owned()));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if path.join(MARKER).exists() {
            marked_format(path)?;
            remove_temporary_files(path).map_err(io)?;
        } else {
            write_marker(path).map_err(io)?;
        }
        Ok(Self::Directory { path: path.to_owned(), _lock: lock })
    }

    /// Where temporary files may be.
    pub(crate) fn temporary_directory(&self) -> Option<&Path> {
        match self {
            Self::Directory { path, .. } => Some(path),
            _ => None,
        }
    }

    fn location(&self) -> PathBuf {
        match self {
            Self::Directory { path, .. } => path.clone(),
            _ => PathBuf::from("(memory)"),
        }
    }

    /// Opens the data, repairs what a crash left half done, and checks its format.
    pub(crate) fn open(&self, cache_bytes: usize) -> Result<Opened, OpenError> {
        let switch = Switch::on();
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let backend: Box<dyn StorageBackend> = match self {
            Self::Memory => Box::new(InMemoryBackend::new()),
            Self::Directory { path, .. } => {
                let (backend, length) = self.open_file(path)?;
                builder
                    .set_check_integrity_on_open(length > 0 && length <= VERIFY_ON_OPEN_MAX_BYTES);
                backend
            }
            #[cfg(test)]
            Self::Test(open) => (open.0)(),
        };
        let backend = Guarded { backend, switch: switch.clone() };
        // The storage engine may panic on a file that was changed from outside.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            builder.create_with_backend(backend)
        }));
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(error)) => return Err(self.explain(error)),
            Err(_) => return Err(self.damaged("its structure is broken")),
        };
        self.check_format(&database)?;
        self.renew_marker()?;
        Ok(Opened { database, switch })
    }

    fn open_file(&self, path: &Path) -> Result<(Box<dyn StorageBackend>, u64), OpenError> {
        let io = |source| OpenError::Io { directory: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(DATA))
            .map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length == 0 {
            // The name of a new file has to be on disk as well as its bytes.
            File::open(path).and_then(|directory| directory.sync_all()).map_err(io)?;
        }
        let backend = FileBackend::new(file).map_err(|error| self.explain(error))?;
        Ok((Box::new(FilledAhead::new(backend)), length))
    }

    fn check_format(&self, database: &Database) -> Result<(), OpenError> {
        let damaged = |error: redb::Error| self.damaged(error.to_string());
        let reading = database.begin_read().map_err(|error| damaged(error.into()))?;
        let found = match reading.open_table(META) {
            Ok(table) => table.get(FORMAT_VERSION_ROW).map_err(|error| damaged(error.into()))?,
            Err(redb::TableError::TableDoesNotExist(_)) => {
                return initialize(database).map_err(|error| self.io_or_damaged(error));
            }
            Err(error) => return Err(damaged(error.into())),
        };
        match found.map(|version| version.value()) {
            Some(FORMAT_VERSION) => Ok(()),
            Some(FORMAT_OLDEST..FORMAT_VERSION) => {
                note_format(database).map_err(|error| self.io_or_damaged(error))
            }
            Some(found) if found > FORMAT_VERSION => {
                Err(OpenError::NewerFormat { directory: self.location(), found })
            }
            _ => Err(self.damaged("its format version is missing")),
        }
    }

    /// Lets the marker of a directory in an older format say what the data says already.
    fn renew_marker(&self) -> Result<(), OpenError> {
        let Self::Directory { path, .. } = self else { return Ok(()) };
        if marked_format(path)? == FORMAT_VERSION {
            return Ok(());
        }
        write_marker(path).map_err(|source| OpenError::Io { directory: path.clone(), source })
    }

    fn explain(&self, error: DatabaseError) -> OpenError {
        match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(self.location()),
            other => self.io_or_damaged(other.into()),
        }
    }

    fn io_or_damaged(&self, error: redb::Error) -> OpenError {
        match error {
            redb::Error::Io(source) if !is_format_fault(&source) => {
                OpenError::Io { directory: self.location(), source }
            }
            other => self.damaged(other.to_string()),
        }
    }

    pub(crate) fn damaged(&self, reason: impl Into<String>) -> OpenError {
        OpenError::Damaged { directory: self.location(), reason: reason.into() }
    }
}

/// Reading past the end, or a wrong magic number: the file's fault, not the disk's.
fn is_format_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
    )
}

/// Makes a file that is gone when it is closed.
pub(crate) fn temporary_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("{TEMPORARY}{}", bson::Uuid::new()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Removes what a crash left in the moment between making a file and taking its name away.
fn remove_temporary_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nothing is in the directory but what an interrupted first start leaves.
fn is_fresh(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK && name != "lost+found" && name != format!("{MARKER}.new").as_str() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write_marker(path: &Path) -> io::Result<()> {
    let temporary = path.join(format!("{MARKER}.new"));
    let mut file = File::create(&temporary)?;
    writeln!(file, "{MARKER_TITLE}\nformat = {FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(&temporary, path.join(MARKER))?;
    File::open(path)?.sync_all()
}

/// The format that a directory is marked with, if this version reads it.
fn marked_format(path: &Path) -> Result<u64, OpenError> {
    let text = match fs::read_to_string(path.join(MARKER)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(source) => return Err(OpenError::Io { directory: path.to_owned(), source }),
    };
    let mut lines = text.lines();
    if lines.next() != Some(MARKER_TITLE) {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    let format = lines
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim() == "format")
        .and_then(|(_, value)| value.trim().parse().ok());
    match format {
        Some(found @ FORMAT_OLDEST..=FORMAT_VERSION) => Ok(found),
        Some(found) if found > FORMAT_VERSION => {
            Err(OpenError::NewerFormat { directory: path.to_owned(), found })
        }
        _ => Err(OpenError::Damaged {
            directory: path.to_owned(),
            reason: format!("{MARKER} names no format"),
        }),
    }
}

/// Makes the tables that every store has.
fn initialize(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut meta = writing.open_table(META)?;
        meta.insert(FORMAT_VERSION_ROW, FORMAT_VERSION)?;
        meta.insert(NEXT_ID_ROW, 1)?;
        writing.open_table(CATALOG)?;
        writing.open_table(SIZES)?;
    }
    writing.commit()?;
    Ok(())
}

/// Says in the data that it is in the present format.
fn note_format(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(META)?.insert(FORMAT_VERSION_ROW, FORMAT_VERSION)?;
    writing.commit()?;
    Ok(())
}

/// A backend behind a [`Switch`].
#[derive(Debug)]
struct Guarded {
    backend: Box<dyn StorageBackend>,
    switch: Switch,
}

/// Locks are left at "unsupported": the directory's own lock stands for them.
impl StorageBackend for Guarded {
    fn len(&self) -> Result<u64, io::Error> {
        self.switch.check()?;
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.switch.check()?;
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.switch.check()?;
        self.backend.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.switch.check()?;
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.switch.check()?;
        self.backend.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.backend.close()
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
