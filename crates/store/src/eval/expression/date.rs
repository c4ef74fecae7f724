//! Dates. Time zones are UTC, fixed offsets, and places by name.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::QueryError;

use super::values::type_name;
use super::{NamedFunction, PositionalFunction, Value};

mod civil;
mod format;
mod free_text;
mod parse;
mod parts;
mod shift;
mod zone;

pub(super) use format::iso_text;
pub(super) use parse::parse_date;
pub(crate) use shift::move_date;

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    parts::find(operator)
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    parts::find_named(operator)
        .or_else(|| format::find_named(operator))
        .or_else(|| parse::find_named(operator))
        .or_else(|| shift::find_named(operator))
}

/// Milliseconds since 1970 of a value that has a time.
fn millis(value: &Value) -> Result<i64, QueryError> {
    match value.as_ref().map(RawBson::as_raw_bson_ref) {
        Some(RawBsonRef::DateTime(date)) => Ok(date.timestamp_millis()),
        Some(RawBsonRef::Timestamp(stamp)) => Ok(i64::from(stamp.time) * 1000),
        Some(RawBsonRef::ObjectId(id)) => Ok(id.timestamp().timestamp_millis()),
        _ => Err(QueryError::new(
            16006,
            format!("can't convert from BSON type {} to Date", type_name(value)),
        )),
    }
}

#[cfg(test)]
mod tests;
