//! The operations, one file each, and what they have in common.
//!
//! An operation runs until it lacks something, then becomes a [`Step`] that owns it. The answer to
//! the step runs it on. Keys are what all of them lack at times; [`Waiting`] is an operation that
//! goes on once its keys are there.

mod data_key;
mod decrypt;
mod encrypt;
mod encrypt_value;
mod jobs;
mod keys;
mod rewrap;

pub use encrypt::AnalysisError;
pub use encrypt_value::MessageError;
pub use rewrap::RewrapError;

pub(crate) use data_key::{CreateDataKey, create_data_key};
pub(crate) use decrypt::{decrypt, decrypt_value};
pub(crate) use encrypt::{EncryptCommand, encrypt_command};
pub(crate) use encrypt_value::{encrypt_expression, encrypt_value};
pub(crate) use keys::{Exchange, KeyHunt};
pub(crate) use rewrap::rewrap_many;

use std::sync::Arc;

use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::step::Step;
use crate::vault::VaultKey;

/// An operation that goes on when it has its keys, each at the place of its request.
pub(crate) enum Waiting {
    /// Automatic encryption; the keys are those that the schema names by alternate name.
    CommandNames(Box<EncryptCommand>),
    /// Automatic encryption; the keys are those of all markings.
    Command(Box<EncryptCommand>),
    /// Decryption; the keys are the outer ones.
    Decrypt(decrypt::Outer),
    /// Decryption; the keys are the inner ones of indexed values.
    DecryptInner(decrypt::Inner),
    /// Explicit encryption.
    Value(encrypt_value::EncryptValue),
    /// Rewrapping; the keys are those that the filter matched.
    Rewrap(rewrap::Rewrap),
}

impl Waiting {
    pub(crate) fn resume(
        self,
        crypt: &Crypt,
        keys: Vec<Arc<VaultKey>>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        match self {
            Self::CommandNames(operation) => operation.names_resolved(crypt, &keys, env),
            Self::Command(operation) => operation.finish(crypt, &keys, env),
            Self::Decrypt(operation) => operation.resume(crypt, keys, env),
            Self::DecryptInner(operation) => operation.resume(&keys),
            Self::Value(operation) => operation.finish(&keys, env),
            Self::Rewrap(operation) => {
                operation.wrap(crypt, crypt.kms_providers().clone(), keys, env)
            }
        }
    }
}
