//! Filters: the match language of `find`, `update`, `delete`, `$match`, partial indexes.
//!
//! Parsing normalises: several fields or operators become one `And`, an implicit equality an `Eq`,
//! so every predicate stands alone and can be looked at and replaced alone. Printing gives the form
//! a server prints: `{ a: 1, b: { $gt: 1, $lt: 5 } }` comes back as
//! `{ $and: [ { a: { $eq: 1 } }, { b: { $gt: 1 } }, { b: { $lt: 5 } } ] }`.

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};

use crate::expression::Expression;
use crate::value::TypeSet;
use crate::{FieldPath, QueryError};

mod parse;
mod print;

use parse::Scope;

/// A parsed filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All hold; the empty one always does.
    And(Vec<Self>),
    /// At least one holds.
    Or(Vec<Self>),
    /// None holds.
    Nor(Vec<Self>),
    /// A predicate on the values at a path.
    Field {
        /// Where.
        path: FieldPath,
        /// What.
        predicate: Predicate,
    },
    /// `$expr`
    Expr(Expression),
    /// `$jsonSchema`, unparsed
    JsonSchema(RawDocumentBuf),
    /// `$text`, unparsed
    Text(RawDocumentBuf),
    /// `$where`: a string or code
    Where(RawBson),
    /// `$comment`: no meaning
    Comment(RawBson),
    /// `$alwaysTrue`
    AlwaysTrue,
    /// `$alwaysFalse`
    AlwaysFalse,
    /// `$sampleRate`: holds at random with this probability
    SampleRate(f64),
}

/// A predicate on one path.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// `$eq`, or a value alone
    Eq(RawBson),
    /// `$ne`
    Ne(RawBson),
    /// `$gt`
    Gt(RawBson),
    /// `$gte`
    Gte(RawBson),
    /// `$lt`
    Lt(RawBson),
    /// `$lte`
    Lte(RawBson),
    /// `$in`; a regular expression in the list matches strings
    In(Vec<RawBson>),
    /// `$nin`
    Nin(Vec<RawBson>),
    /// `$exists`
    Exists(bool),
    /// `$type`
    Type(TypeSet),
    /// `$not`: the conjunction of these does not hold
    Not(Vec<Self>),
    /// `$elemMatch`
    ElemMatch(ElemMatch),
    /// `$size`
    Size(i64),
    /// `$all`
    All(Vec<AllItem>),
    /// `$regex` with `$options`, or a regular expression alone
    Regex {
        /// The pattern.
        pattern: String,
        /// Letters of `imsxu`.
        options: String,
    },
    /// `$mod`
    Mod {
        /// Not zero.
        divisor: i64,
        /// Compared with the remainder of the value, cut to an integer.
        remainder: i64,
    },
    /// `$bitsAllSet` and the like
    Bits {
        /// Which of them.
        test: BitTest,
        /// As written: a number, binary data, or an array of positions.
        mask: RawBson,
    },
    /// `$geoWithin`, `$near` and the like, unparsed
    Geo {
        /// The operator's name.
        operator: String,
        /// Its argument.
        value: RawBson,
        /// What stands beside it: `$minDistance`, `$maxDistance`.
        modifiers: Vec<(String, RawBson)>,
    },
    /// `$comment` beside other operators: no meaning
    Comment(RawBson),
}

/// The two forms of `$elemMatch`.
#[derive(Debug, Clone, PartialEq)]
pub enum ElemMatch {
    /// An element, an object or array, matches a filter: `{ $elemMatch: { a: 1 } }`.
    Object(Box<Filter>),
    /// An element satisfies all of these: `{ $elemMatch: { $gt: 1, $lt: 5 } }`.
    Value(Vec<Predicate>),
}

/// An element of `$all`.
#[derive(Debug, Clone, PartialEq)]
pub enum AllItem {
    /// A value; a regular expression matches strings.
    Value(RawBson),
    /// `{ $elemMatch: .. }`
    ElemMatch(ElemMatch),
}

/// The four bit tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitTest {
    /// `$bitsAllSet`
    AllSet,
    /// `$bitsAllClear`
    AllClear,
    /// `$bitsAnySet`
    AnySet,
    /// `$bitsAnyClear`
    AnyClear,
}

impl BitTest {
    /// The operator's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllSet => "$bitsAllSet",
            Self::AllClear => "$bitsAllClear",
            Self::AnySet => "$bitsAnySet",
            Self::AnyClear => "$bitsAnyClear",
        }
    }
}

impl Filter {
    /// Parses a filter document.
    ///
    /// # Errors
    /// MongoDB's: mostly `BadValue`, with the text that names the operator.
    pub fn parse(document: &RawDocument) -> Result<Self, QueryError> {
        parse::filter(document, Scope::Document, 0)
    }

    /// Parses a filter for elements of an array, which sees nothing but them.
    pub(crate) fn parse_for_elements(document: &RawDocument) -> Result<Self, QueryError> {
        parse::filter(document, Scope::Element, 0)
    }

    /// The filter that every document matches.
    pub fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Prints the filter in the server's re-serialised form; reading it again gives this tree.
    pub fn to_raw(&self) -> RawDocumentBuf {
        print::filter(self)
    }

    /// The values the filter demands equality with, by path: what an upsert puts into the new
    /// document, and what finds a document by `_id`. Looks through `And`, and `Or` and `$in` of one.
    pub fn equalities(&self) -> Vec<(&FieldPath, &RawBson)> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::equalities).collect(),
            Self::Or(parts) => match parts.as_slice() {
                [only] => only.equalities(),
                _ => Vec::new(),
            },
            Self::Field { path, predicate: Predicate::Eq(value) } => vec![(path, value)],
            Self::Field { path, predicate: Predicate::In(values) } => match values.as_slice() {
                [value] if !matches!(value, RawBson::RegularExpression(_)) => vec![(path, value)],
                _ => Vec::new(),
            },
            Self::Field { path, predicate: Predicate::All(items) } => match items.as_slice() {
                [AllItem::Value(value)] if !matches!(value, RawBson::RegularExpression(_)) => {
                    vec![(path, value)]
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// Prints predicates as one document of operators.
pub(crate) fn predicates_to_raw(predicates: &[Predicate]) -> RawDocumentBuf {
    print::predicates(predicates)
}

impl ElemMatch {
    /// Prints the operator's argument.
    pub fn to_raw(&self) -> RawDocumentBuf {
        print::element(self)
    }
}

impl Predicate {
    /// The operator's name.
    pub fn operator(&self) -> &str {
        match self {
            Self::Eq(_) => "$eq",
            Self::Ne(_) => "$ne",
            Self::Gt(_) => "$gt",
            Self::Gte(_) => "$gte",
            Self::Lt(_) => "$lt",
            Self::Lte(_) => "$lte",
            Self::In(_) => "$in",
            Self::Nin(_) => "$nin",
            Self::Exists(_) => "$exists",
            Self::Type(_) => "$type",
            Self::Not(_) => "$not",
            Self::ElemMatch(_) => "$elemMatch",
            Self::Size(_) => "$size",
            Self::All(_) => "$all",
            Self::Regex { .. } => "$regex",
            Self::Mod { .. } => "$mod",
            Self::Bits { test, .. } => test.name(),
            Self::Geo { operator, .. } => operator,
            Self::Comment(_) => "$comment",
        }
    }
}

#[cfg(test)]
mod tests;
