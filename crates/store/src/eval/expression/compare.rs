//! Comparison; types compare with each other in BSON's order.

use std::cmp::Ordering;

use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::collation::Collation;
use fieldveil_query::value::compare_with;

use super::values::{at, boolean, reference};
use super::{PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$cmp" => |arguments, scope| {
            Ok(Some(RawBson::Int32(match order(arguments, scope) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })))
        },
        "$eq" => |arguments, scope| boolean(order(arguments, scope).is_eq()),
        "$ne" => |arguments, scope| boolean(order(arguments, scope).is_ne()),
        "$gt" => |arguments, scope| boolean(order(arguments, scope).is_gt()),
        "$gte" => |arguments, scope| boolean(order(arguments, scope).is_ge()),
        "$lt" => |arguments, scope| boolean(order(arguments, scope).is_lt()),
        "$lte" => |arguments, scope| boolean(order(arguments, scope).is_le()),
        "$not" => not,
        _ => return None,
    })
}

fn order(arguments: &[Value], scope: &Scope<'_>) -> Ordering {
    compare_values(at(arguments, 0), at(arguments, 1), scope.context.collation.as_deref())
}

/// Orders values; a missing one is below null and equals undefined.
pub(crate) fn compare_values(
    left: &Value,
    right: &Value,
    collation: Option<&Collation>,
) -> Ordering {
    compare_with(reference(left), reference(right), collation)
}

fn not(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    boolean(!super::truthy(at(arguments, 0)))
}
