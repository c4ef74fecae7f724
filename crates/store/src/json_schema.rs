//! `$jsonSchema` in MongoDB's dialect: draft 4 without references, with `bsonType` and `encrypt`.
//!
//! A schema is a list of rules on one value. Rules for one type of value say nothing about others,
//! as in JSON schema; so only `type`, `bsonType`, `encrypt`, `enum`, and the rules made of other
//! schemas can fail on any value. Properties are taken as they stand: unlike in filters, arrays on
//! the way are not looked into.
//!
//! Source: MongoDB manual, "$jsonSchema"; JSON Schema Validation, draft 4.

use std::collections::HashSet;
use std::sync::Arc;

use crate::eval::regex::Regex;
use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use fieldveil_query::QueryError;
use fieldveil_query::value::{self, Number, TypeSet};

use crate::eval::SchemaPredicate;

mod explain;
mod parse;
mod unordered;

/// A parsed schema.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    title: Option<String>,
    description: Option<String>,
    rules: Vec<Rule>,
}

/// One keyword, or several that only mean something together.
#[derive(Debug)]
enum Rule {
    AllOf(Vec<Schema>),
    AnyOf(Vec<Schema>),
    OneOf(Vec<Schema>),
    Not(Box<Schema>),
    Enum(Vec<RawBson>),
    /// `minimum` or `maximum`.
    Limit {
        limit: RawBson,
        is_maximum: bool,
        exclusive: bool,
    },
    MultipleOf(RawBson),
    /// `minLength`, `maxLength`, in code points.
    Length(Count),
    Pattern {
        regex: Regex,
        text: String,
    },
    /// `minItems`, `maxItems`
    ItemCount(Count),
    UniqueItems,
    Items {
        items: Items,
        additional: Additional,
    },
    Encrypt(Encrypt),
    Properties(Vec<(String, Schema)>),
    /// `patternProperties` and `additionalProperties`; properties named in `properties` are known.
    OtherProperties {
        known: HashSet<String>,
        patterns: Vec<(Regex, Schema)>,
        additional: Additional,
    },
    Required(Vec<String>),
    /// `minProperties`, `maxProperties`
    PropertyCount(Count),
    Dependencies(Vec<(String, Dependency)>),
    Type {
        keyword: &'static str,
        written: RawBson,
        types: TypeSet,
    },
}

/// A bound on a number of things.
#[derive(Clone, Copy, Debug)]
struct Count {
    keyword: &'static str,
    bound: u64,
    is_maximum: bool,
}

#[derive(Debug)]
enum Items {
    /// Nothing is said.
    Any,
    /// One schema for every item.
    Every(Box<Schema>),
    /// One schema for each item in its place.
    Each(Vec<Schema>),
}

#[derive(Debug)]
enum Additional {
    Allowed,
    Forbidden,
    Schema(Box<Schema>),
}

#[derive(Debug)]
enum Dependency {
    Properties(Vec<String>),
    Schema(Box<Schema>),
}

/// `encrypt`: the value has to be client-side encrypted.
#[derive(Debug)]
struct Encrypt {
    /// The types that the value may have had before.
    types: Option<TypeSet>,
    /// The first byte of the payload.
    algorithm: Option<u8>,
}

/// How a payload fails `encrypt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EncryptFault {
    NotEncrypted,
    WrongType,
    WrongAlgorithm,
}

impl Schema {
    /// Parses a schema.
    ///
    /// # Errors
    /// Codes 9 (`FailedToParse`) and 14 (`TypeMismatch`) with MongoDB's texts.
    pub(crate) fn parse(document: &RawDocument) -> Result<Self, QueryError> {
        parse::schema(document, 0)
    }

    /// Whether a document is valid.
    pub(crate) fn is_valid(&self, document: &RawDocument) -> bool {
        self.accepts(RawBsonRef::Document(document))
    }

    /// What is wrong with a document: `{operatorName: "$jsonSchema", schemaRulesNotSatisfied}`.
    pub(crate) fn explain(&self, document: &RawDocument) -> RawDocumentBuf {
        explain::document(self, document)
    }

    fn accepts(&self, value: RawBsonRef<'_>) -> bool {
        self.rules.iter().all(|rule| rule.accepts(value))
    }
}

/// Compiles a schema for the filter language.
pub(crate) fn compile(document: &RawDocument) -> Result<SchemaPredicate, QueryError> {
    let schema = Schema::parse(document)?;
    Ok(Arc::new(move |document: &RawDocument| schema.is_valid(document)))
}

impl Rule {
    fn accepts(&self, value: RawBsonRef<'_>) -> bool {
        match self {
            Self::AllOf(schemas) => schemas.iter().all(|schema| schema.accepts(value)),
            Self::AnyOf(schemas) => schemas.iter().any(|schema| schema.accepts(value)),
            Self::OneOf(schemas) => {
                schemas.iter().filter(|schema| schema.accepts(value)).nth(1).is_none()
                    && schemas.iter().any(|schema| schema.accepts(value))
            }
            Self::Not(schema) => !schema.accepts(value),
            Self::Enum(values) => {
                values.iter().any(|one| unordered::equal(one.as_raw_bson_ref(), value))
            }
            Self::Limit { limit, is_maximum, exclusive } => {
                accepts_limit(value, limit, *is_maximum, *exclusive)
            }
            Self::MultipleOf(divisor) => is_multiple(value, divisor.as_raw_bson_ref()),
            Self::Length(count) => match value {
                RawBsonRef::String(text) => count.accepts(text.chars().count()),
                _ => true,
            },
            Self::Pattern { regex, .. } => match value {
                RawBsonRef::String(text) => regex.is_match(text),
                _ => true,
            },
            Self::ItemCount(count) => match value {
                RawBsonRef::Array(array) => count.accepts(array.into_iter().count()),
                _ => true,
            },
            Self::UniqueItems => duplicate(value).is_none(),
            Self::Items { items, additional } => match value {
                RawBsonRef::Array(array) => array
                    .into_iter()
                    .map_while(Result::ok)
                    .enumerate()
                    .all(|(index, item)| items.accepts(additional, index, item)),
                _ => true,
            },
            Self::Encrypt(encrypt) => encrypt.fault(value).is_none(),
            Self::Properties(properties) => match value {
                RawBsonRef::Document(document) => properties.iter().all(|(name, schema)| {
                    property(document, name).is_none_or(|value| schema.accepts(value))
                }),
                _ => true,
            },
            Self::OtherProperties { known, patterns, additional } => match value {
                RawBsonRef::Document(document) => fields(document)
                    .all(|(name, value)| accepts_other(known, patterns, additional, name, value)),
                _ => true,
            },
            Self::Required(names) => match value {
                RawBsonRef::Document(document) => {
                    names.iter().all(|name| property(document, name).is_some())
                }
                _ => true,
            },
            Self::PropertyCount(count) => match value {
                RawBsonRef::Document(document) => count.accepts(document.iter().count()),
                _ => true,
            },
            Self::Dependencies(dependencies) => match value {
                RawBsonRef::Document(document) => dependencies.iter().all(|(name, dependency)| {
                    property(document, name).is_none() || dependency.accepts(document)
                }),
                _ => true,
            },
            Self::Type { types, .. } => types.contains(value),
        }
    }
}

impl Count {
    fn accepts(self, number: usize) -> bool {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        if self.is_maximum { number <= self.bound } else { number >= self.bound }
    }
}

impl Items {
    fn accepts(&self, additional: &Additional, index: usize, item: RawBsonRef<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Every(schema) => schema.accepts(item),
            Self::Each(schemas) => match schemas.get(index) {
                Some(schema) => schema.accepts(item),
                None => additional.accepts(item),
            },
        }
    }
}

impl Additional {
    fn accepts(&self, value: RawBsonRef<'_>) -> bool {
        match self {
            Self::Allowed => true,
            Self::Forbidden => false,
            Self::Schema(schema) => schema.accepts(value),
        }
    }
}

impl Dependency {
    fn accepts(&self, document: &RawDocument) -> bool {
        match self {
            Self::Properties(names) => names.iter().all(|name| property(document, name).is_some()),
            Self::Schema(schema) => schema.is_valid(document),
        }
    }
}

impl Encrypt {
    /// Looks at the payload: byte 0 is the algorithm (1 deterministic, 2 random), bytes 1 to 16
    /// the key id, byte 17 the BSON type of what was encrypted.
    ///
    /// Source: MongoDB specification "BSON Binary Encrypted".
    fn fault(&self, value: RawBsonRef<'_>) -> Option<EncryptFault> {
        let RawBsonRef::Binary(binary) = value else { return Some(EncryptFault::NotEncrypted) };
        let (Some(&algorithm), Some(&original)) = (binary.bytes.first(), binary.bytes.get(17))
        else {
            return Some(EncryptFault::NotEncrypted);
        };
        if binary.subtype != BinarySubtype::Encrypted || !matches!(algorithm, 1 | 2) {
            return Some(EncryptFault::NotEncrypted);
        }
        if let Some(types) = &self.types
            && !types.types.iter().any(|kind| kind.element_type() as u8 == original)
        {
            return Some(EncryptFault::WrongType);
        }
        if self.algorithm.is_some_and(|expected| expected != algorithm) {
            return Some(EncryptFault::WrongAlgorithm);
        }
        None
    }
}

fn accepts_limit(
    value: RawBsonRef<'_>,
    limit: &RawBson,
    is_maximum: bool,
    exclusive: bool,
) -> bool {
    if Number::new(value).is_none() {
        return true;
    }
    let order = value::compare(value, limit.as_raw_bson_ref());
    let order = if is_maximum { order.reverse() } else { order };
    if exclusive { order.is_gt() } else { order.is_ge() }
}

fn is_multiple(value: RawBsonRef<'_>, divisor: RawBsonRef<'_>) -> bool {
    let (Some(number), Some(divisor)) = (Number::new(value), Number::new(divisor)) else {
        return true;
    };
    if let (Number::Int32(_) | Number::Int64(_), Number::Int32(_) | Number::Int64(_)) =
        (number, divisor)
        && let (Some(number), Some(divisor)) = (number.to_i64_exact(), divisor.to_i64_exact())
    {
        return number.checked_rem(divisor).is_none_or(|rest| rest == 0);
    }
    number.to_decimal().remainder(divisor.to_decimal()).is_zero()
}

/// The first item of an array that stands there twice.
fn duplicate(value: RawBsonRef<'_>) -> Option<RawBsonRef<'_>> {
    let RawBsonRef::Array(array) = value else { return None };
    let mut items: Vec<RawBsonRef<'_>> = array.into_iter().map_while(Result::ok).collect();
    items.sort_by(|left, right| unordered::compare(*left, *right));
    items.windows(2).find_map(|pair| match pair {
        [left, right] if unordered::equal(*left, *right) => Some(*left),
        _ => None,
    })
}

fn accepts_other(
    known: &HashSet<String>,
    patterns: &[(Regex, Schema)],
    additional: &Additional,
    name: &str,
    value: RawBsonRef<'_>,
) -> bool {
    let mut is_known = known.contains(name);
    for (regex, schema) in patterns {
        if regex.is_match(name) {
            is_known = true;
            if !schema.accepts(value) {
                return false;
            }
        }
    }
    is_known || additional.accepts(value)
}

fn property<'a>(document: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
    document.get(name).ok().flatten()
}

fn fields(document: &RawDocument) -> impl Iterator<Item = (&str, RawBsonRef<'_>)> {
    document.iter().map_while(Result::ok).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests;
