//! Reading expressions.

use bson::raw::{RawBson, RawBsonRef, RawDocument};

use super::operators::{Shape, find};
use super::{Arguments, Call, Expression, faults};
use crate::value::BsonType;
use crate::{FieldPath, MAX_DEPTH, QueryError};

pub(super) fn expression(value: RawBsonRef<'_>, depth: usize) -> Result<Expression, QueryError> {
    if depth > MAX_DEPTH {
        return Err(QueryError::new(
            15,
            format!("expression nesting exceeds the limit of {MAX_DEPTH} levels"),
        ));
    }
    match value {
        RawBsonRef::String(text) if text.starts_with('$') => reference(text),
        RawBsonRef::Document(document) => document_expression(document, depth),
        RawBsonRef::Array(array) => {
            let mut items = Vec::new();
            for item in array {
                items.push(expression(item?, depth + 1)?);
            }
            Ok(Expression::Array(items))
        }
        other => Ok(Expression::Constant(RawBson::from(other))),
    }
}

/// `"$path"` or `"$$variable.path"`.
fn reference(text: &str) -> Result<Expression, QueryError> {
    let Some(variable) = text.strip_prefix("$$") else {
        let path = text.strip_prefix('$').unwrap_or(text);
        if path.is_empty() {
            return Err(QueryError::new(16872, "'$' by itself is not a valid FieldPath"));
        }
        return Ok(Expression::Field(FieldPath::parse_strict(path)?));
    };
    let (name, path) = match variable.split_once('.') {
        Some((name, path)) => (name, Some(FieldPath::parse_strict(path)?)),
        None => (variable, None),
    };
    check_variable_read(name)?;
    Ok(Expression::Variable { name: name.to_owned(), path })
}

fn check_variable_read(name: &str) -> Result<(), QueryError> {
    const SYSTEM: [&str; 11] = [
        "ROOT",
        "CURRENT",
        "REMOVE",
        "NOW",
        "CLUSTER_TIME",
        "DESCEND",
        "PRUNE",
        "KEEP",
        "USER_ROLES",
        "SEARCH_META",
        "JS_SCOPE",
    ];
    if SYSTEM.contains(&name) {
        return Ok(());
    }
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Err(QueryError::new(17276, format!("Use of undefined variable: {name}")));
    }
    check_variable_name(name)
}

/// A name that `$let`, `$map` and the like may give.
///
/// # Errors
/// 9 (`FailedToParse`) with the server's texts.
pub(crate) fn check_variable_name(name: &str) -> Result<(), QueryError> {
    let Some(first) = name.chars().next() else {
        return Err(QueryError::failed_to_parse("empty variable names are not allowed"));
    };
    if first.is_ascii() && !first.is_ascii_lowercase() && name != "CURRENT" {
        return Err(QueryError::failed_to_parse(format!(
            "'{name}' starts with an invalid character for a user variable name"
        )));
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    match name.chars().find(|c| !valid(*c)) {
        Some(c) => Err(QueryError::failed_to_parse(format!(
            "'{name}' contains an invalid character for a variable name: '{c}'"
        ))),
        None => Ok(()),
    }
}

fn document_expression(document: &RawDocument, depth: usize) -> Result<Expression, QueryError> {
    let mut fields: Vec<(String, Expression)> = Vec::new();
    for (index, element) in document.iter().enumerate() {
        let (name, value) = element?;
        let name = name.as_str();
        if name.starts_with('$') {
            if index > 0 || document.iter().nth(1).is_some() {
                return Err(QueryError::new(
                    15983,
                    format!(
                        "an expression specification must contain exactly one field, the name of \
                         the expression. Found {} fields, one of them '{name}'",
                        document.iter().count()
                    ),
                ));
            }
            return operator(name, value, depth);
        }
        check_field_name(name)?;
        if fields.iter().any(|(known, _)| known == name) {
            return Err(QueryError::new(
                16406,
                format!("duplicate field name specified in object literal: {name}"),
            ));
        }
        fields.push((name.to_owned(), expression(value, depth + 1)?));
    }
    Ok(Expression::Document(fields))
}

fn check_field_name(name: &str) -> Result<(), QueryError> {
    if name.contains('.') {
        return Err(QueryError::new(
            16412,
            format!(
                "FieldPath field names may not contain '.'. Consider using $getField or $setField. Field: '{name}'"
            ),
        ));
    }
    if name.is_empty() {
        return Err(QueryError::new(15998, "FieldPath field names may not be empty strings."));
    }
    Ok(())
}

fn operator(name: &str, value: RawBsonRef<'_>, depth: usize) -> Result<Expression, QueryError> {
    let Some(operator) = find(name) else {
        return Err(QueryError::new(168, format!("Unrecognized expression '{name}'")));
    };
    let arguments = match operator.shape {
        Shape::Literal => return Ok(Expression::Literal(RawBson::from(value))),
        Shape::Positional { min, max } => positional(operator.name, value, min, max, depth)?,
        Shape::Empty => match value {
            RawBsonRef::Document(document) if document.is_empty() => {
                Arguments::Positional(Vec::new())
            }
            RawBsonRef::Array(array) if array.is_empty() => Arguments::Positional(Vec::new()),
            _ => {
                return Err(QueryError::new(
                    3040501,
                    format!("{name} does not currently accept arguments"),
                ));
            }
        },
        Shape::Named { required, optional } => {
            named(operator.name, value, required, optional, depth)?
        }
        Shape::Either { count, required, optional } => match value {
            RawBsonRef::Document(document) if is_named(document) => {
                named(operator.name, value, required, optional, depth)?
            }
            _ => positional(operator.name, value, count, count, depth)?,
        },
        Shape::Text => match value {
            RawBsonRef::String(_) => {
                Arguments::Positional(vec![Expression::Constant(RawBson::from(value))])
            }
            _ => {
                return Err(QueryError::new(
                    17307,
                    format!("{name} only supports strings, not {}", BsonType::of(value).name()),
                ));
            }
        },
    };
    Ok(Expression::Call(Call { operator: operator.name, arguments }))
}

/// Whether a document holds arguments by name and is no expression itself.
fn is_named(document: &RawDocument) -> bool {
    match document.iter().next() {
        Some(Ok((name, _))) => !name.as_str().starts_with('$'),
        Some(Err(_)) | None => false,
    }
}

fn positional(
    name: &'static str,
    value: RawBsonRef<'_>,
    min: usize,
    max: usize,
    depth: usize,
) -> Result<Arguments, QueryError> {
    let items = match value {
        RawBsonRef::Array(array) => {
            let mut items = Vec::new();
            for item in array {
                items.push(expression(item?, depth + 1)?);
            }
            items
        }
        other => vec![expression(other, depth + 1)?],
    };
    let count = items.len();
    if (min..=max).contains(&count) {
        return Ok(Arguments::Positional(items));
    }
    Err(faults::count(name, min, max, count))
}

fn named(
    name: &'static str,
    value: RawBsonRef<'_>,
    required: &[&str],
    optional: &[&str],
    depth: usize,
) -> Result<Arguments, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(faults::not_an_object(name, BsonType::of(value).name()));
    };
    let mut fields: Vec<(String, Expression)> = Vec::new();
    for element in document.iter() {
        let (key, value) = element?;
        let key = key.as_str();
        if !required.contains(&key) && !optional.contains(&key) {
            return Err(faults::unknown(name, key));
        }
        if fields.iter().any(|(known, _)| known == key) {
            return Err(QueryError::failed_to_parse(format!("{name} has parameter '{key}' twice")));
        }
        fields.push((key.to_owned(), named_argument(name, key, value, depth)?));
    }
    if let Some(missing) =
        required.iter().find(|key| !fields.iter().any(|(known, _)| known == *key))
    {
        return Err(faults::missing(name, missing));
    }
    Ok(Arguments::Named(fields))
}

/// Most arguments are expressions; these are not.
fn named_argument(
    operator: &str,
    key: &str,
    value: RawBsonRef<'_>,
    depth: usize,
) -> Result<Expression, QueryError> {
    match (operator, key) {
        ("$map" | "$filter", "as") => {
            let RawBsonRef::String(variable) = value else {
                return Err(QueryError::failed_to_parse(format!(
                    "{operator}'s 'as' must be a string"
                )));
            };
            check_variable_name(variable)?;
            Ok(Expression::Constant(RawBson::from(value)))
        }
        ("$let", "vars") => {
            let RawBsonRef::Document(variables) = value else {
                return Err(QueryError::new(10065, "invalid parameter: expected an object (vars)"));
            };
            let mut fields = Vec::new();
            for element in variables.iter() {
                let (variable, value) = element?;
                check_variable_name(variable.as_str())?;
                fields.push((variable.as_str().to_owned(), expression(value, depth + 1)?));
            }
            Ok(Expression::Document(fields))
        }
        ("$switch", "branches") => match value {
            RawBsonRef::Array(_) => expression(value, depth + 1),
            other => Err(QueryError::new(
                40061,
                format!(
                    "$switch expected an array for 'branches', found: {}",
                    BsonType::of(other).name()
                ),
            )),
        },
        ("$sortArray", "sortBy") => match value {
            // A pattern's paths may be dotted, which a document of expressions may not.
            RawBsonRef::Document(_) => Ok(Expression::Literal(RawBson::from(value))),
            other => Ok(Expression::Constant(RawBson::from(other))),
        },
        _ => expression(value, depth + 1),
    }
}
