//! Filters of partial indexes.

use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::filter::{Filter, Predicate};

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::selector::Selector;

/// Which documents a partial index covers.
#[derive(Clone, Debug)]
pub(crate) struct PartialFilter {
    document: RawDocumentBuf,
    selector: Selector,
}

/// Two are the same if they were written the same.
impl PartialEq for PartialFilter {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl PartialFilter {
    /// Reads the `partialFilterExpression` of an index with a collation, which it shares.
    ///
    /// # Errors
    /// `CannotCreateIndex` for operators that MongoDB does not allow here.
    pub(crate) fn parse(document: &RawDocument, collation: Option<Arc<Collation>>) -> Result<Self> {
        let context = Context { collation, ..Context::new(bson::DateTime::from_millis(0)) };
        let selector = Selector::compile(document, &context)
            .map_err(|error| StoreError::new(Code::CANNOT_CREATE_INDEX, error.message()))?;
        check(selector.filter())?;
        Ok(Self { document: document.to_owned(), selector })
    }

    /// The filter as it was written.
    pub(crate) fn document(&self) -> &RawDocumentBuf {
        &self.document
    }

    pub(crate) fn matches(&self, document: &RawDocument) -> Result<bool> {
        self.selector.matches(document)
    }

    pub(crate) fn filter(&self) -> &Filter {
        self.selector.filter()
    }
}

fn check(filter: &Filter) -> Result<()> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(check),
        Filter::Field {
            predicate:
                Predicate::Eq(_)
                | Predicate::Lt(_)
                | Predicate::Lte(_)
                | Predicate::Gt(_)
                | Predicate::Gte(_)
                | Predicate::In(_)
                | Predicate::Type(_)
                | Predicate::Exists(true),
            ..
        } => Ok(()),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> StoreError {
    StoreError::new(
        Code::CANNOT_CREATE_INDEX,
        "unsupported expression in partial index: use only equality, $in, $gt, $gte, $lt, $lte, \
         $exists: true, $type, $and and $or",
    )
}
