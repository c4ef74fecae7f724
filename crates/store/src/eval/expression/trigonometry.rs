//! Angles, in radians; all results are doubles.

use std::fmt;

use fieldveil_query::QueryError;
use fieldveil_query::value::Number;

use super::values::{any_nullish, at, null, number, type_name};
use super::{PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$acos" => |arguments, _| apply("$acos", arguments, Domain::Between(-1.0, 1.0), f64::acos),
        "$acosh" => |arguments, _| {
            apply("$acosh", arguments, Domain::Between(1.0, f64::INFINITY), f64::acosh)
        },
        "$asin" => |arguments, _| apply("$asin", arguments, Domain::Between(-1.0, 1.0), f64::asin),
        "$asinh" => |arguments, _| apply("$asinh", arguments, Domain::All, f64::asinh),
        "$atan" => |arguments, _| apply("$atan", arguments, Domain::All, f64::atan),
        "$atan2" => atan2,
        "$atanh" => {
            |arguments, _| apply("$atanh", arguments, Domain::Between(-1.0, 1.0), f64::atanh)
        }
        "$cos" => |arguments, _| apply("$cos", arguments, Domain::Finite, f64::cos),
        "$cosh" => |arguments, _| apply("$cosh", arguments, Domain::All, f64::cosh),
        "$degreesToRadians" => {
            |arguments, _| apply("$degreesToRadians", arguments, Domain::All, f64::to_radians)
        }
        "$radiansToDegrees" => {
            |arguments, _| apply("$radiansToDegrees", arguments, Domain::All, f64::to_degrees)
        }
        "$sin" => |arguments, _| apply("$sin", arguments, Domain::Finite, f64::sin),
        "$sinh" => |arguments, _| apply("$sinh", arguments, Domain::All, f64::sinh),
        "$tan" => |arguments, _| apply("$tan", arguments, Domain::Finite, f64::tan),
        "$tanh" => |arguments, _| apply("$tanh", arguments, Domain::All, f64::tanh),
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

/// The arguments that a function has a value for, beside NaN.
enum Domain {
    All,
    Finite,
    /// Bounds included.
    Between(f64, f64),
}

impl Domain {
    fn contains(&self, value: f64) -> bool {
        match self {
            Self::All => true,
            Self::Finite => !value.is_infinite(),
            Self::Between(low, high) => value.is_nan() || (*low..=*high).contains(&value),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("[-inf, inf]"),
            Self::Finite => f.write_str("(-inf,inf)"),
            Self::Between(low, high) => write!(f, "[{low}, {high}]"),
        }
    }
}

fn apply(
    operator: &str,
    arguments: &[Value],
    domain: Domain,
    function: fn(f64) -> f64,
) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let value = operand(operator, at(arguments, 0))?;
    if !domain.contains(value) {
        return Err(QueryError::new(
            50989,
            format!("cannot apply {operator} to {value}, value must be in {domain}"),
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
