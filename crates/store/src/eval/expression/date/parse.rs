//! `$dateFromString`: ISO 8601, what people write, or a given format.

use bson::DateTime;
use bson::raw::RawBson;
use fieldveil_query::QueryError;

use super::civil::{Civil, DAY, days_in_month, iso_year_start};
use super::format::MONTHS;
use super::free_text;
use super::zone::{self, Zone};
use crate::eval::expression::values::{Named, is_nullish, null, string, type_name};
use crate::eval::expression::{NamedFunction, Value};

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    match operator {
        "$dateFromString" => Some(|arguments, _| from_string(arguments)),
        _ => None,
    }
}

fn from_string(arguments: &Named<'_>) -> Result<Value, QueryError> {
    match read(arguments) {
        Err(error) if error.code() == 241 && arguments.has("onError") => {
            Ok(arguments.get("onError").clone())
        }
        other => other,
    }
}

fn read(arguments: &Named<'_>) -> Result<Value, QueryError> {
    let input = arguments.get("dateString");
    let format = match arguments.get("format") {
        None => None,
        Some(RawBson::String(format)) => Some(format.as_str()),
        value if is_nullish(value) => return null(),
        other => {
            return Err(QueryError::new(
                40684,
                format!(
                    "$dateFromString requires that 'format' be a string, found: {}",
                    type_name(other)
                ),
            ));
        }
    };
    if is_nullish(input) {
        return if arguments.has("onNull") { Ok(arguments.get("onNull").clone()) } else { null() };
    }
    let Some(text) = string(input) else {
        return Err(QueryError::new(
            241,
            format!(
                "$dateFromString requires that 'dateString' be a string, found: {}",
                type_name(input)
            ),
        ));
    };
    let Some(zone) = zone::argument(arguments)? else { return null() };
    let given = arguments.has("timezone").then_some(&zone);
    let parsed = match format {
        None => parse_date(text, given),
        Some(format) => parse_format(text, format, given),
    };
    match parsed {
        Some(millis) => Ok(Some(RawBson::DateTime(DateTime::from_millis(millis)))),
        None => Err(QueryError::new(241, format!("Error parsing date string '{text}'"))),
    }
}

/// Reads text bit by bit.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        digits.parse().ok()
    }

    pub(super) fn take(&mut self, letters: &[char]) -> bool {
        match self.rest.strip_prefix(letters) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The rest as a zone: nothing, `Z`, an offset, or a name.
    pub(super) fn zone(&mut self) -> Option<Option<Zone>> {
        match std::mem::take(&mut self.rest).trim() {
            "" => Some(None),
            text => zone::in_text(text).map(Some),
        }
    }

    /// Up to three digits of a fraction of a second, as milliseconds; further digits are dropped.
    pub(super) fn fraction(&mut self) -> Option<i64> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        if digits.is_empty() {
            return None;
        }
        format!("{digits:0<3}").get(..3)?.parse().ok()
    }
}

/// `2017-02-08`, `2017-02-08T12:10:40.787Z`, `2017-02-08 12:10+02`, without the dashes, and as
/// people write dates.
///
/// `given` is the zone of an argument, which the text may then not name itself.
pub(in crate::eval::expression) fn parse_date(text: &str, given: Option<&Zone>) -> Option<i64> {
    let (civil, own) = read_iso(text).or_else(|| free_text::read(text))?;
    finish(civil, 0, own, given)
}

/// The local time of a text, and the zone that it names.
fn read_iso(text: &str) -> Option<(Civil, Option<Zone>)> {
    let mut reader = Reader { rest: text.trim() };
    let year = reader.digits(4, 4)?;
    let dashed = reader.take(&['-']);
    let month = reader.digits(1, 2)?;
    if dashed && !reader.take(&['-']) {
        return None;
    }
    let day = reader.digits(1, 2)?;
    let mut civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    if reader.take(&['T', 't', ' ']) {
        civil.hour = reader.digits(1, 2)?;
        let colons = reader.take(&[':']);
        civil.minute = reader.digits(2, 2)?;
        let more = if colons { reader.take(&[':']) } else { !reader.rest.is_empty() };
        if more && reader.rest.starts_with(|c: char| c.is_ascii_digit()) {
            civil.second = reader.digits(2, 2)?;
            if reader.take(&['.', ',']) {
                civil.millisecond = reader.fraction()?;
            }
        }
    }
    Some((civil, reader.zone()?))
}

/// The moment of a local time and `days` after it.
fn finish(civil: Civil, days: i64, own: Option<Zone>, given: Option<&Zone>) -> Option<i64> {
    let valid = (1..=12).contains(&civil.month)
        && (1..=days_in_month(civil.year, civil.month)).contains(&civil.day)
        && civil.hour < 24
        && civil.minute < 60
        && civil.second < 60;
    if !valid {
        return None;
    }
    let local = civil.to_millis()?.checked_add(days.checked_mul(DAY)?)?;
    match (own, given) {
        (Some(_), Some(_)) => None,
        (Some(zone), None) => zone.to_utc(local),
        (None, Some(zone)) => zone.to_utc(local),
        (None, None) => Some(local),
    }
}

fn parse_format(text: &str, format: &str, given: Option<&Zone>) -> Option<i64> {
    let mut reader = Reader { rest: text };
    let mut civil =
        Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0 };
    let (mut iso_year, mut iso_week, mut iso_day, mut day_of_year) = (None, 1, 1, None);
    let mut own = None;
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            if !reader.take(&[letter]) {
                return None;
            }
            continue;
        }
        match letters.next()? {
            'd' => civil.day = reader.digits(1, 2)?,
            'G' => iso_year = Some(reader.digits(1, 4)?),
            'H' => civil.hour = reader.digits(1, 2)?,
            'j' => day_of_year = Some(reader.digits(1, 3)?),
            'L' => civil.millisecond = reader.digits(1, 3)?,
            'm' => civil.month = reader.digits(1, 2)?,
            'M' => civil.minute = reader.digits(1, 2)?,
            'S' => civil.second = reader.digits(1, 2)?,
            'u' => iso_day = reader.digits(1, 1)?,
            'V' => iso_week = reader.digits(1, 2)?,
            'Y' => civil.year = reader.digits(4, 4)?,
            'z' => {
                let end = reader
                    .rest
                    .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | ':' | 'Z')))
                    .unwrap_or(reader.rest.len());
                let (zone, rest) = reader.rest.split_at(end);
                let offset = if zone == "Z" { 0 } else { zone::parse_offset(zone)? };
                own = Some(Zone::Fixed(offset));
                reader.rest = rest;
            }
            'Z' => {
                let negative = reader.take(&['-']);
                if !negative {
                    reader.take(&['+']);
                }
                let minutes = reader.digits(1, 4)?;
                own = Some(Zone::Fixed(if negative { -minutes } else { minutes } * 60_000));
            }
            'b' => civil.month = month(&mut reader, true)?,
            'B' => civil.month = month(&mut reader, false)?,
            '%' if reader.take(&['%']) => {}
            _ => return None,
        }
    }
    if !reader.rest.is_empty() {
        return None;
    }
    let time = Civil { year: 1970, month: 1, day: 1, ..civil };
    if let Some(year) = iso_year {
        let days = iso_year_start(year) + (iso_week - 1) * 7 + (iso_day - 1);
        return finish(time, days, own, given);
    }
    if let Some(day) = day_of_year {
        let first = Civil { month: 1, day: 1, ..civil };
        return finish(first, day - 1, own, given);
    }
    finish(civil, 0, own, given)
}

fn month(reader: &mut Reader<'_>, short: bool) -> Option<i64> {
    for (index, name) in MONTHS.iter().enumerate() {
        let name = if short { name.get(..3)? } else { name };
        if let Some(head) = reader.rest.get(..name.len())
            && head.eq_ignore_ascii_case(name)
        {
            reader.rest = reader.rest.get(name.len()..)?;
            return i64::try_from(index + 1).ok();
        }
    }
    None
}
