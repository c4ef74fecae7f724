//! What operators ask of their arguments.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef};
use fieldveil_query::QueryError;
use fieldveil_query::value::{BsonType, Number};

use super::Value;

/// Evaluated arguments by name.
pub(super) struct Named<'a> {
    values: Vec<(&'a str, Value)>,
}

const MISSING: &Value = &None;

impl<'a> Named<'a> {
    pub(super) fn new(values: Vec<(&'a str, Value)>) -> Self {
        Self { values }
    }

    /// The argument; missing if it was not written.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.values.iter().find(|(known, _)| *known == name).map_or(MISSING, |(_, value)| value)
    }

    /// Whether the argument was written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }
}

/// A positional argument; the parser has checked the number of them.
pub(super) fn at(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(MISSING)
}

/// Null, undefined or missing.
pub(super) fn is_nullish(value: &Value) -> bool {
    matches!(value, None | Some(RawBson::Null | RawBson::Undefined))
}

pub(super) fn any_nullish(values: &[Value]) -> bool {
    values.iter().any(is_nullish)
}

/// The type's name, or `missing`.
pub(crate) fn type_name(value: &Value) -> &'static str {
    value.as_ref().map_or("missing", |value| BsonType::of(value.as_raw_bson_ref()).name())
}

pub(super) fn number(value: &Value) -> Option<Number> {
    value.as_ref().and_then(|value| Number::new(value.as_raw_bson_ref()))
}

pub(super) fn string(value: &Value) -> Option<&str> {
    match value {
        Some(RawBson::String(text) | RawBson::Symbol(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn null() -> Result<Value, QueryError> {
    Ok(Some(RawBson::Null))
}

pub(super) fn boolean(value: bool) -> Result<Value, QueryError> {
    Ok(Some(RawBson::Boolean(value)))
}

pub(super) fn text(value: impl Into<String>) -> Result<Value, QueryError> {
    Ok(Some(RawBson::String(value.into())))
}

/// A small whole number as `int`.
pub(super) fn int(value: usize) -> Result<Value, QueryError> {
    Ok(Some(Number::narrow(i64::try_from(value).unwrap_or(i64::MAX)).to_bson()))
}

/// The elements of an array; `None` if the value is none.
pub(super) fn items(value: &Value) -> Result<Option<Vec<RawBson>>, QueryError> {
    match value {
        Some(RawBson::Array(array)) => elements(array).map(Some),
        _ => Ok(None),
    }
}

pub(super) fn elements(array: &RawArrayBuf) -> Result<Vec<RawBson>, QueryError> {
    let mut list = Vec::new();
    for item in array {
        list.push(RawBson::from(item?));
    }
    Ok(list)
}

pub(super) fn array(items: impl IntoIterator<Item = RawBson>) -> Result<Value, QueryError> {
    let mut array = RawArrayBuf::new();
    for item in items {
        array.push(item);
    }
    Ok(Some(RawBson::Array(array)))
}

/// A number that is whole and fits 32 bits.
pub(super) fn int32(value: &Value) -> Option<i32> {
    number(value)?.to_i64_exact().and_then(|value| i32::try_from(value).ok())
}

pub(super) fn reference(value: &Value) -> RawBsonRef<'_> {
    value.as_ref().map_or(RawBsonRef::Undefined, RawBson::as_raw_bson_ref)
}
