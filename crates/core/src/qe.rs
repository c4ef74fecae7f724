//! Queryable Encryption, protocol version 2: the client's side.

mod range_options;
mod text_options;

pub use range_options::{RangeOptions, RangeOptionsError};
pub use text_options::{TextOptions, TextOptionsError};

use fieldveil_crypto::Random;

use crate::error::CoreError;
use crate::marking::Placeholder;
use crate::options::QePlan;
use crate::raw::Element;
use crate::vault::VaultKey;

/// Why a value cannot be encrypted for Queryable Encryption.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QeError {
    /// Payloads of this kind are not written.
    #[error("Queryable Encryption payloads are not supported")]
    Unsupported,
}

pub(crate) fn encrypt_placeholder(
    _placeholder: &Placeholder<'_>,
    _user_key: &VaultKey,
    _index_key: &VaultKey,
    _random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    Err(QeError::Unsupported.into())
}

pub(crate) fn encrypt_explicit(
    _value: &Element<'_>,
    _plan: &QePlan,
    _user_key: &VaultKey,
    _index_key: &VaultKey,
    _random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    Err(QeError::Unsupported.into())
}

pub(crate) fn mark_range_expression(
    _expression: &[u8],
    _plan: &QePlan,
) -> Result<Vec<u8>, CoreError> {
    Err(QeError::Unsupported.into())
}
