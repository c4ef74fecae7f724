//! `$dateToString`.

use bson::raw::RawBson;
use fieldveil_query::QueryError;

use super::civil::Civil;
use super::millis;
use super::parts::local;
use crate::eval::expression::values::{Named, is_nullish, null, string, text, type_name};
use crate::eval::expression::{NamedFunction, Value};

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    match operator {
        "$dateToString" => Some(|arguments, _| to_string(arguments)),
        _ => None,
    }
}

fn to_string(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let is_utc = !arguments.has("timezone")
        || matches!(string(arguments.get("timezone")), Some("UTC" | "GMT" | "Z"));
    let format = match arguments.get("format") {
        None if is_utc => "%Y-%m-%dT%H:%M:%S.%LZ",
        None => "%Y-%m-%dT%H:%M:%S.%L",
        Some(RawBson::String(format)) => format,
        value if is_nullish(value) => return null(),
        other => {
            return Err(QueryError::new(
                18533,
                format!(
                    "$dateToString requires that 'format' be a string, found: {}",
                    type_name(other)
                ),
            ));
        }
    };
    match local(arguments, "date", millis)? {
        Some(local) => {
            text(render(format, Civil::from_millis(local.shown), local.shown - local.utc)?)
        }
        None if is_nullish(arguments.get("date")) && arguments.has("onNull") => {
            Ok(arguments.get("onNull").clone())
        }
        None => null(),
    }
}

fn render(format: &str, civil: Civil, offset: i64) -> Result<String, QueryError> {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let month = || usize::try_from(civil.month - 1).ok().and_then(|at| MONTHS.get(at)).copied();
        let minutes = offset / 60_000;
        let part = match letters.next() {
            Some('d') => format!("{:02}", civil.day),
            Some('G') => format!("{:04}", civil.iso_week().0),
            Some('H') => format!("{:02}", civil.hour),
            Some('j') => format!("{:03}", civil.day_of_year()),
            Some('L') => format!("{:03}", civil.millisecond),
            Some('m') => format!("{:02}", civil.month),
            Some('M') => format!("{:02}", civil.minute),
            Some('S') => format!("{:02}", civil.second),
            Some('u') => civil.iso_weekday().to_string(),
            Some('U') => format!("{:02}", civil.week()),
            Some('V') => format!("{:02}", civil.iso_week().1),
            Some('w') => (civil.iso_weekday() % 7 + 1).to_string(),
            Some('Y') if !(0..=9999).contains(&civil.year) => {
                return Err(QueryError::new(
                    18537,
                    format!(
                        "$dateToString is only defined on year 0-9999, tried to use year {}",
                        civil.year
                    ),
                ));
            }
            Some('Y') => format!("{:04}", civil.year),
            Some('z') => {
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            Some('Z') => minutes.to_string(),
            Some('b') => month().and_then(|name| name.get(..3)).unwrap_or_default().to_owned(),
            Some('B') => month().unwrap_or_default().to_owned(),
            Some('%') => "%".to_owned(),
            Some(other) => {
                return Err(QueryError::new(
                    18536,
                    format!("Invalid format character '%{other}' in format string"),
                ));
            }
            None => return Err(QueryError::new(18535, "Unmatched '%' at end of format string")),
        };
        out.push_str(&part);
    }
    Ok(out)
}

/// `2018-03-27T16:58:51.538Z`
pub(in crate::eval::expression) fn iso_text(millis: i64) -> String {
    let civil = Civil::from_millis(millis);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        civil.millisecond
    )
}
