//! Strings. Letters change case in ASCII only, as the server's do.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::QueryError;
use fieldveil_query::value::binary_length;

use super::convert::to_text;
use super::values::{
    Named, any_nullish, array, at, int, int32, is_nullish, null, number, string, text, type_name,
};
use super::{NamedFunction, PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$binarySize" => binary_size,
        "$bsonSize" => bson_size,
        "$concat" => concat,
        "$indexOfBytes" => |arguments, _| index_of("$indexOfBytes", arguments, false),
        "$indexOfCP" => |arguments, _| index_of("$indexOfCP", arguments, true),
        "$split" => split,
        "$strcasecmp" => compare_folded,
        "$strLenBytes" => |arguments, _| match string(at(arguments, 0)) {
            Some(text) => int(text.len()),
            None => Err(wants_string("$strLenBytes", 34473, at(arguments, 0))),
        },
        "$strLenCP" => |arguments, _| match string(at(arguments, 0)) {
            Some(text) => int(text.chars().count()),
            None => Err(wants_string("$strLenCP", 34471, at(arguments, 0))),
        },
        "$substr" | "$substrBytes" => substring_bytes,
        "$substrCP" => substring_points,
        "$toLower" => {
            |arguments, _| text(coerced("$toLower", at(arguments, 0))?.to_ascii_lowercase())
        }
        "$toUpper" => {
            |arguments, _| text(coerced("$toUpper", at(arguments, 0))?.to_ascii_uppercase())
        }
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$ltrim" => |arguments, _| trim("$ltrim", arguments, true, false),
        "$replaceAll" => |arguments, _| replace("$replaceAll", arguments, usize::MAX),
        "$replaceOne" => |arguments, _| replace("$replaceOne", arguments, 1),
        "$rtrim" => |arguments, _| trim("$rtrim", arguments, false, true),
        "$trim" => |arguments, _| trim("$trim", arguments, true, true),
        _ => return None,
    })
}

fn wants_string(operator: &str, code: i32, value: &Value) -> QueryError {
    QueryError::new(
        code,
        format!("{operator} requires a string argument, found: {}", type_name(value)),
    )
}

/// The text of a value for operators that take numbers and dates too; null is empty.
fn coerced(operator: &str, value: &Value) -> Result<String, QueryError> {
    match value {
        value if is_nullish(value) => Ok(String::new()),
        Some(value) => match value.as_raw_bson_ref() {
            RawBsonRef::String(text)
            | RawBsonRef::Symbol(text)
            | RawBsonRef::JavaScriptCode(text) => Ok(text.to_owned()),
            RawBsonRef::Int32(_)
            | RawBsonRef::Int64(_)
            | RawBsonRef::Double(_)
            | RawBsonRef::Decimal128(_)
            | RawBsonRef::DateTime(_) => Ok(to_text(value).unwrap_or_default()),
            RawBsonRef::Timestamp(stamp) => {
                Ok(format!("Timestamp({}, {})", stamp.time, stamp.increment))
            }
            _ => Err(QueryError::new(
                16007,
                format!(
                    "can't convert from BSON type {} to String in {operator}",
                    type_name(&Some(value.clone()))
                ),
            )),
        },
        None => Ok(String::new()),
    }
}

fn concat(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let mut out = String::new();
    for argument in arguments {
        match string(argument) {
            Some(part) => out.push_str(part),
            None if is_nullish(argument) => return null(),
            None => {
                return Err(QueryError::new(
                    16702,
                    format!("$concat only supports strings, not {}", type_name(argument)),
                ));
            }
        }
    }
    text(out)
}

fn index_of(operator: &str, arguments: &[Value], points: bool) -> Result<Value, QueryError> {
    let codes = if points { (40093, 40094) } else { (40091, 40092) };
    if is_nullish(at(arguments, 0)) {
        return null();
    }
    let Some(haystack) = string(at(arguments, 0)) else {
        return Err(QueryError::new(
            codes.0,
            format!(
                "{operator} requires a string as the first argument, found: {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let Some(needle) = string(at(arguments, 1)) else {
        return Err(QueryError::new(
            codes.1,
            format!(
                "{operator} requires a string as the second argument, found: {}",
                type_name(at(arguments, 1))
            ),
        ));
    };
    let length = if points { haystack.chars().count() } else { haystack.len() };
    let bound = |index: usize, default: usize| match arguments.get(index) {
        None => Ok(default),
        Some(value) => match int32(value).map(usize::try_from) {
            Some(Ok(place)) => Ok(place),
            Some(Err(_)) => {
                Err(QueryError::new(40097, format!("{operator} requires a nonnegative index")))
            }
            None => Err(QueryError::new(
                40096,
                format!(
                    "{operator} requires an integral index, found a value of type: {}",
                    type_name(value)
                ),
            )),
        },
    };
    let (start, end) = (bound(2, 0)?, bound(3, length)?.min(length));
    if start > end {
        return Ok(Some(RawBson::Int32(-1)));
    }
    let byte = |place: usize| {
        if points {
            haystack.char_indices().nth(place).map_or(haystack.len(), |(at, _)| at)
        } else {
            place
        }
    };
    let (from, to) = (byte(start), byte(end));
    let found = haystack
        .as_bytes()
        .get(from..to)
        .and_then(|window| find_bytes(window, needle.as_bytes()))
        .map(|at| from + at);
    match found {
        Some(at) if points => {
            int(haystack.char_indices().take_while(|(place, _)| *place < at).count())
        }
        Some(at) => int(at),
        None => Ok(Some(RawBson::Int32(-1))),
    }
}

fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn split(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let Some(input) = string(at(arguments, 0)) else {
        return Err(QueryError::new(
            40085,
            format!(
                "$split requires an expression that evaluates to a string as a first argument, found: {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let Some(separator) = string(at(arguments, 1)) else {
        return Err(QueryError::new(
            40086,
            format!(
                "$split requires an expression that evaluates to a string as a second argument, found: {}",
                type_name(at(arguments, 1))
            ),
        ));
    };
    if separator.is_empty() {
        return Err(QueryError::new(40087, "$split requires a non-empty separator"));
    }
    array(input.split(separator).map(|part| RawBson::String(part.to_owned())))
}

fn compare_folded(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let left = coerced("$strcasecmp", at(arguments, 0))?.to_ascii_uppercase();
    let right = coerced("$strcasecmp", at(arguments, 1))?.to_ascii_uppercase();
    Ok(Some(RawBson::Int32(match left.cmp(&right) {
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    })))
}

fn substring_bytes(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let input = coerced("$substrBytes", at(arguments, 0))?;
    let bound = |index: usize, code: i32| {
        number(at(arguments, index)).and_then(|number| number.to_i64_truncated()).ok_or_else(|| {
            QueryError::new(
                code,
                format!("$substrBytes:  starting index and length must be numeric types (are BSON type {})", type_name(at(arguments, index))),
            )
        })
    };
    let (start, length) = (bound(1, 16034)?, bound(2, 16035)?);
    let Ok(start) = usize::try_from(start) else {
        return Err(QueryError::new(50752, "$substrBytes: starting index must be non-negative"));
    };
    if start >= input.len() {
        return text("");
    }
    let end = match usize::try_from(length) {
        Ok(length) => start.saturating_add(length).min(input.len()),
        Err(_) => input.len(),
    };
    if !input.is_char_boundary(start) {
        return Err(QueryError::new(
            28656,
            "$substrBytes:  Invalid range, starting index is a UTF-8 continuation byte.",
        ));
    }
    match input.get(start..end) {
        Some(part) => text(part),
        None => Err(QueryError::new(
            28657,
            "$substrBytes:  Invalid range, ending index is in the middle of a UTF-8 character.",
        )),
    }
}

fn substring_points(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let input = coerced("$substrCP", at(arguments, 0))?;
    let bound = |index: usize, codes: (i32, i32, i32), what: &str| {
        let value = at(arguments, index);
        if number(value).is_none() {
            return Err(QueryError::new(
                codes.0,
                format!(
                    "$substrCP: {what} must be a numeric type (is BSON type {})",
                    type_name(value)
                ),
            ));
        }
        let Some(bound) = int32(value) else {
            return Err(QueryError::new(
                codes.1,
                format!("$substrCP: {what} cannot be represented as a 32-bit integral value"),
            ));
        };
        usize::try_from(bound).map_err(|_| {
            QueryError::new(codes.2, format!("$substrCP: {what} must be a nonnegative integer."))
        })
    };
    let start = bound(1, (34450, 34451, 34455), "starting index")?;
    let length = bound(2, (34452, 34453, 34454), "length")?;
    text(input.chars().skip(start).take(length).collect::<String>())
}

fn trim(
    operator: &str,
    arguments: &Named<'_>,
    start: bool,
    end: bool,
) -> Result<Value, QueryError> {
    let input = arguments.get("input");
    if is_nullish(input) {
        return null();
    }
    let Some(input) = string(input) else {
        return Err(QueryError::new(
            50699,
            format!("{operator} requires its input to be a string, got a {}", type_name(input)),
        ));
    };
    let chars = arguments.get("chars");
    let set: Vec<char> = if !arguments.has("chars") {
        WHITESPACE.chars().collect()
    } else if is_nullish(chars) {
        return null();
    } else {
        match string(chars) {
            Some(chars) => chars.chars().collect(),
            None => {
                return Err(QueryError::new(
                    50700,
                    format!(
                        "{operator} requires 'chars' to be a string, got a {}",
                        type_name(chars)
                    ),
                ));
            }
        }
    };
    let mut out = input;
    if start {
        out = out.trim_start_matches(set.as_slice());
    }
    if end {
        out = out.trim_end_matches(set.as_slice());
    }
    text(out)
}

/// What `$trim` takes off by default.
const WHITESPACE: &str = "\u{0}\u{20}\u{9}\u{a}\u{b}\u{c}\u{d}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}";

fn replace(operator: &str, arguments: &Named<'_>, times: usize) -> Result<Value, QueryError> {
    let part = |name: &str, code: i32| {
        let value = arguments.get(name);
        match string(value) {
            Some(text) => Ok(Some(text)),
            None if is_nullish(value) => Ok(None),
            None => Err(QueryError::new(
                code,
                format!(
                    "{operator} requires that '{name}' be a string, found: {}",
                    type_name(value)
                ),
            )),
        }
    };
    match (part("input", 51746)?, part("find", 51745)?, part("replacement", 51744)?) {
        (Some(input), Some(find), Some(replacement)) => {
            text(input.replacen(find, replacement, times))
        }
        _ => null(),
    }
}

fn binary_size(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        value if is_nullish(value) => null(),
        Some(RawBson::String(text)) => int(text.len()),
        Some(RawBson::Binary(binary)) => int(binary_length(binary.as_raw_binary())),
        other => Err(QueryError::new(
            51276,
            format!(
                "$binarySize requires a string or BinData argument, found: {}",
                type_name(other)
            ),
        )),
    }
}

fn bson_size(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        value if is_nullish(value) => null(),
        Some(RawBson::Document(document)) => int(document.as_bytes().len()),
        other => Err(QueryError::new(
            31393,
            format!("$bsonSize requires a document input, found: {}", type_name(other)),
        )),
    }
}
