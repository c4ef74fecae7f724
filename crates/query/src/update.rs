//! Updates: operators, replacement documents and pipelines.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use crate::document::{put, single};
use crate::filter::{Filter, Predicate, predicates_to_raw};
use crate::pipeline::Pipeline;
use crate::sort::Sort;
use crate::value::Number;
use crate::{FieldPath, QueryError};

mod array_filter;
mod parse;

pub use array_filter::{ArrayFilter, parse_array_filters};

/// A parsed update.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// `{ $set: .., $inc: .. }`, one entry for each operator and path, in the order written.
    Operators(Vec<Modifier>),
    /// A document without operators.
    Replacement(RawDocumentBuf),
    /// `[ { $set: .. }, .. ]`
    Pipeline(Pipeline),
}

/// One operator on one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Modifier {
    /// May have the components `$`, `$[]` and `$[identifier]`.
    pub path: FieldPath,
    /// What is done there.
    pub operation: Operation,
}

/// What an operator does at its path.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// `$set`
    Set(RawBson),
    /// `$setOnInsert`
    SetOnInsert(RawBson),
    /// `$unset`; the value has no meaning and is kept for printing
    Unset(RawBson),
    /// `$inc`
    Inc(RawBson),
    /// `$mul`
    Mul(RawBson),
    /// `$min`
    Min(RawBson),
    /// `$max`
    Max(RawBson),
    /// `$currentDate`
    CurrentDate(CurrentDate),
    /// `$rename`
    Rename(FieldPath),
    /// `$push`
    Push(Push),
    /// `$addToSet`
    AddToSet {
        /// One value, or those of `$each`.
        values: Vec<RawBson>,
        /// Whether `$each` was written.
        each: bool,
    },
    /// `$pop`: the first element or the last
    Pop {
        /// `-1`
        first: bool,
    },
    /// `$pull`
    Pull(PullCondition),
    /// `$pullAll`
    PullAll(Vec<RawBson>),
    /// `$bit`: `and`, `or`, `xor` with their operands, in order
    Bit(Vec<(BitOperator, RawBson)>),
}

/// What `$currentDate` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentDate {
    /// A date.
    Date,
    /// A timestamp.
    Timestamp,
}

/// `$push` with its modifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// One value, or those of `$each`.
    pub values: Vec<RawBson>,
    /// Whether `$each` was written.
    pub each: bool,
    /// Where they go; from the end if negative.
    pub position: Option<i64>,
    /// How many elements stay; the last ones if negative.
    pub slice: Option<i64>,
    /// The order of the whole array afterwards.
    pub sort: Option<PushSort>,
}

/// `$sort` of a `$push`.
#[derive(Debug, Clone, PartialEq)]
pub enum PushSort {
    /// By whole elements.
    Elements {
        /// `-1`
        descending: bool,
    },
    /// By fields of the elements.
    Fields(Sort),
}

/// Which elements `$pull` takes out.
#[derive(Debug, Clone, PartialEq)]
pub enum PullCondition {
    /// Those equal to a value.
    Value(RawBson),
    /// Objects that match a filter.
    Object(Filter),
    /// Those that satisfy predicates.
    Predicates(Vec<Predicate>),
}

/// The operators of `$bit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOperator {
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
}

impl BitOperator {
    /// The name in the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
        }
    }
}

impl Update {
    /// Parses the `u` of an update statement, or the `update` of a `findAndModify`.
    ///
    /// # Errors
    /// 9 (`FailedToParse`) for unknown operators, 40 for paths in conflict, and others with the
    /// server's texts.
    pub fn parse(value: RawBsonRef<'_>) -> Result<Self, QueryError> {
        parse::update(value)
    }

    /// Prints the update; modifiers are grouped by operator.
    pub fn to_raw(&self) -> RawBson {
        match self {
            Self::Operators(modifiers) => RawBson::Document(print_operators(modifiers)),
            Self::Replacement(document) => RawBson::Document(document.clone()),
            Self::Pipeline(pipeline) => RawBson::Array(pipeline.to_raw()),
        }
    }
}

impl Operation {
    /// The operator's name.
    pub fn operator(&self) -> &'static str {
        match self {
            Self::Set(_) => "$set",
            Self::SetOnInsert(_) => "$setOnInsert",
            Self::Unset(_) => "$unset",
            Self::Inc(_) => "$inc",
            Self::Mul(_) => "$mul",
            Self::Min(_) => "$min",
            Self::Max(_) => "$max",
            Self::CurrentDate(_) => "$currentDate",
            Self::Rename(_) => "$rename",
            Self::Push(_) => "$push",
            Self::AddToSet { .. } => "$addToSet",
            Self::Pop { .. } => "$pop",
            Self::Pull(_) => "$pull",
            Self::PullAll(_) => "$pullAll",
            Self::Bit(_) => "$bit",
        }
    }

    fn argument(&self) -> RawBson {
        match self {
            Self::Set(value)
            | Self::SetOnInsert(value)
            | Self::Unset(value)
            | Self::Inc(value)
            | Self::Mul(value)
            | Self::Min(value)
            | Self::Max(value) => value.clone(),
            Self::CurrentDate(CurrentDate::Date) => RawBson::Boolean(true),
            Self::CurrentDate(CurrentDate::Timestamp) => {
                RawBson::Document(single("$type", "timestamp"))
            }
            Self::Rename(target) => RawBson::String(target.as_str().to_owned()),
            Self::Push(push) => push.to_raw(),
            Self::AddToSet { values, each: true } => {
                RawBson::Document(single("$each", &array(values)))
            }
            Self::AddToSet { values, each: false } => {
                values.first().cloned().unwrap_or(RawBson::Null)
            }
            Self::Pop { first } => RawBson::Int32(if *first { -1 } else { 1 }),
            Self::Pull(PullCondition::Value(value)) => value.clone(),
            Self::Pull(PullCondition::Object(filter)) => RawBson::Document(filter.to_raw()),
            Self::Pull(PullCondition::Predicates(predicates)) => {
                RawBson::Document(predicates_to_raw(predicates))
            }
            Self::PullAll(values) => RawBson::Array(array(values)),
            Self::Bit(operations) => {
                let mut document = RawDocumentBuf::new();
                for (operator, operand) in operations {
                    put(&mut document, operator.name(), operand);
                }
                RawBson::Document(document)
            }
        }
    }
}

impl Push {
    fn to_raw(&self) -> RawBson {
        if !self.each {
            return self.values.first().cloned().unwrap_or(RawBson::Null);
        }
        let mut document = single("$each", &array(&self.values));
        if let Some(position) = self.position {
            put(&mut document, "$position", &Number::narrow(position).to_bson());
        }
        if let Some(slice) = self.slice {
            put(&mut document, "$slice", &Number::narrow(slice).to_bson());
        }
        match &self.sort {
            Some(PushSort::Elements { descending }) => {
                put(&mut document, "$sort", if *descending { -1 } else { 1 });
            }
            Some(PushSort::Fields(sort)) => put(&mut document, "$sort", &sort.to_raw()),
            None => {}
        }
        RawBson::Document(document)
    }
}

fn array(values: &[RawBson]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for value in values {
        array.push(value.as_raw_bson_ref());
    }
    array
}

fn print_operators(modifiers: &[Modifier]) -> RawDocumentBuf {
    let mut groups: Vec<(&str, RawDocumentBuf)> = Vec::new();
    for modifier in modifiers {
        let operator = modifier.operation.operator();
        let index = match groups.iter().position(|(known, _)| *known == operator) {
            Some(index) => index,
            None => {
                groups.push((operator, RawDocumentBuf::new()));
                groups.len() - 1
            }
        };
        if let Some((_, document)) = groups.get_mut(index) {
            put(document, modifier.path.as_str(), &modifier.operation.argument());
        }
    }
    // Without an operator, a document would be read as a replacement.
    if groups.is_empty() {
        return single("$set", &RawDocumentBuf::new());
    }
    let mut document = RawDocumentBuf::new();
    for (operator, fields) in &groups {
        put(&mut document, operator, fields);
    }
    document
}

#[cfg(test)]
mod tests;
