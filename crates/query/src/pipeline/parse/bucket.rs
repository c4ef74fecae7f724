//! `$bucket` and `$bucketAuto`.

use bson::raw::RawBsonRef;

use super::{count, missing_option, object, type_name, unknown_option};
use crate::QueryError;
use crate::expression::Expression;
use crate::pipeline::{Accumulator, Stage};
use crate::value;

/// By what buckets are made: a path or an expression, since a constant puts all into one.
fn key_of(stage: &str, value: RawBsonRef<'_>, code: i32) -> Result<Expression, QueryError> {
    let is_expression = match value {
        RawBsonRef::String(text) => text.starts_with('$'),
        RawBsonRef::Document(_) => true,
        _ => false,
    };
    if !is_expression {
        return Err(QueryError::new(
            code,
            format!(
                "The {stage} 'groupBy' field must be defined as a $-prefixed path or an expression"
            ),
        ));
    }
    Expression::parse(value)
}

pub(super) fn bucket(argument: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let document = object("$bucket", argument, 40201)?;
    let (mut group_by, mut boundaries, mut default, mut output) = (None, None, None, None);
    for element in document.iter() {
        let (name, value) = element?;
        match name.as_str() {
            "groupBy" => group_by = Some(key_of("$bucket", value, 40202)?),
            "boundaries" => boundaries = Some(boundary_list(value)?),
            "default" => default = Some(Expression::parse(value)?),
            "output" => output = Some(outputs("$bucket", value, 40196)?),
            other => return Err(unknown_option("$bucket", other, 40197)),
        }
    }
    match (group_by, boundaries) {
        (Some(group_by), Some(boundaries)) => {
            Ok(Stage::Bucket { group_by, boundaries, default, output })
        }
        _ => Err(QueryError::new(
            40198,
            "$bucket requires 'groupBy' and 'boundaries' to be specified.",
        )),
    }
}

fn boundary_list(value: RawBsonRef<'_>) -> Result<Vec<Expression>, QueryError> {
    let RawBsonRef::Array(array) = value else {
        return Err(QueryError::new(
            40200,
            format!(
                "The $bucket 'boundaries' field must be an array, but found type: {}.",
                type_name(value)
            ),
        ));
    };
    let mut list: Vec<Expression> = Vec::new();
    let mut last = None;
    for item in array {
        let expression = Expression::parse(item?)?;
        let Some(constant) = expression.constant_value() else {
            return Err(QueryError::new(
                40191,
                "The $bucket 'boundaries' field must be an array of constant values",
            ));
        };
        if let Some(last) = &last {
            let (low, high): (&bson::RawBson, _) = (last, &constant);
            let (low, high) = (low.as_raw_bson_ref(), high.as_raw_bson_ref());
            if value::rank(low) != value::rank(high) {
                return Err(QueryError::new(
                    40193,
                    "All values in the the 'boundaries' option to $bucket must have the same type.",
                ));
            }
            if value::compare(low, high).is_ge() {
                return Err(QueryError::new(
                    40194,
                    "The 'boundaries' option to $bucket must be sorted in ascending order",
                ));
            }
        }
        last = Some(constant);
        list.push(expression);
    }
    if list.len() < 2 {
        return Err(QueryError::new(
            40192,
            "The $bucket 'boundaries' field must have at least 2 values",
        ));
    }
    Ok(list)
}

pub(super) fn bucket_auto(argument: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let document = object("$bucketAuto", argument, 40240)?;
    let (mut group_by, mut buckets, mut output, mut granularity) = (None, None, None, None);
    for element in document.iter() {
        let (name, value) = element?;
        match name.as_str() {
            "groupBy" => group_by = Some(key_of("$bucketAuto", value, 40239)?),
            "buckets" => {
                let wanted = count("$bucketAuto", value, 40241)?;
                if wanted < 1 {
                    return Err(QueryError::new(
                        40243,
                        "The $bucketAuto 'buckets' field must be greater than 0",
                    ));
                }
                buckets = Some(wanted);
            }
            "output" => output = Some(outputs("$bucketAuto", value, 40244)?),
            "granularity" => granularity = Some(series(value)?),
            other => return Err(unknown_option("$bucketAuto", other, 40245)),
        }
    }
    let group_by = group_by.ok_or_else(|| missing_option("$bucketAuto", "groupBy", 40246))?;
    let buckets = buckets.ok_or_else(|| missing_option("$bucketAuto", "buckets", 40246))?;
    Ok(Stage::BucketAuto { group_by, buckets, output, granularity })
}

fn series(value: RawBsonRef<'_>) -> Result<String, QueryError> {
    match value {
        RawBsonRef::String(name) => Ok(name.to_owned()),
        _ => Err(QueryError::new(
            40261,
            format!(
                "The $bucketAuto 'granularity' field must be a string, but found type: {}",
                type_name(value)
            ),
        )),
    }
}

fn outputs(
    stage: &str,
    value: RawBsonRef<'_>,
    code: i32,
) -> Result<Vec<(String, Accumulator)>, QueryError> {
    let document = object(stage, value, code)?;
    let mut fields = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        accumulator(&mut fields, name.as_str(), value)?;
    }
    Ok(fields)
}

/// A field of a group, with the checks on its name.
pub(super) fn accumulator(
    fields: &mut Vec<(String, Accumulator)>,
    name: &str,
    value: RawBsonRef<'_>,
) -> Result<(), QueryError> {
    if name.contains('.') {
        return Err(QueryError::new(40235, format!("The field name '{name}' cannot contain '.'")));
    }
    if name.starts_with('$') {
        return Err(QueryError::new(
            40236,
            format!("The field name '{name}' cannot be an operator name"),
        ));
    }
    if fields.iter().any(|(known, _)| known == name) {
        return Err(QueryError::new(16406, format!("duplicate field name specified: {name}")));
    }
    fields.push((name.to_owned(), Accumulator::parse(name, value)?));
    Ok(())
}
