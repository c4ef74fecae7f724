//! `$year` and the like, `$dateToParts`, `$dateFromParts`.

use bson::DateTime;
use bson::raw::{RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::value::Number;

use super::civil::{Civil, DAY, iso_year_start};
use super::millis;
use super::zone::{self, Zone};
use crate::eval::expression::values::{Named, at, is_nullish, null, number, type_name};
use crate::eval::expression::{NamedFunction, PositionalFunction, Value};

type Part = fn(Civil) -> i64;

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$dayOfMonth" => |arguments, _| part_of(arguments, |c| c.day),
        "$dayOfWeek" => |arguments, _| part_of(arguments, day_of_week),
        "$dayOfYear" => |arguments, _| part_of(arguments, Civil::day_of_year),
        "$hour" => |arguments, _| part_of(arguments, |c| c.hour),
        "$isoDayOfWeek" => |arguments, _| part_of(arguments, Civil::iso_weekday),
        "$isoWeek" => |arguments, _| part_of(arguments, |c| c.iso_week().1),
        "$isoWeekYear" => |arguments, _| wide(part_of(arguments, |c| c.iso_week().0)?),
        "$millisecond" => |arguments, _| part_of(arguments, |c| c.millisecond),
        "$minute" => |arguments, _| part_of(arguments, |c| c.minute),
        "$month" => |arguments, _| part_of(arguments, |c| c.month),
        "$second" => |arguments, _| part_of(arguments, |c| c.second),
        "$week" => |arguments, _| part_of(arguments, Civil::week),
        "$year" => |arguments, _| part_of(arguments, |c| c.year),
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$dayOfMonth" => |arguments, _| named_part(arguments, |c| c.day),
        "$dayOfWeek" => |arguments, _| named_part(arguments, day_of_week),
        "$dayOfYear" => |arguments, _| named_part(arguments, Civil::day_of_year),
        "$hour" => |arguments, _| named_part(arguments, |c| c.hour),
        "$isoDayOfWeek" => |arguments, _| named_part(arguments, Civil::iso_weekday),
        "$isoWeek" => |arguments, _| named_part(arguments, |c| c.iso_week().1),
        "$isoWeekYear" => |arguments, _| wide(named_part(arguments, |c| c.iso_week().0)?),
        "$millisecond" => |arguments, _| named_part(arguments, |c| c.millisecond),
        "$minute" => |arguments, _| named_part(arguments, |c| c.minute),
        "$month" => |arguments, _| named_part(arguments, |c| c.month),
        "$second" => |arguments, _| named_part(arguments, |c| c.second),
        "$week" => |arguments, _| named_part(arguments, Civil::week),
        "$year" => |arguments, _| named_part(arguments, |c| c.year),
        "$dateToParts" => |arguments, _| to_parts(arguments),
        "$dateFromParts" => |arguments, _| from_parts(arguments),
        _ => return None,
    })
}

/// 1 is Sunday, 7 Saturday.
fn day_of_week(civil: Civil) -> i64 {
    civil.iso_weekday() % 7 + 1
}

/// The ISO year is a `long`.
fn wide(value: Value) -> Result<Value, QueryError> {
    Ok(match value {
        Some(RawBson::Int32(year)) => Some(RawBson::Int64(i64::from(year))),
        other => other,
    })
}

fn part_of(arguments: &[Value], part: Part) -> Result<Value, QueryError> {
    let value = at(arguments, 0);
    if is_nullish(value) {
        return null();
    }
    Ok(Some(Number::narrow(part(Civil::from_millis(millis(value)?))).to_bson()))
}

fn named_part(arguments: &Named<'_>, part: Part) -> Result<Value, QueryError> {
    match local(arguments, "date", millis)? {
        Some(local) => Ok(Some(Number::narrow(part(Civil::from_millis(local.shown))).to_bson())),
        None => null(),
    }
}

/// A moment where its zone is.
pub(super) struct Local {
    pub(super) utc: i64,
    /// What clocks show there, in milliseconds as if they showed UTC.
    pub(super) shown: i64,
    pub(super) zone: Zone,
}

/// A date argument in local time; `None` if it or the zone is null. `millis` reads the moment, or
/// has the operator's error for what has none.
pub(super) fn local(
    arguments: &Named<'_>,
    name: &str,
    millis: impl FnOnce(&Value) -> Result<i64, QueryError>,
) -> Result<Option<Local>, QueryError> {
    let value = arguments.get(name);
    let Some(zone) = zone::argument(arguments)? else { return Ok(None) };
    if is_nullish(value) {
        return Ok(None);
    }
    let utc = millis(value)?;
    let shown = utc.checked_add(zone.offset_at(utc));
    let shown = shown.ok_or_else(|| QueryError::new(15, "date overflow"))?;
    Ok(Some(Local { utc, shown, zone }))
}

fn to_parts(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let iso = match arguments.get("iso8601") {
        None => false,
        Some(RawBson::Boolean(iso)) => *iso,
        value if is_nullish(value) => return null(),
        other => {
            return Err(QueryError::new(
                40521,
                format!("iso8601 must evaluate to a bool, found {}", type_name(other)),
            ));
        }
    };
    let Some(local) = local(arguments, "date", millis)? else { return null() };
    let civil = Civil::from_millis(local.shown);
    let days = if iso {
        let (year, week) = civil.iso_week();
        [("isoWeekYear", year), ("isoWeek", week), ("isoDayOfWeek", civil.iso_weekday())]
    } else {
        [("year", civil.year), ("month", civil.month), ("day", civil.day)]
    };
    let times = [
        ("hour", civil.hour),
        ("minute", civil.minute),
        ("second", civil.second),
        ("millisecond", civil.millisecond),
    ];
    let mut document = RawDocumentBuf::new();
    for (name, value) in days.into_iter().chain(times) {
        append(&mut document, name, &Number::narrow(value).to_bson())?;
    }
    Ok(Some(RawBson::Document(document)))
}

fn from_parts(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let has_year = arguments.has("year");
    let has_iso = arguments.has("isoWeekYear");
    if !has_year && !has_iso {
        return Err(QueryError::new(
            40516,
            "$dateFromParts requires either 'year' or 'isoWeekYear' to be present",
        ));
    }
    if has_year && has_iso {
        return Err(QueryError::new(
            40489,
            "$dateFromParts does not allow mixing natural dates with ISO dates",
        ));
    }
    let other = if has_iso { ["month", "day"] } else { ["isoWeek", "isoDayOfWeek"] };
    if other.iter().any(|name| arguments.has(name)) {
        return Err(if has_iso {
            QueryError::new(
                40525,
                "$dateFromParts does not allow mixing ISO dates with natural dates",
            )
        } else {
            QueryError::new(
                40489,
                "$dateFromParts does not allow mixing natural dates with ISO dates",
            )
        });
    }
    let Some(zone) = zone::argument(arguments)? else { return null() };
    let part = |name: &str, default: i64| {
        if !arguments.has(name) {
            return Ok(Some(default));
        }
        let value = arguments.get(name);
        if is_nullish(value) {
            return Ok(None);
        }
        match number(value).and_then(Number::to_i64_exact) {
            Some(part) if (-32768..=32767).contains(&part) => Ok(Some(part)),
            Some(_) => Err(QueryError::new(
                31034,
                format!("'{name}' must evaluate to a value in the range [-32768, 32767]"),
            )),
            None => Err(QueryError::new(
                40515,
                format!("'{name}' must evaluate to an integer, found {}", type_name(value)),
            )),
        }
    };
    let time = (part("hour", 0)?, part("minute", 0)?, part("second", 0)?, part("millisecond", 0)?);
    let (Some(hour), Some(minute), Some(second), Some(millisecond)) = time else { return null() };
    let mut civil = Civil { year: 1970, month: 1, day: 1, hour, minute, second, millisecond };
    let mut extra_days = 0;
    if has_year {
        let (Some(year), Some(month), Some(day)) =
            (part("year", 1970)?, part("month", 1)?, part("day", 1)?)
        else {
            return null();
        };
        if !(1..=9999).contains(&year) {
            return Err(QueryError::new(
                40523,
                format!("'year' must evaluate to an integer in the range 1 to 9999, found {year}"),
            ));
        }
        (civil.year, civil.month, civil.day) = (year, month, day);
    } else {
        let (Some(year), Some(week), Some(day)) =
            (part("isoWeekYear", 1970)?, part("isoWeek", 1)?, part("isoDayOfWeek", 1)?)
        else {
            return null();
        };
        if !(1..=9999).contains(&year) {
            return Err(QueryError::new(
                31095,
                format!(
                    "'isoWeekYear' must evaluate to an integer in the range 1 to 9999, found {year}"
                ),
            ));
        }
        extra_days = iso_year_start(year) + (week - 1) * 7 + (day - 1);
    }
    let total = civil
        .to_millis()
        .and_then(|millis| millis.checked_add(extra_days * DAY))
        .and_then(|millis| zone.to_utc(millis))
        .ok_or_else(|| QueryError::new(15, "date overflow"))?;
    Ok(Some(RawBson::DateTime(DateTime::from_millis(total))))
}
