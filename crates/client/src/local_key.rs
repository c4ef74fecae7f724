//! Local master keys: 96 bytes that wrap data keys without any key service.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::{Binary, Document, doc, spec::BinarySubtype};
use fieldveil_crypto::Secret;
use zeroize::Zeroizing;

/// The length of a local master key.
const LEN: usize = 96;
/// More than this is no master key, however it is written.
const MAX_ENCODED: u64 = 1024;

/// A local master key. Wiped from memory when dropped, never printed.
///
/// Meant for development and for places that bring the key in safely; a key service is the better
/// home for a master key.
///
/// ```no_run
/// use fieldveil::LocalKey;
///
/// # fn run() -> Result<(), fieldveil::LocalKeyError> {
/// LocalKey::generate()?.write_new("master-key.bin")?;
/// let key = LocalKey::from_file("master-key.bin")?;
/// let providers = key.to_kms_providers();
/// # Ok(())
/// # }
/// ```
pub struct LocalKey(Secret<LEN>);

impl LocalKey {
    /// A new key of random bytes.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn generate() -> Result<Self, LocalKeyError> {
        Secret::fill(|bytes| getrandom::fill(bytes))
            .map(Self)
            .map_err(|_| LocalKeyError::NoRandomness)
    }

    /// Reads a key from a file of 96 bytes, or of their base64.
    ///
    /// # Errors
    /// If the file cannot be read, holds something else, or can be read by other users.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LocalKeyError> {
        let path = path.as_ref();
        refuse_readable_by_others(path)?;
        Self::from_shared_file(path)
    }

    /// As [`from_file`](Self::from_file), also if other users can read the file.
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub fn from_shared_file(path: impl AsRef<Path>) -> Result<Self, LocalKeyError> {
        let path = path.as_ref();
        let source = || format!("the master key file {}", path.display());
        let file = fs::File::open(path)
            .map_err(|source| LocalKeyError::File { path: path.to_owned(), source })?;
        Self::from_reader(file, source)
    }

    /// Reads a key from the base64 in an environment variable.
    ///
    /// # Errors
    /// If the variable is not set or holds something else.
    pub fn from_env(variable: &str) -> Result<Self, LocalKeyError> {
        let value = std::env::var(variable)
            .map(Zeroizing::new)
            .map_err(|_| LocalKeyError::NoVariable { variable: variable.to_owned() })?;
        Self::decode(value.as_bytes(), || format!("the environment variable {variable}"))
    }

    /// Reads a key, raw or as base64, from standard input up to its end.
    ///
    /// # Errors
    /// If it cannot be read or is something else.
    pub fn from_stdin() -> Result<Self, LocalKeyError> {
        Self::from_reader(io::stdin().lock(), || "standard input".to_owned())
    }

    /// Decodes 96 bytes, or their base64; `source` names where they come from.
    ///
    /// # Errors
    /// If they are something else.
    pub fn decode(bytes: &[u8], source: impl Fn() -> String) -> Result<Self, LocalKeyError> {
        if let Ok(raw) = <&[u8; LEN]>::try_from(bytes) {
            return Ok(Self(Secret::copy_from(raw)));
        }
        let decoded = STANDARD.decode(bytes.trim_ascii()).map(Zeroizing::new);
        match decoded.as_deref().map(|decoded| <&[u8; LEN]>::try_from(decoded.as_slice())) {
            Ok(Ok(raw)) => Ok(Self(Secret::copy_from(raw))),
            Ok(Err(_)) => Err(LocalKeyError::Length {
                from: source(),
                len: decoded.map(|decoded| decoded.len()).unwrap_or_default(),
            }),
            Err(_) => Err(LocalKeyError::Length { from: source(), len: bytes.len() }),
        }
    }

    fn from_reader(reader: impl Read, source: impl Fn() -> String) -> Result<Self, LocalKeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_ENCODED as usize));
        reader
            .take(MAX_ENCODED)
            .read_to_end(&mut bytes)
            .map_err(|error| LocalKeyError::Read { from: source(), source: error })?;
        Self::decode(&bytes, source)
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// If the file exists already (a master key is never overwritten) or cannot be written.
    pub fn write_new(&self, path: impl AsRef<Path>) -> Result<(), LocalKeyError> {
        let path = path.as_ref();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => LocalKeyError::Exists { path: path.to_owned() },
            _ => LocalKeyError::File { path: path.to_owned(), source },
        };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(self.0.expose()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// The only way out; every call site is a place to review.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The document for `kms_providers` with this key as provider `local`.
    #[must_use]
    pub fn to_kms_providers(&self) -> Document {
        doc! { "local": self.to_provider() }
    }

    /// The fields of a `local` provider with this key.
    #[must_use]
    pub fn to_provider(&self) -> Document {
        let bytes = self.0.expose().to_vec();
        doc! { "key": Binary { subtype: BinarySubtype::Generic, bytes } }
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKey([redacted])")
    }
}

/// A local master key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalKeyError {
    /// What was read is no key.
    #[error(
        "{from} holds {len} bytes: a local master key is 96 bytes, raw or as base64; make one with `fieldveil keys generate-master-key --out FILE`"
    )]
    Length {
        /// Where it was read.
        from: String,
        /// How many bytes.
        len: usize,
    },

    /// Other users can read the file.
    #[error(
        "the master key file {} can be read by other users (mode {mode:o}): run `chmod 600 {}`", path.display(), path.display()
    )]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },

    /// There is a file already.
    #[error("{} exists already: a master key is never overwritten, choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },

    /// The file cannot be read or written.
    #[error("the master key file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The source cannot be read.
    #[error("{from} cannot be read: {source}")]
    Read {
        /// Where it was read.
        from: String,
        /// Why.
        source: io::Error,
    },

    /// The environment variable is not set.
    #[error(
        "the environment variable {variable}, which should hold the master key in base64, is not set"
    )]
    NoVariable {
        /// Its name.
        variable: String,
    },

    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path) -> Result<(), LocalKeyError> {
    use std::os::unix::fs::PermissionsExt;

    let failed = |source| LocalKeyError::File { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(LocalKeyError::ReadableByOthers { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_path: &Path) -> Result<(), LocalKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<LocalKey, LocalKeyError> {
        LocalKey::decode(bytes, || "the test".to_owned())
    }

    #[test]
    fn raw_bytes_and_their_base64_are_the_same_key() {
        let raw: Vec<u8> = (0..96).collect();
        let text = format!("{}\n", STANDARD.encode(&raw));
        assert_eq!(
            decode(&raw).unwrap().to_provider(),
            decode(text.as_bytes()).unwrap().to_provider()
        );
    }

    #[test]
    fn other_lengths_are_refused_with_their_length() {
        for (bytes, len) in [(vec![0; 95], 95), (STANDARD.encode([0; 97]).into_bytes(), 97)] {
            let error = decode(&bytes).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("the test holds {len} bytes")),
                "{error}"
            );
        }
        assert!(decode(b"").is_err());
    }

    #[test]
    fn a_written_key_is_read_again_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = LocalKey::generate().unwrap();
        key.write_new(&path).unwrap();
        assert_eq!(LocalKey::from_file(&path).unwrap().to_provider(), key.to_provider());
        assert!(matches!(key.write_new(&path), Err(LocalKeyError::Exists { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_unless_told_otherwise() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        LocalKey::generate().unwrap().write_new(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = LocalKey::from_file(&path).unwrap_err();
        assert!(error.to_string().contains("mode 640"), "{error}");
        assert!(LocalKey::from_shared_file(&path).is_ok());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", LocalKey::generate().unwrap()), "LocalKey([redacted])");
    }
}
