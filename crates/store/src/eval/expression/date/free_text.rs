//! Dates as people write them: `July 4th, 2017`, `Tue, 4 Jul 2017 11:56:02 GMT`, `7/4/2017 11:56 PM`.
//!
//! Day, month and year have to be there, the year with four digits. Between slashes the month comes
//! first, between points and dashes the day. A time and a zone may follow.

use super::civil::Civil;
use super::format::MONTHS;
use super::parse::Reader;
use super::zone::Zone;

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The local time of a text, and the zone that it names.
pub(super) fn read(text: &str) -> Option<(Civil, Option<Zone>)> {
    let mut reader = Reader { rest: text.trim() };
    weekday(&mut reader);
    let (year, month, day) = date(&mut reader)?;
    let mut civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    let is_end = reader.rest.is_empty() || gap(&mut reader) || reader.take(&['T']);
    if !is_end {
        return None;
    }
    if reader.rest.starts_with(|c: char| c.is_ascii_digit()) {
        time(&mut reader, &mut civil)?;
    }
    Some((civil, reader.zone()?))
}

/// Passes over spaces and one comma; whether there was any.
fn gap(reader: &mut Reader<'_>) -> bool {
    let rest = reader.rest.trim_start();
    let rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
    let moved = rest.len() < reader.rest.len();
    reader.rest = rest;
    moved
}

/// Takes the letters that come next, in lower case.
fn word(reader: &mut Reader<'_>) -> String {
    let end = reader.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(reader.rest.len());
    let (word, rest) = reader.rest.split_at(end);
    reader.rest = rest;
    word.to_ascii_lowercase()
}

/// The place of a name, written in full or with three letters.
fn position(names: &[&str], word: &str) -> Option<i64> {
    let is_word = |text: &str| text.eq_ignore_ascii_case(word);
    let place = names.iter().position(|name| is_word(name) || name.get(..3).is_some_and(is_word));
    place.and_then(|index| i64::try_from(index).ok())
}

fn weekday(reader: &mut Reader<'_>) {
    let before = reader.rest;
    if position(&WEEKDAYS, &word(reader)).is_none() || !gap(reader) {
        reader.rest = before;
    }
}

/// Year, month and day.
fn date(reader: &mut Reader<'_>) -> Option<(i64, i64, i64)> {
    if reader.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let month = month(reader)?;
        gap(reader);
        let day = reader.digits(1, 2)?;
        ordinal(reader);
        if !gap(reader) {
            return None;
        }
        return Some((reader.digits(4, 4)?, month, day));
    }
    let digits = reader.rest.bytes().take_while(u8::is_ascii_digit).count();
    let first = reader.digits(1, 4)?;
    if digits == 4 {
        let month = reader.take(&['/']).then(|| reader.digits(1, 2))??;
        let day = reader.take(&['/']).then(|| reader.digits(1, 2))??;
        return Some((first, month, day));
    }
    if digits > 2 {
        return None;
    }
    if reader.take(&['/']) {
        let day = reader.digits(1, 2)?;
        let year = reader.take(&['/']).then(|| reader.digits(4, 4))??;
        return Some((year, first, day));
    }
    if reader.take(&['.']) {
        let month = reader.digits(1, 2)?;
        let year = reader.take(&['.']).then(|| reader.digits(4, 4))??;
        return Some((year, month, first));
    }
    if reader.take(&['-']) {
        let month = match reader.rest.starts_with(|c: char| c.is_ascii_digit()) {
            true => reader.digits(1, 2)?,
            false => month(reader)?,
        };
        let year = reader.take(&['-']).then(|| reader.digits(4, 4))??;
        return Some((year, month, first));
    }
    ordinal(reader);
    gap(reader);
    let month = month(reader)?;
    gap(reader);
    Some((reader.digits(4, 4)?, month, first))
}

fn month(reader: &mut Reader<'_>) -> Option<i64> {
    let index = match word(reader).as_str() {
        "sept" => 8,
        word => position(&MONTHS, word)?,
    };
    Some(index + 1)
}

/// The letters after a day, as in `4th`.
fn ordinal(reader: &mut Reader<'_>) {
    let before = reader.rest;
    if !matches!(word(reader).as_str(), "st" | "nd" | "rd" | "th") {
        reader.rest = before;
    }
}

/// `11:56`, `11:56:02.5`, `11:56 PM`, `11pm`.
fn time(reader: &mut Reader<'_>, civil: &mut Civil) -> Option<()> {
    civil.hour = reader.digits(1, 2)?;
    let has_minutes = reader.take(&[':']);
    if has_minutes {
        civil.minute = reader.digits(2, 2)?;
        if reader.take(&[':']) {
            civil.second = reader.digits(2, 2)?;
            if reader.take(&['.']) {
                civil.millisecond = reader.fraction()?;
            }
        }
    }
    let before = reader.rest;
    reader.rest = reader.rest.trim_start();
    let later = match word(reader).as_str() {
        "am" => 0,
        "pm" => 12,
        _ => {
            reader.rest = before;
            return has_minutes.then_some(());
        }
    };
    if !(1..=12).contains(&civil.hour) {
        return None;
    }
    civil.hour = civil.hour % 12 + later;
    Some(())
}
