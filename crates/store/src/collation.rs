//! Collations: only the simple one, which compares bytes.

use bson::raw::RawBsonRef;

use crate::code::Code;
use crate::error::{Result, StoreError};

/// Accepts `{locale: "simple"}` and the absence of a collation.
///
/// # Errors
/// `CommandNotSupported` for any other locale: comparing by bytes would give wrong answers.
pub(crate) fn check(collation: RawBsonRef<'_>) -> Result<()> {
    match collation {
        RawBsonRef::Null => Ok(()),
        RawBsonRef::Document(document) if document.is_empty() => Ok(()),
        RawBsonRef::Document(document) => match document.get("locale")? {
            Some(RawBsonRef::String("simple")) => Ok(()),
            Some(RawBsonRef::String(locale)) => Err(StoreError::new(
                Code::COMMAND_NOT_SUPPORTED,
                format!("the collation locale '{locale}' is not supported; only 'simple' is"),
            )),
            Some(_) => Err(StoreError::new(
                Code::TYPE_MISMATCH,
                "BSON field 'collation.locale' is the wrong type, expected type 'string'",
            )),
            None => Err(StoreError::new(
                Code::location(40_414),
                "BSON field 'collation.locale' is missing but a required field",
            )),
        },
        _ => Err(StoreError::new(
            Code::TYPE_MISMATCH,
            "BSON field 'collation' is the wrong type, expected type 'object'",
        )),
    }
}
