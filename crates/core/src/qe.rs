//! Queryable Encryption, protocol version 2: the client's side.
//!
//! Query analysis says by a [placeholder](crate::marking::Placeholder) what is to become of a value;
//! here it becomes a payload that the server stores or looks for.

mod explicit;
mod expression;
mod find;
mod insert;
mod range;
mod range_options;
mod text;
mod text_options;
mod tokens;

pub(crate) use explicit::encrypt_explicit;
pub(crate) use expression::mark_range_expression;
pub use range::RangeError;
pub use range_options::{RangeOptions, RangeOptionsError};
pub use text::TextError;
pub use text_options::{TextOptions, TextOptionsError};
pub(crate) use tokens::IndexKey;

use fieldveil_crypto::{Random, RandomError};

use crate::error::CoreError;
use crate::marking::{Placeholder, PlaceholderAlgorithm, PlaceholderKind};
use crate::raw::kind;
use crate::vault::VaultKey;

/// Why a value cannot be encrypted for Queryable Encryption.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QeError {
    /// A range index.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A text index.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Values of this type cannot be looked for by equality.
    #[error("BSON type {0} cannot be indexed for equality")]
    NotComparable(&'static str),
}

/// The content of a binary of subtype 6 that takes the place of a placeholder.
///
/// # Errors
/// If the value cannot be indexed as the placeholder says.
pub(crate) fn encrypt_placeholder(
    placeholder: &Placeholder<'_>,
    user_key: &VaultKey,
    index_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    use PlaceholderAlgorithm::{Equality, Range, Text, Unindexed};
    use PlaceholderKind::{Find, Insert};
    match (placeholder.algorithm, placeholder.kind) {
        (Unindexed, _) => insert::unindexed(placeholder, user_key, random),
        (Equality, Insert) => insert::equality(placeholder, user_key, index_key, random),
        (Equality, Find) => find::equality(placeholder, index_key),
        (Range, Insert) => insert::range(placeholder, user_key, index_key, random),
        (Range, Find) => find::range(placeholder, index_key),
        (Text, Insert) => insert::text(placeholder, user_key, index_key, random),
        (Text, Find) => find::text(placeholder, index_key),
    }
}

/// Whether values of this type have equality that a server can index.
fn check_comparable(value_kind: u8) -> Result<(), QeError> {
    match value_kind {
        kind::BINARY
        | kind::CODE
        | kind::REGEX
        | kind::STRING
        | kind::INT32
        | kind::INT64
        | kind::BOOL
        | kind::TIMESTAMP
        | kind::DATE
        | kind::OBJECT_ID
        | kind::SYMBOL
        | kind::DB_POINTER => Ok(()),
        _ => Err(QeError::NotComparable(kind::name(value_kind))),
    }
}

/// Draws an initialization vector.
fn draw_iv(random: &mut dyn Random) -> Result<[u8; 16], RandomError> {
    let mut iv = [0; 16];
    random.fill_nonces(&mut iv)?;
    Ok(iv)
}

/// The value bytes of a BSON string, which is what tokens of text are derived from.
fn string_value(piece: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(piece.len() + 5);
    value.extend_from_slice(&crate::raw::len_field(piece.len() + 1));
    value.extend_from_slice(piece);
    value.push(0);
    value
}
