//! Documents.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;

use super::values::{Named, any_nullish, array, at, is_nullish, items, null, string, type_name};
use super::{NamedFunction, PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$arrayToObject" => array_to_object,
        "$getField" => |arguments, scope| field_of(at(arguments, 0), &scope.field(&[])?),
        "$mergeObjects" => merge,
        "$objectToArray" => object_to_array,
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$getField" => |arguments, scope| {
            if arguments.has("input") {
                field_of(arguments.get("field"), arguments.get("input"))
            } else {
                field_of(arguments.get("field"), &scope.field(&[])?)
            }
        },
        "$setField" => |arguments, _| set_field("$setField", arguments, arguments.get("value")),
        "$unsetField" => |arguments, _| set_field("$unsetField", arguments, &None),
        _ => return None,
    })
}

fn field_of(field: &Value, input: &Value) -> Result<Value, QueryError> {
    let Some(name) = string(field) else {
        return Err(QueryError::new(
            3041704,
            format!(
                "$getField requires 'field' to evaluate to type String, but got {}",
                type_name(field)
            ),
        ));
    };
    match input {
        Some(RawBson::Document(document)) => Ok(document.get(name)?.map(RawBson::from)),
        Some(RawBson::Null | RawBson::Undefined) => null(),
        _ => Ok(None),
    }
}

fn set_field(operator: &str, arguments: &Named<'_>, value: &Value) -> Result<Value, QueryError> {
    let Some(name) = string(arguments.get("field")) else {
        return Err(QueryError::new(
            4161107,
            format!("{operator} requires 'field' to evaluate to type String"),
        ));
    };
    let document = match arguments.get("input") {
        input if is_nullish(input) => return null(),
        Some(RawBson::Document(document)) => document,
        other => {
            return Err(QueryError::new(
                4161105,
                format!(
                    "{operator} requires 'input' to evaluate to type Object, but got {}",
                    type_name(other)
                ),
            ));
        }
    };
    let mut out = RawDocumentBuf::new();
    let mut placed = false;
    for element in document.iter() {
        let (known, old) = element?;
        if known.as_str() != name {
            out.append(known, old);
        } else if let (Some(value), false) = (value, placed) {
            out.append(known, value);
            placed = true;
        }
    }
    if let (Some(value), false) = (value, placed) {
        append(&mut out, name, value)?;
    }
    Ok(Some(RawBson::Document(out)))
}

fn merge(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let mut merged = RawDocumentBuf::new();
    for argument in arguments {
        merge_into(&mut merged, argument)?;
    }
    Ok(Some(RawBson::Document(merged)))
}

/// Puts the fields of a document over those that are there.
pub(crate) fn merge_into(merged: &mut RawDocumentBuf, value: &Value) -> Result<(), QueryError> {
    let document = match value {
        value if is_nullish(value) => return Ok(()),
        Some(RawBson::Document(document)) => document,
        other => {
            return Err(QueryError::new(
                40400,
                format!(
                    "$mergeObjects requires object inputs, but input is of type {}",
                    type_name(other)
                ),
            ));
        }
    };
    let mut out = RawDocumentBuf::new();
    for element in merged.iter() {
        let (name, old) = element?;
        out.append(name, document.get(name.as_str())?.unwrap_or(old));
    }
    for element in document.iter() {
        let (name, new) = element?;
        if merged.get(name.as_str())?.is_none() {
            out.append(name, new);
        }
    }
    *merged = out;
    Ok(())
}

fn object_to_array(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let document = match at(arguments, 0) {
        value if is_nullish(value) => return null(),
        Some(RawBson::Document(document)) => document,
        other => {
            return Err(QueryError::new(
                40390,
                format!("$objectToArray requires a document input, found: {}", type_name(other)),
            ));
        }
    };
    let mut list = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        let mut pair = RawDocumentBuf::new();
        pair.append(bson::raw::cstr!("k"), name.as_str());
        pair.append(bson::raw::cstr!("v"), value);
        list.push(RawBson::Document(pair));
    }
    array(list)
}

fn array_to_object(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let Some(list) = items(at(arguments, 0))? else {
        return Err(QueryError::new(
            40386,
            format!(
                "$arrayToObject requires an array input, found: {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    // Of equal names the last value counts, in the place of the first.
    let mut fields: Vec<(String, RawBson)> = Vec::new();
    let mut places = HashMap::new();
    let is_pairs = matches!(list.first(), Some(RawBson::Array(_)));
    for item in list {
        let (name, value) = match (&item, is_pairs) {
            (RawBson::Array(pair), true) => pair_of(pair)?,
            (RawBson::Document(entry), false) => entry_of(entry)?,
            _ => return Err(unrecognised(&item, is_pairs, fields.is_empty())),
        };
        match places.entry(name.clone()) {
            Entry::Vacant(place) => {
                place.insert(fields.len());
                fields.push((name, value));
            }
            Entry::Occupied(place) => {
                if let Some(field) = fields.get_mut(*place.get()) {
                    field.1 = value;
                }
            }
        }
    }
    let mut document = RawDocumentBuf::new();
    for (name, value) in &fields {
        append(&mut document, name, value)?;
    }
    Ok(Some(RawBson::Document(document)))
}

fn unrecognised(item: &RawBson, is_pairs: bool, is_first: bool) -> QueryError {
    let found = type_name(&Some(item.clone()));
    if is_first {
        let message = format!("Unrecognised input type format for $arrayToObject: {found}");
        return QueryError::new(40398, message);
    }
    let (code, detected) = if is_pairs { (40396, "Array") } else { (40391, "Object") };
    QueryError::new(
        code,
        format!(
            "$arrayToObject requires a consistent input format. Elements must all be arrays or all \
             be objects. {detected} was detected, now found: {found}"
        ),
    )
}

fn entry_of(entry: &RawDocument) -> Result<(String, RawBson), QueryError> {
    if entry.iter().count() == 2
        && let (Some(name), Some(value)) = (entry.get("k")?, entry.get("v")?)
    {
        return match name {
            RawBsonRef::String(name) => Ok((name.to_owned(), RawBson::from(value))),
            other => Err(QueryError::new(
                40394,
                format!(
                    "$arrayToObject requires an object with keys 'k' and 'v', where the value of \
                     'k' must be of type string. Found type: {}",
                    type_name(&Some(RawBson::from(other)))
                ),
            )),
        };
    }
    Err(QueryError::new(40392, "$arrayToObject requires an object keys of 'k' and 'v'"))
}

fn pair_of(pair: &RawArrayBuf) -> Result<(String, RawBson), QueryError> {
    let parts: Vec<RawBsonRef<'_>> = pair.into_iter().collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [RawBsonRef::String(name), value] => Ok(((*name).to_owned(), RawBson::from(*value))),
        [_, _] => Err(QueryError::new(
            40395,
            "$arrayToObject requires an array of key-value pairs, where the key must be of type string",
        )),
        _ => Err(QueryError::new(
            40397,
            format!(
                "$arrayToObject requires an array of size 2 arrays,found array of size: {}",
                parts.len()
            ),
        )),
    }
}
