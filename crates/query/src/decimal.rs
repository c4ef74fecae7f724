//! IEEE 754-2008 decimal floating point with 34 digits, as BSON's `decimal` type has it.
//!
//! A value is a sign, a coefficient below 10^34 and an exponent; `1.0` and `1.00` are equal but
//! not the same, and arithmetic keeps that apart as the standard says. Results are rounded half to
//! even, as MongoDB does.
//!
//! Source: BSON specification "BSON Decimal128"; IEEE 754-2008, sections 3.5 and 5.

use std::cmp::Ordering;
use std::fmt;

use bson::Decimal128;
use ethnum::U256;

mod arithmetic;
mod power;
mod text;

/// A decoded `Decimal128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// Not a number. Signs and payloads of NaN mean nothing and are dropped.
    Nan,
    /// Infinity; `true` is negative.
    Infinity(bool),
    /// `(-1)^negative * coefficient * 10^exponent`.
    Finite(Finite),
}

/// The parts of a finite decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finite {
    /// The sign; zero has one too.
    pub negative: bool,
    /// At most 34 decimal digits.
    pub coefficient: u128,
    /// From -6176 to 6111.
    pub exponent: i32,
}

/// The largest coefficient, 34 nines.
const MAX_COEFFICIENT: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
/// Digits of the largest coefficient.
const PRECISION: u32 = 34;
const MIN_EXPONENT: i32 = -6176;
const MAX_EXPONENT: i32 = 6111;

impl Decimal {
    /// Positive zero with exponent 0.
    pub const ZERO: Self = Self::Finite(Finite { negative: false, coefficient: 0, exponent: 0 });

    /// Decodes the 16 bytes (little endian): 1 bit sign, then either 14 bits exponent and 113 bits
    /// coefficient, or the forms for infinity (`11110`) and NaN (`11111`). The second finite form
    /// (`11` after the sign) has coefficients too large for 34 digits, which read as zero.
    pub fn decode(value: Decimal128) -> Self {
        let bits = u128::from_le_bytes(value.bytes());
        let negative = bits >> 127 == 1;
        let combination = (bits >> 122) & 0x1f;
        match combination {
            0b11111 => Self::Nan,
            0b11110 => Self::Infinity(negative),
            _ if combination >> 3 == 0b11 => Self::Finite(Finite {
                negative,
                coefficient: 0,
                exponent: low_14_bits(bits >> 111) - 6176,
            }),
            _ => {
                let coefficient = bits & ((1 << 113) - 1);
                Self::Finite(Finite {
                    negative,
                    coefficient: if coefficient > MAX_COEFFICIENT { 0 } else { coefficient },
                    exponent: low_14_bits(bits >> 113) - 6176,
                })
            }
        }
    }

    /// Encodes as BSON's 16 bytes.
    pub fn encode(self) -> Decimal128 {
        let (negative, rest) = match self {
            Self::Nan => (false, 0b11111 << 122),
            Self::Infinity(negative) => (negative, 0b11110 << 122),
            Self::Finite(finite) => {
                let biased = u128::from((finite.exponent + 6176).unsigned_abs());
                (finite.negative, biased << 113 | finite.coefficient)
            }
        };
        Decimal128::from_bytes((u128::from(negative) << 127 | rest).to_le_bytes())
    }

    /// A decimal from its parts, rounded to 34 digits and the exponent range (half to even).
    pub fn from_parts(negative: bool, coefficient: u128, exponent: i32) -> Self {
        Self::round(negative, U256::from(coefficient), exponent, false)
    }

    /// Rounds `coefficient * 10^exponent` to the format. `sticky` says that the true value is
    /// larger than that by less than one unit of the coefficient.
    fn round(negative: bool, coefficient: U256, exponent: i32, sticky: bool) -> Self {
        let mut drop = digits256(coefficient).saturating_sub(PRECISION);
        let below = MIN_EXPONENT.saturating_sub(exponent);
        if below > 0 {
            drop = drop.max(below.unsigned_abs());
        }
        let mut exponent = exponent.saturating_add(drop.min(20_000).cast_signed());
        let mut kept = if drop == 0 {
            coefficient.as_u128()
        } else if drop > 76 {
            0
        } else {
            let unit = U256::from(10u8).pow(drop);
            let (quotient, remainder) = (coefficient / unit, coefficient % unit);
            let half = unit / 2;
            let up =
                remainder > half || (remainder == half && (sticky || quotient % 2 == U256::ONE));
            quotient.as_u128() + u128::from(up)
        };
        if kept > MAX_COEFFICIENT {
            kept /= 10;
            exponent += 1;
        }
        if kept == 0 {
            exponent = exponent.clamp(MIN_EXPONENT, MAX_EXPONENT);
        }
        while exponent > MAX_EXPONENT && kept <= MAX_COEFFICIENT / 10 {
            kept *= 10;
            exponent -= 1;
        }
        if exponent > MAX_EXPONENT {
            return Self::Infinity(negative);
        }
        Self::Finite(Finite { negative, coefficient: kept, exponent })
    }

    /// Whether this is NaN.
    pub fn is_nan(self) -> bool {
        self == Self::Nan
    }

    /// Whether this is positive or negative zero.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Finite(Finite { coefficient: 0, .. }))
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Nan => f64::NAN,
            Self::Infinity(true) => f64::NEG_INFINITY,
            Self::Infinity(false) => f64::INFINITY,
            // The standard library parses any decimal notation with correct rounding.
            Self::Finite(finite) => {
                let sign = if finite.negative { "-" } else { "" };
                format!("{sign}{}e{}", finite.coefficient, finite.exponent)
                    .parse()
                    .unwrap_or(f64::NAN)
            }
        }
    }

    /// The double rounded to 15 digits, as MongoDB converts doubles in arithmetic.
    pub fn from_f64(value: f64) -> Self {
        if value.is_nan() {
            return Self::Nan;
        }
        if value.is_infinite() {
            return Self::Infinity(value.is_sign_negative());
        }
        if value == 0.0 {
            return Self::Finite(Finite {
                negative: value.is_sign_negative(),
                coefficient: 0,
                exponent: 0,
            });
        }
        Self::parse(&format!("{value:.14e}")).unwrap_or(Self::Nan)
    }

    /// Cuts the fraction off (towards zero) and gives the integer, if it fits.
    pub fn to_i64_truncated(self) -> Option<i64> {
        let Self::Finite(finite) = self.truncated(0) else { return None };
        let magnitude = if finite.exponent >= 0 {
            let factor = 10u128.checked_pow(finite.exponent.unsigned_abs());
            if finite.coefficient == 0 { 0 } else { finite.coefficient.checked_mul(factor?)? }
        } else {
            let divisor = 10u128.checked_pow(finite.exponent.unsigned_abs());
            divisor.map_or(0, |divisor| finite.coefficient / divisor)
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if finite.negative { -magnitude } else { magnitude }).ok()
    }

    /// The integer this is exactly, if it is one and fits.
    pub fn to_i64_exact(self) -> Option<i64> {
        let integer = self.to_i64_truncated()?;
        (self.compare(Self::from(integer)) == Ordering::Equal).then_some(integer)
    }

    /// Total order by value: NaN below everything and equal to itself, zeros equal.
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Nan, Self::Nan) => Ordering::Equal,
            (Self::Nan, _) => Ordering::Less,
            (_, Self::Nan) => Ordering::Greater,
            (Self::Finite(left), Self::Finite(right)) => compare_finite(left, right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Compares with a double by exact value.
    pub fn compare_f64(self, other: f64) -> Ordering {
        if other.is_nan() || other.is_infinite() || self.rank() != 0 || self.is_nan() {
            return self.compare(Self::from_f64(other));
        }
        // Rounding is monotone, so unequal doubles decide. For equal ones the double's exact
        // decimal expansion (at most 767 digits) does.
        match self.to_f64().partial_cmp(&other) {
            Some(Ordering::Equal) => self.compare_expansion(other),
            Some(order) => order,
            None => Ordering::Equal,
        }
    }

    fn compare_expansion(self, other: f64) -> Ordering {
        let Self::Finite(finite) = self else { return Ordering::Equal };
        if other == 0.0 {
            return match (finite.coefficient, finite.negative) {
                (0, _) => Ordering::Equal,
                (_, true) => Ordering::Less,
                (_, false) => Ordering::Greater,
            };
        }
        let expansion = format!("{:.767e}", other.abs());
        let (mantissa, exponent) = expansion.split_once('e').unwrap_or((&expansion, "0"));
        let expected: String = mantissa.chars().filter(|c| *c != '.').collect();
        let adjusted: i32 = exponent.parse().unwrap_or(0);
        let actual = finite.coefficient.to_string();
        let digits = i32::try_from(actual.len()).unwrap_or(0);
        let order = (finite.exponent + digits - 1)
            .cmp(&adjusted)
            .then_with(|| actual.trim_end_matches('0').cmp(expected.trim_end_matches('0')));
        if finite.negative { order.reverse() } else { order }
    }

    fn rank(self) -> i8 {
        match self {
            Self::Infinity(true) => -1,
            Self::Infinity(false) => 1,
            Self::Nan | Self::Finite(_) => 0,
        }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::Finite(Finite {
            negative: value < 0,
            coefficient: u128::from(value.unsigned_abs()),
            exponent: 0,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(*self, f)
    }
}

fn compare_finite(left: Finite, right: Finite) -> Ordering {
    match (left.coefficient, right.coefficient) {
        (0, 0) => return Ordering::Equal,
        (0, _) => return if right.negative { Ordering::Greater } else { Ordering::Less },
        (_, 0) => return if left.negative { Ordering::Less } else { Ordering::Greater },
        _ => {}
    }
    if left.negative != right.negative {
        return if left.negative { Ordering::Less } else { Ordering::Greater };
    }
    let order = compare_magnitude(left, right);
    if left.negative { order.reverse() } else { order }
}

fn compare_magnitude(left: Finite, right: Finite) -> Ordering {
    let adjusted = |value: Finite| value.exponent + digits128(value.coefficient).cast_signed();
    adjusted(left).cmp(&adjusted(right)).then_with(|| {
        // Equal magnitudes differ by at most 33 in exponent, so the products fit 256 bits.
        let shift = left.exponent.abs_diff(right.exponent);
        let scale = U256::from(10u8).pow(shift);
        let (left_coefficient, right_coefficient) =
            (U256::from(left.coefficient), U256::from(right.coefficient));
        if left.exponent > right.exponent {
            (left_coefficient * scale).cmp(&right_coefficient)
        } else {
            left_coefficient.cmp(&(right_coefficient * scale))
        }
    })
}

fn low_14_bits(bits: u128) -> i32 {
    i32::try_from(bits & 0x3fff).unwrap_or(0)
}

fn digits128(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

fn digits256(value: U256) -> u32 {
    if value <= U256::from(u128::MAX) {
        return digits128(value.as_u128());
    }
    let mut digits = 38;
    let mut bound = U256::from(10u8).pow(38);
    while bound <= value {
        digits += 1;
        match bound.checked_mul(U256::from(10u8)) {
            Some(next) => bound = next,
            None => break,
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Decimal {
        Decimal::decode(text.parse().unwrap())
    }

    #[test]
    fn decodes_and_encodes_what_the_bson_crate_parses() {
        for text in
            ["0", "-0", "1", "-1.50", "1E+6111", "9.999E-6173", "NaN", "Infinity", "-Infinity"]
        {
            let value: Decimal128 = text.parse().unwrap();
            assert_eq!(Decimal::decode(value).encode().to_string(), value.to_string(), "{text}");
        }
    }

    #[test]
    fn order_is_by_value() {
        let sorted = [
            "NaN",
            "-Infinity",
            "-1E+6000",
            "-2",
            "-1.5",
            "-1E-6000",
            "0",
            "1E-6176",
            "0.1",
            "1",
            "1.00001",
            "9E+10",
            "1E+11",
            "Infinity",
        ];
        for (i, left) in sorted.iter().enumerate() {
            for (j, right) in sorted.iter().enumerate() {
                assert_eq!(parse(left).compare(parse(right)), i.cmp(&j), "{left} {right}");
            }
        }
        assert_eq!(parse("-0").compare(parse("0E+10")), Ordering::Equal);
        assert_eq!(parse("1.00").compare(parse("1")), Ordering::Equal);
    }

    #[test]
    fn doubles_compare_by_exact_value() {
        assert_eq!(parse("0.1").compare_f64(0.1), Ordering::Less);
        assert_eq!(parse("0.5").compare_f64(0.5), Ordering::Equal);
        assert_eq!(parse("-0.1").compare_f64(-0.1), Ordering::Greater);
        assert_eq!(parse("0").compare_f64(-0.0), Ordering::Equal);
        assert_eq!(parse("1E-6000").compare_f64(0.0), Ordering::Greater);
        assert_eq!(parse("1E+400").compare_f64(f64::MAX), Ordering::Greater);
        assert_eq!(parse("NaN").compare_f64(f64::NAN), Ordering::Equal);
        assert_eq!(parse("1").compare_f64(f64::NAN), Ordering::Greater);
        assert_eq!(parse("9007199254740993").compare_f64(9007199254740992.0), Ordering::Greater);
        assert_eq!(parse("1E+22").compare_f64(1e22), Ordering::Equal);
    }

    #[test]
    fn converts_to_integers() {
        assert_eq!(parse("12.9").to_i64_truncated(), Some(12));
        assert_eq!(parse("-12.9").to_i64_truncated(), Some(-12));
        assert_eq!(parse("12.0").to_i64_exact(), Some(12));
        assert_eq!(parse("12.5").to_i64_exact(), None);
        assert_eq!(parse("1E+30").to_i64_truncated(), None);
        assert_eq!(parse("0E+6000").to_i64_truncated(), Some(0));
        assert_eq!(parse("-9223372036854775808").to_i64_exact(), Some(i64::MIN));
    }
}
