//! Time zones: offsets such as `+02`, `+0530`, `-08:00`, and places by their Olson names.

use std::sync::LazyLock;

use fieldveil_query::QueryError;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::civil::DAY;
use crate::eval::expression::Value;
use crate::eval::expression::values::{Named, is_nullish, string, type_name};

/// The rules of all places, the same on every machine.
static PLACES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How far local time is ahead of UTC.
#[derive(Clone, Debug)]
pub(in crate::eval::expression) enum Zone {
    /// Always so many milliseconds.
    Fixed(i64),
    /// As the rules of a place have it.
    Place(TimeZone),
}

impl Zone {
    pub(super) const UTC: Self = Self::Fixed(0);

    /// The offset at a moment, in milliseconds.
    pub(super) fn offset_at(&self, utc: i64) -> i64 {
        match self {
            Self::Fixed(offset) => *offset,
            Self::Place(zone) => {
                let utc =
                    utc.clamp(Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
                let moment = Timestamp::from_millisecond(utc);
                moment.map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()) * 1000)
            }
        }
    }

    /// The moment of a local time. Of two when clocks go back it is the earlier; a time that is
    /// left out when they go forward counts on from the time before.
    pub(super) fn to_utc(&self, local: i64) -> Option<i64> {
        let before = self.offset_at(local.checked_sub(DAY)?);
        let after = self.offset_at(local.checked_add(DAY)?);
        for offset in [before, after] {
            let utc = local.checked_sub(offset)?;
            if self.offset_at(utc) == offset {
                return Some(utc);
            }
        }
        local.checked_sub(before)
    }
}

/// The zone of the `timezone` argument; `None` if it is null.
pub(super) fn argument(arguments: &Named<'_>) -> Result<Option<Zone>, QueryError> {
    if !arguments.has("timezone") {
        return Ok(Some(Zone::UTC));
    }
    let value: &Value = arguments.get("timezone");
    if is_nullish(value) {
        return Ok(None);
    }
    match string(value) {
        Some(text) => zone(text).map(Some),
        None => Err(QueryError::new(
            40517,
            format!("timezone must evaluate to a string, found {}", type_name(value)),
        )),
    }
}

fn zone(text: &str) -> Result<Zone, QueryError> {
    if matches!(text, "UTC" | "GMT" | "Z") {
        return Ok(Zone::UTC);
    }
    if let Some(millis) = parse_offset(text) {
        return Ok(Zone::Fixed(millis));
    }
    PLACES.get(text).map(Zone::Place).map_err(|_| {
        QueryError::new(40485, format!("unrecognized time zone identifier: \"{text}\""))
    })
}

/// A zone as it stands in a date: `Z`, an offset, `GMT+2`, `EST`, or the name of a place.
pub(super) fn in_text(text: &str) -> Option<Zone> {
    const HOURS: [(&str, i64); 16] = [
        ("Z", 0),
        ("UTC", 0),
        ("GMT", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
        ("BST", 1),
        ("CET", 1),
        ("CEST", 2),
        ("EET", 2),
        ("EEST", 3),
    ];
    let known = HOURS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    if let Some((_, hours)) = known {
        return Some(Zone::Fixed(hours * 3_600_000));
    }
    let offset = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    match parse_offset(offset) {
        Some(millis) => Some(Zone::Fixed(millis)),
        None => PLACES.get(text).ok().map(Zone::Place),
    }
}

/// `+hh`, `+hhmm` or `+hh:mm`.
pub(super) fn parse_offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text.get(1..)?.split(':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?),
        _ => return None,
    };
    (minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward_and_back() {
        let hour = 3_600_000;
        let berlin = zone("Europe/Berlin").unwrap();
        // 2026-03-29 at 01:00 UTC, and 2026-10-25 at 01:00 UTC.
        for (change, before, after) in [(1_774_746_000_000, 1, 2), (1_792_890_000_000, 2, 1)] {
            assert_eq!(berlin.offset_at(change - 1), before * hour);
            assert_eq!(berlin.offset_at(change), after * hour);
            for utc in [change - 2 * hour, change + 2 * hour] {
                assert_eq!(berlin.to_utc(utc + berlin.offset_at(utc)), Some(utc));
            }
        }
        // 02:30 is left out in spring and comes twice in autumn.
        assert_eq!(
            berlin.to_utc(1_774_746_000_000 + hour * 3 / 2),
            Some(1_774_746_000_000 + hour / 2)
        );
        assert_eq!(
            berlin.to_utc(1_792_890_000_000 + hour * 3 / 2),
            Some(1_792_890_000_000 - hour / 2)
        );
    }
}
