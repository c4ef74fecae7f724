//! `$bucket` and `$bucketAuto`.

use bson::raw::{RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;

use super::group::{Grouper, counting};
use super::{Budget, Documents, Environment, deferred, listed, size_of};
use crate::eval::expression::{Compiled, Value, compare_values};

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

/// Buckets of about equal size; equal values share one.
pub(super) fn bucket_auto(
    input: Documents,
    group_by: &Expression,
    buckets: i64,
    output: Option<&[(String, Accumulator)]>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let environment = environment.clone();
    let group_by = Compiled::compile(group_by, &environment.context)?;
    let output = outputs(output);
    Grouper::new("$bucketAuto", &output, &environment)?;
    let mut budget = Budget::new("$bucketAuto", &environment);
    Ok(deferred(move || {
        let context = &environment.context;
        let collation = context.collation.as_deref();
        let mut rows: Vec<(Value, RawDocumentBuf)> = Vec::new();
        for document in input {
            let document = document?;
            let value = group_by.evaluate(&document, context)?.unwrap_or(RawBson::Null);
            budget.take(size_of(&value) + document.as_bytes().len())?;
            rows.push((Some(value), document));
        }
        rows.sort_by(|(left, _), (right, _)| compare_values(left, right, collation));
        let wanted = usize::try_from(buckets).unwrap_or(usize::MAX);
        let size = (rows.len() as f64 / wanted as f64).round().max(1.0) as usize;
        let mut documents = Vec::new();
        let mut start = 0;
        while start < rows.len() {
            let is_last = documents.len() + 1 == wanted;
            let mut end = if is_last { rows.len() } else { (start + size).min(rows.len()) };
            // The next bucket begins with a value that is not in this one.
            while let (Some((last, _)), Some((next, _))) = (rows.get(end - 1), rows.get(end)) {
                if compare_values(last, next, collation).is_ne() {
                    break;
                }
                end += 1;
            }
            let mut grouper = Grouper::new("$bucketAuto", &output, &environment)?;
            for (_, document) in rows.get(start..end).unwrap_or_default() {
                grouper.add(Some(RawBson::Null), document)?;
            }
            let low = rows.get(start).map(|(value, _)| value.clone()).unwrap_or_default();
            let high = rows.get(end).or_else(|| rows.last()).map(|(value, _)| value.clone());
            for group in grouper.finish()? {
                documents.push(with_bounds(&group?, low.clone(), high.clone().flatten())?);
            }
            start = end;
        }
        Ok(listed(documents))
    }))
}

fn with_bounds(
    group: &RawDocumentBuf,
    low: Value,
    high: Value,
) -> Result<RawDocumentBuf, QueryError> {
    let mut id = RawDocumentBuf::new();
    append(&mut id, "min", &low.unwrap_or(RawBson::Null))?;
    append(&mut id, "max", &high.unwrap_or(RawBson::Null))?;
    let mut document = RawDocumentBuf::new();
    append(&mut document, "_id", &id)?;
    for element in group.iter().skip(1) {
        let (name, value) = element?;
        document.append(name, value);
    }
    Ok(document)
}
