//! Whether a filter selects only documents that a partial index covers.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::FieldPath;
use fieldveil_query::filter::{Filter, Predicate};
use fieldveil_query::value;

use crate::index_key::type_byte_of;

/// Whether every document that matches `filter` matches `covered`.
pub(super) fn implies(filter: &Filter, covered: &Filter) -> bool {
    match covered {
        Filter::And(parts) => parts.iter().all(|part| implies(filter, part)),
        Filter::Or(parts) => parts.iter().any(|part| implies(filter, part)),
        Filter::AlwaysTrue => true,
        Filter::Field { path, predicate } => has_conjunct(filter, path, predicate),
        _ => false,
    }
}

fn has_conjunct(filter: &Filter, path: &FieldPath, wanted: &Predicate) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().any(|part| has_conjunct(part, path, wanted)),
        Filter::Or(parts) if !parts.is_empty() => {
            parts.iter().all(|part| has_conjunct(part, path, wanted))
        }
        Filter::Field { path: other, predicate } => {
            other == path && predicate_implies(predicate, wanted)
        }
        _ => false,
    }
}

fn predicate_implies(given: &Predicate, wanted: &Predicate) -> bool {
    if given == wanted {
        return true;
    }
    if let Predicate::In(values) = given {
        return !values.is_empty()
            && values.iter().all(|value| match value {
                RawBson::RegularExpression(_) => false,
                value => predicate_implies(&Predicate::Eq(value.clone()), wanted),
            });
    }
    match wanted {
        Predicate::Exists(true) => match given {
            Predicate::Eq(value)
            | Predicate::Gt(value)
            | Predicate::Gte(value)
            | Predicate::Lt(value)
            | Predicate::Lte(value) => is_plain(value),
            Predicate::Type(types) => !types.is_empty(),
            Predicate::Regex { .. } | Predicate::Mod { .. } => true,
            _ => false,
        },
        Predicate::Eq(value) => {
            matches!(given, Predicate::Eq(other) if is_plain(value) && equal(other, value))
        }
        Predicate::In(values) => match given {
            Predicate::Eq(other) => {
                is_plain(other) && values.iter().any(|value| equal(other, value))
            }
            _ => false,
        },
        Predicate::Type(types) => {
            // Numbers of another type are equal too.
            matches!(given, Predicate::Eq(other)
                if is_plain(other) && types.contains(other.as_raw_bson_ref())
                    && (types.all_numbers || !is_number(other)))
        }
        Predicate::Gt(limit) => match given {
            Predicate::Eq(value) | Predicate::Gte(value) => ordered(value, limit, |o| o.is_gt()),
            Predicate::Gt(value) => ordered(value, limit, |o| o.is_ge()),
            _ => false,
        },
        Predicate::Gte(limit) => match given {
            Predicate::Eq(value) | Predicate::Gte(value) | Predicate::Gt(value) => {
                ordered(value, limit, |o| o.is_ge())
            }
            _ => false,
        },
        Predicate::Lt(limit) => match given {
            Predicate::Eq(value) | Predicate::Lte(value) => ordered(value, limit, |o| o.is_lt()),
            Predicate::Lt(value) => ordered(value, limit, |o| o.is_le()),
            _ => false,
        },
        Predicate::Lte(limit) => match given {
            Predicate::Eq(value) | Predicate::Lte(value) | Predicate::Lt(value) => {
                ordered(value, limit, |o| o.is_le())
            }
            _ => false,
        },
        _ => false,
    }
}

/// Compares two plain values of one type.
fn ordered(value: &RawBson, limit: &RawBson, holds: fn(std::cmp::Ordering) -> bool) -> bool {
    let (value, limit) = (value.as_raw_bson_ref(), limit.as_raw_bson_ref());
    is_plain_ref(value)
        && !is_nan(value)
        && !is_nan(limit)
        && type_byte_of(value) == type_byte_of(limit)
        && holds(value::compare(value, limit))
}

fn equal(left: &RawBson, right: &RawBson) -> bool {
    value::equal(left.as_raw_bson_ref(), right.as_raw_bson_ref())
}

fn is_plain(value: &RawBson) -> bool {
    is_plain_ref(value.as_raw_bson_ref())
}

/// Values that no missing field equals and that are not arrays.
pub(super) fn is_plain_ref(value: RawBsonRef<'_>) -> bool {
    !matches!(
        value,
        RawBsonRef::Null
            | RawBsonRef::Undefined
            | RawBsonRef::Array(_)
            | RawBsonRef::MinKey
            | RawBsonRef::MaxKey
            | RawBsonRef::RegularExpression(_)
    )
}

fn is_number(value: &RawBson) -> bool {
    value::Number::new(value.as_raw_bson_ref()).is_some()
}

fn is_nan(value: RawBsonRef<'_>) -> bool {
    value::Number::new(value).is_some_and(value::Number::is_nan)
}
