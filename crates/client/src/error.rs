//! What can go wrong, and in which part.

mod advice;
mod config;
mod document;

use std::{collections::BTreeMap, fmt};

use fieldveil_core::{CoreError, Origin};

pub use config::ConfigError;
pub use document::DocumentError;

use crate::action::BulkWriteResult;

/// The result of an encrypted operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the encrypted client.
///
/// The message says what to do where there is something to do; [`Error::part`] says which part of
/// the way of a command failed. Nothing is ever sent to the database in plaintext because of one of
/// these errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of the client is wrong or missing.
    #[error(transparent)]
    Config(#[from] ConfigError),

    /// Query analysis, encryption or decryption refused.
    #[error(transparent)]
    Core(#[from] CoreError),

    /// Reading or writing the key vault collection failed.
    #[error("the key vault {namespace} cannot be used: {}", Brief(source))]
    KeyVault {
        /// The namespace of the key vault.
        namespace: String,
        /// What the driver reported.
        source: mongodb::error::Error,
    },

    /// The schema of a collection could not be read from the server.
    #[error(
        "the schema of {database} cannot be read from the server: {}; give it to the client with schema_map",
        Brief(source)
    )]
    CollectionInfo {
        /// The database of the collection.
        database: String,
        /// What the driver reported.
        source: mongodb::error::Error,
    },

    /// A key service could not be reached or did not answer properly.
    #[error(transparent)]
    Kms(#[from] crate::kms::KmsIoError),

    /// Credentials for a key service could not be had.
    #[error(transparent)]
    Credentials(#[from] crate::kms::CredentialsError),

    /// The database refused the (encrypted) operation, or could not be reached.
    #[error("{}", Brief(.0))]
    Database(#[from] mongodb::error::Error),

    /// Some writes of a bulk write failed.
    #[error(transparent)]
    BulkWrite(Box<BulkWriteError>),

    /// A document could not be turned into BSON, or a reply not into the type asked for.
    #[error("a document does not fit its type: {0}")]
    Document(#[from] DocumentError),

    /// A command came back from encryption in a shape that the driver's operation cannot carry.
    #[error("the encrypted command has no usable field '{field}'; nothing was sent")]
    Shape {
        /// The field that is missing or of another type.
        field: &'static str,
    },

    /// A blocking operation was begun inside async code.
    #[cfg(feature = "sync")]
    #[error("run() would block async code; await the operation instead")]
    BlockingInAsync,

    /// There are no threads for blocking operations to wait on.
    #[cfg(feature = "sync")]
    #[error("no threads can be started: {source}")]
    NoThreads {
        /// What the operating system said.
        source: std::sync::Arc<std::io::Error>,
    },

    /// The collection uses Queryable Encryption, which this operation cannot carry.
    #[error(
        "the collection uses Queryable Encryption, which '{command}' cannot carry here; send the command with run_command"
    )]
    QueryableEncryption {
        /// The command's name.
        command: &'static str,
    },
}

/// The part of the way of a command in which an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// What the application set or asked for.
    Caller,
    /// The encryption schema of a collection.
    Schema,
    /// Query analysis, which refuses what it cannot encrypt.
    Analysis,
    /// The collection of data keys.
    KeyVault,
    /// A key service or its credentials.
    Kms,
    /// Encryption and decryption.
    Crypto,
    /// The database that holds the data.
    Database,
    /// A document of the application, or its type.
    Document,
}

impl From<bson::error::Error> for Error {
    fn from(error: bson::error::Error) -> Self {
        Self::Document(error.into())
    }
}

impl Error {
    /// The part that failed.
    #[must_use]
    pub fn part(&self) -> Part {
        match self {
            Self::Config(_) => Part::Caller,
            #[cfg(feature = "sync")]
            Self::BlockingInAsync | Self::NoThreads { .. } => Part::Caller,
            Self::Core(error) => match error.origin() {
                Origin::Schema => Part::Schema,
                Origin::Analysis => Part::Analysis,
                Origin::KeyVault => Part::KeyVault,
                Origin::Kms => Part::Kms,
                Origin::Crypto => Part::Crypto,
                _ => Part::Caller,
            },
            Self::Shape { .. } | Self::QueryableEncryption { .. } => Part::Analysis,
            Self::KeyVault { .. } => Part::KeyVault,
            Self::Kms(_) | Self::Credentials(_) => Part::Kms,
            Self::CollectionInfo { .. } | Self::Database(_) | Self::BulkWrite(_) => Part::Database,
            Self::Document(_) => Part::Document,
        }
    }

    /// The driver's error, if the database, the key vault or a schema lookup reported one.
    #[must_use]
    pub fn driver_error(&self) -> Option<&mongodb::error::Error> {
        match self {
            Self::KeyVault { source, .. }
            | Self::CollectionInfo { source, .. }
            | Self::Database(source) => Some(source),
            Self::BulkWrite(failure) => failure.errors.values().find_map(Self::driver_error),
            _ => None,
        }
    }

    /// Whether the driver put this label on the error, for instance `TransientTransactionError`.
    #[must_use]
    pub fn contains_label(&self, label: &str) -> bool {
        self.driver_error().is_some_and(|error| error.contains_label(label))
    }
}

/// The failed writes of a bulk write, and what the others did.
#[derive(Debug)]
#[non_exhaustive]
pub struct BulkWriteError {
    /// Each failure, by the index of its write. Inserts that were sent together and failed
    /// together stand under the first that failed.
    pub errors: BTreeMap<usize, Error>,
    /// What was done nevertheless.
    pub result: BulkWriteResult,
}

impl fmt::Display for BulkWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.first_key_value() {
            Some((index, error)) => write!(f, "write {index} of the bulk write failed: {error}")?,
            None => f.write_str("the bulk write failed")?,
        }
        match self.errors.len() {
            0 | 1 => Ok(()),
            more => write!(f, " (and {} more)", more - 1),
        }
    }
}

impl std::error::Error for BulkWriteError {}

/// Prints a driver's error without the server's whole reply, which may hold documents.
struct Brief<'a>(&'a mongodb::error::Error);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use mongodb::error::{ErrorKind, WriteFailure};
        match self.0.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(error)) => {
                write!(f, "write refused with code {}: {}", error.code, error.message)
            }
            ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
                write!(f, "write concern not met, code {}: {}", error.code, error.message)
            }
            ErrorKind::InsertMany(failure) => match failure.write_errors.as_deref() {
                Some([first, rest @ ..]) => write!(
                    f,
                    "insert of document {} refused with code {}: {}{}",
                    first.index,
                    first.code,
                    first.message,
                    if rest.is_empty() { "" } else { " (and others)" }
                ),
                _ => f.write_str("the insert failed"),
            },
            kind => write!(f, "{kind}"),
        }
    }
}
