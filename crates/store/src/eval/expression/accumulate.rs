//! Sums, averages and the like over the arguments, or over one array.

use std::cmp::Ordering;

use bson::raw::{RawArrayBuf, RawBson};
use fieldveil_query::QueryError;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::value::Number;

use super::compare::compare_values;
use super::values::{Named, array, is_nullish, items, number, string};
use super::{NamedFunction, PositionalFunction, Scope, Value};

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$sum" => |arguments, _| {
            let mut sum = Sum::default();
            numbers(arguments)?.into_iter().for_each(|number| sum.add(number));
            Ok(Some(sum.total().to_bson()))
        },
        "$avg" => |arguments, _| {
            let mut sum = Sum::default();
            numbers(arguments)?.into_iter().for_each(|number| sum.add(number));
            Ok(Some(sum.average()))
        },
        "$max" => |arguments, scope| extreme(arguments, scope, Ordering::Greater),
        "$min" => |arguments, scope| extreme(arguments, scope, Ordering::Less),
        "$stdDevPop" => |arguments, _| deviation(arguments, false),
        "$stdDevSamp" => |arguments, _| deviation(arguments, true),
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$median" => |arguments, _| {
            let values = percentile_input(arguments)?;
            Ok(percentiles(values, &[0.5])
                .and_then(|list| list.into_iter().next())
                .or(Some(RawBson::Null)))
        },
        "$percentile" => |arguments, _| {
            let points = percentile_points(arguments.get("p"))?;
            let values = percentile_input(arguments)?;
            let list = percentiles(values, &points);
            array(list.unwrap_or_else(|| vec![RawBson::Null; points.len()]))
        },
        _ => return None,
    })
}

/// The arguments, or the elements of an array that is the only one.
fn flattened(arguments: &[Value]) -> Result<Vec<Value>, QueryError> {
    match arguments {
        [only] => match items(only)? {
            Some(list) => Ok(list.into_iter().map(Some).collect()),
            None => Ok(vec![only.clone()]),
        },
        all => Ok(all.to_vec()),
    }
}

fn numbers(arguments: &[Value]) -> Result<Vec<Number>, QueryError> {
    Ok(flattened(arguments)?.iter().filter_map(number).collect())
}

fn extreme(arguments: &[Value], scope: &Scope<'_>, wanted: Ordering) -> Result<Value, QueryError> {
    let mut best: Value = None;
    for value in flattened(arguments)? {
        if is_nullish(&value) {
            continue;
        }
        let order = compare_values(&value, &best, scope.context.collation.as_deref());
        if best.is_none() || order == wanted {
            best = value;
        }
    }
    Ok(best.or(Some(RawBson::Null)))
}

fn deviation(arguments: &[Value], sample: bool) -> Result<Value, QueryError> {
    let mut variance = Variance::default();
    numbers(arguments)?.into_iter().for_each(|number| variance.add(number.to_f64()));
    Ok(Some(variance.deviation(sample)))
}

/// A sum that keeps integers exact and adds doubles with compensation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    integers: i128,
    /// The doubles' sum and what rounding lost of it.
    doubles: (f64, f64),
    decimals: Option<Decimal>,
    has_long: bool,
    has_double: bool,
    count: i64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: Number) {
        self.count += 1;
        match value {
            Number::Int32(value) => self.integers += i128::from(value),
            Number::Int64(value) => {
                self.has_long = true;
                self.integers += i128::from(value);
            }
            Number::Double(value) => {
                self.has_double = true;
                self.add_double(value);
            }
            Number::Decimal(value) => {
                self.decimals = Some(self.decimals.map_or(value, |sum| sum.plus(value)));
            }
        }
    }

    /// Neumaier's variant of Kahan's sum.
    fn add_double(&mut self, value: f64) {
        let (sum, lost) = self.doubles;
        let total = sum + value;
        let error =
            if sum.abs() >= value.abs() { (sum - total) + value } else { (value - total) + sum };
        // Infinities have no rounding error; their differences would be NaN.
        let error = if total.is_finite() { error } else { 0.0 };
        self.doubles = (total, lost + error);
    }

    /// The sum, in the widest type that occurred; integers beyond 64 bits become a double.
    pub(crate) fn total(&self) -> Number {
        if let Some(decimals) = self.decimals {
            let integers = Decimal::parse(&self.integers.to_string()).unwrap_or(Decimal::Nan);
            let mut total = decimals.plus(integers);
            if self.has_double {
                total = total.plus(Decimal::from_f64(self.doubles.0 + self.doubles.1));
            }
            return Number::Decimal(total);
        }
        if self.has_double {
            let mut sum = self.clone();
            sum.add_double(self.integers as f64);
            return Number::Double(sum.doubles.0 + sum.doubles.1);
        }
        match i64::try_from(self.integers) {
            Ok(total) if self.has_long => Number::Int64(total),
            Ok(total) => Number::narrow(total),
            Err(_) => Number::Double(self.integers as f64),
        }
    }

    /// The mean, null for nothing.
    pub(crate) fn average(&self) -> RawBson {
        if self.count == 0 {
            return RawBson::Null;
        }
        match self.total() {
            Number::Decimal(total) => {
                Number::Decimal(total.divide(Decimal::from(self.count))).to_bson()
            }
            Number::Double(total) => RawBson::Double(total / self.count as f64),
            _ => RawBson::Double(self.integers as f64 / self.count as f64),
        }
    }
}

/// Mean and squared differences, by Welford's method.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Variance {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Variance {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// The standard deviation; null where there is none.
    pub(crate) fn deviation(&self, sample: bool) -> RawBson {
        let divisor = if sample { self.count.saturating_sub(1) } else { self.count };
        if divisor == 0 {
            return RawBson::Null;
        }
        RawBson::Double((self.squares / divisor as f64).sqrt())
    }
}

fn percentile_input(arguments: &Named<'_>) -> Result<Vec<f64>, QueryError> {
    check_method(arguments.get("method"))?;
    let input = arguments.get("input");
    Ok(match items(input)? {
        Some(list) => {
            list.into_iter().filter_map(|item| number(&Some(item)).map(Number::to_f64)).collect()
        }
        None => number(input).map(Number::to_f64).into_iter().collect(),
    })
}

pub(crate) fn check_method(method: &Value) -> Result<(), QueryError> {
    match string(method) {
        Some("approximate") => Ok(()),
        _ => Err(QueryError::bad_value(
            "Currently only 'approximate' can be used as percentile 'method'.",
        )),
    }
}

pub(crate) fn percentile_points(value: &Value) -> Result<Vec<f64>, QueryError> {
    let refused = || {
        QueryError::new(
            7750303,
            "The $percentile 'p' field must be an array of numbers from [0.0, 1.0]",
        )
    };
    let list = items(value)?.filter(|list| !list.is_empty()).ok_or_else(refused)?;
    list.into_iter()
        .map(|item| match number(&Some(item)).map(Number::to_f64) {
            Some(point) if (0.0..=1.0).contains(&point) => Ok(point),
            _ => Err(refused()),
        })
        .collect()
}

/// The discrete percentiles of some values; `None` if there are no values.
pub(crate) fn percentiles(mut values: Vec<f64>, points: &[f64]) -> Option<Vec<RawBson>> {
    values.retain(|value| !value.is_nan());
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let rank = |point: f64| {
        let rank = (point * values.len() as f64).ceil() as usize;
        values.get(rank.saturating_sub(1)).or_else(|| values.last()).copied().unwrap_or(f64::NAN)
    };
    Some(points.iter().map(|point| RawBson::Double(rank(*point))).collect())
}

/// An array of values, for accumulators that collect.
pub(crate) fn collected(values: &[RawBson]) -> RawBson {
    let mut array = RawArrayBuf::new();
    for value in values {
        array.push(value.as_raw_bson_ref());
    }
    RawBson::Array(array)
}
