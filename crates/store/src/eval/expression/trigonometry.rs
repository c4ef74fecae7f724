//! Angles, in radians; all results are doubles.

use fieldveil_query::QueryError;
use fieldveil_query::value::Number;

use super::values::{any_nullish, at, null, number, type_name};
use super::{PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$acos" => |arguments, _| within("$acos", arguments, -1.0, 1.0, f64::acos),
        "$acosh" => |arguments, _| within("$acosh", arguments, 1.0, f64::INFINITY, f64::acosh),
        "$asin" => |arguments, _| within("$asin", arguments, -1.0, 1.0, f64::asin),
        "$asinh" => |arguments, _| apply("$asinh", arguments, f64::asinh),
        "$atan" => |arguments, _| apply("$atan", arguments, f64::atan),
        "$atan2" => atan2,
        "$atanh" => |arguments, _| within("$atanh", arguments, -1.0, 1.0, f64::atanh),
        "$cos" => |arguments, _| finite("$cos", arguments, f64::cos),
        "$cosh" => |arguments, _| apply("$cosh", arguments, f64::cosh),
        "$degreesToRadians" => {
            |arguments, _| apply("$degreesToRadians", arguments, f64::to_radians)
        }
        "$radiansToDegrees" => {
            |arguments, _| apply("$radiansToDegrees", arguments, f64::to_degrees)
        }
        "$sin" => |arguments, _| finite("$sin", arguments, f64::sin),
        "$sinh" => |arguments, _| apply("$sinh", arguments, f64::sinh),
        "$tan" => |arguments, _| finite("$tan", arguments, f64::tan),
        "$tanh" => |arguments, _| apply("$tanh", arguments, f64::tanh),
        _ => return None,
    })
}

fn operand(operator: &str, value: &Value) -> Result<f64, QueryError> {
    match number(value) {
        Some(Number::Decimal(_)) => {
            Err(QueryError::not_supported(format!("{operator} of a decimal")))
        }
        Some(number) => Ok(number.to_f64()),
        None => Err(QueryError::new(
            28765,
            format!("{operator} only supports numeric types, not {}", type_name(value)),
        )),
    }
}

fn apply(
    operator: &str,
    arguments: &[Value],
    function: fn(f64) -> f64,
) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let value = function(operand(operator, at(arguments, 0))?);
    Ok(Some(Number::Double(value).to_bson()))
}

fn within(
    operator: &str,
    arguments: &[Value],
    low: f64,
    high: f64,
    function: fn(f64) -> f64,
) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let value = operand(operator, at(arguments, 0))?;
    if !value.is_nan() && !(low..=high).contains(&value) {
        return Err(QueryError::new(
            50989,
            format!("cannot apply {operator} to {value}, value must be in [{low}, {high}]"),
        ));
    }
    Ok(Some(Number::Double(function(value)).to_bson()))
}

fn finite(
    operator: &str,
    arguments: &[Value],
    function: fn(f64) -> f64,
) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let value = operand(operator, at(arguments, 0))?;
    if value.is_infinite() {
        return Err(QueryError::new(
            50989,
            format!("cannot apply {operator} to {value}, value must be in (-inf,inf)"),
        ));
    }
    Ok(Some(Number::Double(function(value)).to_bson()))
}

fn atan2(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let (y, x) = (operand("$atan2", at(arguments, 0))?, operand("$atan2", at(arguments, 1))?);
    Ok(Some(Number::Double(y.atan2(x)).to_bson()))
}
