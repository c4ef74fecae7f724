//! Stages that change or pick single documents.

use bson::raw::{RawBsonRef, RawDocument};

use super::{path, type_name, unknown_option};
use crate::expression::Expression;
use crate::path::PathSet;
use crate::pipeline::Stage;
use crate::value::Number;
use crate::{FieldPath, MAX_DEPTH, QueryError};

pub(super) fn add_fields(name: &'static str, value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::new(
            40272,
            format!("{name} specification stage must be an object, got {}", type_name(value)),
        ));
    };
    let invalid = |error: QueryError| {
        QueryError::new(error.code(), format!("Invalid {name} :: caused by :: {}", error.message()))
    };
    let mut fields = Vec::new();
    if document.is_empty() {
        return Err(invalid(QueryError::new(40177, "specification must have at least one field")));
    }
    flatten(document, None, &mut fields, 0).map_err(invalid)?;
    let mut seen = PathSet::default();
    for (index, (path, _)) in fields.iter().enumerate() {
        if seen.insert(path).is_err() {
            let overlaps =
                |(other, _): &&(FieldPath, _)| path.is_prefix_of(other) || other.is_prefix_of(path);
            let other = fields.iter().take(index).find(overlaps).map_or(path, |(other, _)| other);
            return Err(invalid(QueryError::new(
                40176,
                format!(
                    "specification contains two conflicting paths. Cannot specify both '{path}' and '{other}'"
                ),
            )));
        }
    }
    Ok(Stage::AddFields { name, fields })
}

/// A document of fields adds to a document that is there; an operator computes a value.
fn flatten(
    document: &RawDocument,
    prefix: Option<&FieldPath>,
    fields: &mut Vec<(FieldPath, Expression)>,
    depth: usize,
) -> Result<(), QueryError> {
    if depth > MAX_DEPTH {
        return Err(QueryError::new(15, "field nesting exceeds the limit of 100 levels"));
    }
    for element in document.iter() {
        let (name, value) = element?;
        let own = path(name.as_str())?;
        let full = prefix.map_or_else(|| own.clone(), |prefix| prefix.join(own.as_str()));
        match value {
            RawBsonRef::Document(inner) if holds_fields(inner) => {
                flatten(inner, Some(&full), fields, depth + 1)?;
            }
            other => fields.push((full, Expression::parse(other)?)),
        }
    }
    Ok(())
}

fn holds_fields(document: &RawDocument) -> bool {
    match document.iter().next() {
        Some(Ok((name, _))) => !name.as_str().starts_with('$'),
        Some(Err(_)) | None => false,
    }
}

pub(super) fn unset(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let refused = || {
        QueryError::new(
            31002,
            "$unset specification must be a string or an array containing only string values",
        )
    };
    let mut paths = Vec::new();
    match value {
        RawBsonRef::String(text) => paths.push(path(text)?),
        RawBsonRef::Array(array) => {
            for item in array {
                let RawBsonRef::String(text) = item? else { return Err(refused()) };
                paths.push(path(text)?);
            }
            if paths.is_empty() {
                return Err(QueryError::new(
                    31119,
                    "$unset specification must be a string or an array with at least one field",
                ));
            }
        }
        _ => return Err(refused()),
    }
    let mut seen = PathSet::default();
    for path in &paths {
        if seen.insert(path).is_err() {
            // The earlier of two is named.
            let overlaps = |it: &&FieldPath| it.is_prefix_of(path) || path.is_prefix_of(it);
            let earlier = paths.iter().find(overlaps).unwrap_or(path);
            return Err(QueryError::new(
                31249,
                format!("Invalid $unset :: caused by :: Path collision at {earlier}"),
            ));
        }
    }
    Ok(Stage::Unset(paths))
}

pub(super) fn sample(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::new(28745, "the $sample stage specification must be an object"));
    };
    let mut size = None;
    for element in document.iter() {
        let (name, value) = element?;
        if name.as_str() != "size" {
            return Err(QueryError::new(28748, format!("unrecognized option to $sample: {name}")));
        }
        let number = Number::new(value)
            .ok_or_else(|| QueryError::new(28746, "size argument to $sample must be a number"))?;
        size = Some(number.to_i64_truncated().filter(|size| *size > 0).ok_or_else(|| {
            QueryError::new(28747, "size argument to $sample must be a positive integer")
        })?);
    }
    size.map(Stage::Sample)
        .ok_or_else(|| QueryError::new(28749, "$sample stage must specify a size"))
}

pub(super) fn unwind(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let mut array = None;
    let mut include_array_index = None;
    let mut preserve_null_and_empty = false;
    match value {
        RawBsonRef::String(text) => array = Some(text),
        RawBsonRef::Document(document) => {
            for element in document.iter() {
                let (name, value) = element?;
                match (name.as_str(), value) {
                    ("path", RawBsonRef::String(text)) => array = Some(text),
                    ("path", other) => {
                        return Err(QueryError::new(
                            28808,
                            format!(
                                "expected a string as the path for $unwind stage, got {}",
                                type_name(other)
                            ),
                        ));
                    }
                    ("preserveNullAndEmptyArrays", RawBsonRef::Boolean(preserve)) => {
                        preserve_null_and_empty = preserve;
                    }
                    ("preserveNullAndEmptyArrays", other) => {
                        return Err(QueryError::new(
                            28809,
                            format!(
                                "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got {}",
                                type_name(other)
                            ),
                        ));
                    }
                    ("includeArrayIndex", RawBsonRef::String(text)) if !text.is_empty() => {
                        if text.starts_with('$') {
                            return Err(QueryError::new(
                                28822,
                                format!(
                                    "includeArrayIndex option to $unwind stage should not be prefixed with a '$': {text}"
                                ),
                            ));
                        }
                        include_array_index = Some(path(text)?);
                    }
                    ("includeArrayIndex", other) => {
                        return Err(QueryError::new(
                            28810,
                            format!(
                                "expected a non-empty string for the includeArrayIndex option to $unwind stage, got {}",
                                type_name(other)
                            ),
                        ));
                    }
                    (other, _) => {
                        return Err(QueryError::new(
                            28811,
                            format!("unrecognized option to $unwind stage: {other}"),
                        ));
                    }
                }
            }
        }
        other => {
            return Err(QueryError::new(
                15981,
                format!(
                    "expected either a string or an object as specification for $unwind stage, got {}",
                    type_name(other)
                ),
            ));
        }
    }
    let Some(array) = array.filter(|text| !text.is_empty()) else {
        return Err(QueryError::new(28812, "no path specified to $unwind stage"));
    };
    let Some(field) = array.strip_prefix('$') else {
        return Err(QueryError::new(
            28818,
            format!("path option to $unwind stage should be prefixed with a '$': {array}"),
        ));
    };
    Ok(Stage::Unwind { path: path(field)?, include_array_index, preserve_null_and_empty })
}

pub(super) fn replace_root(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::new(
            40229,
            format!(
                "expected an object as specification for $replaceRoot stage, got {}",
                type_name(value)
            ),
        ));
    };
    let mut new_root = None;
    for element in document.iter() {
        let (name, value) = element?;
        match name.as_str() {
            "newRoot" => new_root = Some(Expression::parse(value)?),
            other => return Err(unknown_option("$replaceRoot", other, 40415)),
        }
    }
    match new_root {
        Some(new_root) => Ok(Stage::ReplaceRoot { name: "$replaceRoot", new_root }),
        None => Err(QueryError::new(
            40414,
            "BSON field '$replaceRoot.newRoot' is missing but a required field",
        )),
    }
}

pub(super) fn count(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let field = match value {
        RawBsonRef::String(field) if !field.is_empty() => field,
        _ => return Err(QueryError::new(40156, "the count field must be a non-empty string")),
    };
    if field.starts_with('$') {
        return Err(QueryError::new(40158, "the count field cannot be a $-prefixed path"));
    }
    if field.contains('.') {
        return Err(QueryError::new(40160, "the count field cannot contain '.'"));
    }
    if field == "_id" {
        return Err(QueryError::new(40160, "the count field cannot be '_id'"));
    }
    Ok(Stage::Count(field.to_owned()))
}

pub(super) fn sort_by_count(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    match value {
        RawBsonRef::String(text) if text.starts_with('$') => {}
        RawBsonRef::Document(document)
            if document.iter().next().is_some_and(|first| {
                first.is_ok_and(|(name, _)| name.as_str().starts_with('$'))
            }) => {}
        RawBsonRef::String(_) => {
            return Err(QueryError::new(
                40148,
                "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
            ));
        }
        RawBsonRef::Document(_) => {
            return Err(QueryError::new(
                40147,
                "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
            ));
        }
        _ => {
            return Err(QueryError::new(
                40149,
                "the sortByCount field must be specified as a string or as an object",
            ));
        }
    }
    Ok(Stage::SortByCount(Expression::parse(value)?))
}
