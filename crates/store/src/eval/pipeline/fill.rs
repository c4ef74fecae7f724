//! `$fill`: gaps in fields, by a value or from the neighbours.

use bson::raw::{RawBson, RawBsonRef, RawDocument};
use fieldveil_query::expression::{Arguments, Call, Expression};
use fieldveil_query::pipeline::{Accumulator, Stage, WindowFunction};
use fieldveil_query::sort::Sort;
use fieldveil_query::{FieldPath, QueryError};

use super::{Documents, Environment, apply, window};

/// The stage's argument, read.
#[derive(Default)]
struct Fill {
    partition_by: Option<Expression>,
    sort_by: Option<Sort>,
    /// By the values around, with the operator of `$setWindowFields`.
    methods: Vec<(FieldPath, WindowFunction)>,
    /// By an expression where the field is null or missing.
    values: Vec<(FieldPath, Expression)>,
}

pub(super) fn fill(
    input: Documents,
    argument: &RawBson,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let fill = parse(argument)?;
    let mut documents = input;
    if !fill.methods.is_empty() {
        documents = window::set_window_fields(
            documents,
            fill.partition_by.as_ref(),
            fill.sort_by.as_ref(),
            &fill.methods,
            environment,
        )?;
    } else if let Some(sort) = fill.sort_by {
        documents = apply(&Stage::Sort(sort), documents, None, environment)?;
    }
    if !fill.values.is_empty() {
        let stage = Stage::AddFields { name: "$addFields", fields: fill.values };
        documents = apply(&stage, documents, None, environment)?;
    }
    Ok(documents)
}

fn parse(argument: &RawBson) -> Result<Fill, QueryError> {
    let RawBson::Document(document) = argument else {
        return Err(QueryError::failed_to_parse("The argument to $fill must be an object"));
    };
    let mut fill = Fill::default();
    for element in document.iter() {
        let (name, value) = element?;
        match (name.as_str(), value) {
            ("partitionBy", value) => fill.partition_by = Some(Expression::parse(value)?),
            ("partitionByFields", RawBsonRef::Array(names)) => {
                let mut fields = Vec::new();
                for (index, name) in names.into_iter().enumerate() {
                    let RawBsonRef::String(name) = name? else {
                        return Err(QueryError::type_mismatch(
                            "'partitionByFields' must be strings",
                        ));
                    };
                    let path = FieldPath::parse_strict(name)?;
                    fields.push((index.to_string(), Expression::Field(path)));
                }
                fill.partition_by = Some(Expression::Document(fields));
            }
            ("sortBy", RawBsonRef::Document(pattern)) => fill.sort_by = Some(Sort::parse(pattern)?),
            ("output", RawBsonRef::Document(fields)) => {
                for field in fields.iter() {
                    let (name, value) = field?;
                    output(&mut fill, FieldPath::parse_strict(name.as_str())?, value)?;
                }
            }
            (other, _) => {
                return Err(QueryError::new(
                    40415,
                    format!("BSON field '$fill.{other}' is an unknown field."),
                ));
            }
        }
    }
    if fill.methods.is_empty() && fill.values.is_empty() {
        return Err(QueryError::new(
            40414,
            "BSON field '$fill.output' is missing but a required field",
        ));
    }
    if fill.sort_by.is_none()
        && fill.methods.iter().any(|(_, function)| function.function.operator == "$linearFill")
    {
        return Err(QueryError::new(605001, "$linearFill must be specified with a sortBy"));
    }
    Ok(fill)
}

fn output(fill: &mut Fill, path: FieldPath, value: RawBsonRef<'_>) -> Result<(), QueryError> {
    let refused = || {
        QueryError::failed_to_parse(format!(
            "The output '{path}' of $fill must have either 'value' or 'method'"
        ))
    };
    let rule = value.as_document().ok_or_else(refused)?;
    let part = |name: &str| RawDocument::get(rule, name);
    match (part("value")?, part("method")?) {
        (Some(value), None) => {
            let arguments = vec![Expression::Field(path.clone()), Expression::parse(value)?];
            let call = Call { operator: "$ifNull", arguments: Arguments::Positional(arguments) };
            fill.values.push((path, Expression::Call(call)));
        }
        (None, Some(RawBsonRef::String(method @ ("linear" | "locf")))) => {
            let operator = if method == "linear" { "$linearFill" } else { "$locf" };
            let function = Accumulator { operator, argument: Expression::Field(path.clone()) };
            fill.methods.push((path, WindowFunction { function, window: None }));
        }
        (None, Some(_)) => {
            return Err(QueryError::new(6050202, "Method must be either locf or linear"));
        }
        _ => return Err(refused()),
    }
    Ok(())
}
