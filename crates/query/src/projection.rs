//! Projections of `find` and `$project`.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::document::{put, single};
use crate::expression::Expression;
use crate::filter::ElemMatch;
use crate::value::Number;
use crate::{FieldPath, QueryError};

mod parse;

/// A parsed projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// What happens to fields that are not named.
    pub mode: Mode,
    /// The named fields in the order written, by full path.
    pub fields: Vec<ProjectedField>,
}

/// What happens to fields that a projection does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They go (but `_id` stays unless excluded).
    Inclusion,
    /// They stay.
    Exclusion,
}

/// A named field.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedField {
    /// Where.
    pub path: FieldPath,
    /// What becomes of it.
    pub rule: Rule,
}

/// What becomes of a named field.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `1`, `true`
    Include,
    /// `0`, `false`
    Exclude,
    /// An expression.
    Computed(Expression),
    /// `{ $slice: limit }` or `{ $slice: [skip, limit] }` (find only)
    Slice {
        /// From the start, or from the end if negative.
        skip: Option<i64>,
        /// Without `skip`, a negative one counts from the end.
        limit: i64,
    },
    /// `{ $elemMatch: .. }`, the first matching element (find only)
    ElemMatch(ElemMatch),
    /// `"a.$": 1`, the element that the filter matched (find only); the path is without `$`
    Positional,
    /// `{ $meta: "textScore" }`
    Meta(String),
}

impl Projection {
    /// Parses the `projection` of a `find`, or `fields` of a `findAndModify`. An empty document
    /// keeps everything.
    ///
    /// # Errors
    /// 31249 to 31256 and others with the server's texts.
    pub fn parse_find(document: &RawDocument) -> Result<Self, QueryError> {
        parse::projection(document, true)
    }

    /// Parses the argument of `$project`.
    ///
    /// # Errors
    /// As [`Projection::parse_find`]; 51272 for an empty document.
    pub fn parse_stage(document: &RawDocument) -> Result<Self, QueryError> {
        if document.is_empty() {
            return Err(QueryError::new(
                51272,
                "Invalid $project :: caused by :: projection specification must have at least one \
                 field",
            ));
        }
        parse::projection(document, false)
    }

    /// Whether every field is kept as it is.
    pub fn is_identity(&self) -> bool {
        self.mode == Mode::Exclusion && self.fields.is_empty()
    }

    /// Whether fields of the top are kept or left out as they are, and nothing else is done.
    pub fn is_simple(&self) -> bool {
        self.fields.iter().all(|field| {
            matches!(field.rule, Rule::Include | Rule::Exclude)
                && field.path.components().count() == 1
        })
    }

    /// Whether fields are kept as they are, and nothing else is done.
    pub fn is_inclusion(&self) -> bool {
        self.mode == Mode::Inclusion
            && self.fields.iter().all(|field| matches!(field.rule, Rule::Include | Rule::Exclude))
    }

    /// Prints the projection with dotted paths.
    pub fn to_raw(&self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        for field in &self.fields {
            let path = field.path.as_str();
            match &field.rule {
                Rule::Include => put(&mut document, path, 1),
                Rule::Exclude => put(&mut document, path, 0),
                Rule::Computed(expression) => put(&mut document, path, &computed(expression)),
                Rule::Slice { skip: None, limit } => {
                    put(&mut document, path, &single("$slice", &Number::narrow(*limit).to_bson()));
                }
                Rule::Slice { skip: Some(skip), limit } => {
                    let mut bounds = RawArrayBuf::new();
                    bounds.push(Number::narrow(*skip).to_bson());
                    bounds.push(Number::narrow(*limit).to_bson());
                    put(&mut document, path, &single("$slice", &bounds));
                }
                Rule::ElemMatch(inner) => {
                    put(&mut document, path, &single("$elemMatch", &inner.to_raw()));
                }
                Rule::Positional => put(&mut document, &format!("{path}.$"), 1),
                Rule::Meta(what) => put(&mut document, path, &single("$meta", what.as_str())),
            }
        }
        document
    }
}

/// A number or boolean alone would be read as a flag.
fn computed(expression: &Expression) -> RawBson {
    match expression.to_raw() {
        value @ (RawBson::Boolean(_)
        | RawBson::Int32(_)
        | RawBson::Int64(_)
        | RawBson::Double(_)
        | RawBson::Decimal128(_)) => RawBson::Document(single("$literal", &value)),
        // A literal document or array of computed fields prints as itself.
        other => other,
    }
}

/// The flag a value is, if it is one.
fn flag(value: RawBsonRef<'_>) -> Option<bool> {
    match value {
        RawBsonRef::Boolean(on) => Some(on),
        other => Number::new(other).map(|number| !number.is_zero()),
    }
}

#[cfg(test)]
mod tests;
