//! Types and conversions.

use bson::oid::ObjectId;
use bson::raw::{RawBson, RawBsonRef};
use bson::spec::{BinarySubtype, ElementType};
use bson::{DateTime, Decimal128};
use fieldveil_query::QueryError;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::value::{BsonType, Number, is_truthy};

use super::date::{iso_text, parse_date};
use super::values::{Named, at, boolean, is_nullish, null, number, text, type_name};
use super::{NamedFunction, PositionalFunction, Value};
use binary::Layout;

mod binary;

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$isNumber" => |arguments, _| boolean(number(at(arguments, 0)).is_some()),
        "$toBool" => |arguments, _| short(arguments, ElementType::Boolean),
        "$toDate" => |arguments, _| short(arguments, ElementType::DateTime),
        "$toDecimal" => |arguments, _| short(arguments, ElementType::Decimal128),
        "$toDouble" => |arguments, _| short(arguments, ElementType::Double),
        "$toInt" => |arguments, _| short(arguments, ElementType::Int32),
        "$toLong" => |arguments, _| short(arguments, ElementType::Int64),
        "$toObjectId" => |arguments, _| short(arguments, ElementType::ObjectId),
        "$toString" => |arguments, _| short(arguments, ElementType::String),
        "$toUUID" => |arguments, _| short_by(arguments, ElementType::Binary, Layout::UUID),
        "$tsIncrement" => {
            |arguments, _| timestamp("$tsIncrement", arguments, |stamp| stamp.increment)
        }
        "$tsSecond" => |arguments, _| timestamp("$tsSecond", arguments, |stamp| stamp.time),
        "$type" => |arguments, _| text(type_name(at(arguments, 0))),
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    match operator {
        "$convert" => Some(|arguments, _| convert_operator(arguments)),
        _ => None,
    }
}

fn timestamp(
    operator: &str,
    arguments: &[Value],
    part: fn(&bson::Timestamp) -> u32,
) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        value if is_nullish(value) => null(),
        Some(RawBson::Timestamp(stamp)) => Ok(Some(RawBson::Int64(i64::from(part(stamp))))),
        other => Err(QueryError::new(
            if operator == "$tsSecond" { 5687301 } else { 5687302 },
            format!("Argument to {operator} must be a timestamp, but is {}", type_name(other)),
        )),
    }
}

fn short(arguments: &[Value], to: ElementType) -> Result<Value, QueryError> {
    short_by(arguments, to, Layout::AUTO)
}

fn short_by(arguments: &[Value], to: ElementType, layout: Layout) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        Some(value) if !matches!(value, RawBson::Null | RawBson::Undefined) => {
            convert(value, to, layout).map(Some)
        }
        _ => null(),
    }
}

fn convert_operator(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let input = arguments.get("input");
    let Some((kind, subtype)) = target(arguments.get("to"))? else { return null() };
    let layout = Layout::new(subtype, arguments)?;
    match input {
        Some(value) if !is_nullish(input) => match convert(value, kind, layout) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == 241 && arguments.has("onError") => {
                Ok(arguments.get("onError").clone())
            }
            Err(error) => Err(error),
        },
        _ if arguments.has("onNull") => Ok(arguments.get("onNull").clone()),
        _ => null(),
    }
}

/// What `to` names: a type, or a document of a type and a subtype. `None` for null.
fn target(to: &Value) -> Result<Option<(ElementType, BinarySubtype)>, QueryError> {
    let Some(RawBson::Document(document)) = to else {
        return Ok(named_type(to)?.map(|kind| (kind, BinarySubtype::Generic)));
    };
    let (mut kind, mut subtype) = (None, BinarySubtype::Generic);
    for field in document {
        let (name, value) = field.map_err(|error| QueryError::bad_value(error.to_string()))?;
        match name.as_str() {
            "type" => kind = Some(named_type(&Some(RawBson::from(value)))?),
            "subtype" => {
                let number = number(&Some(RawBson::from(value))).and_then(Number::to_i64_exact);
                subtype = number
                    .and_then(|number| u8::try_from(number).ok())
                    .map(Into::into)
                    .ok_or_else(|| {
                        QueryError::bad_value("$convert's 'subtype' must be a number from 0 to 255")
                    })?;
            }
            other => {
                return Err(QueryError::failed_to_parse(format!(
                    "$convert's 'to' has a field that it does not know: {other}"
                )));
            }
        }
    }
    let kind = kind.ok_or_else(|| QueryError::failed_to_parse("$convert's 'to' has no 'type'"))?;
    Ok(kind.map(|kind| (kind, subtype)))
}

fn named_type(to: &Value) -> Result<Option<ElementType>, QueryError> {
    let kind = match to {
        to if is_nullish(to) => return Ok(None),
        Some(RawBson::String(name)) => BsonType::from_name(name)
            .ok_or_else(|| QueryError::bad_value(format!("Unknown type name: {name}")))?,
        other => number(other)
            .and_then(Number::to_i64_exact)
            .and_then(BsonType::from_number)
            .ok_or_else(|| {
                QueryError::failed_to_parse(format!(
                    "$convert's 'to' argument must be a string or number, but is {}",
                    type_name(other)
                ))
            })?,
    };
    Ok(Some(kind.element_type()))
}

fn failure(message: impl Into<String>) -> QueryError {
    QueryError::new(241, message)
}

fn unsupported(value: RawBsonRef<'_>, to: ElementType) -> QueryError {
    let names = (BsonType::of(value).name(), name_of(to));
    failure(format!(
        "Unsupported conversion from {} to {} in $convert with no onError value",
        names.0, names.1
    ))
}

fn name_of(kind: ElementType) -> &'static str {
    match kind {
        ElementType::Binary => "binData",
        ElementType::Boolean => "bool",
        ElementType::DateTime => "date",
        ElementType::Decimal128 => "decimal",
        ElementType::Double => "double",
        ElementType::Int32 => "int",
        ElementType::Int64 => "long",
        ElementType::ObjectId => "objectId",
        ElementType::String => "string",
        _ => "that type",
    }
}

/// Converts a value that is not null.
fn convert(value: &RawBson, to: ElementType, layout: Layout) -> Result<RawBson, QueryError> {
    let source = value.as_raw_bson_ref();
    if to == ElementType::Binary {
        return binary::to_binary(source, layout);
    }
    if source.element_type() == to {
        return Ok(value.clone());
    }
    match to {
        ElementType::Boolean => match source {
            RawBsonRef::Document(_)
            | RawBsonRef::Array(_)
            | RawBsonRef::Binary(_)
            | RawBsonRef::String(_)
            | RawBsonRef::ObjectId(_)
            | RawBsonRef::DateTime(_)
            | RawBsonRef::Timestamp(_)
            | RawBsonRef::RegularExpression(_) => Ok(RawBson::Boolean(true)),
            _ if Number::new(source).is_some() => Ok(RawBson::Boolean(is_truthy(source))),
            _ => Err(unsupported(source, to)),
        },
        ElementType::String => {
            if let RawBsonRef::Binary(bytes) = source {
                return binary::to_text(bytes, layout).map(RawBson::String);
            }
            to_text(value).map(RawBson::String).ok_or_else(|| unsupported(source, to))
        }
        ElementType::ObjectId => match source {
            RawBsonRef::String(text) => ObjectId::parse_str(text)
                .map(RawBson::ObjectId)
                .map_err(|_| failure(format!("Failed to parse objectId '{text}' in $convert with no onError value: Invalid string for parsing to OID"))),
            _ => Err(unsupported(source, to)),
        },
        ElementType::DateTime => to_date(source, layout),
        ElementType::Int32 => {
            let wide = to_integer(source, to, layout)?;
            i32::try_from(wide)
                .map(RawBson::Int32)
                .map_err(|_| failure("Conversion would overflow target type in $convert with no onError value"))
        }
        ElementType::Int64 => to_integer(source, to, layout).map(RawBson::Int64),
        ElementType::Double => to_double(source, layout),
        ElementType::Decimal128 => to_decimal(source),
        _ => Err(unsupported(source, to)),
    }
}

fn to_integer(value: RawBsonRef<'_>, to: ElementType, layout: Layout) -> Result<i64, QueryError> {
    match value {
        RawBsonRef::Binary(bytes) => binary::to_integer(bytes, to, layout),
        RawBsonRef::Boolean(value) => Ok(i64::from(value)),
        RawBsonRef::String(text) => parse_integer(text).ok_or_else(|| parse_failure(text)),
        RawBsonRef::DateTime(date) if to == ElementType::Int64 => Ok(date.timestamp_millis()),
        other => match Number::new(other) {
            Some(number) if number.is_nan() => Err(failure(
                "Attempt to convert NaN value to integer type in $convert with no onError value",
            )),
            Some(number) => number.to_i64_truncated().ok_or_else(|| {
                if number.to_f64().is_infinite() {
                    failure("Attempt to convert infinity value to integer type in $convert with no onError value")
                } else {
                    failure("Conversion would overflow target type in $convert with no onError value")
                }
            }),
            None => Err(unsupported(other, to)),
        },
    }
}

fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_failure(text: &str) -> QueryError {
    failure(format!(
        "Failed to parse number '{text}' in $convert with no onError value: Did not consume whole \
         string."
    ))
}

fn to_double(value: RawBsonRef<'_>, layout: Layout) -> Result<RawBson, QueryError> {
    match value {
        RawBsonRef::Binary(bytes) => binary::to_double(bytes, layout).map(RawBson::Double),
        RawBsonRef::Boolean(value) => Ok(RawBson::Double(f64::from(u8::from(value)))),
        RawBsonRef::DateTime(date) => Ok(RawBson::Double(date.timestamp_millis() as f64)),
        RawBsonRef::String(text) => {
            let plain = !text.starts_with(char::is_whitespace) && Decimal::parse(text).is_some();
            let parsed = text.parse().ok().filter(|_| plain);
            parsed.map(RawBson::Double).ok_or_else(|| parse_failure(text))
        }
        RawBsonRef::Decimal128(value) => {
            let decimal = Decimal::decode(value);
            let double = decimal.to_f64();
            if double.is_infinite() && !matches!(decimal, Decimal::Infinity(_)) {
                return Err(failure(
                    "Conversion would overflow target type in $convert with no onError value",
                ));
            }
            Ok(RawBson::Double(double))
        }
        other => match Number::new(other) {
            Some(number) => Ok(RawBson::Double(number.to_f64())),
            None => Err(unsupported(other, ElementType::Double)),
        },
    }
}

fn to_decimal(value: RawBsonRef<'_>) -> Result<RawBson, QueryError> {
    let encode =
        |decimal: Decimal| RawBson::Decimal128(Decimal128::from_bytes(decimal.encode().bytes()));
    match value {
        RawBsonRef::Boolean(value) => Ok(encode(Decimal::from(i64::from(value)))),
        RawBsonRef::DateTime(date) => Ok(encode(Decimal::from(date.timestamp_millis()))),
        RawBsonRef::String(text) => {
            Decimal::parse(text).map(encode).ok_or_else(|| parse_failure(text))
        }
        other => match Number::new(other) {
            Some(number) => Ok(encode(number.to_decimal())),
            None => Err(unsupported(other, ElementType::Decimal128)),
        },
    }
}

fn to_date(value: RawBsonRef<'_>, layout: Layout) -> Result<RawBson, QueryError> {
    let millis = match value {
        RawBsonRef::Int64(millis) => millis,
        RawBsonRef::Double(_) | RawBsonRef::Decimal128(_) => {
            to_integer(value, ElementType::Int64, layout)?
        }
        RawBsonRef::ObjectId(id) => id.timestamp().timestamp_millis(),
        RawBsonRef::Timestamp(stamp) => i64::from(stamp.time) * 1000,
        RawBsonRef::String(text) => parse_date(text, None).ok_or_else(|| {
            failure(format!("Error parsing date string '{text}' in $convert with no onError value"))
        })?,
        other => return Err(unsupported(other, ElementType::DateTime)),
    };
    Ok(RawBson::DateTime(DateTime::from_millis(millis)))
}

/// A value as text; `None` for the types that have none.
pub(super) fn to_text(value: &RawBson) -> Option<String> {
    Some(match value.as_raw_bson_ref() {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => text.to_owned(),
        RawBsonRef::Boolean(value) => value.to_string(),
        RawBsonRef::Int32(value) => value.to_string(),
        RawBsonRef::Int64(value) => value.to_string(),
        RawBsonRef::Double(value) => double_text(value),
        RawBsonRef::Decimal128(value) => Decimal::decode(value).to_string(),
        RawBsonRef::ObjectId(id) => id.to_hex(),
        RawBsonRef::DateTime(date) => iso_text(date.timestamp_millis()),
        _ => return None,
    })
}

/// Sixteen significant digits without zeros at the end, as C's `%.16g`.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:.15e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let places = usize::try_from(15 - exponent).unwrap_or(0);
        let fixed = format!("{value:.places$}");
        if fixed.contains('.') {
            return fixed.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        return fixed;
    }
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_c() {
        for (value, text) in [
            (2.5, "2.5"),
            (3.0, "3"),
            (0.1, "0.1"),
            (1e100, "1e+100"),
            (1e-7, "1e-07"),
            (-0.0, "-0"),
            (123456789.125, "123456789.125"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(double_text(value), text);
        }
    }
}
