//! Numbers.

use bson::DateTime;
use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::value::Number;

use super::accumulate::Sum;
use super::values::{any_nullish, at, int32, is_nullish, null, number, type_name};
use super::{PositionalFunction, Scope, Value};
use crate::eval::arithmetic::{self as numbers, Outcome};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$abs" => |arguments, _| unary("$abs", arguments, abs),
        "$add" => add,
        "$bitAnd" => |arguments, _| bits("$bitAnd", arguments, -1, |l, r| l & r),
        "$bitNot" => bit_not,
        "$bitOr" => |arguments, _| bits("$bitOr", arguments, 0, |l, r| l | r),
        "$bitXor" => |arguments, _| bits("$bitXor", arguments, 0, |l, r| l ^ r),
        "$ceil" => {
            |arguments, _| unary("$ceil", arguments, |n| Ok(whole(n, f64::ceil, Decimal::ceil)))
        }
        "$divide" => divide,
        "$exp" => |arguments, _| {
            unary("$exp", arguments, |n| Ok(whole(promoted(n), f64::exp, Decimal::exp)))
        },
        "$floor" => {
            |arguments, _| unary("$floor", arguments, |n| Ok(whole(n, f64::floor, Decimal::floor)))
        }
        "$ln" => |arguments, _| {
            unary("$ln", arguments, |n| logarithm("$ln", 28766, n, f64::ln, Decimal::ln))
        },
        "$log" => log,
        "$log10" => |arguments, _| {
            unary("$log10", arguments, |n| {
                logarithm("$log10", 28761, n, f64::log10, Decimal::log10)
            })
        },
        "$mod" => modulo,
        "$multiply" => multiply,
        "$pow" => pow,
        "$round" => |arguments, _| to_places("$round", arguments, true),
        "$sigmoid" => |arguments, _| {
            unary("$sigmoid", arguments, |n| double("$sigmoid", n, |x| 1.0 / (1.0 + (-x).exp())))
        },
        "$sqrt" => |arguments, _| unary("$sqrt", arguments, sqrt),
        "$subtract" => subtract,
        "$trunc" => |arguments, _| to_places("$trunc", arguments, false),
        _ => return None,
    })
}

fn unary(
    operator: &str,
    arguments: &[Value],
    apply: impl FnOnce(Number) -> Result<Number, QueryError>,
) -> Result<Value, QueryError> {
    let value = at(arguments, 0);
    if is_nullish(value) {
        return null();
    }
    match number(value) {
        Some(number) => Ok(Some(apply(number)?.to_bson())),
        None => Err(QueryError::new(
            28765,
            format!("{operator} only supports numeric types, not {}", type_name(value)),
        )),
    }
}

/// A function on doubles; for decimals there is none of their precision.
fn double(operator: &str, value: Number, apply: fn(f64) -> f64) -> Result<Number, QueryError> {
    match value {
        Number::Decimal(_) => Err(QueryError::not_supported(format!("{operator} of a decimal"))),
        other => Ok(Number::Double(apply(other.to_f64()))),
    }
}

fn whole(value: Number, doubles: fn(f64) -> f64, decimals: fn(Decimal) -> Decimal) -> Number {
    match value {
        Number::Double(value) => Number::Double(doubles(value)),
        Number::Decimal(value) => Number::Decimal(decimals(value)),
        integer => integer,
    }
}

fn abs(value: Number) -> Result<Number, QueryError> {
    Ok(match value {
        Number::Int32(value) => Number::narrow(i64::from(value).abs()),
        Number::Int64(value) => Number::Int64(
            value
                .checked_abs()
                .ok_or_else(|| QueryError::new(28680, "can't take $abs of long long min"))?,
        ),
        Number::Double(value) => Number::Double(value.abs()),
        Number::Decimal(value) => Number::Decimal(value.abs()),
    })
}

fn sqrt(value: Number) -> Result<Number, QueryError> {
    let negative = match value {
        Number::Decimal(value) => value.is_negative() && !value.is_zero(),
        other => other.to_f64() < 0.0,
    };
    if negative {
        return Err(QueryError::new(28714, "$sqrt's argument must be greater than or equal to 0"));
    }
    Ok(match value {
        Number::Decimal(value) => Number::Decimal(value.sqrt()),
        other => Number::Double(other.to_f64().sqrt()),
    })
}

fn logarithm(
    operator: &str,
    code: i32,
    value: Number,
    doubles: fn(f64) -> f64,
    decimals: fn(Decimal) -> Decimal,
) -> Result<Number, QueryError> {
    if !is_above_zero(value) {
        return Err(QueryError::new(
            code,
            format!("{operator}'s argument must be a positive number"),
        ));
    }
    Ok(whole(promoted(value), doubles, decimals))
}

/// Whether a logarithm may be asked for; NaN has one, which is NaN.
fn is_above_zero(value: Number) -> bool {
    match value {
        Number::Decimal(value) => !value.is_negative() && !value.is_zero(),
        other => other.to_f64() > 0.0 || other.to_f64().is_nan(),
    }
}

fn is_one(value: Number) -> bool {
    match value {
        Number::Decimal(value) => value.compare(Decimal::from(1)).is_eq(),
        other => other.to_f64() == 1.0,
    }
}

/// An integer as a double.
fn promoted(value: Number) -> Number {
    match value {
        Number::Decimal(_) => value,
        other => Number::Double(other.to_f64()),
    }
}

fn add(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let mut sum = Sum::default();
    let mut date: Option<DateTime> = None;
    for argument in arguments {
        if is_nullish(argument) {
            return null();
        }
        match (argument, number(argument)) {
            (_, Some(number)) => sum.add(number),
            (Some(RawBson::DateTime(new)), _) => {
                if date.is_some() {
                    return Err(QueryError::new(
                        16612,
                        "only one date allowed in an $add expression",
                    ));
                }
                date = Some(*new);
            }
            (other, None) => {
                return Err(QueryError::new(
                    14,
                    format!("$add only supports numeric or date types, not {}", type_name(other)),
                ));
            }
        }
    }
    match date {
        None => Ok(Some(sum.total().to_bson())),
        Some(date) => shift(date, sum.total(), false),
    }
}

/// A date moved by milliseconds.
fn shift(date: DateTime, by: Number, back: bool) -> Result<Value, QueryError> {
    let by = match by {
        Number::Double(value) => Number::Double(value.round()),
        Number::Decimal(value) => Number::Decimal(value.rounded(0)),
        other => other,
    };
    let overflow = || QueryError::new(15, "date overflow");
    let by = by.to_i64_truncated().ok_or_else(overflow)?;
    let millis = date.timestamp_millis();
    let moved = if back { millis.checked_sub(by) } else { millis.checked_add(by) };
    Ok(Some(RawBson::DateTime(DateTime::from_millis(moved.ok_or_else(overflow)?))))
}

fn subtract(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let (left, right) = (at(arguments, 0), at(arguments, 1));
    match (left, right, number(left), number(right)) {
        (_, _, Some(left), Some(right)) => Ok(Some(match numbers::subtract(left, right) {
            Outcome::Value(number) => number.to_bson(),
            Outcome::Overflow => RawBson::Double(left.to_f64() - right.to_f64()),
        })),
        (Some(RawBson::DateTime(left)), Some(RawBson::DateTime(right)), _, _) => {
            let difference = left.timestamp_millis().checked_sub(right.timestamp_millis());
            Ok(Some(RawBson::Int64(
                difference.ok_or_else(|| QueryError::new(15, "date overflow"))?,
            )))
        }
        (Some(RawBson::DateTime(date)), _, _, Some(by)) => shift(*date, by, true),
        _ => Err(QueryError::new(
            14,
            format!("can't $subtract {} from {}", type_name(right), type_name(left)),
        )),
    }
}

fn multiply(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let mut product = Number::Int32(1);
    let mut has_null = false;
    for argument in arguments {
        if is_nullish(argument) {
            has_null = true;
            continue;
        }
        let Some(factor) = number(argument) else {
            return Err(QueryError::new(
                14,
                format!("$multiply only supports numeric types, not {}", type_name(argument)),
            ));
        };
        product = match numbers::multiply(product, factor) {
            Outcome::Value(number) => number,
            Outcome::Overflow => Number::Double(product.to_f64() * factor.to_f64()),
        };
    }
    if has_null { null() } else { Ok(Some(product.to_bson())) }
}

/// Two numbers, or null, or the operator's type error.
fn pair(
    operator: &str,
    code: i32,
    arguments: &[Value],
) -> Result<Option<(Number, Number)>, QueryError> {
    if any_nullish(arguments) {
        return Ok(None);
    }
    let (left, right) = (at(arguments, 0), at(arguments, 1));
    match (number(left), number(right)) {
        (Some(left), Some(right)) => Ok(Some((left, right))),
        _ => Err(QueryError::new(
            code,
            format!(
                "{operator} only supports numeric types, not {} and {}",
                type_name(left),
                type_name(right)
            ),
        )),
    }
}

/// Two numbers, or null, or the code and text for the one that is no number.
fn operands(
    arguments: &[Value],
    first: (i32, &str),
    second: (i32, &str),
) -> Result<Option<(Number, Number)>, QueryError> {
    if any_nullish(arguments) {
        return Ok(None);
    }
    let numeric = |index, (code, text): (i32, &str)| {
        let value = at(arguments, index);
        number(value).ok_or_else(|| QueryError::new(code, format!("{text} {}", type_name(value))))
    };
    Ok(Some((numeric(0, first)?, numeric(1, second)?)))
}

fn is_decimal(left: Number, right: Number) -> bool {
    matches!(left, Number::Decimal(_)) || matches!(right, Number::Decimal(_))
}

fn divide(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let Some((left, right)) = pair("$divide", 14, arguments)? else { return null() };
    if right.is_zero() {
        return Err(QueryError::bad_value("can't $divide by zero"));
    }
    Ok(Some(if is_decimal(left, right) {
        Number::Decimal(left.to_decimal().divide(right.to_decimal())).to_bson()
    } else {
        RawBson::Double(left.to_f64() / right.to_f64())
    }))
}

fn modulo(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let Some((left, right)) = pair("$mod", 16611, arguments)? else { return null() };
    if right.is_zero() {
        return Err(QueryError::new(16610, "can't $mod by zero"));
    }
    let result = match (left, right) {
        _ if is_decimal(left, right) => {
            Number::Decimal(left.to_decimal().remainder(right.to_decimal()))
        }
        (Number::Double(_), _) | (_, Number::Double(_)) => {
            Number::Double(left.to_f64() % right.to_f64())
        }
        _ => {
            let remainder = left
                .to_i64_exact()
                .zip(right.to_i64_exact())
                .map_or(0, |(left, right)| left.wrapping_rem(right));
            match (left, right) {
                (Number::Int32(_), Number::Int32(_)) => Number::narrow(remainder),
                _ => Number::Int64(remainder),
            }
        }
    };
    Ok(Some(result.to_bson()))
}

fn log(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let Some((value, base)) = operands(
        arguments,
        (28756, "$log's argument must be numeric, not"),
        (28757, "$log's base must be numeric, not"),
    )?
    else {
        return null();
    };
    if !is_above_zero(value) {
        return Err(QueryError::new(28758, "$log's argument must be a positive number"));
    }
    if !is_above_zero(base) || is_one(base) {
        return Err(QueryError::new(28759, "$log's base must be a positive number not equal to 1"));
    }
    if is_decimal(value, base) {
        return Ok(Some(Number::Decimal(value.to_decimal().log(base.to_decimal())).to_bson()));
    }
    Ok(Some(RawBson::Double(value.to_f64().ln() / base.to_f64().ln())))
}

fn pow(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let Some((base, exponent)) = operands(
        arguments,
        (28762, "$pow's base must be numeric, not"),
        (28763, "$pow's exponent must be numeric, not"),
    )?
    else {
        return null();
    };
    let negative_exponent = exponent.to_f64() < 0.0;
    if base.is_zero() && negative_exponent {
        return Err(QueryError::new(28764, "$pow cannot take a base of 0 and a negative exponent"));
    }
    if is_decimal(base, exponent) {
        let power = base.to_decimal().power(exponent.to_decimal());
        return Ok(Some(Number::Decimal(power).to_bson()));
    }
    if matches!(base, Number::Double(_)) || matches!(exponent, Number::Double(_)) {
        return Ok(Some(RawBson::Double(base.to_f64().powf(exponent.to_f64()))));
    }
    let exact =
        base.to_i64_exact().zip(exponent.to_i64_exact()).and_then(|(base, exponent)| {
            match (base, exponent) {
                (1, _) => Some(1),
                (-1, exponent) => Some(if exponent % 2 == 0 { 1 } else { -1 }),
                (_, exponent) => base.checked_pow(u32::try_from(exponent).ok()?),
            }
        });
    let both_int = matches!((base, exponent), (Number::Int32(_), Number::Int32(_)));
    Ok(Some(match exact {
        Some(value) if both_int => Number::narrow(value).to_bson(),
        Some(value) => RawBson::Int64(value),
        None => RawBson::Double(base.to_f64().powf(exponent.to_f64())),
    }))
}

fn to_places(operator: &str, arguments: &[Value], round: bool) -> Result<Value, QueryError> {
    let places = match arguments.get(1) {
        None => 0,
        Some(value) if is_nullish(value) => return null(),
        Some(value) => match int32(value) {
            Some(places) if (-20..=100).contains(&places) => places,
            Some(places) => {
                return Err(QueryError::new(
                    51083,
                    format!(
                        "cannot apply {operator} with precision value {places} value must be in [-20, 100]"
                    ),
                ));
            }
            None => {
                return Err(QueryError::new(
                    51082,
                    format!("precision argument to  {operator} must be a integral value"),
                ));
            }
        },
    };
    let value = at(arguments, 0);
    if is_nullish(value) {
        return null();
    }
    let Some(value) = number(value) else {
        return Err(QueryError::new(
            51081,
            format!("{operator} only supports numeric types, not {}", type_name(value)),
        ));
    };
    let apply =
        |value: Decimal| if round { value.rounded(places) } else { value.truncated(places) };
    let result = match value {
        Number::Decimal(value) => Number::Decimal(apply(value)),
        Number::Double(value) if places == 0 => {
            Number::Double(if round { value.round_ties_even() } else { value.trunc() })
        }
        Number::Double(value) if !value.is_finite() => Number::Double(value),
        Number::Double(value) => {
            let exact = Decimal::parse(&format!("{value:.33e}")).unwrap_or(Decimal::Nan);
            Number::Double(apply(exact).to_f64())
        }
        integer if places >= 0 => integer,
        integer => {
            let exact = integer.to_i64_exact().unwrap_or(0);
            let Some(rounded) = apply(Decimal::from(exact)).to_i64_exact() else {
                return Err(QueryError::new(
                    51080,
                    format!("invalid conversion from Decimal128 result in {operator}"),
                ));
            };
            match integer {
                Number::Int32(_) => Number::narrow(rounded),
                _ => Number::Int64(rounded),
            }
        }
    };
    Ok(Some(result.to_bson()))
}

fn bits(
    operator: &str,
    arguments: &[Value],
    start: i64,
    combine: fn(i64, i64) -> i64,
) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let mut wide = false;
    let mut result = start;
    for argument in arguments {
        let operand = match argument {
            Some(RawBson::Int32(value)) => i64::from(*value),
            Some(RawBson::Int64(value)) => {
                wide = true;
                *value
            }
            other => {
                return Err(QueryError::type_mismatch(format!(
                    "{operator} only supports int and long operands, not {}",
                    type_name(other)
                )));
            }
        };
        result = combine(result, operand);
    }
    Ok(Some(if wide { RawBson::Int64(result) } else { Number::narrow(result).to_bson() }))
}

fn bit_not(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        value if is_nullish(value) => null(),
        Some(RawBson::Int32(value)) => Ok(Some(RawBson::Int32(!value))),
        Some(RawBson::Int64(value)) => Ok(Some(RawBson::Int64(!value))),
        other => Err(QueryError::type_mismatch(format!(
            "$bitNot only supports int and long, not {}",
            type_name(other)
        ))),
    }
}
