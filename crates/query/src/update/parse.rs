//! Reading updates.

use bson::raw::{RawBson, RawBsonRef, RawDocument};

use super::array_filter::component_identifier;
use super::{Modifier, Operation, Update};
use crate::path::{Overlap, PathSet};
use crate::pipeline::{Pipeline, Stage};
use crate::value::{BsonType, Number};
use crate::{FieldPath, MAX_BSON_DEPTH, QueryError};

mod operation;

pub(super) fn update(value: RawBsonRef<'_>) -> Result<Update, QueryError> {
    match value {
        RawBsonRef::Array(stages) => pipeline(Pipeline::parse(stages)?),
        RawBsonRef::Document(document) => match document.iter().next().transpose()? {
            Some((first, _)) if first.as_str().starts_with('$') => operators(document),
            _ => replacement(document),
        },
        other => Err(QueryError::failed_to_parse(format!(
            "Update argument must be either an object or an array, not {}",
            BsonType::of(other).name()
        ))),
    }
}

fn pipeline(pipeline: Pipeline) -> Result<Update, QueryError> {
    if let Some(stage) = pipeline.stages.iter().find(|stage| {
        !matches!(
            stage,
            Stage::AddFields { .. }
                | Stage::Project(_)
                | Stage::Unset(_)
                | Stage::ReplaceRoot { .. }
        )
    }) {
        return Err(QueryError::new(
            72,
            format!("{} is not allowed to be used within an update", stage.name()),
        ));
    }
    Ok(Update::Pipeline(pipeline))
}

fn replacement(document: &RawDocument) -> Result<Update, QueryError> {
    for element in document.iter() {
        let (name, _) = element?;
        if name.as_str().starts_with('$') {
            return Err(QueryError::new(
                52,
                format!(
                    "The dollar ($) prefixed field '{name}' in '{name}' is not allowed in the \
                     context of an update's replacement document. Consider using an aggregation \
                     pipeline with $replaceWith."
                ),
            ));
        }
    }
    Ok(Update::Replacement(document.to_owned()))
}

fn operators(document: &RawDocument) -> Result<Update, QueryError> {
    let mut modifiers: Vec<Modifier> = Vec::new();
    for element in document.iter() {
        let (operator, value) = element?;
        let operator = operator.as_str();
        if !is_operator(operator) {
            return Err(QueryError::failed_to_parse(format!(
                "Unknown modifier: {operator}. Expected a valid update modifier or pipeline-style \
                 update specified as an array"
            )));
        }
        let RawBsonRef::Document(fields) = value else {
            return Err(QueryError::failed_to_parse(format!(
                "Modifiers operate on fields but we found type {} instead. For example: {{$mod: \
                 {{<field>: ...}}}} not {{{operator}: ...}}",
                BsonType::of(value).name()
            )));
        };
        for element in fields.iter() {
            let (name, argument) = element?;
            let path = path(name.as_str())?;
            let operation = operation::operation(operator, &path, argument)?;
            modifiers.push(Modifier { path, operation });
        }
    }
    check_conflicts(&modifiers)?;
    Ok(Update::Operators(modifiers))
}

fn is_operator(name: &str) -> bool {
    matches!(
        name,
        "$set"
            | "$setOnInsert"
            | "$unset"
            | "$inc"
            | "$mul"
            | "$min"
            | "$max"
            | "$currentDate"
            | "$rename"
            | "$push"
            | "$addToSet"
            | "$pop"
            | "$pull"
            | "$pullAll"
            | "$bit"
    )
}

/// Checks a path: no empty component, array components well formed and not in front.
fn path(text: &str) -> Result<FieldPath, QueryError> {
    if text.is_empty() {
        return Err(QueryError::new(56, "An empty update path is not valid."));
    }
    let mut positional = 0;
    for (index, component) in text.split('.').enumerate() {
        if component.is_empty() {
            return Err(QueryError::new(
                56,
                format!(
                    "The update path '{text}' contains an empty field name, which is not allowed."
                ),
            ));
        }
        if index > MAX_BSON_DEPTH {
            return Err(QueryError::new(15, "The update path is too long"));
        }
        if component == "$" {
            positional += 1;
        }
        let dynamic = is_dynamic(component);
        if index == 0 && dynamic {
            return Err(QueryError::bad_value(format!(
                "Cannot have positional (i.e. '$') element in the first position in path '{text}'"
            )));
        }
        if let Some(name) = component_identifier(component)
            && !(name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            return Err(QueryError::bad_value(format!(
                "Array filter identifier '{name}' in path '{text}' must be an alphanumeric string \
                 beginning with a lowercase letter"
            )));
        }
    }
    if positional > 1 {
        return Err(QueryError::bad_value(format!(
            "Too many positional (i.e. '$') elements found in path '{text}'"
        )));
    }
    Ok(FieldPath::new(text))
}

/// Whether a component is `$`, `$[]` or `$[identifier]`.
fn is_dynamic(component: &str) -> bool {
    component == "$" || (component.starts_with("$[") && component.ends_with(']'))
}

/// No path may be changed twice, nor one below another.
fn check_conflicts(modifiers: &[Modifier]) -> Result<(), QueryError> {
    let mut seen = PathSet::default();
    let mut check = |path| {
        let at = match seen.insert(path) {
            Ok(()) => return Ok(()),
            Err(Overlap::Same | Overlap::Above) => path.as_str(),
            Err(Overlap::Below(outer) | Overlap::Mixed(outer)) => outer,
        };
        Err(QueryError::new(
            40,
            format!("Updating the path '{path}' would create a conflict at '{at}'"),
        ))
    };
    for modifier in modifiers {
        check(&modifier.path)?;
        if let Operation::Rename(target) = &modifier.operation {
            check(target)?;
        }
    }
    Ok(())
}

/// An argument as text: only its shape, as values do not belong into messages.
fn shape(value: RawBsonRef<'_>) -> String {
    BsonType::of(value).name().to_owned()
}

fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    Number::new(value).and_then(Number::to_i64_exact)
}

fn values(array: &bson::raw::RawArray) -> Result<Vec<RawBson>, QueryError> {
    let mut list = Vec::new();
    for item in array {
        list.push(RawBson::from(item?));
    }
    Ok(list)
}
