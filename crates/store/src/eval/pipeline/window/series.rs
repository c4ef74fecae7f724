//! Window functions that look at the sort key or at neighbours: `$derivative`, `$integral`,
//! `$expMovingAvg`, `$linearFill`, `$covariancePop`, `$covarianceSamp`.

use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;
use fieldveil_query::value::Number;

use super::{Row, distance_key, unit_millis};
use crate::eval::Context;
use crate::eval::expression::{Compiled, Value};

/// A function over the rows of a window, or of a partition.
pub(super) enum Series {
    /// Change of the input for each unit of the sort key, over the window.
    Derivative { input: Compiled, unit: Option<i64> },
    /// Area under the input, by trapezoids, over the window.
    Integral { input: Compiled, unit: Option<i64> },
    /// Over the window, of an array of two numbers.
    Covariance { input: Compiled, sample: bool },
    /// Over the partition up to the row; `alpha` weighs the newest.
    MovingAverage { input: Compiled, alpha: f64 },
    /// Nulls between two numbers, by the distance of the sort keys.
    LinearFill(Compiled),
}

impl Series {
    /// Compiles one of the functions, if it is one.
    pub(super) fn compile(
        function: &Accumulator,
        context: &Context,
    ) -> Result<Option<Self>, QueryError> {
        let named = |name: &str| {
            function.named(name).ok_or_else(|| {
                QueryError::failed_to_parse(format!("{} requires '{name}'", function.operator))
            })
        };
        let compiled = |expression: &Expression| Compiled::compile(expression, context);
        let unit = || match function.named("unit").and_then(Expression::as_constant) {
            None => Ok(None),
            Some(RawBson::String(unit)) => unit_millis(unit).map(Some),
            Some(_) => Err(QueryError::failed_to_parse("'unit' must be a string")),
        };
        Ok(Some(match function.operator {
            "$derivative" => Self::Derivative { input: compiled(named("input")?)?, unit: unit()? },
            "$integral" => Self::Integral { input: compiled(named("input")?)?, unit: unit()? },
            "$covariancePop" | "$covarianceSamp" => Self::Covariance {
                input: compiled(&function.argument)?,
                sample: function.operator == "$covarianceSamp",
            },
            "$expMovingAvg" => {
                Self::MovingAverage { input: compiled(named("input")?)?, alpha: alpha(function)? }
            }
            "$linearFill" => Self::LinearFill(compiled(&function.argument)?),
            _ => return Ok(None),
        }))
    }

    /// Whether the function sees a window; the others see the partition.
    pub(super) fn has_window(&self) -> bool {
        !matches!(self, Self::MovingAverage { .. } | Self::LinearFill(_))
    }

    /// The result for one window.
    pub(super) fn over_window(
        &self,
        rows: &[Row],
        context: &Context,
    ) -> Result<RawBson, QueryError> {
        match self {
            Self::Derivative { input, unit } => {
                let (Some(first), Some(last)) = (
                    point(rows, 0, input, *unit, context)?,
                    point(rows, rows.len().saturating_sub(1), input, *unit, context)?,
                ) else {
                    return Ok(RawBson::Null);
                };
                let run = last.0 - first.0;
                Ok(if run == 0.0 {
                    RawBson::Null
                } else {
                    RawBson::Double((last.1 - first.1) / run)
                })
            }
            Self::Integral { input, unit } => {
                let mut area = 0.0;
                let mut previous: Option<(f64, f64)> = None;
                for index in 0..rows.len() {
                    let Some(current) = point(rows, index, input, *unit, context)? else {
                        continue;
                    };
                    if let Some(previous) = previous {
                        area += (current.0 - previous.0) * (current.1 + previous.1) / 2.0;
                    }
                    previous = Some(current);
                }
                Ok(previous.map_or(RawBson::Null, |_| RawBson::Double(area)))
            }
            Self::Covariance { input, sample } => covariance(rows, input, *sample, context),
            Self::MovingAverage { .. } | Self::LinearFill(_) => Ok(RawBson::Null),
        }
    }

    /// The results for all rows of a partition.
    pub(super) fn over_partition(
        &self,
        rows: &[Row],
        context: &Context,
    ) -> Result<Vec<RawBson>, QueryError> {
        match self {
            Self::MovingAverage { input, alpha } => {
                let mut average: Option<f64> = None;
                let mut list = Vec::with_capacity(rows.len());
                for row in rows {
                    let value = input.evaluate(&row.document, context)?;
                    list.push(match number("$expMovingAvg", &value)? {
                        Some(value) => {
                            let next = average.map_or(value, |a| alpha * value + (1.0 - alpha) * a);
                            average = Some(next);
                            RawBson::Double(next)
                        }
                        None => RawBson::Null,
                    });
                }
                Ok(list)
            }
            Self::LinearFill(input) => linear_fill(rows, input, context),
            _ => Ok(Vec::new()),
        }
    }
}

/// `alpha`, or `N` documents of which the newest weigh `2 / (N + 1)`.
fn alpha(function: &Accumulator) -> Result<f64, QueryError> {
    let constant = |name: &str| {
        let value = function.named(name)?.as_constant()?.as_raw_bson_ref();
        Number::new(value).map(Number::to_f64)
    };
    match (constant("N"), constant("alpha")) {
        (Some(n), None) if n >= 1.0 && n.fract() == 0.0 => Ok(2.0 / (n + 1.0)),
        (None, Some(alpha)) if alpha > 0.0 && alpha < 1.0 => Ok(alpha),
        _ => Err(QueryError::failed_to_parse(
            "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an \
             'N' field or an 'alpha' field",
        )),
    }
}

/// A number; null and missing are `None`. Decimals would lose digits here.
fn number(operator: &str, value: &Value) -> Result<Option<f64>, QueryError> {
    match value.as_ref().and_then(|value| Number::new(value.as_raw_bson_ref())) {
        Some(Number::Decimal(Decimal::Finite(_))) => {
            Err(QueryError::not_supported(format!("{operator} of a decimal")))
        }
        other => Ok(other.map(Number::to_f64)),
    }
}

/// Sort key and input of a row.
fn point(
    rows: &[Row],
    index: usize,
    input: &Compiled,
    unit: Option<i64>,
    context: &Context,
) -> Result<Option<(f64, f64)>, QueryError> {
    let Some(row) = rows.get(index) else { return Ok(None) };
    let is_date = matches!(row.key.first(), Some(RawBson::DateTime(_)));
    if is_date != unit.is_some() {
        return Err(QueryError::new(
            5624900,
            "'unit' must be specified exactly when the sortBy field is a date",
        ));
    }
    let Some(key) = distance_key(rows, index)? else { return Ok(None) };
    let value = number("a window function", &input.evaluate(&row.document, context)?)?;
    Ok(value.map(|value| (key / unit.unwrap_or(1) as f64, value)))
}

fn covariance(
    rows: &[Row],
    input: &Compiled,
    sample: bool,
    context: &Context,
) -> Result<RawBson, QueryError> {
    let (mut count, mut mean_x, mut mean_y, mut moment) = (0.0, 0.0, 0.0, 0.0);
    for row in rows {
        let Some(RawBson::Array(pair)) = input.evaluate(&row.document, context)? else { continue };
        let part = |index: usize| -> Result<Option<f64>, QueryError> {
            number("a covariance", &pair.get(index)?.map(RawBson::from))
        };
        let (Some(x), Some(y)) = (part(0)?, part(1)?) else { continue };
        count += 1.0;
        let delta = x - mean_x;
        mean_x += delta / count;
        mean_y += (y - mean_y) / count;
        moment += delta * (y - mean_y);
    }
    let divisor = if sample { count - 1.0 } else { count };
    Ok(if divisor > 0.0 { RawBson::Double(moment / divisor) } else { RawBson::Null })
}

fn linear_fill(
    rows: &[Row],
    input: &Compiled,
    context: &Context,
) -> Result<Vec<RawBson>, QueryError> {
    let mut list = Vec::with_capacity(rows.len());
    let mut known: Option<(usize, f64)> = None;
    for (index, row) in rows.iter().enumerate() {
        let value = input.evaluate(&row.document, context)?;
        let Some(current) = number("$linearFill", &value)? else {
            list.push(RawBson::Null);
            continue;
        };
        if let Some((start, first)) = known
            && let (Some(from), Some(to)) = (distance_key(rows, start)?, distance_key(rows, index)?)
        {
            for between in start + 1..index {
                let key = distance_key(rows, between)?.unwrap_or(from);
                let filled = first + (current - first) * (key - from) / (to - from);
                if let Some(place) = list.get_mut(between) {
                    *place = RawBson::Double(filled);
                }
            }
        }
        known = Some((index, current));
        list.push(value.unwrap_or(RawBson::Null));
    }
    Ok(list)
}
