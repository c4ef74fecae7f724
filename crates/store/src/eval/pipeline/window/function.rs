//! The functions of `$setWindowFields`, one row after the other.

use std::ops::Range;

use bson::raw::{RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;
use fieldveil_query::sort::Sort;
use fieldveil_query::value::Number;

use super::bounds::{Walk, Window};
use super::partition::Partition;
use super::series::{Progress, Series};
use crate::eval::Context;
use crate::eval::expression::{Compiled, Scope, Value};
use crate::eval::pipeline::accumulator::{Plan, State};
use crate::eval::pipeline::{Budget, Environment};
use crate::eval::projection::whole_number;
use crate::eval::sort::Sorter;

/// A window function, compiled.
pub(super) enum Function {
    Accumulator(Plan),
    DocumentNumber,
    Rank {
        dense: bool,
    },
    Shift {
        output: Compiled,
        by: i64,
        default: Value,
    },
    /// The last value that was not null.
    Locf(Compiled),
    Series(Series),
}

/// What a function remembers of the rows before the current one in their partition.
pub(super) struct Running {
    /// What `$rank` and `$denseRank` have come to.
    rank: usize,
    dense_rank: usize,
    /// The last value that was not null.
    last: RawBson,
    series: Progress,
    accumulated: Option<Accumulated>,
    walk: Walk,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            rank: 0,
            dense_rank: 0,
            last: RawBson::Null,
            series: Progress::default(),
            accumulated: None,
            walk: Walk::default(),
        }
    }
}

impl Function {
    /// What it comes to for a row. Rows are asked for in order, all with the same `running`.
    ///
    /// # Errors
    /// Those of evaluation; code 292 if what is accumulated does not fit into memory.
    pub(super) fn value(
        &self,
        window: &Window,
        rows: &Partition,
        index: usize,
        running: &mut Running,
        (sorter, environment): (&Sorter, &Environment),
    ) -> Result<RawBson, QueryError> {
        let context = &environment.context;
        let Some(row) = rows.row(index)? else { return Ok(RawBson::Null) };
        match self {
            Self::DocumentNumber => Ok(whole_number(index + 1)),
            Self::Rank { dense } => {
                let before = index.checked_sub(1).map(|before| rows.row(before)).transpose()?;
                let before = before.flatten();
                if !before.is_some_and(|before| sorter.compare(&before.key, &row.key).is_eq()) {
                    running.rank = index + 1;
                    running.dense_rank += 1;
                }
                Ok(whole_number(if *dense { running.dense_rank } else { running.rank }))
            }
            Self::Shift { output, by, default } => {
                let place = i64::try_from(index).ok().and_then(|index| index.checked_add(*by));
                let place = place.and_then(|place| usize::try_from(place).ok());
                let value = match place.map(|place| rows.row(place)).transpose()?.flatten() {
                    Some(row) => output.evaluate(&row.document, context)?,
                    None => default.clone(),
                };
                Ok(value.unwrap_or(RawBson::Null))
            }
            Self::Locf(expression) => {
                match expression.evaluate(&row.document, context)? {
                    None | Some(RawBson::Null | RawBson::Undefined) => {}
                    Some(value) => running.last = value,
                }
                Ok(running.last.clone())
            }
            Self::Series(series) if series.has_window() => {
                let range = window.range(rows, index, &mut running.walk)?;
                series.over_window(rows, range, context)
            }
            Self::Series(series) => series.next(rows, index, &mut running.series, context),
            Self::Accumulator(plan) => {
                let range = window.range(rows, index, &mut running.walk)?;
                let accumulated = running.accumulated.take();
                let moved = Accumulated::moved(accumulated, range, plan, rows, environment)?;
                let value = moved.value.clone();
                running.accumulated = Some(moved);
                Ok(value)
            }
        }
    }
}

/// An accumulator over a window that moves on, often only at its upper bound.
struct Accumulated {
    range: Range<usize>,
    state: State,
    budget: Budget,
    value: RawBson,
}

impl Accumulated {
    /// What the accumulator comes to over `range`. Of a window that only grew, the new rows are
    /// added to what was known.
    fn moved(
        previous: Option<Self>,
        range: Range<usize>,
        plan: &Plan,
        rows: &Partition,
        environment: &Environment,
    ) -> Result<Self, QueryError> {
        let context = &environment.context;
        let (mut state, mut budget, from) = match previous {
            Some(previous) if previous.range == range => return Ok(previous),
            Some(Self { range: known, state, budget, .. }) if grew(&known, &range) => {
                (state, budget, known.end)
            }
            _ => {
                let first = if range.is_empty() { None } else { rows.row(range.start)? };
                let none = RawDocumentBuf::new();
                let first = first.as_ref().map_or(&none, |row| &row.document);
                let budget = Budget::new("$setWindowFields", environment);
                (plan.start(first, context)?, budget, range.start)
            }
        };
        for index in from..range.end {
            let Some(row) = rows.row(index)? else { break };
            let scope = Scope::new(&row.document, context);
            budget.add(plan.add(&mut state, &row.document, &scope)?);
            budget.check()?;
        }
        let value = plan.finish(state.clone());
        Ok(Self { range, state, budget, value })
    }
}

fn grew(known: &Range<usize>, range: &Range<usize>) -> bool {
    !known.is_empty() && known.start == range.start && known.end <= range.end
}

/// Compiles a function.
///
/// # Errors
/// MongoDB's for arguments that are missing, or a sort that the function needs.
pub(super) fn compile(
    function: &Accumulator,
    sort: &Sort,
    context: &Context,
) -> Result<Function, QueryError> {
    let needs_sort = |keys: usize| {
        if sort.keys.len() < keys {
            return Err(QueryError::new(
                5371602,
                format!(
                    "{} must be specified with a top level sortBy expression",
                    function.operator
                ),
            ));
        }
        Ok(())
    };
    Ok(match function.operator {
        "$documentNumber" => {
            needs_sort(1)?;
            Function::DocumentNumber
        }
        "$rank" | "$denseRank" => {
            if sort.keys.len() != 1 {
                return Err(QueryError::new(
                    5371602,
                    format!(
                        "{} must be specified with a top level sortBy expression with exactly one element",
                        function.operator
                    ),
                ));
            }
            Function::Rank { dense: function.operator == "$denseRank" }
        }
        "$shift" => {
            needs_sort(1)?;
            let named = |name: &str| {
                function
                    .named(name)
                    .ok_or_else(|| QueryError::failed_to_parse(format!("$shift requires '{name}'")))
            };
            let by = named("by")?.constant_value();
            let by = by.and_then(|by| Number::new(by.as_raw_bson_ref())?.to_i64_exact());
            Function::Shift {
                output: Compiled::compile(named("output")?, context)?,
                by: by.ok_or_else(|| {
                    QueryError::failed_to_parse("'$shift:by' field must be an integer")
                })?,
                default: function.named("default").and_then(Expression::constant_value),
            }
        }
        "$locf" => Function::Locf(Compiled::compile(&function.argument, context)?),
        "$derivative" | "$integral" | "$expMovingAvg" | "$linearFill" if sort.keys.len() != 1 => {
            return Err(QueryError::new(
                5371602,
                format!(
                    "{} must be specified with a top level sortBy expression with exactly one element",
                    function.operator
                ),
            ));
        }
        "$minMaxScaler" => {
            return Err(QueryError::not_supported("the window function $minMaxScaler"));
        }
        _ => match Series::compile(function, context)? {
            Some(series) => Function::Series(series),
            None => Function::Accumulator(Plan::compile(function, context)?),
        },
    })
}
