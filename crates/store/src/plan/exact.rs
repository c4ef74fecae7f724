//! Whether the bounds of an index say all that a filter does, so that it need not be applied.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::FieldPath;
use fieldveil_query::filter::{Filter, Predicate};

use super::spans::Strings;
use crate::catalog::Index;

/// Whether the bounds of the index leave exactly what the conjuncts select: each is about one of its
/// fields, and is true just for the values within its bounds.
///
/// Not so where a path has a number in it: the key is then that of one element, but the filter looks
/// at fields of that name in all of them as well.
pub(super) fn are_exact(conjuncts: &[&Filter], index: &Index, strings: Strings<'_>) -> bool {
    let is_field = |path: &FieldPath| {
        index.spec.fields.iter().any(|field| field.path == path.as_str()) && !path.has_position()
    };
    !index.multikey.contains(&true)
        && conjuncts.iter().all(|conjunct| match conjunct {
            Filter::Field { path, predicate } => is_field(path) && is_exact(predicate, strings),
            Filter::AlwaysTrue | Filter::Comment(_) => true,
            _ => false,
        })
}

/// Whether a predicate is true for just those values that [`super::spans::of_predicate`] answers, none
/// of them being an array.
fn is_exact(predicate: &Predicate, strings: Strings<'_>) -> bool {
    let is_exact = |value: &RawBson| {
        let value = value.as_raw_bson_ref();
        is_exact_value(value) && !strings.differ_for(value)
    };
    match predicate {
        Predicate::Eq(RawBson::Null) | Predicate::Comment(_) => true,
        Predicate::Eq(value)
        | Predicate::Gt(value)
        | Predicate::Gte(value)
        | Predicate::Lt(value)
        | Predicate::Lte(value) => is_exact(value),
        Predicate::In(values) => {
            values.iter().all(|value| *value == RawBson::Null || is_exact(value))
        }
        _ => false,
    }
}

/// Values whose keys are equal, less and greater just as the values are.
pub(super) fn is_exact_value(value: RawBsonRef<'_>) -> bool {
    matches!(
        value,
        RawBsonRef::Int32(_)
            | RawBsonRef::Int64(_)
            | RawBsonRef::Double(_)
            | RawBsonRef::Decimal128(_)
            | RawBsonRef::String(_)
            | RawBsonRef::ObjectId(_)
            | RawBsonRef::Boolean(_)
            | RawBsonRef::DateTime(_)
            | RawBsonRef::Timestamp(_)
    )
}
