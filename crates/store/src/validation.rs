//! Validators: what a collection demands of its documents.

use bson::raw::RawDocument;

use crate::code::Code;
use crate::error::{Result, StoreError};

/// The rules of one collection.
#[derive(Debug, Default)]
pub(crate) struct Validation;

impl Validation {
    /// Reads `validator`, `validationLevel` and `validationAction` of a collection's options.
    pub(crate) fn from_options(options: &RawDocument) -> Result<Self> {
        match options.get("validator")? {
            None => Ok(Self),
            Some(_) => Err(StoreError::new(Code::COMMAND_NOT_SUPPORTED, "validators are to come")),
        }
    }

    /// Checks a document that is inserted.
    pub(crate) fn check(&self, _document: &RawDocument) -> Result<()> {
        Ok(())
    }
}
