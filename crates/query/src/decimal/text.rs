//! Decimals from and to text.

use std::fmt;

use super::{Decimal, Finite};

impl Decimal {
    /// Reads a number, `Infinity`/`Inf` or `NaN` (any case); more than 34 digits are rounded.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        match unsigned.to_ascii_lowercase().as_str() {
            "inf" | "infinity" => return Some(Self::Infinity(negative)),
            "nan" => return Some(Self::Nan),
            _ => {}
        }
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (unsigned.get(..at)?, parse_exponent(unsigned.get(at + 1..)?)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut coefficient: u128 = 0;
        let mut dropped: i64 = 0;
        let mut sticky = false;
        for digit in whole.bytes().chain(fraction.bytes()) {
            if !digit.is_ascii_digit() {
                return None;
            }
            // 37 digits always fit; what follows only matters for ties.
            if coefficient < 10u128.pow(36) {
                coefficient = coefficient * 10 + u128::from(digit - b'0');
            } else {
                dropped += 1;
                sticky |= digit != b'0';
            }
        }
        let fraction_digits = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.saturating_sub(fraction_digits).saturating_add(dropped);
        let exponent = i32::try_from(exponent.clamp(-100_000, 100_000)).ok()?;
        Some(Self::round(negative, coefficient.into(), exponent, sticky))
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude: i64 = digits.parse().unwrap_or(1_000_000).min(1_000_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// The canonical text: plain while the exponent is in `-6..=0`, else scientific.
pub(super) fn write(value: Decimal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Finite { negative, coefficient, exponent } = match value {
        Decimal::Nan => return f.write_str("NaN"),
        Decimal::Infinity(negative) => {
            return f.write_str(if negative { "-Infinity" } else { "Infinity" });
        }
        Decimal::Finite(finite) => finite,
    };
    if negative {
        f.write_str("-")?;
    }
    let digits = coefficient.to_string();
    let count = i32::try_from(digits.len()).unwrap_or(0);
    let adjusted = exponent + count - 1;
    if exponent > 0 || adjusted < -6 {
        let (head, tail) = digits.split_at(1);
        f.write_str(head)?;
        if !tail.is_empty() {
            write!(f, ".{tail}")?;
        }
        return write!(f, "E{adjusted:+}");
    }
    if exponent == 0 {
        return f.write_str(&digits);
    }
    let fraction = exponent.unsigned_abs() as usize;
    let padded = format!("{digits:0>width$}", width = fraction + 1);
    let (whole, rest) = padded.split_at(padded.len() - fraction);
    write!(f, "{whole}.{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "0",
            "-0",
            "1",
            "-1.50",
            "0.000001",
            "1E-7",
            "1.23E+10",
            "0E-20",
            "NaN",
            "Infinity",
            "-Infinity",
            "1234567890123456789012345678901234",
            "0.001",
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_number_are_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x1", "1 ", " 1", "--1"] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn long_texts_are_rounded_half_to_even() {
        let parse = |text: &str| Decimal::parse(text).unwrap().to_string();
        let nines = "9".repeat(34);
        assert_eq!(parse(&format!("{nines}9")), "1.000000000000000000000000000000000E+35");
        assert_eq!(
            parse("12345678901234567890123456789012345"),
            "1.234567890123456789012345678901234E+34"
        );
        assert_eq!(
            parse("123456789012345678901234567890123450000000001"),
            "1.234567890123456789012345678901235E+44"
        );
        assert_eq!(parse("1E-99999"), "0E-6176");
        assert_eq!(parse("1E+99999"), "Infinity");
        assert_eq!(parse("1E+6112"), "1.0E+6112");
    }
}
