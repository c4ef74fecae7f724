//! Decimal128 taken apart (IEEE 754-2008, binary integer encoding).

use bson::Decimal128;

/// The largest coefficient: 34 digits.
const COEFFICIENT_MAX: u128 = 10_u128.pow(34) - 1;

/// What the exponent field is greater by than the exponent.
const BIAS: i32 = 6176;

/// A decimal in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// Not a number, of either kind and sign.
    Nan,
    /// Infinity.
    Infinite {
        /// Whether below zero.
        negative: bool,
    },
    /// `coefficient * 10^exponent`.
    Finite {
        /// Whether below zero.
        negative: bool,
        /// At most 34 digits.
        coefficient: u128,
        /// From -6176 to 6111.
        exponent: i32,
    },
}

impl Decimal {
    /// Takes `value` apart. Encodings that are not canonical mean zero, as the standard says.
    pub(crate) fn decode(value: Decimal128) -> Self {
        let bits = u128::from_le_bytes(value.bytes());
        let negative = bits >> 127 == 1;
        // The 17 bits after the sign hold the kind, or the exponent and the top of the coefficient.
        match (bits >> 122) & 0x1F {
            0x1F => return Self::Nan,
            0x1E => return Self::Infinite { negative },
            _ => {}
        }
        let (field, coefficient) = if (bits >> 125) & 3 == 3 {
            ((bits >> 111) & 0x3FFF, 0)
        } else {
            ((bits >> 113) & 0x3FFF, bits & ((1 << 113) - 1))
        };
        let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
        let exponent = i32::try_from(field).unwrap_or(0) - BIAS;
        Self::Finite { negative, coefficient, exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Decimal {
        Decimal::decode(text.parse().unwrap())
    }

    #[test]
    fn parts_are_found() {
        assert_eq!(
            decode("-1.25"),
            Decimal::Finite { negative: true, coefficient: 125, exponent: -2 }
        );
        assert_eq!(
            decode("9999999999999999999999999999999999E6111"),
            Decimal::Finite { negative: false, coefficient: COEFFICIENT_MAX, exponent: 6111 }
        );
        assert_eq!(
            decode("1E-6176"),
            Decimal::Finite { negative: false, coefficient: 1, exponent: -6176 }
        );
        assert_eq!(decode("NaN"), Decimal::Nan);
        assert_eq!(decode("-Infinity"), Decimal::Infinite { negative: true });
    }

    #[test]
    fn oversized_coefficient_is_zero() {
        let mut bytes = [0xFF; 16];
        bytes[15] = 0x6F;
        assert!(matches!(
            Decimal::decode(Decimal128::from_bytes(bytes)),
            Decimal::Finite { coefficient: 0, .. }
        ));
    }
}
