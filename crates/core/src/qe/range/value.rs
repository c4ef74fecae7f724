//! Values of types that have an order.

use std::cmp::Ordering;
use std::fmt;

use super::RangeError;
use super::decimal::Decimal;
use crate::raw::{Element, kind};

/// A value of a range index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RangeValue {
    Int32(i32),
    Int64(i64),
    /// Milliseconds since 1970.
    Date(i64),
    Double(f64),
    Decimal(Decimal),
}

impl RangeValue {
    /// Reads a BSON value.
    ///
    /// # Errors
    /// If its type has no order.
    pub(crate) fn read(value_kind: u8, value: &[u8]) -> Result<Self, RangeError> {
        let unsupported = || RangeError::UnsupportedType(kind::name(value_kind));
        let eight = || value.first_chunk().copied().map(i64::from_le_bytes).ok_or_else(unsupported);
        match value_kind {
            kind::INT32 => {
                let bytes = value.first_chunk().ok_or_else(unsupported)?;
                Ok(Self::Int32(i32::from_le_bytes(*bytes)))
            }
            kind::INT64 => eight().map(Self::Int64),
            kind::DATE => eight().map(Self::Date),
            kind::DOUBLE => {
                let bytes = value.first_chunk().ok_or_else(unsupported)?;
                Ok(Self::Double(f64::from_le_bytes(*bytes)))
            }
            kind::DECIMAL128 => {
                let bytes = value.first_chunk().ok_or_else(unsupported)?;
                Ok(Self::Decimal(Decimal::from_bytes(*bytes)))
            }
            _ => Err(unsupported()),
        }
    }

    /// Reads the value of an element.
    pub(crate) fn of(element: &Element<'_>) -> Result<Self, RangeError> {
        Self::read(element.kind, element.value)
    }

    /// The BSON type.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Int32(_) => kind::INT32,
            Self::Int64(_) => kind::INT64,
            Self::Date(_) => kind::DATE,
            Self::Double(_) => kind::DOUBLE,
            Self::Decimal(_) => kind::DECIMAL128,
        }
    }

    /// Whether this is an infinity, by which open ends of ranges are written.
    pub(crate) fn is_infinite(&self) -> bool {
        match self {
            Self::Double(value) => value.is_infinite(),
            Self::Int32(_) | Self::Int64(_) | Self::Date(_) | Self::Decimal(_) => false,
        }
    }

    /// The order of two values of one type; `None` for two types, and for NaN.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int32(one), Self::Int32(other)) => Some(one.cmp(other)),
            (Self::Int64(one), Self::Int64(other)) | (Self::Date(one), Self::Date(other)) => {
                Some(one.cmp(other))
            }
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Decimal(one), Self::Decimal(other)) => one.compare(other),
            _ => None,
        }
    }
}

impl fmt::Display for RangeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int32(value) => value.fmt(f),
            Self::Int64(value) | Self::Date(value) => value.fmt(f),
            Self::Double(value) => f.write_str(&general(*value)),
            Self::Decimal(value) => value.fmt(f),
        }
    }
}

/// A double as C's `%g` prints it: six significant digits, trailing zeros cut.
fn general(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string().to_lowercase();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return trim(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_c() {
        for (value, text) in [
            (0.0, "0"),
            (200.0, "200"),
            (123.456, "123.456"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1_234_567.0, "1.23457e+06"),
            (f64::MAX, "1.79769e+308"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(general(value), text);
        }
    }
}
