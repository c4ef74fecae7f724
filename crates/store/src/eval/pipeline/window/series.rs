//! Window functions that look at the sort key or at neighbours: `$derivative`, `$integral`,
//! `$expMovingAvg`, `$linearFill`, `$covariancePop`, `$covarianceSamp`.

use std::ops::Range;

use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;
use fieldveil_query::value::Number;

use super::bounds::{self, unit_millis};
use super::partition::Partition;
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
    ///
    /// # Errors
    /// Those of evaluation and of reading rows.
    pub(super) fn over_window(
        &self,
        rows: &Partition,
        range: Range<usize>,
        context: &Context,
    ) -> Result<RawBson, QueryError> {
        match self {
            Self::Derivative { input, unit } => {
                let at = |index: usize| match range.contains(&index) {
                    true => point(rows, index, input, *unit, context),
                    false => Ok(None),
                };
                let (Some(first), Some(last)) =
                    (at(range.start)?, at(range.end.saturating_sub(1))?)
                else {
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
                for index in range {
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
            Self::Covariance { input, sample } => covariance(rows, range, input, *sample, context),
            Self::MovingAverage { .. } | Self::LinearFill(_) => Ok(RawBson::Null),
        }
    }

    /// The result for the next row of a partition.
    ///
    /// # Errors
    /// Those of evaluation and of reading rows.
    pub(super) fn next(
        &self,
        rows: &Partition,
        index: usize,
        progress: &mut Progress,
        context: &Context,
    ) -> Result<RawBson, QueryError> {
        match self {
            Self::MovingAverage { input, alpha } => {
                let Some(row) = rows.row(index)? else { return Ok(RawBson::Null) };
                let value = input.evaluate(&row.document, context)?;
                let Some(value) = number("$expMovingAvg", &value)? else {
                    return Ok(RawBson::Null);
                };
                let average = progress.average;
                let next = average.map_or(value, |before| alpha * value + (1.0 - alpha) * before);
                progress.average = Some(next);
                Ok(RawBson::Double(next))
            }
            Self::LinearFill(input) => progress.filled(rows, index, input, context),
            _ => Ok(RawBson::Null),
        }
    }
}

/// What a function over the partition remembers of the rows before.
#[derive(Default)]
pub(super) struct Progress {
    /// The moving average up to the row before.
    average: Option<f64>,
    /// The last number before a gap.
    before: Option<Known>,
    /// The first number after a gap.
    after: Option<Known>,
    /// Whether there is no number any more after a gap.
    is_open: bool,
}

/// A number and the sort key at which it stands.
#[derive(Clone, Copy)]
struct Known {
    index: usize,
    key: Option<f64>,
    value: f64,
}

impl Progress {
    /// The value of a row, or if that is null, what lies on the line between its neighbours.
    fn filled(
        &mut self,
        rows: &Partition,
        index: usize,
        input: &Compiled,
        context: &Context,
    ) -> Result<RawBson, QueryError> {
        let Some(row) = rows.row(index)? else { return Ok(RawBson::Null) };
        let value = input.evaluate(&row.document, context)?;
        if let Some(known) = known(rows, index, &value)? {
            self.before = Some(known);
            return Ok(value.unwrap_or(RawBson::Null));
        }
        let Some(before) = self.before else { return Ok(RawBson::Null) };
        let Some(after) = self.next_known(rows, index, input, context)? else {
            return Ok(RawBson::Null);
        };
        let (Some(from), Some(to)) = (before.key, after.key) else { return Ok(RawBson::Null) };
        let key = bounds::key(rows, index)?.map_or(from, |key| key.value);
        let filled = before.value + (after.value - before.value) * (key - from) / (to - from);
        Ok(RawBson::Double(filled))
    }

    /// The first number after a row; looked for once for each gap.
    fn next_known(
        &mut self,
        rows: &Partition,
        index: usize,
        input: &Compiled,
        context: &Context,
    ) -> Result<Option<Known>, QueryError> {
        if self.is_open || self.after.is_some_and(|after| after.index > index) {
            return Ok(self.after.filter(|_| !self.is_open));
        }
        self.after = None;
        for next in index + 1..rows.len() {
            let Some(row) = rows.row(next)? else { break };
            let value = input.evaluate(&row.document, context)?;
            self.after = known(rows, next, &value)?;
            if self.after.is_some() {
                return Ok(self.after);
            }
        }
        self.is_open = true;
        Ok(None)
    }
}

fn known(rows: &Partition, index: usize, value: &Value) -> Result<Option<Known>, QueryError> {
    let Some(value) = number("$linearFill", value)? else { return Ok(None) };
    let key = bounds::key(rows, index)?.map(|key| key.value);
    Ok(Some(Known { index, key, value }))
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
    rows: &Partition,
    index: usize,
    input: &Compiled,
    unit: Option<i64>,
    context: &Context,
) -> Result<Option<(f64, f64)>, QueryError> {
    let Some(row) = rows.row(index)? else { return Ok(None) };
    let is_date = matches!(row.key.first(), Some(RawBson::DateTime(_)));
    if is_date != unit.is_some() {
        return Err(QueryError::new(
            5624900,
            "'unit' must be specified exactly when the sortBy field is a date",
        ));
    }
    let Some(key) = bounds::key(rows, index)? else { return Ok(None) };
    let value = number("a window function", &input.evaluate(&row.document, context)?)?;
    Ok(value.map(|value| (key.value / unit.unwrap_or(1) as f64, value)))
}

fn covariance(
    rows: &Partition,
    range: Range<usize>,
    input: &Compiled,
    sample: bool,
    context: &Context,
) -> Result<RawBson, QueryError> {
    let (mut count, mut mean_x, mut mean_y, mut moment) = (0.0, 0.0, 0.0, 0.0);
    for index in range {
        let Some(row) = rows.row(index)? else { break };
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
