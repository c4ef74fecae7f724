//! What can go wrong, and whose fault it is.

use fieldveil_crypto::{CryptoError, RandomError};
use fieldveil_kms::{ConfigError, KmsError};

use crate::broker::KeyVaultError;
use crate::ciphertext::{CiphertextError, ValueTypeError};
use crate::command::CommandError;
use crate::hooked::HookError;
use crate::marking::{ContentionError, MarkingError};
use crate::operation::{AnalysisError, MessageError, RewrapError};
use crate::options::OptionsError;
use crate::qe::QeError;
use crate::raw::MalformedBson;
use crate::schema::SchemaError;

/// Why an operation failed. No variant shows key material or the plaintext of an encrypted field.
///
/// The texts are those that drivers' test suites know from libmongocrypt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// Options that are missing, contradict each other or are not known.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A contention factor out of bounds.
    #[error(transparent)]
    Contention(#[from] ContentionError),
    /// A `kmsProviders` or `masterKey` document that is no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A document that was handed in is malformed.
    #[error(transparent)]
    Document(#[from] MalformedBson),
    /// A `{v: ..}` document that was handed in does not hold what it should.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A command that cannot be encrypted automatically.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A schema or collection information that is no use.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Query analysis refused the command, or its reply is no use.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// Query analysis left a malformed marking.
    #[error(transparent)]
    Marking(#[from] MarkingError),
    /// The key vault's answer is no use.
    #[error(transparent)]
    KeyVault(#[from] KeyVaultError),
    /// The key service failed or refused.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// A data key would have been lost.
    #[error(transparent)]
    Rewrap(#[from] RewrapError),
    /// A stored ciphertext is malformed.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// A value of a type that may not be encrypted so.
    #[error(transparent)]
    ValueType(#[from] ValueTypeError),
    /// A value that Queryable Encryption cannot index as it should.
    #[error(transparent)]
    Qe(#[from] QeError),
    /// A cipher refused its input.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A primitive of the application failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The part of the way at which an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Options, documents and commands that the caller handed in.
    Caller,
    /// Schemas and collection information.
    Schema,
    /// Query analysis.
    Analysis,
    /// The key vault.
    KeyVault,
    /// The key service.
    Kms,
    /// Encryption, decryption and stored ciphertexts.
    Crypto,
}

impl CoreError {
    /// Where on the way of a command the failure lies.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Options(_)
            | Self::Contention(_)
            | Self::Config(_)
            | Self::Document(_)
            | Self::Message(_)
            | Self::Command(_) => Origin::Caller,
            Self::Schema(_) => Origin::Schema,
            Self::Analysis(_) | Self::Marking(_) => Origin::Analysis,
            Self::KeyVault(_) => Origin::KeyVault,
            Self::Kms(_) | Self::Rewrap(_) => Origin::Kms,
            Self::Ciphertext(_)
            | Self::ValueType(_)
            | Self::Qe(_)
            | Self::Crypto(_)
            | Self::Hook(_)
            | Self::Random(_) => Origin::Crypto,
        }
    }

    /// Whether the same operation may succeed when it is tried again later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Kms(error) if error.is_retryable())
    }
}

impl From<fieldveil_crypto::batch::BatchError> for CoreError {
    fn from(error: fieldveil_crypto::batch::BatchError) -> Self {
        Self::Crypto(error.source)
    }
}
