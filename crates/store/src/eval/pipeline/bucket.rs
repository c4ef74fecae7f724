//! `$bucket`.

use fieldveil_query::QueryError;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;

use super::group::{Grouper, counting};
use super::{Documents, Environment, deferred};
use crate::eval::expression::{Compiled, Value, compare_values};

mod auto;
mod granularity;

pub(super) use auto::bucket_auto;

/// The fields of a bucket.
fn outputs(output: Option<&[(String, Accumulator)]>) -> Vec<(String, Accumulator)> {
    output.map_or_else(|| vec![("count".to_owned(), counting())], <[_]>::to_vec)
}

/// Buckets between given bounds; the lower bound is the bucket's `_id`.
pub(super) fn bucket(
    input: Documents,
    group_by: &Expression,
    boundaries: &[Expression],
    default: Option<&Expression>,
    output: Option<&[(String, Accumulator)]>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let context = environment.context.clone();
    let group_by = Compiled::compile(group_by, &context)?;
    let bounds: Vec<Value> = boundaries.iter().map(Expression::constant_value).collect();
    let default = match default {
        None => None,
        Some(expression) => Some(expression.constant_value().ok_or_else(|| {
            QueryError::new(40195, "The $bucket 'default' field must be a constant")
        })?),
    };
    if let (Some(default), Some(low), Some(high)) = (&default, bounds.first(), bounds.last()) {
        let value = Some(default.clone());
        let collation = context.collation.as_deref();
        if compare_values(&value, low, collation).is_ge()
            && compare_values(&value, high, collation).is_lt()
        {
            return Err(QueryError::new(
                40199,
                "The $bucket 'default' field must be less than the lowest boundary or greater than or \
                 equal to the highest boundary.",
            ));
        }
    }
    let mut grouper = Grouper::new("$bucket", &outputs(output), environment)?;
    Ok(deferred(move || {
        for document in input {
            let document = document?;
            let value = group_by.evaluate(&document, &context)?;
            let collation = context.collation.as_deref();
            let above = bounds.partition_point(|b| compare_values(b, &value, collation).is_le());
            let inside = above > 0 && above < bounds.len();
            let id = match (inside, &default) {
                (true, _) => bounds.get(above - 1).cloned().flatten(),
                (false, Some(default)) => Some(default.clone()),
                (false, None) => {
                    return Err(QueryError::new(
                        40066,
                        "$switch could not find a matching branch for an input, and no default was \
                         specified.",
                    ));
                }
            };
            grouper.add(id, &document)?;
        }
        grouper.finish()
    }))
}
