//! Time zones: `UTC`, `GMT`, `Z` and offsets such as `+02`, `+0530`, `-08:00`.

use fieldveil_query::QueryError;

use crate::eval::expression::Value;
use crate::eval::expression::values::{Named, is_nullish, string, type_name};

/// The offset of the `timezone` argument in milliseconds; `None` if it is null.
pub(super) fn argument(arguments: &Named<'_>) -> Result<Option<i64>, QueryError> {
    if !arguments.has("timezone") {
        return Ok(Some(0));
    }
    let value: &Value = arguments.get("timezone");
    if is_nullish(value) {
        return Ok(None);
    }
    match string(value) {
        Some(text) => offset(text).map(Some),
        None => Err(QueryError::new(
            40517,
            format!("timezone must evaluate to a string, found {}", type_name(value)),
        )),
    }
}

/// The offset of a zone in milliseconds.
pub(super) fn offset(text: &str) -> Result<i64, QueryError> {
    if matches!(text, "UTC" | "GMT" | "Z" | "Etc/UTC" | "Etc/GMT" | "Zulu" | "Universal") {
        return Ok(0);
    }
    if let Some(millis) = parse_offset(text) {
        return Ok(millis);
    }
    // Places change their offsets by rules that are not here.
    let place =
        text.contains('/') || matches!(text, "EST" | "MST" | "HST" | "CET" | "EET" | "WET" | "MET");
    Err(if place {
        QueryError::not_supported(format!("the time zone '{text}'"))
    } else {
        QueryError::new(40485, format!("unrecognized time zone identifier: \"{text}\""))
    })
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
