//! Operators beside a field.

use bson::raw::{RawBson, RawBsonRef, RawDocument};

use super::{Scope, check_depth, filter, implicit, is_operators, type_name};
use crate::QueryError;
use crate::filter::{AllItem, BitTest, ElemMatch, Predicate};
use crate::value::{Number, TypeSet, is_truthy};

/// The predicates of `{ $gt: 1, $lt: 5 }`.
pub(super) fn predicates(
    path: &str,
    document: &RawDocument,
    depth: usize,
) -> Result<Vec<Predicate>, QueryError> {
    check_depth(depth)?;
    let mut list: Vec<Predicate> = Vec::new();
    for element in document.iter() {
        let (operator, value) = element?;
        match operator.as_str() {
            "$regex" => list.push(regex_operator(value, document)?),
            "$options" => {
                if document.get("$regex").ok().flatten().is_none() {
                    return Err(QueryError::bad_value("$options needs a $regex"));
                }
            }
            // Beside `$near`, where the query's author may put them before or after it.
            "$minDistance" | "$maxDistance" | "$uniqueDocs" if has_geo(document) => {}
            other if is_geo(other) => list.push(Predicate::Geo {
                operator: other.to_owned(),
                value: RawBson::from(value),
                modifiers: geo_modifiers(document)?,
            }),
            other => list.push(predicate(path, other, value, depth)?),
        }
    }
    Ok(list)
}

fn predicate(
    path: &str,
    operator: &str,
    value: RawBsonRef<'_>,
    depth: usize,
) -> Result<Predicate, QueryError> {
    let comparison = |make: fn(RawBson) -> Predicate| comparison(path, operator, value, make);
    match operator {
        "$eq" => comparison(Predicate::Eq),
        "$ne" => comparison(Predicate::Ne),
        "$gt" => comparison(Predicate::Gt),
        "$gte" => comparison(Predicate::Gte),
        "$lt" => comparison(Predicate::Lt),
        "$lte" => comparison(Predicate::Lte),
        "$in" => Ok(Predicate::In(in_list(operator, value)?)),
        "$nin" => Ok(Predicate::Nin(in_list(operator, value)?)),
        "$exists" => Ok(Predicate::Exists(is_truthy(value))),
        "$type" => type_operator(path, value),
        "$not" => not(path, value, depth),
        "$elemMatch" => Ok(Predicate::ElemMatch(elem_match(path, value, depth)?)),
        "$size" => size(value),
        "$all" => all(path, value, depth),
        "$mod" => modulo(value),
        "$bitsAllSet" => bits(BitTest::AllSet, value),
        "$bitsAllClear" => bits(BitTest::AllClear, value),
        "$bitsAnySet" => bits(BitTest::AnySet, value),
        "$bitsAnyClear" => bits(BitTest::AnyClear, value),
        "$comment" => Ok(Predicate::Comment(RawBson::from(value))),
        _ => Err(QueryError::bad_value(format!("unknown operator: {operator}"))),
    }
}

fn comparison(
    path: &str,
    operator: &str,
    value: RawBsonRef<'_>,
    make: fn(RawBson) -> Predicate,
) -> Result<Predicate, QueryError> {
    match value {
        RawBsonRef::Undefined => Err(QueryError::bad_value("cannot compare to undefined")),
        RawBsonRef::RegularExpression(_) if operator == "$ne" => {
            Err(QueryError::bad_value("Can't have regex as arg to $ne."))
        }
        RawBsonRef::RegularExpression(_) if operator != "$eq" => Err(QueryError::bad_value(
            format!("Can't have RegEx as arg to predicate over field '{path}'."),
        )),
        other => Ok(make(RawBson::from(other))),
    }
}

fn in_list(operator: &str, value: RawBsonRef<'_>) -> Result<Vec<RawBson>, QueryError> {
    let RawBsonRef::Array(array) = value else {
        return Err(QueryError::bad_value(format!("{operator} needs an array")));
    };
    let mut list = Vec::new();
    for item in array {
        match item? {
            RawBsonRef::Undefined => {
                return Err(QueryError::bad_value(
                    "InMatchExpression equality cannot be undefined",
                ));
            }
            RawBsonRef::Document(document) if is_operators(document) => {
                return Err(QueryError::bad_value(format!("cannot nest $ under {operator}")));
            }
            RawBsonRef::RegularExpression(pattern) => {
                regex(pattern.pattern.as_str(), pattern.options.as_str())?;
                list.push(RawBson::from(RawBsonRef::RegularExpression(pattern)));
            }
            other => list.push(RawBson::from(other)),
        }
    }
    Ok(list)
}

fn type_operator(path: &str, value: RawBsonRef<'_>) -> Result<Predicate, QueryError> {
    let mut types = TypeSet::default();
    match value {
        RawBsonRef::Array(array) => {
            for item in array {
                types.add(item?, "$type")?;
            }
        }
        other => types.add(other, "$type")?,
    }
    if types.is_empty() {
        return Err(QueryError::failed_to_parse(format!("{path} must match at least one type")));
    }
    Ok(Predicate::Type(types))
}

fn not(path: &str, value: RawBsonRef<'_>, depth: usize) -> Result<Predicate, QueryError> {
    match value {
        RawBsonRef::RegularExpression(_) => Ok(Predicate::Not(vec![implicit(value)?])),
        RawBsonRef::Document(document) if document.is_empty() => {
            Err(QueryError::bad_value("$not cannot be empty"))
        }
        RawBsonRef::Document(document) => {
            Ok(Predicate::Not(predicates(path, document, depth + 1)?))
        }
        _ => Err(QueryError::bad_value("$not needs a regex or a document")),
    }
}

fn elem_match(path: &str, value: RawBsonRef<'_>, depth: usize) -> Result<ElemMatch, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::bad_value("$elemMatch needs an Object"));
    };
    if is_operators(document) && !begins_with_logical(document) {
        return Ok(ElemMatch::Value(predicates(path, document, depth + 1)?));
    }
    Ok(ElemMatch::Object(Box::new(filter(document, Scope::Element, depth + 1)?)))
}

/// Operators that speak about whole documents, so that `$elemMatch` is in its object form.
fn begins_with_logical(document: &RawDocument) -> bool {
    match document.iter().next() {
        Some(Ok((name, _))) => matches!(
            name.as_str(),
            "$and"
                | "$or"
                | "$nor"
                | "$where"
                | "$expr"
                | "$jsonSchema"
                | "$alwaysTrue"
                | "$alwaysFalse"
        ),
        Some(Err(_)) | None => false,
    }
}

fn size(value: RawBsonRef<'_>) -> Result<Predicate, QueryError> {
    let Some(number) = Number::new(value) else {
        return Err(QueryError::bad_value(format!(
            "Failed to parse $size. Expected a number in: $size: {}",
            type_name(value)
        )));
    };
    match number.to_i64_exact() {
        None => Err(QueryError::bad_value("Failed to parse $size. Expected an integer")),
        Some(size) if size < 0 => Err(QueryError::bad_value(format!(
            "Failed to parse $size. Expected a non-negative number in: $size: {size}"
        ))),
        Some(size) => Ok(Predicate::Size(size)),
    }
}

fn all(path: &str, value: RawBsonRef<'_>, depth: usize) -> Result<Predicate, QueryError> {
    let RawBsonRef::Array(array) = value else {
        return Err(QueryError::bad_value("$all needs an array"));
    };
    let mut items = Vec::new();
    for item in array {
        let item = item?;
        match item {
            RawBsonRef::Document(document) if is_operators(document) => {
                let inner = document.get("$elemMatch")?;
                match inner {
                    Some(inner) if document.iter().count() == 1 => {
                        items.push(AllItem::ElemMatch(elem_match(path, inner, depth + 1)?));
                    }
                    _ => return Err(QueryError::bad_value("no $ expressions in $all")),
                }
            }
            RawBsonRef::RegularExpression(pattern) => {
                regex(pattern.pattern.as_str(), pattern.options.as_str())?;
                items.push(AllItem::Value(RawBson::from(item)));
            }
            _ => items.push(AllItem::Value(RawBson::from(item))),
        }
    }
    let elements = items.iter().filter(|item| matches!(item, AllItem::ElemMatch(_))).count();
    if elements > 0 && elements < items.len() {
        return Err(QueryError::bad_value("$all/$elemMatch has to be consistent"));
    }
    Ok(Predicate::All(items))
}

fn modulo(value: RawBsonRef<'_>) -> Result<Predicate, QueryError> {
    let RawBsonRef::Array(array) = value else {
        return Err(QueryError::bad_value("malformed mod, needs to be an array"));
    };
    let mut numbers = Vec::new();
    for item in array {
        numbers.push(item?);
    }
    let (divisor, remainder) = match numbers.as_slice() {
        [divisor, remainder] => (*divisor, *remainder),
        [] | [_] => return Err(QueryError::bad_value("malformed mod, not enough elements")),
        _ => return Err(QueryError::bad_value("malformed mod, too many elements")),
    };
    let integer = |value: RawBsonRef<'_>, which: &str| {
        let number = Number::new(value)
            .ok_or_else(|| QueryError::bad_value(format!("malformed mod, {which} not a number")))?;
        number.to_i64_truncated().ok_or_else(|| {
            QueryError::bad_value(format!(
                "malformed mod, {which} value is invalid :: caused by :: Unable to coerce \
                 NaN/Inf or out of range value to integral type"
            ))
        })
    };
    let (divisor, remainder) = (integer(divisor, "divisor")?, integer(remainder, "remainder")?);
    if divisor == 0 {
        return Err(QueryError::bad_value("divisor cannot be 0"));
    }
    Ok(Predicate::Mod { divisor, remainder })
}

fn bits(test: BitTest, value: RawBsonRef<'_>) -> Result<Predicate, QueryError> {
    let name = test.name();
    match value {
        RawBsonRef::Binary(_) => {}
        RawBsonRef::Array(array) => {
            for item in array {
                let position = Number::new(item?).and_then(Number::to_i64_exact);
                if position.is_none_or(|position| !(0..=i64::from(i32::MAX)).contains(&position)) {
                    return Err(QueryError::bad_value(format!(
                        "bit positions must be an integer >= 0 in: {name}"
                    )));
                }
            }
        }
        other => {
            let Some(number) = Number::new(other) else {
                return Err(QueryError::bad_value(format!(
                    "{name} takes an Array, a number, or a BinData but received: {}",
                    type_name(other)
                )));
            };
            if number.to_i64_exact().is_none_or(|mask| mask < 0) {
                return Err(QueryError::failed_to_parse(format!(
                    "Expected a non-negative integer in: {name}"
                )));
            }
        }
    }
    Ok(Predicate::Bits { test, mask: RawBson::from(value) })
}

/// `$regex` with `$options` beside it, or options inside the regular expression.
fn regex_operator(value: RawBsonRef<'_>, document: &RawDocument) -> Result<Predicate, QueryError> {
    let options = match document.get("$options")? {
        Some(RawBsonRef::String(options)) => Some(options),
        Some(_) => return Err(QueryError::bad_value("$options has to be a string")),
        None => None,
    };
    match value {
        RawBsonRef::String(pattern) => regex(pattern, options.unwrap_or_default()),
        RawBsonRef::RegularExpression(literal) => {
            let own = literal.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(QueryError::new(51075, "options set in both $regex and $options"));
            }
            regex(literal.pattern.as_str(), options.unwrap_or(own))
        }
        _ => Err(QueryError::bad_value("$regex has to be a string")),
    }
}

pub(super) fn regex(pattern: &str, options: &str) -> Result<Predicate, QueryError> {
    if pattern.contains('\0') {
        return Err(QueryError::bad_value(
            "Regular expression cannot contain an embedded null byte",
        ));
    }
    if let Some(letter) = options.chars().find(|letter| !"imsxu".contains(*letter)) {
        return Err(QueryError::new(51108, format!("invalid flag in regex options: {letter}")));
    }
    Ok(Predicate::Regex { pattern: pattern.to_owned(), options: options.to_owned() })
}

fn is_geo(operator: &str) -> bool {
    matches!(
        operator,
        "$near" | "$nearSphere" | "$geoNear" | "$geoWithin" | "$geoIntersects" | "$within"
    )
}

fn has_geo(document: &RawDocument) -> bool {
    document.iter().flatten().any(|(name, _)| is_geo(name.as_str()))
}

fn geo_modifiers(document: &RawDocument) -> Result<Vec<(String, RawBson)>, QueryError> {
    let mut modifiers = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        if matches!(name.as_str(), "$minDistance" | "$maxDistance" | "$uniqueDocs") {
            modifiers.push((name.as_str().to_owned(), RawBson::from(value)));
        }
    }
    Ok(modifiers)
}
