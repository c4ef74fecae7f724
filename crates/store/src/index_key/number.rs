//! Numbers of all four types in one order, exactly.
//!
//! Body: 8 bytes for the greatest double that is not above the number, then `00` if that double
//! is the number, else `01` and the number as a decimal in 18 bytes. NaN is below all others and
//! its 8 bytes are zero. The decimal has 2 bytes for the exponent of its first digit and 16 for its
//! first 34 digits; below zero both are inverted. Integers and decimals have at most 34 digits, and
//! a double never needs the decimal, so nothing is rounded.

use std::cmp::Ordering;

use bson::Decimal128;
use fieldveil_query::decimal::Decimal;

/// Digits of a decimal coefficient.
const DIGITS: u32 = 34;

/// Makes exponents positive.
const EXPONENT_BIAS: i32 = 0x4000;

pub(crate) fn encode_f64(value: f64, out: &mut Vec<u8>) {
    encode_floor(value, out);
    out.push(0);
}

pub(crate) fn encode_i64(value: i64, out: &mut Vec<u8>) {
    #[expect(clippy::cast_precision_loss, reason = "rounding is corrected below")]
    let nearest = value as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^63, which an i128 holds")]
    let order = (nearest as i128).cmp(&i128::from(value));
    match order {
        Ordering::Equal => encode_f64(nearest, out),
        Ordering::Less => encode_between(nearest, value < 0, value.unsigned_abs().into(), 0, out),
        Ordering::Greater => {
            let floor = nearest.next_down();
            encode_between(floor, value < 0, value.unsigned_abs().into(), 0, out);
        }
    }
}

pub(crate) fn encode_decimal(value: Decimal128, out: &mut Vec<u8>) {
    let value = Decimal::decode(value);
    let nearest = value.to_f64();
    let order = value.compare_f64(nearest);
    match (value, order) {
        (Decimal::Finite(parts), Ordering::Greater) => {
            encode_between(nearest, parts.negative, parts.coefficient, parts.exponent, out);
        }
        (Decimal::Finite(parts), Ordering::Less) => {
            let floor = nearest.next_down();
            encode_between(floor, parts.negative, parts.coefficient, parts.exponent, out);
        }
        _ => encode_f64(nearest, out),
    }
}

/// How long the longest body is.
pub(crate) const BODY_MAX: usize = 27;

/// The length of a body by its ninth byte.
pub(crate) fn body_length(mark: u8) -> usize {
    if mark == 0 { 9 } else { BODY_MAX }
}

/// The number of a body, if it is a double.
pub(crate) fn decode_f64(body: &[u8]) -> Option<f64> {
    let (floor, rest) = body.split_first_chunk::<8>()?;
    (rest.first() == Some(&0)).then(|| decode_floor(*floor))
}

/// The number of a body, if it is a whole one of 64 bits.
pub(crate) fn decode_i64(body: &[u8]) -> Option<i64> {
    if let Some(double) = decode_f64(body) {
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
        let whole = double as i64;
        #[expect(clippy::cast_precision_loss, reason = "only a whole number comes back")]
        let is_same = whole as f64 == double && whole != i64::MAX;
        return is_same.then_some(whole);
    }
    let (floor, rest) = body.split_first_chunk::<8>()?;
    let (exponent, rest) = rest.get(1..)?.split_first_chunk::<2>()?;
    let (mut exponent, mut coefficient) = (*exponent, *rest.first_chunk::<16>()?);
    let is_negative = decode_floor(*floor) < 0.0;
    if is_negative {
        super::invert(&mut exponent);
        super::invert(&mut coefficient);
    }
    let digits = i32::from(u16::from_be_bytes(exponent)).checked_sub(EXPONENT_BIAS)?;
    let scale = 10_u128.checked_pow(DIGITS.checked_sub(u32::try_from(digits).ok()?)?)?;
    let coefficient = u128::from_be_bytes(coefficient);
    if !coefficient.is_multiple_of(scale) {
        return None;
    }
    let magnitude = i128::try_from(coefficient / scale).ok()?;
    i64::try_from(if is_negative { -magnitude } else { magnitude }).ok()
}

/// Reads what [`encode_floor`] wrote.
fn decode_floor(bytes: [u8; 8]) -> f64 {
    let ordered = u64::from_be_bytes(bytes);
    match ordered {
        0 => f64::NAN,
        _ if ordered >> 63 == 1 => f64::from_bits(ordered & !(1 << 63)),
        _ => f64::from_bits(!ordered),
    }
}

/// 8 bytes that ascend with `value`.
fn encode_floor(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(&[0; 8]);
    }
    // Adding zero makes negative zero positive.
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.extend_from_slice(&ordered.to_be_bytes());
}

/// A number above the double `floor` and below the next one.
fn encode_between(floor: f64, negative: bool, coefficient: u128, exponent: i32, out: &mut Vec<u8>) {
    encode_floor(floor, out);
    out.push(1);
    let digits = coefficient.checked_ilog10().map_or(0, |log| log + 1);
    let scale = DIGITS.saturating_sub(digits);
    let coefficient = coefficient.saturating_mul(10_u128.pow(scale));
    let first = exponent + i32::try_from(digits).unwrap_or(0) + EXPONENT_BIAS;
    let mut exponent = u16::try_from(first).unwrap_or(0).to_be_bytes();
    let mut coefficient = coefficient.to_be_bytes();
    if negative {
        super::invert(&mut exponent);
        super::invert(&mut coefficient);
    }
    out.extend_from_slice(&exponent);
    out.extend_from_slice(&coefficient);
}

#[cfg(test)]
mod tests {
    use bson::RawBsonRef;

    use super::super::encoded;

    fn decimal(text: &str) -> RawBsonRef<'static> {
        RawBsonRef::Decimal128(text.parse().unwrap())
    }

    #[test]
    fn numbers_ascend_across_types() {
        let ascending = [
            RawBsonRef::Double(f64::NAN),
            RawBsonRef::Double(f64::NEG_INFINITY),
            decimal("-9E6000"),
            decimal("-1E400"),
            RawBsonRef::Double(f64::MIN),
            RawBsonRef::Int64(i64::MIN),
            RawBsonRef::Int64(i64::MIN + 1),
            RawBsonRef::Int64(-9_007_199_254_740_993),
            RawBsonRef::Double(-9_007_199_254_740_992.0),
            decimal("-1.000000000000000000000000000000001"),
            RawBsonRef::Int32(-1),
            decimal("-0.1"),
            RawBsonRef::Double(-5e-324),
            decimal("-1E-6000"),
            RawBsonRef::Int32(0),
            decimal("1E-6176"),
            decimal("2E-6176"),
            RawBsonRef::Double(5e-324),
            decimal("0.1"),
            RawBsonRef::Double(0.1),
            decimal("0.1000000000000000055511151231257828"),
            RawBsonRef::Int32(1),
            RawBsonRef::Double(9_007_199_254_740_992.0),
            decimal("9007199254740992.5"),
            RawBsonRef::Int64(9_007_199_254_740_993),
            RawBsonRef::Int64(i64::MAX - 1),
            RawBsonRef::Int64(i64::MAX),
            RawBsonRef::Double(9_223_372_036_854_775_808.0),
            RawBsonRef::Double(f64::MAX),
            decimal("1E309"),
            decimal("9.999999999999999999999999999999999E6144"),
            RawBsonRef::Double(f64::INFINITY),
        ];
        let keys: Vec<Vec<u8>> =
            ascending.iter().map(|value| encoded(*value, None).unwrap()).collect();
        for (pair, values) in keys.windows(2).zip(ascending.windows(2)) {
            assert!(pair[0] < pair[1], "{values:?}");
        }
    }

    #[test]
    fn equal_numbers_have_one_key() {
        let equal: [&[RawBsonRef<'_>]; 5] = [
            &[RawBsonRef::Int32(1), RawBsonRef::Int64(1), RawBsonRef::Double(1.0), decimal("1.00")],
            &[RawBsonRef::Double(-0.0), RawBsonRef::Int32(0), decimal("-0E5")],
            &[decimal("-2.5"), RawBsonRef::Double(-2.5)],
            &[RawBsonRef::Int64(9_007_199_254_740_993), decimal("9007199254740993")],
            &[decimal("NaN"), RawBsonRef::Double(f64::NAN)],
        ];
        for values in equal {
            let keys: Vec<Vec<u8>> =
                values.iter().map(|value| encoded(*value, None).unwrap()).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{values:?} {keys:?}");
        }
    }
}
