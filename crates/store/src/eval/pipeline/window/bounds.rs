//! Which rows a window function sees.

use std::cmp::Ordering;
use std::ops::Range;

use bson::raw::{RawBson, RawBsonRef, RawDocument};
use fieldveil_query::QueryError;
use fieldveil_query::sort::{Sort, SortOrder};
use fieldveil_query::value::Number;

use super::partition::Partition;
use crate::eval::expression::move_date;

/// The rows a function sees, relative to the current one.
pub(super) enum Window {
    /// By their place.
    Documents(Bound, Bound),
    /// By the distance of the sort key.
    Distance(Distance),
}

#[derive(Clone, Copy)]
pub(super) enum Bound {
    Unbounded,
    Offset(f64),
}

/// Rows whose key is so far from the current one's, in units.
#[derive(Clone, Copy)]
pub(super) struct Distance {
    low: Bound,
    high: Bound,
    unit: Unit,
    descending: bool,
}

/// What the bounds count.
#[derive(Clone, Copy)]
enum Unit {
    /// So much of a number, or so many milliseconds.
    Fixed(f64),
    /// Months of the calendar, which differ in length.
    Months(i64),
}

/// The window of the row before, from which the next one is found.
#[derive(Clone, Default)]
pub(super) struct Walk(Range<usize>);

impl Window {
    /// The rows around one. Rows are asked for in order, all with the same `walk`.
    ///
    /// # Errors
    /// 5429414 for a key that has no distance; those of reading rows.
    pub(super) fn range(
        &self,
        rows: &Partition,
        index: usize,
        walk: &mut Walk,
    ) -> Result<Range<usize>, QueryError> {
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
            Self::Distance(distance) => distance.range(rows, index, walk),
        }
    }
}

impl Distance {
    fn range(
        &self,
        rows: &Partition,
        index: usize,
        walk: &mut Walk,
    ) -> Result<Range<usize>, QueryError> {
        let Some(current) = key(rows, index)? else { return Ok(index..index + 1) };
        if !current.value.is_finite() {
            return self.look_at_all(rows, current);
        }
        // Keys only grow, or only shrink, and so do both ends.
        let Range { mut start, mut end } = walk.0.clone();
        while start < rows.len() && !self.place(key(rows, start)?, current)?.reaches_low {
            start += 1;
        }
        end = end.max(start);
        while end < rows.len() && self.place(key(rows, end)?, current)?.keeps_high {
            end += 1;
        }
        walk.0 = start..end;
        Ok(start..end)
    }

    /// For a key from which nothing has a distance.
    fn look_at_all(&self, rows: &Partition, current: Key) -> Result<Range<usize>, QueryError> {
        let (mut start, mut end) = (None, 0);
        for row in 0..rows.len() {
            let place = self.place(key(rows, row)?, current)?;
            if place.reaches_low && place.keeps_high {
                start.get_or_insert(row);
                end = row + 1;
            }
        }
        Ok(start.unwrap_or(0)..end)
    }

    /// Where a row is: in the order of the rows, not of their keys.
    fn place(&self, key: Option<Key>, current: Key) -> Result<Place, QueryError> {
        let Some(key) = key.filter(|key| !key.value.is_nan()) else {
            // What has no distance sorts first, or last of all.
            return Ok(Place { reaches_low: self.descending, keeps_high: false });
        };
        if key.is_date != current.is_date {
            return Err(no_distance());
        }
        let above = match self.low {
            Bound::Unbounded => true,
            Bound::Offset(by) => self.unit.order(key, current, by)?.is_ge(),
        };
        let below = match self.high {
            Bound::Unbounded => true,
            Bound::Offset(by) => self.unit.order(key, current, by)?.is_le(),
        };
        let (reaches_low, keeps_high) =
            if self.descending { (below, above) } else { (above, below) };
        Ok(Place { reaches_low, keeps_high })
    }
}

impl Unit {
    /// The order of a key's distance from the current one against a bound.
    fn order(self, key: Key, current: Key, bound: f64) -> Result<Ordering, QueryError> {
        match self {
            Self::Fixed(unit) => Ok(((key.value - current.value) / unit).total_cmp(&bound)),
            Self::Months(months) if current.is_date => {
                let by = (bound as i64).saturating_mul(months);
                let limit = move_date(current.value as i64, "month", by)?;
                Ok((key.value as i64).cmp(&limit))
            }
            Self::Months(_) => Err(no_distance()),
        }
    }
}

/// Where a row is from a window.
struct Place {
    /// Not before its first row.
    reaches_low: bool,
    /// Not after its last row.
    keeps_high: bool,
}

/// A sort key that has a distance from others.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// The number, or milliseconds.
    pub(super) value: f64,
    pub(super) is_date: bool,
}

/// The first sort key of a row; `None` for null.
///
/// # Errors
/// 5429414 for what is neither a number nor a date.
pub(super) fn key(rows: &Partition, index: usize) -> Result<Option<Key>, QueryError> {
    let row = rows.row(index)?;
    let key = row.as_ref().and_then(|row| row.key.first()).map(RawBson::as_raw_bson_ref);
    match key {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(None),
        Some(RawBsonRef::DateTime(date)) => {
            Ok(Some(Key { value: date.timestamp_millis() as f64, is_date: true }))
        }
        Some(other) => match Number::new(other) {
            Some(number) => Ok(Some(Key { value: number.to_f64(), is_date: false })),
            None => Err(no_distance()),
        },
    }
}

fn no_distance() -> QueryError {
    QueryError::new(
        5429414,
        "Invalid range: Expected the sortBy field to be a number or a date, and the same in all",
    )
}

/// The window as written; everything if there is none.
///
/// # Errors
/// MongoDB's for bounds that cannot be read or that the sort does not allow.
pub(super) fn window(document: Option<&RawDocument>, sort: &Sort) -> Result<Window, QueryError> {
    let whole = Window::Documents(Bound::Unbounded, Bound::Unbounded);
    let Some(document) = document else { return Ok(whole) };
    check_options(document)?;
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
    let (low, high) = pair(bounds)?;
    let unit = match document.get("unit")? {
        None => Unit::Fixed(1.0),
        Some(RawBsonRef::String(unit)) => range_unit(unit, low, high)?,
        Some(_) => return Err(QueryError::failed_to_parse("'unit' must be a string")),
    };
    let descending = sort.keys.first().is_some_and(|key| key.order == SortOrder::Descending);
    Ok(Window::Distance(Distance { low, high, unit, descending }))
}

/// Bounds are by place or by distance, and only the latter have a unit.
fn check_options(document: &RawDocument) -> Result<(), QueryError> {
    let has = |name| document.get(name).map(|value| value.is_some());
    let refused = if has("documents")? && has("range")? {
        "Window bounds can specify either 'documents' or 'range', not both."
    } else if has("documents")? && has("unit")? {
        "Window bounds can specify either 'documents' or 'unit', not both."
    } else if has("unit")? && !has("range")? {
        "Window bounds can only specify 'unit' with range-based bounds."
    } else {
        return Ok(());
    };
    Err(QueryError::failed_to_parse(refused))
}

fn range_unit(unit: &str, low: Bound, high: Bound) -> Result<Unit, QueryError> {
    let is_part = |bound| matches!(bound, Bound::Offset(by) if by.fract() != 0.0);
    if is_part(low) || is_part(high) {
        return Err(QueryError::failed_to_parse(
            "With 'unit', range-based bounds must be an integer",
        ));
    }
    Ok(match unit {
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        shorter => Unit::Fixed(unit_millis(shorter)? as f64),
    })
}

/// Milliseconds of a unit that always has as many.
///
/// # Errors
/// 5490704 for the longer ones, 9 for what is no unit.
pub(super) fn unit_millis(unit: &str) -> Result<i64, QueryError> {
    match unit {
        "week" => Ok(604_800_000),
        "day" => Ok(86_400_000),
        "hour" => Ok(3_600_000),
        "minute" => Ok(60_000),
        "second" => Ok(1000),
        "millisecond" => Ok(1),
        "month" | "quarter" | "year" => {
            Err(QueryError::new(5490704, "unit must be 'week' or smaller"))
        }
        other => Err(QueryError::failed_to_parse(format!("unknown time unit value: {other}"))),
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
