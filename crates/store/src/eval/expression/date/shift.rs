//! `$dateAdd`, `$dateSubtract`, `$dateDiff`, `$dateTrunc`.

use bson::DateTime;
use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::value::Number;

use super::civil::{Civil, DAY, days_in_month, days_of, iso_weekday};
use super::millis;
use super::parts::{Local, local};
use crate::eval::expression::values::{Named, is_nullish, null, number, string, type_name};
use crate::eval::expression::{NamedFunction, Value};

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$dateAdd" => |arguments, _| add("$dateAdd", arguments, 1),
        "$dateSubtract" => |arguments, _| add("$dateSubtract", arguments, -1),
        "$dateDiff" => |arguments, _| difference(arguments),
        "$dateTrunc" => |arguments, _| truncate(arguments),
        _ => return None,
    })
}

/// A unit is so many months, or so many milliseconds.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Millis(i64),
}

const WEEK: i64 = 7 * DAY;

impl Unit {
    fn is_part_of_day(self) -> bool {
        matches!(self, Self::Millis(size) if size < DAY)
    }
}

/// The unit; `None` if it is null.
fn unit(operator: &str, value: &Value) -> Result<Option<Unit>, QueryError> {
    let Some(name) = unit_name(operator, value)? else { return Ok(None) };
    find_unit(name).map(Some).ok_or_else(|| {
        QueryError::new(
            5439014,
            format!(
                "{operator} parameter 'unit' value cannot be recognized as a time unit: {name}"
            ),
        )
    })
}

/// The unit's name; `None` if it is null.
fn unit_name<'a>(operator: &str, value: &'a Value) -> Result<Option<&'a str>, QueryError> {
    if is_nullish(value) {
        return Ok(None);
    }
    string(value).map(Some).ok_or_else(|| {
        QueryError::new(
            5439013,
            format!("{operator} requires 'unit' to be a string, but got {}", type_name(value)),
        )
    })
}

fn find_unit(name: &str) -> Option<Unit> {
    Some(match name {
        "year" => Unit::Months(12),
        "quarter" => Unit::Months(3),
        "month" => Unit::Months(1),
        "week" => Unit::Millis(WEEK),
        "day" => Unit::Millis(DAY),
        "hour" => Unit::Millis(3_600_000),
        "minute" => Unit::Millis(60_000),
        "second" => Unit::Millis(1000),
        "millisecond" => Unit::Millis(1),
        _ => return None,
    })
}

fn unknown_unit(name: &str) -> QueryError {
    QueryError::failed_to_parse(format!("unknown time unit value: {name}"))
}

/// A moment to compute with; `requirement` is the code and the text for what has none.
fn moment(
    value: &Value,
    code: i32,
    requirement: impl FnOnce() -> String,
) -> Result<i64, QueryError> {
    millis(value).map_err(|_| QueryError::new(code, requirement()))
}

fn overflow() -> QueryError {
    QueryError::new(5166406, "date overflow")
}

fn date(utc: Option<i64>) -> Result<Value, QueryError> {
    Ok(Some(RawBson::DateTime(DateTime::from_millis(utc.ok_or_else(overflow)?))))
}

fn add(operator: &str, arguments: &Named<'_>, sign: i64) -> Result<Value, QueryError> {
    let amount = arguments.get("amount");
    let start = local(arguments, "startDate", |value| {
        moment(value, 5166403, || {
            format!("{operator} requires startDate to be convertible to a date")
        })
    })?;
    let unit = arguments.get("unit");
    let Some(local) = start else { return null() };
    if is_nullish(amount) || is_nullish(unit) {
        return null();
    }
    let Some(unit) = string(unit) else {
        return Err(QueryError::new(
            5166404,
            format!("{operator} expects string defining the time unit"),
        ));
    };
    let unit = find_unit(unit).ok_or_else(|| unknown_unit(unit))?;
    let amount = number(amount).and_then(Number::to_i64_exact).ok_or_else(|| {
        QueryError::new(
            5166405,
            format!(
                "{operator} expects integer amount of time units, but got {}",
                type_name(amount)
            ),
        )
    })?;
    let amount = amount.checked_mul(sign).ok_or_else(overflow)?;
    // An hour is an hour, also when clocks change; a day is until the same time of the next.
    if unit.is_part_of_day() {
        return date(Some(moved(local.utc, unit, amount)?));
    }
    date(local.zone.to_utc(moved(local.shown, unit, amount)?))
}

/// A moment moved by some units; days that a month lacks become its last.
fn moved(millis: i64, unit: Unit, amount: i64) -> Result<i64, QueryError> {
    match unit {
        Unit::Millis(size) => {
            amount.checked_mul(size).and_then(|by| millis.checked_add(by)).ok_or_else(overflow)
        }
        Unit::Months(size) => {
            let months = amount.checked_mul(size).ok_or_else(overflow)?;
            let mut civil = Civil::from_millis(millis);
            let index = (civil.month - 1).checked_add(months).ok_or_else(overflow)?;
            civil.year = civil.year.checked_add(index.div_euclid(12)).ok_or_else(overflow)?;
            if civil.year.abs() > 300_000_000 {
                return Err(overflow());
            }
            civil.month = index.rem_euclid(12) + 1;
            civil.day = civil.day.min(days_in_month(civil.year, civil.month));
            civil.to_millis().ok_or_else(overflow)
        }
    }
}

/// Moves a moment for a stage; see [`moved`].
pub(crate) fn move_date(millis: i64, name: &str, amount: i64) -> Result<i64, QueryError> {
    let unit = find_unit(name).ok_or_else(|| unknown_unit(name))?;
    moved(millis, unit, amount)
}

/// Day of the week with which weeks begin, 1 for Monday.
fn start_of_week(
    operator: &str,
    unit: Option<Unit>,
    arguments: &Named<'_>,
) -> Result<Option<i64>, QueryError> {
    // For other units the argument means nothing, whatever it is.
    if !matches!(unit, Some(Unit::Millis(WEEK))) || !arguments.has("startOfWeek") {
        return Ok(Some(7));
    }
    let value = arguments.get("startOfWeek");
    if is_nullish(value) {
        return Ok(None);
    }
    let Some(name) = string(value) else {
        return Err(QueryError::new(
            5439015,
            format!(
                "{operator} requires 'startOfWeek' to be a string, but got {}",
                type_name(value)
            ),
        ));
    };
    let day = match name.to_ascii_lowercase().as_str() {
        "monday" | "mon" => 1,
        "tuesday" | "tue" => 2,
        "wednesday" | "wed" => 3,
        "thursday" | "thu" => 4,
        "friday" | "fri" => 5,
        "saturday" | "sat" => 6,
        "sunday" | "sun" => 7,
        _ => {
            return Err(QueryError::new(
                5439016,
                format!(
                    "{operator} parameter 'startOfWeek' value cannot be recognized as a day of a \
                     week: {name}"
                ),
            ));
        }
    };
    Ok(Some(day))
}

/// The number of a week; weeks begin at `start`.
fn week_number(local: i64, start: i64) -> i64 {
    let days = local.div_euclid(DAY);
    (days - (iso_weekday(days) - start).rem_euclid(7)).div_euclid(7)
}

fn difference_end(arguments: &Named<'_>, name: &str) -> Result<Option<Local>, QueryError> {
    local(arguments, name, |value| {
        moment(value, 5166307, || {
            format!("$dateDiff requires '{name}' to be a date, but got {}", type_name(value))
        })
    })
}

fn difference(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let unit = unit("$dateDiff", arguments.get("unit"))?;
    let start = start_of_week("$dateDiff", unit, arguments)?;
    let (Some(unit), Some(start), Some(first), Some(last)) = (
        unit,
        start,
        difference_end(arguments, "startDate")?,
        difference_end(arguments, "endDate")?,
    ) else {
        return null();
    };
    let (from, to) = match unit.is_part_of_day() {
        true => (first.shown, last.utc.checked_add(first.shown - first.utc).ok_or_else(overflow)?),
        false => (first.shown, last.shown),
    };
    let count = match unit {
        Unit::Months(size) => {
            let index = |millis: i64| {
                let civil = Civil::from_millis(millis);
                (civil.year * 12 + civil.month - 1).div_euclid(size)
            };
            index(to) - index(from)
        }
        Unit::Millis(WEEK) => week_number(to, start) - week_number(from, start),
        Unit::Millis(size) => {
            to.div_euclid(size).checked_sub(from.div_euclid(size)).ok_or_else(overflow)?
        }
    };
    Ok(Some(RawBson::Int64(count)))
}

/// Bins are counted from the year 2000.
fn truncate(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let unit = unit("$dateTrunc", arguments.get("unit"))?;
    let start = start_of_week("$dateTrunc", unit, arguments)?;
    let size = match arguments.get("binSize") {
        None => Some(1),
        value if is_nullish(value) => None,
        value => match number(value).and_then(Number::to_i64_exact) {
            Some(size) if size > 0 => Some(size),
            Some(size) => {
                return Err(QueryError::new(
                    5439018,
                    format!(
                        "$dateTrunc requires 'binSize' to be greater than 0, but got value {size}"
                    ),
                ));
            }
            None => {
                return Err(QueryError::new(
                    5439017,
                    format!(
                        "$dateTrunc requires 'binSize' to be a 64-bit integer, but got a value of \
                         type {}",
                        type_name(value)
                    ),
                ));
            }
        },
    };
    let date_argument = local(arguments, "date", |value| {
        moment(value, 5439012, || {
            format!("$dateTrunc requires 'date' to be a date, but got {}", type_name(value))
        })
    })?;
    let (Some(unit), Some(start), Some(size), Some(local)) = (unit, start, size, date_argument)
    else {
        return null();
    };
    let reference_day = days_of(2000, 1, 1);
    let bin = match unit {
        Unit::Months(months) => {
            let months = months.checked_mul(size).ok_or_else(overflow)?;
            let civil = Civil::from_millis(local.shown);
            let index = (civil.year - 2000) * 12 + civil.month - 1;
            let first = index.div_euclid(months) * months;
            Civil {
                year: 2000 + first.div_euclid(12),
                month: first.rem_euclid(12) + 1,
                day: 1,
                hour: 0,
                minute: 0,
                second: 0,
                millisecond: 0,
            }
            .to_millis()
            .ok_or_else(overflow)?
        }
        Unit::Millis(millis) => {
            let width = millis.checked_mul(size).ok_or_else(overflow)?;
            let mut reference = reference_day * DAY;
            if millis == WEEK {
                reference += (start - iso_weekday(reference_day)).rem_euclid(7) * DAY;
            }
            let distance = local.shown.checked_sub(reference).ok_or_else(overflow)?;
            distance
                .div_euclid(width)
                .checked_mul(width)
                .and_then(|first| first.checked_add(reference))
                .ok_or_else(overflow)?
        }
    };
    if unit.is_part_of_day() {
        return date(bin.checked_sub(local.shown - local.utc));
    }
    date(local.zone.to_utc(bin))
}
