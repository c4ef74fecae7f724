//! Decimal128, as far as range indexes need it.

use std::cmp::Ordering;
use std::fmt;

/// `10^34 - 1`: the largest coefficient.
const MAX_COEFFICIENT: u128 = 10_u128.pow(34) - 1;
/// What is added to exponents in the encoding.
const BIAS: i32 = 6176;
/// `2^127`, to which zero maps.
const ZERO: u128 = 1 << 127;

/// A decimal number in IEEE 754's binary integer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    bits: u128,
}

/// A finite number: `coefficient * 10^(biased_exponent - 6176)`.
struct Parts {
    is_negative: bool,
    coefficient: u128,
    biased_exponent: u32,
}

/// A number multiplied by a power of ten and cut to an integer.
pub(super) struct Scaled {
    pub(super) value: i128,
    /// Whether nothing was cut off.
    pub(super) is_exact: bool,
}

impl Decimal {
    /// From the 16 bytes of a BSON value.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { bits: u128::from_le_bytes(bytes) }
    }

    fn parts(self) -> Option<Parts> {
        let high = u64::try_from(self.bits >> 64).unwrap_or(0);
        let is_negative = high >> 63 == 1;
        if high >> 61 & 3 == 3 {
            if high >> 59 & 3 == 3 {
                return None;
            }
            // A coefficient beyond the largest: by the standard, zero.
            let biased_exponent = u32::try_from(high >> 47 & 0x3FFF).unwrap_or(0);
            return Some(Parts { is_negative, coefficient: 0, biased_exponent });
        }
        let biased_exponent = u32::try_from(high >> 49 & 0x3FFF).unwrap_or(0);
        let coefficient = self.bits & ((1 << 113) - 1);
        let coefficient = if coefficient > MAX_COEFFICIENT { 0 } else { coefficient };
        Some(Parts { is_negative, coefficient, biased_exponent })
    }

    /// Whether this is neither infinite nor NaN.
    pub(crate) fn is_finite(self) -> bool {
        self.parts().is_some()
    }

    /// The integer that keeps the order of all finite decimals: equal numbers map to the same one.
    /// `None` if this is not finite.
    pub(super) fn ordinal(self) -> Option<u128> {
        let Parts { is_negative, coefficient, biased_exponent } = self.parts()?;
        if coefficient == 0 {
            return Some(ZERO);
        }
        let mut scaled = coefficient;
        let mut shift = 0;
        while scaled < MAX_COEFFICIENT / 10 {
            scaled *= 10;
            shift += 1;
        }
        let magnitude = if shift <= biased_exponent {
            scaled + MAX_COEFFICIENT * u128::from(biased_exponent - shift)
        } else {
            coefficient * 10_u128.pow(biased_exponent)
        };
        let positive = ZERO + magnitude;
        Some(if is_negative { positive.wrapping_neg() } else { positive })
    }

    /// The order of two finite numbers.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(self.ordinal()?.cmp(&other.ordinal()?))
    }

    /// This times `10^precision`, cut towards zero; `None` if that does not fit or is not finite.
    pub(super) fn scaled(self, precision: i32) -> Option<Scaled> {
        let Parts { is_negative, coefficient, biased_exponent } = self.parts()?;
        let exponent = i32::try_from(biased_exponent).ok()? - BIAS;
        let exponent = exponent.checked_add(precision)?;
        let (magnitude, is_exact) = if coefficient == 0 {
            (0, true)
        } else if exponent >= 0 {
            let factor = 10_u128.checked_pow(exponent.unsigned_abs())?;
            (coefficient.checked_mul(factor)?, true)
        } else {
            match 10_u128.checked_pow(exponent.unsigned_abs()) {
                Some(divisor) => (coefficient / divisor, coefficient % divisor == 0),
                None => (0, false),
            }
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        Some(Scaled { value: if is_negative { -magnitude } else { magnitude }, is_exact })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bson::Decimal128::from_bytes(self.bits.to_le_bytes()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        let parsed: bson::Decimal128 = text.parse().unwrap();
        Decimal::from_bytes(parsed.bytes())
    }

    #[test]
    fn equal_numbers_have_equal_ordinals() {
        assert_eq!(decimal("1.0").ordinal(), decimal("1.00000").ordinal());
        assert_eq!(decimal("-0").ordinal(), decimal("0E+10").ordinal());
        assert_eq!(decimal("NaN").ordinal(), None);
        assert_eq!(decimal("-Infinity").ordinal(), None);
    }

    #[test]
    fn ordinals_keep_the_order() {
        let numbers = [
            "-9.999999999999999999999999999999999E+6144",
            "-100",
            "-1.5",
            "-1E-6176",
            "0",
            "1E-6176",
            "0.1",
            "1",
            "1.000001",
            "9.999999999999999999999999999999999E+6144",
        ];
        let ordinals: Vec<_> = numbers.iter().map(|text| decimal(text).ordinal()).collect();
        assert!(ordinals.is_sorted());
    }

    #[test]
    fn scaling_cuts_towards_zero() {
        let scaled = |text, precision| {
            let scaled = decimal(text).scaled(precision).unwrap();
            (scaled.value, scaled.is_exact)
        };
        assert_eq!(scaled("3.14159", 2), (314, false));
        assert_eq!(scaled("-3.14159", 2), (-314, false));
        assert_eq!(scaled("3.1", 2), (310, true));
        assert_eq!(scaled("1E-6000", 2), (0, false));
        assert!(decimal("1E+40").scaled(0).is_none());
    }

    proptest! {
        #[test]
        fn any_bits_are_read_without_panic(bytes: [u8; 16], precision: i32) {
            let decimal = Decimal::from_bytes(bytes);
            let _ = (decimal.ordinal(), decimal.scaled(precision), decimal.to_string());
        }
    }
}
