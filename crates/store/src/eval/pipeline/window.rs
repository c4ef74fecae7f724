//! `$setWindowFields`.

use std::ops::Range;

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::{Accumulator, WindowFunction};
use fieldveil_query::sort::Sort;
use fieldveil_query::value::Number;
use fieldveil_query::{FieldPath, QueryError};

use super::accumulator::{Ordered, Plan, State};
use super::unwind::set;
use super::{Budget, Documents, Environment, deferred, listed, size_of};
use crate::eval::Context;
use crate::eval::expression::{Compiled, Scope, Value};
use crate::eval::projection::whole_number;
use crate::eval::sort::{SortValues, Sorter};

mod series;

use series::Series;

/// A new field: where, what, over which documents.
struct Output {
    path: Vec<String>,
    function: Function,
    window: Window,
}

enum Function {
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

/// The documents a function sees, relative to the current one.
enum Window {
    Documents(Bound, Bound),
    /// By the distance of the sort key, in numbers or milliseconds.
    Range(Bound, Bound, i64),
}

#[derive(Clone, Copy)]
enum Bound {
    Unbounded,
    Offset(f64),
}

/// A document with what orders it.
struct Row {
    partition: Ordered,
    key: SortValues,
    document: RawDocumentBuf,
}

pub(super) fn set_window_fields(
    input: Documents,
    partition_by: Option<&Expression>,
    sort_by: Option<&Sort>,
    output: &[(FieldPath, WindowFunction)],
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let context = &environment.context;
    let partition_by =
        partition_by.map(|expression| Compiled::compile(expression, context)).transpose()?;
    let empty = Sort::default();
    let sort = sort_by.unwrap_or(&empty);
    let sorter = Sorter::compile(sort, context)?;
    let mut outputs = Vec::with_capacity(output.len());
    for (path, function) in output {
        outputs.push(Output {
            path: path.components().map(str::to_owned).collect(),
            window: window(function.window.as_deref(), sort)?,
            function: compile(&function.function, sort, context)?,
        });
    }
    let mut budget = Budget::new("$setWindowFields", environment);
    let environment = environment.clone();
    Ok(deferred(move || {
        let context = &environment.context;
        let mut rows = Vec::new();
        for document in input {
            let document = document?;
            let partition = match &partition_by {
                Some(expression) => expression.evaluate(&document, context)?,
                None => None,
            };
            if let Some(RawBson::Array(_)) = partition {
                return Err(QueryError::type_mismatch(
                    "An expression used to partition cannot evaluate to value of type array",
                ));
            }
            let partition = Ordered {
                value: Some(partition.unwrap_or(RawBson::Null)),
                collation: context.collation.clone(),
            };
            let key = sorter.key(&document)?;
            budget.take(document.as_bytes().len() + key.iter().map(size_of).sum::<usize>())?;
            rows.push(Row { partition, key, document });
        }
        rows.sort_by(|left, right| {
            left.partition.cmp(&right.partition).then_with(|| sorter.compare(&left.key, &right.key))
        });
        let mut documents = Vec::with_capacity(rows.len());
        for partition in rows.chunk_by(|left, right| left.partition == right.partition) {
            documents.extend(fill(partition, &outputs, &sorter, &environment)?);
        }
        Ok(listed(documents))
    }))
}

/// The documents of a partition with their new fields.
fn fill(
    rows: &[Row],
    outputs: &[Output],
    sorter: &Sorter,
    environment: &Environment,
) -> Result<Vec<RawDocumentBuf>, QueryError> {
    let mut documents: Vec<RawDocumentBuf> = rows.iter().map(|row| row.document.clone()).collect();
    for output in outputs {
        for (value, document) in
            values(rows, output, sorter, environment)?.iter().zip(&mut documents)
        {
            *document = set(document, &output.path, Some(value.as_raw_bson_ref()))?;
        }
    }
    Ok(documents)
}

fn values(
    rows: &[Row],
    output: &Output,
    sorter: &Sorter,
    environment: &Environment,
) -> Result<Vec<RawBson>, QueryError> {
    let context = &environment.context;
    let mut list = Vec::with_capacity(rows.len());
    match &output.function {
        Function::DocumentNumber => list.extend((1..=rows.len()).map(whole_number)),
        Function::Rank { dense } => {
            let (mut rank, mut dense_rank) = (0, 0);
            for (index, row) in rows.iter().enumerate() {
                let same = index > 0
                    && rows
                        .get(index - 1)
                        .is_some_and(|p| sorter.compare(&p.key, &row.key).is_eq());
                if !same {
                    rank = index + 1;
                    dense_rank += 1;
                }
                list.push(whole_number(if *dense { dense_rank } else { rank }));
            }
        }
        Function::Shift { output, by, default } => {
            for index in 0..rows.len() {
                let place = i64::try_from(index).ok().and_then(|index| index.checked_add(*by));
                let row = place.and_then(|p| usize::try_from(p).ok()).and_then(|p| rows.get(p));
                let value = match row {
                    Some(row) => output.evaluate(&row.document, context)?,
                    None => default.clone(),
                };
                list.push(value.unwrap_or(RawBson::Null));
            }
        }
        Function::Locf(expression) => {
            let mut last = RawBson::Null;
            for row in rows {
                match expression.evaluate(&row.document, context)? {
                    None | Some(RawBson::Null | RawBson::Undefined) => {}
                    Some(value) => last = value,
                }
                list.push(last.clone());
            }
        }
        Function::Series(series) if series.has_window() => {
            for index in 0..rows.len() {
                environment.source.go_on()?;
                let range = output.window.range(rows, index)?;
                list.push(series.over_window(rows.get(range).unwrap_or_default(), context)?);
            }
        }
        Function::Series(series) => list = series.over_partition(rows, context)?,
        Function::Accumulator(plan) => {
            let mut running = None;
            for index in 0..rows.len() {
                environment.source.go_on()?;
                let range = output.window.range(rows, index)?;
                let moved = Accumulated::moved(running.take(), range, plan, rows, context)?;
                list.push(moved.value.clone());
                running = Some(moved);
            }
        }
    }
    Ok(list)
}

/// An accumulator over a window that moves on, often only at its upper bound.
struct Accumulated {
    range: Range<usize>,
    state: State,
    value: RawBson,
}

impl Accumulated {
    /// What the accumulator comes to over `range`. Of a window that only grew, the new rows are
    /// added to what was known.
    fn moved(
        previous: Option<Self>,
        range: Range<usize>,
        plan: &Plan,
        rows: &[Row],
        context: &Context,
    ) -> Result<Self, QueryError> {
        let (mut state, from) = match previous {
            Some(previous) if previous.range == range => return Ok(previous),
            Some(Self { range: known, state, .. }) if grew(&known, &range) => (state, known.end),
            _ => {
                let first = rows.get(range.clone()).and_then(<[Row]>::first);
                let first = first.map_or(fieldveil_query::document::empty(), |row| &row.document);
                (plan.start(first, context)?, range.start)
            }
        };
        for row in rows.get(from..range.end).unwrap_or_default() {
            plan.add(&mut state, &row.document, &Scope::new(&row.document, context))?;
        }
        let value = plan.finish(state.clone());
        Ok(Self { range, state, value })
    }
}

fn grew(known: &Range<usize>, range: &Range<usize>) -> bool {
    !known.is_empty() && known.start == range.start && known.end <= range.end
}

impl Window {
    fn range(&self, rows: &[Row], index: usize) -> Result<Range<usize>, QueryError> {
        match self {
            Self::Documents(low, high) => {
                let place = |bound: Bound, open: usize, extra: f64| match bound {
                    Bound::Unbounded => open,
                    Bound::Offset(by) => {
                        (index as f64 + by + extra).clamp(0.0, rows.len() as f64) as usize
                    }
                };
                let start = place(*low, 0, 0.0);
                let end = place(*high, rows.len(), 1.0);
                Ok(start..end.max(start))
            }
            Self::Range(low, high, unit) => {
                let current = distance_key(rows, index)?;
                let Some(current) = current else { return Ok(index..index + 1) };
                let inside = |row: usize| -> Result<bool, QueryError> {
                    let Some(key) = distance_key(rows, row)? else { return Ok(false) };
                    let difference = (key - current) / *unit as f64;
                    let above = match low {
                        Bound::Unbounded => true,
                        Bound::Offset(by) => difference >= *by,
                    };
                    let below = match high {
                        Bound::Unbounded => true,
                        Bound::Offset(by) => difference <= *by,
                    };
                    Ok(above && below)
                };
                let mut start = None;
                let mut end = 0;
                for row in 0..rows.len() {
                    if inside(row)? {
                        start.get_or_insert(row);
                        end = row + 1;
                    }
                }
                Ok(start.unwrap_or(0)..end)
            }
        }
    }
}

/// The sort key as a number for ranges; `None` for null.
fn distance_key(rows: &[Row], index: usize) -> Result<Option<f64>, QueryError> {
    let key = rows.get(index).and_then(|row| row.key.first()).map(RawBson::as_raw_bson_ref);
    match key {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(None),
        Some(RawBsonRef::DateTime(date)) => Ok(Some(date.timestamp_millis() as f64)),
        Some(other) => match Number::new(other) {
            Some(number) => Ok(Some(number.to_f64())),
            None => Err(QueryError::new(
                5429414,
                "Invalid range: Expected the sortBy field to be a number or a date",
            )),
        },
    }
}

fn window(document: Option<&RawDocument>, sort: &Sort) -> Result<Window, QueryError> {
    let whole = Window::Documents(Bound::Unbounded, Bound::Unbounded);
    let Some(document) = document else { return Ok(whole) };
    if let Some(bounds) = document.get("documents")? {
        if sort.is_empty() && !is_unbounded(bounds) {
            return Err(QueryError::new(5339901, "Document-based bounds require a sortBy"));
        }
        let (low, high) = pair(bounds)?;
        return Ok(Window::Documents(low, high));
    }
    let Some(bounds) = document.get("range")? else { return Ok(whole) };
    if sort.keys.len() != 1 {
        return Err(QueryError::new(5339902, "Range-based bounds require sortBy a single field"));
    }
    let unit = match document.get("unit")? {
        None => 1,
        Some(RawBsonRef::String(unit)) => unit_millis(unit)?,
        Some(_) => return Err(QueryError::failed_to_parse("'unit' must be a string")),
    };
    let (low, high) = pair(bounds)?;
    Ok(Window::Range(low, high, unit))
}

/// Milliseconds of a unit; months and years differ in length and are not supported.
fn unit_millis(unit: &str) -> Result<i64, QueryError> {
    match unit {
        "week" => Ok(604_800_000),
        "day" => Ok(86_400_000),
        "hour" => Ok(3_600_000),
        "minute" => Ok(60_000),
        "second" => Ok(1000),
        "millisecond" => Ok(1),
        other => Err(QueryError::not_supported(format!("the unit '{other}' of a window"))),
    }
}

fn is_unbounded(bounds: RawBsonRef<'_>) -> bool {
    bounds.as_array().is_some_and(|array| {
        array.into_iter().all(|bound| matches!(bound, Ok(RawBsonRef::String("unbounded"))))
    })
}

fn pair(bounds: RawBsonRef<'_>) -> Result<(Bound, Bound), QueryError> {
    let refused = || {
        QueryError::failed_to_parse(
            "Window bounds must be a 2-element array of 'unbounded', 'current' or numbers",
        )
    };
    let array = bounds.as_array().ok_or_else(refused)?;
    let bound = |value: RawBsonRef<'_>| match value {
        RawBsonRef::String("unbounded") => Ok(Bound::Unbounded),
        RawBsonRef::String("current") => Ok(Bound::Offset(0.0)),
        other => Number::new(other).map(|n| Bound::Offset(n.to_f64())).ok_or_else(refused),
    };
    let parts: Vec<RawBsonRef<'_>> = array.into_iter().collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [low, high] => {
            let (low, high) = (bound(*low)?, bound(*high)?);
            if let (Bound::Offset(low), Bound::Offset(high)) = (low, high)
                && low > high
            {
                return Err(QueryError::new(5339900, "Lower bound must not exceed upper bound"));
            }
            Ok((low, high))
        }
        _ => Err(refused()),
    }
}

fn compile(function: &Accumulator, sort: &Sort, context: &Context) -> Result<Function, QueryError> {
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
