//! `$setWindowFields`.

use bson::raw::{RawBsonRef, RawDocument};

use super::{object, path, type_name};
use crate::QueryError;
use crate::expression::Expression;
use crate::pipeline::{Accumulator, Stage, WindowFunction};
use crate::sort::Sort;

pub(super) fn set_window_fields(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let document = object("$setWindowFields", value, 9)?;
    let (mut partition_by, mut sort_by, mut output) = (None, None, None);
    for element in document.iter() {
        let (name, value) = element?;
        match (name.as_str(), value) {
            ("partitionBy", value) => partition_by = Some(Expression::parse(value)?),
            ("sortBy", RawBsonRef::Document(pattern)) => sort_by = Some(Sort::parse(pattern)?),
            ("output", RawBsonRef::Document(fields)) => {
                let mut list = Vec::new();
                for field in fields.iter() {
                    let (name, value) = field?;
                    list.push((path(name.as_str())?, function(name.as_str(), value)?));
                }
                output = Some(list);
            }
            ("sortBy" | "output", other) => {
                return Err(QueryError::type_mismatch(format!(
                    "BSON field '$setWindowFields.{name}' is the wrong type '{}', expected type 'object'",
                    type_name(other)
                )));
            }
            (other, _) => {
                return Err(QueryError::new(
                    40415,
                    format!("BSON field '$setWindowFields.{other}' is an unknown field."),
                ));
            }
        }
    }
    match output {
        Some(output) => Ok(Stage::SetWindowFields { partition_by, sort_by, output }),
        None => Err(QueryError::new(
            40414,
            "BSON field '$setWindowFields.output' is missing but a required field",
        )),
    }
}

fn function(field: &str, value: RawBsonRef<'_>) -> Result<WindowFunction, QueryError> {
    let document = object("$setWindowFields", value, 9)?;
    let mut function = None;
    let mut window = None;
    for element in document.iter() {
        let (name, value) = element?;
        match (name.as_str(), value) {
            ("window", RawBsonRef::Document(bounds)) => {
                window = Some(RawDocument::to_owned(bounds))
            }
            ("window", _) => {
                return Err(QueryError::failed_to_parse("'window' field must be an object"));
            }
            (operator, _) if function.is_some() => {
                return Err(QueryError::failed_to_parse(format!(
                    "Cannot specify two functions in window function spec: '{field}' has also {operator}"
                )));
            }
            (operator, argument) => {
                function =
                    Some(Accumulator::parse_window(operator, argument).map_err(|error| {
                        if error.code() == 15952 {
                            QueryError::failed_to_parse(format!(
                                "Unrecognized window function, {operator}"
                            ))
                        } else {
                            error
                        }
                    })?);
            }
        }
    }
    match function {
        Some(function) => Ok(WindowFunction { function, window }),
        None => Err(QueryError::failed_to_parse("Expected a $-prefixed window function")),
    }
}
