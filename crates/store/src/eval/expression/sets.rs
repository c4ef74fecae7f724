//! Arrays as sets; results are in order and without duplicates.

use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::value::{compare_with, is_truthy};

use super::values::{array, at, boolean, is_nullish, items, null, type_name};
use super::{PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$allElementsTrue" => |arguments, _| truths("$allElementsTrue", 17040, arguments, true),
        "$anyElementTrue" => |arguments, _| truths("$anyElementTrue", 17041, arguments, false),
        "$setDifference" => difference,
        "$setEquals" => equals,
        "$setIntersection" => intersection,
        "$setIsSubset" => is_subset,
        "$setUnion" => union,
        _ => return None,
    })
}

fn truths(operator: &str, code: i32, arguments: &[Value], all: bool) -> Result<Value, QueryError> {
    let Some(list) = items(at(arguments, 0))? else {
        return Err(QueryError::new(
            code,
            format!(
                "{operator}'s argument must be an array, but is {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let mut truths = list.iter().map(|item| is_truthy(item.as_raw_bson_ref()));
    boolean(if all { truths.all(|truth| truth) } else { truths.any(|truth| truth) })
}

/// A sorted list without duplicates.
struct Set<'a> {
    items: Vec<RawBson>,
    scope: &'a Scope<'a>,
}

impl<'a> Set<'a> {
    fn new(mut items: Vec<RawBson>, scope: &'a Scope<'a>) -> Self {
        let collation = scope.context.collation.as_deref();
        items.sort_by(|l, r| compare_with(l.as_raw_bson_ref(), r.as_raw_bson_ref(), collation));
        items.dedup_by(|l, r| {
            compare_with(l.as_raw_bson_ref(), r.as_raw_bson_ref(), collation).is_eq()
        });
        Self { items, scope }
    }

    fn contains(&self, wanted: &RawBson) -> bool {
        let collation = self.scope.context.collation.as_deref();
        self.items
            .binary_search_by(|item| {
                compare_with(item.as_raw_bson_ref(), wanted.as_raw_bson_ref(), collation)
            })
            .is_ok()
    }
}

/// How an error names the operands, and the one that is no array.
const ONE: (&str, &str) = ("All operands", "One");
const FIRST: (&str, &str) = ("both operands", "First");
const SECOND: (&str, &str) = ("both operands", "Second");

fn operand(
    operator: &str,
    code: i32,
    which: (&str, &str),
    value: &Value,
) -> Result<Vec<RawBson>, QueryError> {
    let (all, one) = which;
    items(value)?.ok_or_else(|| {
        QueryError::new(
            code,
            format!(
                "{all} of {operator} must be arrays. {one} argument is of type: {}",
                type_name(value)
            ),
        )
    })
}

/// Elements of the first that are not in the second, in the first's order.
fn difference(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    if arguments.iter().any(is_nullish) {
        return null();
    }
    let left = operand("$setDifference", 17048, FIRST, at(arguments, 0))?;
    let right = operand("$setDifference", 17049, SECOND, at(arguments, 1))?;
    let right = Set::new(right, scope);
    let collation = scope.context.collation.as_deref();
    let mut kept: Vec<RawBson> = Vec::new();
    for item in left {
        let known = kept
            .iter()
            .any(|k| compare_with(k.as_raw_bson_ref(), item.as_raw_bson_ref(), collation).is_eq());
        if !known && !right.contains(&item) {
            kept.push(item);
        }
    }
    array(kept)
}

fn equals(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    let mut first: Option<Set<'_>> = None;
    let mut equal = true;
    for (index, argument) in arguments.iter().enumerate() {
        let one = format!("{}-th", index + 1);
        let which = ("All operands", one.as_str());
        let set = Set::new(operand("$setEquals", 17044, which, argument)?, scope);
        match &first {
            None => first = Some(set),
            Some(first) => {
                equal &= first.items.len() == set.items.len()
                    && set.items.iter().all(|item| first.contains(item));
            }
        }
    }
    boolean(equal)
}

fn intersection(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    let mut common: Option<Set<'_>> = None;
    for argument in arguments {
        if is_nullish(argument) {
            return null();
        }
        let set = Set::new(operand("$setIntersection", 17047, ONE, argument)?, scope);
        common = Some(match common {
            None => set,
            Some(mut common) => {
                common.items.retain(|item| set.contains(item));
                common
            }
        });
    }
    array(common.map(|common| common.items).unwrap_or_default())
}

fn is_subset(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    let left = operand("$setIsSubset", 17046, FIRST, at(arguments, 0))?;
    let right = operand("$setIsSubset", 17042, SECOND, at(arguments, 1))?;
    let right = Set::new(right, scope);
    boolean(left.iter().all(|item| right.contains(item)))
}

fn union(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    let mut all = Vec::new();
    for argument in arguments {
        if is_nullish(argument) {
            return null();
        }
        all.extend(operand("$setUnion", 17043, ONE, argument)?);
    }
    array(Set::new(all, scope).items)
}
