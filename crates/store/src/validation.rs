//! Validators: what a collection demands of its documents.

use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, cstr};
use bson::rawdoc;
use fieldveil_query::collation::Collation;

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::json_schema;
use crate::selector::Selector;

mod explain;

/// The rules of one collection.
#[derive(Debug)]
pub(crate) struct Validation {
    level: Level,
    action: Action,
    validator: Validator,
    /// That of the collection.
    collation: Option<Arc<Collation>>,
}

#[derive(Debug)]
enum Validator {
    None,
    Filter(Box<Selector>),
    /// Stored by another version and not understood by this one: every write is refused.
    Broken(StoreError),
}

/// Which writes are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Off,
    /// Inserts, and updates of documents that are valid.
    Moderate,
    Strict,
}

/// What happens to an invalid document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Warn,
    Error,
}

/// What validators are compiled with: the collation of their collection. They have no variables,
/// and time stands still for them.
fn context(collation: Option<Arc<Collation>>) -> Context {
    Context {
        collation,
        schema_compiler: Some(json_schema::compile),
        ..Context::new(bson::DateTime::from_millis(0))
    }
}

impl Validation {
    /// Reads `validator`, `validationLevel` and `validationAction` of a collection's options.
    ///
    /// # Errors
    /// For a filter or schema that is not valid, and unknown levels and actions.
    pub(crate) fn parse(options: &RawDocument) -> Result<Self> {
        let text = |name| Ok::<_, StoreError>(options.get(name)?.and_then(|value| value.as_str()));
        let level = match text("validationLevel")? {
            None | Some("strict") => Level::Strict,
            Some("moderate") => Level::Moderate,
            Some("off") => Level::Off,
            Some(other) => return Err(not_a_value("validationLevel", other)),
        };
        let action = match text("validationAction")? {
            None | Some("error" | "errorAndLog") => Action::Error,
            Some("warn") => Action::Warn,
            Some(other) => return Err(not_a_value("validationAction", other)),
        };
        let collation = options.get_document("collation").ok().map(Collation::parse).transpose()?;
        let collation = collation.flatten().map(Arc::new);
        let validator = match options.get_document("validator") {
            Ok(filter) if !filter.is_empty() => Validator::Filter(Box::new(
                Selector::compile(filter, &context(collation.clone()))
                    .map_err(|error| error.context("Parsing of collection validator failed"))?,
            )),
            _ => Validator::None,
        };
        Ok(Self { level, action, validator, collation })
    }

    /// As [`Self::parse`] for options that are stored already; a fault shows at the next write.
    pub(crate) fn of_stored(options: &RawDocument) -> Self {
        Self::parse(options).unwrap_or_else(|error| Self {
            level: Level::Strict,
            action: Action::Error,
            validator: Validator::Broken(error),
            collation: None,
        })
    }

    /// Checks a document that is inserted.
    ///
    /// # Errors
    /// `DocumentValidationFailure` with `errInfo`.
    pub(crate) fn check_insert(&self, document: &RawDocument) -> Result<()> {
        if self.level == Level::Off {
            return Ok(());
        }
        let selector = match &self.validator {
            Validator::None => return Ok(()),
            Validator::Filter(selector) => selector,
            Validator::Broken(error) => return Err(error.clone()),
        };
        if selector.matches(document)? {
            return Ok(());
        }
        if self.action == Action::Warn {
            tracing::warn!("a document fails the validator of its collection and is kept");
            return Ok(());
        }
        let mut info = rawdoc! {};
        let id = document.get("_id")?.map_or(RawBson::Null, RawBson::from);
        info.append(cstr!("failingDocumentId"), id);
        let context = context(self.collation.clone());
        info.append(cstr!("details"), explain::details(selector.filter(), document, &context)?);
        Err(StoreError::new(Code::DOCUMENT_VALIDATION_FAILURE, "Document failed validation")
            .with_err_info(info))
    }

    /// Checks a document that an update made out of `old`.
    ///
    /// # Errors
    /// As [`Self::check_insert`].
    pub(crate) fn check_update(&self, old: &RawDocument, new: &RawDocument) -> Result<()> {
        if self.level == Level::Moderate
            && let Validator::Filter(selector) = &self.validator
            && !selector.matches(old)?
        {
            return Ok(());
        }
        self.check_insert(new)
    }

    /// Whether a stored document satisfies the validator, for the `validate` command.
    pub(crate) fn is_satisfied(&self, document: &RawDocument) -> Result<bool> {
        match &self.validator {
            Validator::Filter(selector) => selector.matches(document),
            _ => Ok(true),
        }
    }
}

fn not_a_value(field: &str, value: &str) -> StoreError {
    StoreError::bad_value(format!(
        "Enumeration value '{value}' for field '{field}' is not a valid value."
    ))
}

#[cfg(test)]
mod tests;
