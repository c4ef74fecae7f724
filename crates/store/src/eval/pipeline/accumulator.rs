//! Accumulators of `$group`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::collation::Collation;
use fieldveil_query::pipeline::Accumulator;
use fieldveil_query::sort::Sort;
use fieldveil_query::value::Number;

use super::size_of;
use crate::eval::Context;
use crate::eval::expression::{
    Compiled, Scope, Sum, Value, Variance, check_method, collected, compare_values, count_argument,
    merge_into, percentile_points, percentiles, type_name,
};
use crate::eval::sort::{SortValues, Sorter};

/// An accumulator, compiled; [`Plan::start`] makes one state for each group.
pub(super) struct Plan {
    kind: Kind,
    argument: Option<Compiled>,
    n: Option<Compiled>,
    sorter: Option<Sorter>,
    points: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Avg,
    Count,
    First,
    Last,
    Min,
    Max,
    Push,
    AddToSet,
    StdDevPop,
    StdDevSamp,
    MergeObjects,
    /// `$top`, `$topN`: the first in the order of a sort
    Top,
    Bottom,
    TopN,
    BottomN,
    FirstN,
    LastN,
    MinN,
    MaxN,
    Median,
    Percentile,
    ConcatArrays,
    SetUnion,
}

/// What one group has gathered.
#[derive(Clone)]
pub(super) enum State {
    Sum(Sum),
    Count(i64),
    Value(Option<Value>),
    List(Vec<RawBson>),
    Set(BTreeSet<Ordered>),
    Variance(Variance),
    Merged(RawDocumentBuf),
    Sorted { n: usize, rows: Vec<(SortValues, RawBson)> },
    Bounded { n: usize, values: Vec<RawBson> },
    Numbers(Vec<f64>),
}

/// A value in BSON's order.
#[derive(Clone)]
pub(super) struct Ordered {
    pub(super) value: Value,
    pub(super) collation: Option<Arc<Collation>>,
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_values(&self.value, &other.value, self.collation.as_deref())
    }
}

impl Plan {
    pub(super) fn compile(
        accumulator: &Accumulator,
        context: &Context,
    ) -> Result<Self, QueryError> {
        let kind = match accumulator.operator {
            "$sum" => Kind::Sum,
            "$avg" => Kind::Avg,
            "$count" => Kind::Count,
            "$first" => Kind::First,
            "$last" => Kind::Last,
            "$min" => Kind::Min,
            "$max" => Kind::Max,
            "$push" => Kind::Push,
            "$addToSet" => Kind::AddToSet,
            "$stdDevPop" => Kind::StdDevPop,
            "$stdDevSamp" => Kind::StdDevSamp,
            "$mergeObjects" => Kind::MergeObjects,
            "$top" => Kind::Top,
            "$bottom" => Kind::Bottom,
            "$topN" => Kind::TopN,
            "$bottomN" => Kind::BottomN,
            "$firstN" => Kind::FirstN,
            "$lastN" => Kind::LastN,
            "$minN" => Kind::MinN,
            "$maxN" => Kind::MaxN,
            "$median" => Kind::Median,
            "$percentile" => Kind::Percentile,
            "$concatArrays" => Kind::ConcatArrays,
            "$setUnion" => Kind::SetUnion,
            other => return Err(QueryError::not_supported(format!("the accumulator {other}"))),
        };
        let mut plan = Self { kind, argument: None, n: None, sorter: None, points: Vec::new() };
        let named = |name: &str| {
            accumulator.named(name).ok_or_else(|| {
                QueryError::new(
                    5787906,
                    format!("Missing value for '{name}' in {}", accumulator.operator),
                )
            })
        };
        match kind {
            Kind::Count => {}
            Kind::Top | Kind::Bottom | Kind::TopN | Kind::BottomN => {
                plan.argument = Some(Compiled::compile(named("output")?, context)?);
                let Some(RawBson::Document(pattern)) = named("sortBy")?.as_constant() else {
                    return Err(QueryError::new(
                        5788604,
                        format!(
                            "expected 'sortBy' to already be an object in the arguments to {}",
                            accumulator.operator
                        ),
                    ));
                };
                plan.sorter = Some(Sorter::compile(&Sort::parse(pattern)?, context)?);
                if matches!(kind, Kind::TopN | Kind::BottomN) {
                    plan.n = Some(Compiled::compile(named("n")?, context)?);
                }
            }
            Kind::FirstN | Kind::LastN | Kind::MinN | Kind::MaxN => {
                plan.argument = Some(Compiled::compile(named("input")?, context)?);
                plan.n = Some(Compiled::compile(named("n")?, context)?);
            }
            Kind::Median | Kind::Percentile => {
                check_method(&named("method")?.constant_value())?;
                plan.argument = Some(Compiled::compile(named("input")?, context)?);
                plan.points = if kind == Kind::Median {
                    vec![0.5]
                } else {
                    percentile_points(&named("p")?.constant_value())?
                };
            }
            _ => plan.argument = Some(Compiled::compile(&accumulator.argument, context)?),
        }
        Ok(plan)
    }

    /// The state before the first document, which only `n` may depend on.
    pub(super) fn start(
        &self,
        first: &RawDocument,
        context: &Context,
    ) -> Result<State, QueryError> {
        let n = match &self.n {
            None => 1,
            Some(n) => count_argument("the accumulator", &n.evaluate(first, context)?)?,
        };
        Ok(match self.kind {
            Kind::Sum | Kind::Avg => State::Sum(Sum::default()),
            Kind::Count => State::Count(0),
            Kind::First | Kind::Last | Kind::Min | Kind::Max => State::Value(None),
            Kind::Push | Kind::ConcatArrays => State::List(Vec::new()),
            Kind::AddToSet | Kind::SetUnion => State::Set(BTreeSet::new()),
            Kind::StdDevPop | Kind::StdDevSamp => State::Variance(Variance::default()),
            Kind::MergeObjects => State::Merged(RawDocumentBuf::new()),
            Kind::Top | Kind::Bottom | Kind::TopN | Kind::BottomN => {
                State::Sorted { n, rows: Vec::new() }
            }
            Kind::FirstN | Kind::LastN | Kind::MinN | Kind::MaxN => {
                State::Bounded { n, values: Vec::new() }
            }
            Kind::Median | Kind::Percentile => State::Numbers(Vec::new()),
        })
    }

    /// Whether a state can come to need more memory than it has after the first document.
    pub(super) fn can_grow(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Sum | Kind::Avg | Kind::Count | Kind::First | Kind::StdDevPop | Kind::StdDevSamp
        )
    }

    /// Adds a document; about how many bytes the state grew by, or shrank.
    pub(super) fn add(
        &self,
        state: &mut State,
        document: &RawDocument,
        scope: &Scope<'_>,
    ) -> Result<isize, QueryError> {
        let value = match &self.argument {
            Some(argument) => argument.evaluate_in(scope)?,
            None => None,
        };
        let collation = scope.context().collation.clone();
        match state {
            State::Count(count) => *count += 1,
            State::Sum(sum) => {
                if let Some(number) = number(&value) {
                    sum.add(number);
                }
            }
            State::Variance(variance) => {
                if let Some(number) = number(&value) {
                    variance.add(number.to_f64());
                }
            }
            State::Numbers(numbers) => {
                if let Some(number) = number(&value) {
                    numbers.push(number.to_f64());
                    return Ok(8);
                }
            }
            State::Value(kept) => return Ok(self.keep(kept, value, collation.as_deref())),
            State::List(list) if self.kind == Kind::ConcatArrays => {
                let Some(value) = value else { return Ok(0) };
                let bytes = signed(&value);
                list.extend(array_items(value, "$concatArrays")?);
                return Ok(bytes);
            }
            State::List(list) => {
                let Some(value) = value else { return Ok(0) };
                let bytes = signed(&value);
                list.push(value);
                return Ok(bytes);
            }
            State::Set(set) => {
                let Some(value) = value else { return Ok(0) };
                let items = if self.kind == Kind::SetUnion {
                    array_items(value, "$setUnion")?
                } else {
                    vec![value]
                };
                let mut bytes = 0;
                for item in items {
                    let size = signed(&item);
                    if set.insert(Ordered { value: Some(item), collation: collation.clone() }) {
                        bytes += size;
                    }
                }
                return Ok(bytes);
            }
            State::Merged(merged) => {
                let before = merged.as_bytes().len().cast_signed();
                merge_into(merged, &value)?;
                return Ok(merged.as_bytes().len().cast_signed() - before);
            }
            State::Sorted { n, rows } => {
                let Some(sorter) = &self.sorter else { return Ok(0) };
                let row = (sorter.key(document)?, value.unwrap_or(RawBson::Null));
                let mut grown = row_bytes(&row);
                rows.push(row);
                if rows.len() > n.saturating_mul(2).saturating_add(64) {
                    grown -= rows.iter().map(row_bytes).sum::<isize>();
                    self.trim_rows(sorter, rows, *n);
                    grown += rows.iter().map(row_bytes).sum::<isize>();
                }
                return Ok(grown);
            }
            State::Bounded { n, values } => {
                return Ok(self.bound(*n, values, value, collation.as_deref()));
            }
        }
        Ok(0)
    }

    fn keep(&self, kept: &mut Option<Value>, value: Value, collation: Option<&Collation>) -> isize {
        let better = match self.kind {
            Kind::First => kept.is_none(),
            Kind::Last => true,
            _ if is_nullish(&value) => false,
            _ => match kept {
                None => true,
                Some(kept) => {
                    let order = compare_values(&value, kept, collation);
                    if self.kind == Kind::Max { order.is_gt() } else { order.is_lt() }
                }
            },
        };
        if !better {
            return 0;
        }
        let bytes = |value: &Value| value.as_ref().map_or(0, signed);
        let before = kept.as_ref().map_or(0, bytes);
        let grown = bytes(&value) - before;
        *kept = Some(value);
        grown
    }

    /// Sorts and keeps the first or the last `n`.
    fn trim_rows(&self, sorter: &Sorter, rows: &mut Vec<(SortValues, RawBson)>, n: usize) {
        rows.sort_by(|(left, _), (right, _)| sorter.compare(left, right));
        if matches!(self.kind, Kind::Bottom | Kind::BottomN) {
            rows.drain(..rows.len().saturating_sub(n));
        } else {
            rows.truncate(n);
        }
    }

    /// Adds a value to the best `n`; about how many bytes they grew by, or shrank.
    fn bound(
        &self,
        n: usize,
        values: &mut Vec<RawBson>,
        value: Value,
        collation: Option<&Collation>,
    ) -> isize {
        let is_nullish = is_nullish(&value);
        let value = value.unwrap_or(RawBson::Null);
        let place = match self.kind {
            Kind::FirstN | Kind::LastN => values.len(),
            _ if is_nullish => return 0,
            _ => {
                let descending = self.kind == Kind::MaxN;
                let value = Some(value.clone());
                values.partition_point(|known| {
                    let order = compare_values(&Some(known.clone()), &value, collation);
                    if descending { order.is_ge() } else { order.is_le() }
                })
            }
        };
        if place >= n && self.kind != Kind::LastN {
            return 0;
        }
        let added = signed(&value);
        values.insert(place, value);
        let dropped = match self.kind {
            _ if values.len() <= n => None,
            Kind::LastN => Some(values.remove(0)),
            _ => values.pop(),
        };
        added - dropped.as_ref().map_or(0, signed)
    }

    /// The result.
    pub(super) fn finish(&self, state: State) -> RawBson {
        match state {
            State::Sum(sum) if self.kind == Kind::Avg => sum.average(),
            State::Sum(sum) => sum.total().to_bson(),
            State::Count(count) => Number::narrow(count).to_bson(),
            State::Value(value) => value.flatten().unwrap_or(RawBson::Null),
            State::List(list) => collected(&list),
            State::Set(set) => {
                let list: Vec<RawBson> = set.into_iter().filter_map(|item| item.value).collect();
                collected(&list)
            }
            State::Variance(variance) => variance.deviation(self.kind == Kind::StdDevSamp),
            State::Merged(document) => RawBson::Document(document),
            State::Sorted { n, mut rows } => {
                if let Some(sorter) = &self.sorter {
                    self.trim_rows(sorter, &mut rows, n);
                }
                let mut values = rows.into_iter().map(|(_, value)| value);
                match self.kind {
                    Kind::Top => values.next().unwrap_or(RawBson::Null),
                    Kind::Bottom => values.next_back().unwrap_or(RawBson::Null),
                    _ => collected(&values.collect::<Vec<_>>()),
                }
            }
            State::Bounded { values, .. } => collected(&values),
            State::Numbers(numbers) => {
                let found = percentiles(numbers, &self.points)
                    .unwrap_or_else(|| vec![RawBson::Null; self.points.len()]);
                match self.kind {
                    Kind::Median => found.into_iter().next().unwrap_or(RawBson::Null),
                    _ => collected(&found),
                }
            }
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    value.as_ref().and_then(|value| Number::new(value.as_raw_bson_ref()))
}

fn is_nullish(value: &Value) -> bool {
    matches!(value, None | Some(RawBson::Null | RawBson::Undefined))
}

/// [`size_of`], for differences.
fn signed(value: &RawBson) -> isize {
    size_of(value).cast_signed()
}

/// About how many bytes a row of `$top` and the like takes.
fn row_bytes((key, value): &(SortValues, RawBson)) -> isize {
    key.iter().map(signed).sum::<isize>() + signed(value)
}

fn array_items(value: RawBson, operator: &str) -> Result<Vec<RawBson>, QueryError> {
    match value {
        RawBson::Array(array) => {
            let mut items = Vec::new();
            for item in &array {
                items.push(RawBson::from(item?));
            }
            Ok(items)
        }
        other => Err(QueryError::type_mismatch(format!(
            "{operator} requires array inputs, but input is of type {}",
            type_name(&Some(other))
        ))),
    }
}
