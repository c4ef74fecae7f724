//! Applying updates to documents.
//!
//! The modifiers of an update are compiled into one tree by path. Applying it walks the tree and the
//! document together, in the order of field names (numbers by value), which is the order in which
//! new fields appear in the document. Parts of the document that no path leads to stay raw bytes.

use std::sync::Arc;

use bson::Timestamp;
use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::collation::Collation;
use fieldveil_query::filter::Filter;
use fieldveil_query::update::{ArrayFilter, Update};
use fieldveil_query::value::equal;

use super::Context;
use super::describe::describe_element;
use super::pipeline::Transform;

mod array;
mod modify;
mod plan;
mod tree;
mod upsert;
mod walk;

use plan::Plan;

/// The largest document, as MongoDB has it.
const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// An update ready to be applied to documents.
pub struct Updater {
    kind: Kind,
}

enum Kind {
    Operators(Box<Plan>),
    Replacement(RawDocumentBuf),
    Pipeline(Vec<Transform>),
}

/// A document after an update.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The new document.
    pub document: RawDocumentBuf,
    /// Whether it differs from the old one.
    pub modified: bool,
}

/// What the operators need to know besides the document.
struct Scope<'a> {
    position: Option<usize>,
    is_insert: bool,
    now: bson::DateTime,
    collation: Option<Arc<Collation>>,
    original: &'a RawDocument,
}

impl Scope<'_> {
    fn timestamp(&self) -> Timestamp {
        let seconds = u32::try_from(self.now.timestamp_millis() / 1000).unwrap_or(0);
        Timestamp { time: seconds, increment: 1 }
    }
}

impl Updater {
    /// Compiles an update with its array filters.
    ///
    /// # Errors
    /// What compiling the array filters and conditions of `$pull` comes to.
    pub fn compile(
        update: &Update,
        array_filters: &[ArrayFilter],
        context: &Context,
    ) -> Result<Self, QueryError> {
        let kind = match update {
            Update::Operators(modifiers) => {
                Kind::Operators(Box::new(Plan::compile(modifiers, array_filters, context)?))
            }
            Update::Replacement(document) => Kind::Replacement(document.clone()),
            Update::Pipeline(pipeline) => Kind::Pipeline(
                pipeline
                    .stages
                    .iter()
                    .map(|stage| Transform::compile(stage, context))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self { kind })
    }

    /// Applies the update to a document that is there.
    ///
    /// `position` is what [`super::matcher::Matcher::find_position`] found.
    ///
    /// # Errors
    /// 2, 14, 28, 40, 66 and others with the server's texts; the document is unchanged then.
    pub fn apply(
        &self,
        document: &RawDocument,
        position: Option<usize>,
    ) -> Result<Outcome, QueryError> {
        let updated = self.run(document, position, false)?;
        check_id(document, &updated, matches!(self.kind, Kind::Replacement(_)))?;
        check_size(&updated)?;
        let modified = updated.as_bytes() != document.as_bytes();
        Ok(Outcome { document: updated, modified })
    }

    /// The document that an upsert inserts: the filter's equalities, then the update. `_id` comes
    /// first, and from `make_id` if neither gives one.
    ///
    /// # Errors
    /// 54 if the filter's equalities contradict each other, else as [`Updater::apply`].
    pub fn insert(
        &self,
        filter: &Filter,
        make_id: impl FnOnce() -> RawBson,
    ) -> Result<RawDocumentBuf, QueryError> {
        let base = upsert::base(filter, matches!(self.kind, Kind::Replacement(_)))?;
        let updated = self.run(&base, None, true)?;
        if base.get("_id")?.is_some() {
            check_id(&base, &updated, matches!(self.kind, Kind::Replacement(_)))?;
        }
        let inserted = upsert::id_first(&updated, make_id)?;
        check_size(&inserted)?;
        Ok(inserted)
    }

    fn run(
        &self,
        document: &RawDocument,
        position: Option<usize>,
        is_insert: bool,
    ) -> Result<RawDocumentBuf, QueryError> {
        match &self.kind {
            Kind::Operators(plan) => plan.apply(document, position, is_insert),
            Kind::Replacement(replacement) => replace(document, replacement),
            Kind::Pipeline(stages) => {
                let mut updated = document.to_owned();
                for stage in stages {
                    updated = stage.apply(&updated)?;
                }
                // A new root without `_id` keeps the old one.
                replace(document, &updated)
            }
        }
    }
}

/// A replacement keeps the `_id` it does not name.
fn replace(
    document: &RawDocument,
    replacement: &RawDocument,
) -> Result<RawDocumentBuf, QueryError> {
    match (document.get("_id")?, replacement.get("_id")?) {
        (Some(id), None) => {
            let mut replaced = RawDocumentBuf::new();
            replaced.append(bson::raw::cstr!("_id"), id);
            for element in replacement.iter() {
                let (name, value) = element?;
                replaced.append(name, value);
            }
            Ok(replaced)
        }
        _ => Ok(replacement.to_owned()),
    }
}

/// `_id` never changes.
fn check_id(
    before: &RawDocument,
    after: &RawDocument,
    is_replacement: bool,
) -> Result<(), QueryError> {
    let (Some(old), new) = (before.get("_id")?, after.get("_id")?) else { return Ok(()) };
    match new {
        Some(new) if equal(old, new) => Ok(()),
        Some(new) if is_replacement => Err(QueryError::new(
            66,
            format!(
                "After applying the update, the (immutable) field '_id' was found to have been \
                 altered to {}",
                describe_element("_id", new)
            ),
        )),
        _ => Err(QueryError::new(
            66,
            "Performing an update on the path '_id' would modify the immutable field '_id'",
        )),
    }
}

fn check_size(document: &RawDocument) -> Result<(), QueryError> {
    if document.as_bytes().len() > MAX_DOCUMENT_BYTES {
        return Err(QueryError::new(
            17419,
            format!("Resulting document after update is larger than {MAX_DOCUMENT_BYTES}"),
        ));
    }
    if matches!(document.get("_id"), Ok(Some(RawBsonRef::Array(_)))) {
        return Err(QueryError::new(53, "The '_id' value cannot be of type array"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
