//! The arguments of single operators.

use bson::raw::{RawBson, RawBsonRef, RawDocument};

use super::{integer, is_dynamic, path, shape, values};
use crate::document::single;
use crate::filter::{Filter, Predicate};
use crate::sort::{Sort, SortKey};
use crate::update::{BitOperator, CurrentDate, Operation, PullCondition, Push, PushSort};
use crate::value::Number;
use crate::{FieldPath, QueryError};

pub(super) fn operation(
    operator: &str,
    path: &FieldPath,
    value: RawBsonRef<'_>,
) -> Result<Operation, QueryError> {
    let owned = || RawBson::from(value);
    Ok(match operator {
        "$set" => Operation::Set(owned()),
        "$setOnInsert" => Operation::SetOnInsert(owned()),
        "$unset" => Operation::Unset(owned()),
        "$inc" => Operation::Inc(number("increment", path, value)?),
        "$mul" => Operation::Mul(number("multiply", path, value)?),
        "$min" => Operation::Min(owned()),
        "$max" => Operation::Max(owned()),
        "$currentDate" => Operation::CurrentDate(current_date(value)?),
        "$rename" => Operation::Rename(rename(path, value)?),
        "$push" => Operation::Push(push(value)?),
        "$addToSet" => add_to_set(value)?,
        "$pop" => pop(path, value)?,
        "$pull" => Operation::Pull(pull(value)?),
        "$pullAll" => match value {
            RawBsonRef::Array(array) => Operation::PullAll(values(array)?),
            other => {
                return Err(QueryError::bad_value(format!(
                    "$pullAll requires an array argument but was given a {}",
                    shape(other)
                )));
            }
        },
        "$bit" => Operation::Bit(bit(value)?),
        other => {
            return Err(QueryError::failed_to_parse(format!("Unknown modifier: {other}")));
        }
    })
}

fn number(verb: &str, path: &FieldPath, value: RawBsonRef<'_>) -> Result<RawBson, QueryError> {
    match Number::new(value) {
        Some(_) => Ok(RawBson::from(value)),
        None => Err(QueryError::type_mismatch(format!(
            "Cannot {verb} with non-numeric argument: {{{path}: <{}>}}",
            shape(value)
        ))),
    }
}

fn current_date(value: RawBsonRef<'_>) -> Result<CurrentDate, QueryError> {
    match value {
        RawBsonRef::Boolean(_) => Ok(CurrentDate::Date),
        RawBsonRef::Document(document) => {
            let mut fields = document.iter();
            match (fields.next().transpose()?, fields.next()) {
                (Some((name, RawBsonRef::String(kind))), None) if name.as_str() == "$type" => {
                    match kind {
                        "date" => Ok(CurrentDate::Date),
                        "timestamp" => Ok(CurrentDate::Timestamp),
                        _ => Err(QueryError::bad_value(
                            "The '$type' string field is required to be 'date' or 'timestamp': \
                             {$currentDate: {field : {$type: 'date'}}}",
                        )),
                    }
                }
                (Some((name, _)), _) if name.as_str() != "$type" => {
                    Err(QueryError::bad_value(format!("Unrecognized $currentDate option: {name}")))
                }
                _ => Err(QueryError::bad_value(
                    "The '$type' string field is required to be 'date' or 'timestamp': \
                     {$currentDate: {field : {$type: 'date'}}}",
                )),
            }
        }
        other => Err(QueryError::bad_value(format!(
            "{} is not valid type for $currentDate. Please use a boolean ('true') or a $type \
             expression ({{$type: 'timestamp/date'}}).",
            shape(other)
        ))),
    }
}

fn rename(source: &FieldPath, value: RawBsonRef<'_>) -> Result<FieldPath, QueryError> {
    let RawBsonRef::String(target) = value else {
        return Err(QueryError::bad_value(format!(
            "The 'to' field for $rename must be a string: {source}: <{}>",
            shape(value)
        )));
    };
    if target.contains('\0') {
        return Err(QueryError::bad_value(
            "The 'to' field for $rename cannot contain an embedded null byte",
        ));
    }
    let target = path(target)?;
    if source == &target {
        return Err(QueryError::bad_value(format!(
            "The source and target field for $rename must differ: {source}: \"{target}\""
        )));
    }
    if source.is_prefix_of(&target) || target.is_prefix_of(source) {
        return Err(QueryError::bad_value(format!(
            "The source and target field for $rename must not be on the same path: {source}: \
             \"{target}\""
        )));
    }
    for (which, path) in [("source", source), ("destination", &target)] {
        if path.components().any(is_dynamic) {
            return Err(QueryError::bad_value(format!(
                "The {which} field for $rename may not be dynamic: {path}"
            )));
        }
    }
    Ok(target)
}

fn push(value: RawBsonRef<'_>) -> Result<Push, QueryError> {
    let plain = || Push {
        values: vec![RawBson::from(value)],
        each: false,
        position: None,
        slice: None,
        sort: None,
    };
    let RawBsonRef::Document(document) = value else { return Ok(plain()) };
    let Some(each) = document.get("$each")? else { return Ok(plain()) };
    let RawBsonRef::Array(each) = each else {
        return Err(QueryError::bad_value(format!(
            "The argument to $each in $push must be an array but it was of type: {}",
            shape(each)
        )));
    };
    let mut push =
        Push { values: values(each)?, each: true, position: None, slice: None, sort: None };
    for element in document.iter() {
        let (name, value) = element?;
        let whole = || {
            integer(value).ok_or_else(|| {
                QueryError::bad_value(format!(
                    "The value for {name} must be an integer value but was given type: {}",
                    shape(value)
                ))
            })
        };
        match name.as_str() {
            "$each" => {}
            "$position" => push.position = Some(whole()?),
            "$slice" => push.slice = Some(whole()?),
            "$sort" => push.sort = Some(push_sort(value)?),
            other => {
                return Err(QueryError::bad_value(format!(
                    "Unrecognized clause in $push: {other}"
                )));
            }
        }
    }
    Ok(push)
}

fn push_sort(value: RawBsonRef<'_>) -> Result<PushSort, QueryError> {
    let invalid = || {
        QueryError::bad_value(
            "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort \
             embedded fields",
        )
    };
    match value {
        RawBsonRef::Document(pattern) => {
            if pattern.is_empty() {
                return Err(QueryError::bad_value(
                    "The $sort pattern is empty when it should be a set of fields.",
                ));
            }
            let sort = Sort::parse(pattern).map_err(|_| invalid())?;
            let plain = |key: &SortKey| !matches!(key.order, crate::sort::SortOrder::Meta(_));
            if sort.keys.iter().all(plain) { Ok(PushSort::Fields(sort)) } else { Err(invalid()) }
        }
        other => match integer(other) {
            Some(1) => Ok(PushSort::Elements { descending: false }),
            Some(-1) => Ok(PushSort::Elements { descending: true }),
            _ => Err(invalid()),
        },
    }
}

fn add_to_set(value: RawBsonRef<'_>) -> Result<Operation, QueryError> {
    let first = match value {
        RawBsonRef::Document(document) => document.iter().next().transpose()?,
        _ => None,
    };
    match first {
        Some((name, each)) if name.as_str() == "$each" => {
            let RawBsonRef::Array(each) = each else {
                return Err(QueryError::type_mismatch(format!(
                    "The argument to $each in $addToSet must be an array but it was of type {}",
                    shape(each)
                )));
            };
            let count = value.as_document().map_or(0, |document| document.iter().count());
            if count > 1 {
                return Err(QueryError::bad_value(
                    "Found unexpected fields after $each in $addToSet",
                ));
            }
            Ok(Operation::AddToSet { values: values(each)?, each: true })
        }
        _ => Ok(Operation::AddToSet { values: vec![RawBson::from(value)], each: false }),
    }
}

fn pop(path: &FieldPath, value: RawBsonRef<'_>) -> Result<Operation, QueryError> {
    match Number::new(value).map(Number::to_i64_exact) {
        Some(Some(1)) => Ok(Operation::Pop { first: false }),
        Some(Some(-1)) => Ok(Operation::Pop { first: true }),
        Some(other) => Err(QueryError::failed_to_parse(match other {
            Some(found) => format!("$pop expects 1 or -1, found: {found}"),
            None => "$pop expects 1 or -1".to_owned(),
        })),
        None => Err(QueryError::failed_to_parse(format!(
            "Expected a number in: {path}: <{}>",
            shape(value)
        ))),
    }
}

fn pull(value: RawBsonRef<'_>) -> Result<PullCondition, QueryError> {
    match value {
        RawBsonRef::Document(document) if is_predicates(document)? => predicates(value),
        RawBsonRef::Document(document) => {
            Ok(PullCondition::Object(Filter::parse_for_elements(document)?))
        }
        RawBsonRef::RegularExpression(_) => predicates(value),
        other => Ok(PullCondition::Value(RawBson::from(other))),
    }
}

/// Operators that speak about one value; `$and` and its like make a filter for objects.
fn is_predicates(document: &RawDocument) -> Result<bool, QueryError> {
    let Some(first) = document.iter().next() else { return Ok(false) };
    let (name, _) = first?;
    Ok(name.as_str().starts_with('$')
        && !matches!(
            name.as_str(),
            "$and"
                | "$or"
                | "$nor"
                | "$expr"
                | "$where"
                | "$jsonSchema"
                | "$comment"
                | "$ref"
                | "$id"
                | "$db"
                | "$alwaysTrue"
                | "$alwaysFalse"
                | "$text"
                | "$sampleRate"
        ))
}

fn predicates(value: RawBsonRef<'_>) -> Result<PullCondition, QueryError> {
    let parts = match Filter::parse(&single("a", value))? {
        Filter::And(parts) => parts,
        one => vec![one],
    };
    let list: Vec<Predicate> = parts
        .into_iter()
        .filter_map(|part| match part {
            Filter::Field { predicate, .. } => Some(predicate),
            _ => None,
        })
        .collect();
    Ok(PullCondition::Predicates(list))
}

fn bit(value: RawBsonRef<'_>) -> Result<Vec<(BitOperator, RawBson)>, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::bad_value(format!(
            "The $bit modifier is not compatible with a {}. You must pass in an embedded document: \
             {{$bit: {{field: {{and/or/xor: #}}}}",
            shape(value)
        )));
    };
    let mut list = Vec::new();
    for element in document.iter() {
        let (name, operand) = element?;
        let operator = match name.as_str() {
            "and" => BitOperator::And,
            "or" => BitOperator::Or,
            "xor" => BitOperator::Xor,
            other => {
                return Err(QueryError::bad_value(format!(
                    "The $bit modifier only supports 'and', 'or', and 'xor', not '{other}' which \
                     is an unknown operator: {{$bit: {{field: {{and/or/xor: #}}}}}}"
                )));
            }
        };
        if !matches!(operand, RawBsonRef::Int32(_) | RawBsonRef::Int64(_)) {
            return Err(QueryError::bad_value(format!(
                "The $bit modifier field must be an Integer(32/64 bit); a '{}' is not supported here",
                shape(operand)
            )));
        }
        list.push((operator, RawBson::from(operand)));
    }
    if list.is_empty() {
        return Err(QueryError::bad_value(
            "You must pass in at least one bitwise operation. The format is: {$bit: {field: \
             {and/or/xor: #}}",
        ));
    }
    Ok(list)
}
