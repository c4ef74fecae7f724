//! Values as unsigned integers of a domain.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::{RangeError, RangeValue};

/// Doubles are exact integers below this: `2^53`.
const EXACT_DOUBLES: f64 = 9_007_199_254_740_992.0;

/// What limits the values of an index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Domain {
    /// Lower and upper bound, both included.
    pub(crate) bounds: Option<(RangeValue, RangeValue)>,
    /// Digits behind the point that are told apart, for doubles and decimals.
    pub(crate) precision: Option<i32>,
}

/// A value as an integer of `0 ..= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) value: u128,
    pub(crate) max: u128,
}

impl Encoded {
    /// Binary digits of every value of the domain.
    pub(crate) fn bits(&self) -> u32 {
        u128::BITS - self.max.leading_zeros()
    }
}

/// Maps `value` into the domain.
///
/// # Errors
/// If the value is outside of the bounds or the domain is no use.
pub(crate) fn encode(value: &RangeValue, domain: &Domain) -> Result<Encoded, RangeError> {
    match value {
        RangeValue::Int32(value) => {
            encode_integer((*value).into(), domain, (i32::MIN.into(), i32::MAX.into()))
        }
        RangeValue::Int64(value) | RangeValue::Date(value) => {
            encode_integer((*value).into(), domain, (i64::MIN.into(), i64::MAX.into()))
        }
        RangeValue::Double(value) => encode_double(*value, domain),
        RangeValue::Decimal(value) => encode_decimal(*value, domain),
    }
}

fn encode_integer(
    value: i128,
    domain: &Domain,
    limits: (i128, i128),
) -> Result<Encoded, RangeError> {
    let (min, max) = match &domain.bounds {
        None => limits,
        Some((min, max)) => (integer(min)?, integer(max)?),
    };
    if let Some((low, high)) = &domain.bounds {
        check_order(low, high)?;
        if value < min || value > max {
            return Err(out_of_bounds(low, high));
        }
    }
    Ok(Encoded { value: value.abs_diff(min), max: max.abs_diff(min) })
}

fn integer(bound: &RangeValue) -> Result<i128, RangeError> {
    match bound {
        RangeValue::Int32(value) => Ok((*value).into()),
        RangeValue::Int64(value) | RangeValue::Date(value) => Ok((*value).into()),
        RangeValue::Double(_) | RangeValue::Decimal(_) => Err(mismatch()),
    }
}

fn encode_double(value: f64, domain: &Domain) -> Result<Encoded, RangeError> {
    if domain.bounds.is_some() != domain.precision.is_some() {
        return Err(RangeError::PrecisionWithoutBounds);
    }
    if !value.is_finite() {
        return Err(RangeError::NotFiniteDouble);
    }
    let (Some((low, high)), Some(precision)) = (&domain.bounds, domain.precision) else {
        return Ok(Encoded { value: ordinal(value).into(), max: u64::MAX.into() });
    };
    let (RangeValue::Double(min), RangeValue::Double(max)) = (low, high) else {
        return Err(mismatch());
    };
    check_order(low, high)?;
    if value < *min || value > *max {
        return Err(out_of_bounds(low, high));
    }
    let scale = scale_of(precision)?;
    let bits = double_bits(*min, *max, precision, scale)?;
    // Below 2^53 in absolute value, as `double_bits` has checked for the bounds.
    let cut = |value: f64| (value * scale).trunc() as i64;
    let value = cut(value).abs_diff((*min * scale) as i64);
    Ok(Encoded { value: value.into(), max: (1 << bits) - 1 })
}

/// The integer that keeps the order of all finite doubles.
fn ordinal(value: f64) -> u64 {
    const ZERO: u64 = 1 << 63;
    let magnitude = value.abs().to_bits();
    if value < 0.0 { ZERO - magnitude } else { ZERO + magnitude }
}

fn scale_of(precision: i32) -> Result<f64, RangeError> {
    if precision < 0 {
        return Err(RangeError::NegativePrecision(precision));
    }
    let scale = 10_f64.powf(precision.into());
    if scale.is_finite() { Ok(scale) } else { Err(RangeError::PrecisionTooLarge) }
}

/// How many bits the values between the bounds need, told apart by `precision` digits.
fn double_bits(min: f64, max: f64, precision: i32, scale: f64) -> Result<u32, RangeError> {
    let (scaled_min, scaled_max) = (min * scale, max * scale);
    let sides = [("upper", "max", max, scaled_max), ("lower", "min", min, scaled_min)];
    for (side, name, bound, scaled) in sides {
        if scaled != scaled.trunc() {
            let bound = format!("{name}: {}", RangeValue::Double(bound));
            return Err(RangeError::BoundDigits { side, kind: "double", bound });
        }
    }
    for (side, name, bound, scaled) in sides {
        if scaled.abs() >= EXACT_DOUBLES {
            let bound = RangeValue::Double(bound).to_string();
            let limit = "9.0072e+15";
            return Err(RangeError::BoundSize { side, kind: "double", name, limit, bound });
        }
    }
    let room = u64::MAX as f64 - (scaled_max - scaled_min);
    if f64::from(precision) > room.log10().floor() - 1.0 {
        return Err(RangeError::Precision(precision));
    }
    let values = (scaled_max as i64).abs_diff(scaled_min as i64);
    let bits = values.checked_add(scale as u64).and_then(|values| ceil_log2(values.into()));
    bits.filter(|bits| *bits < 53).ok_or_else(|| RangeError::DomainTooLarge {
        kind: "double",
        bits: 53,
        min: RangeValue::Double(min).to_string(),
        max: RangeValue::Double(max).to_string(),
        precision,
    })
}

fn encode_decimal(value: Decimal, domain: &Domain) -> Result<Encoded, RangeError> {
    if domain.bounds.is_some() != domain.precision.is_some() {
        return Err(RangeError::PrecisionWithoutBounds);
    }
    let ordinal = value.ordinal().ok_or(RangeError::NotFiniteDecimal)?;
    let (Some((low, high)), Some(precision)) = (&domain.bounds, domain.precision) else {
        return Ok(Encoded { value: ordinal, max: u128::MAX });
    };
    let (RangeValue::Decimal(min), RangeValue::Decimal(max)) = (low, high) else {
        return Err(mismatch());
    };
    if precision < 0 {
        return Err(RangeError::NegativePrecision(precision));
    }
    if !min.is_finite() || !max.is_finite() {
        return Err(RangeError::NotFiniteDecimal);
    }
    check_order(low, high)?;
    let candidate = RangeValue::Decimal(value);
    if candidate.compare(low) == Some(Ordering::Less)
        || candidate.compare(high) == Some(Ordering::Greater)
    {
        return Err(out_of_bounds(low, high));
    }
    let scaled_max = scaled_bound(*max, "upper", "max", precision)?;
    let scaled_min = scaled_bound(*min, "lower", "min", precision)?;
    let values = scaled_max.abs_diff(scaled_min);
    let room = u128::MAX - values;
    let allowed = room.checked_ilog10().and_then(|digits| digits.checked_sub(1));
    if allowed.is_none_or(|allowed| precision.unsigned_abs() > allowed) {
        return Err(RangeError::Precision(precision));
    }
    let bits = 10_u128
        .checked_pow(precision.unsigned_abs())
        .and_then(|step| values.checked_add(step))
        .and_then(ceil_log2)
        .filter(|bits| *bits < 128)
        .ok_or_else(|| RangeError::DomainTooLarge {
            kind: "decimal",
            bits: 128,
            min: min.to_string(),
            max: max.to_string(),
            precision,
        })?;
    let value = value.scaled(precision).ok_or_else(|| out_of_bounds(low, high))?.value;
    Ok(Encoded { value: value.abs_diff(scaled_min), max: (1 << bits) - 1 })
}

fn scaled_bound(
    bound: Decimal,
    side: &'static str,
    name: &'static str,
    precision: i32,
) -> Result<i128, RangeError> {
    let scaled = bound.scaled(precision).ok_or_else(|| RangeError::BoundSize {
        side,
        kind: "Decimal128",
        name,
        limit: "170141183460469231731687303715884105728",
        bound: bound.to_string(),
    })?;
    if !scaled.is_exact {
        let bound = format!("{name}: {bound}, precision: {precision}");
        return Err(RangeError::BoundDigits { side, kind: "Decimal128", bound });
    }
    Ok(scaled.value)
}

/// The smallest `n` with `2^n >= value`; `None` for zero.
fn ceil_log2(value: u128) -> Option<u32> {
    value.checked_sub(1).map(|below| u128::BITS - below.leading_zeros())
}

fn check_order(min: &RangeValue, max: &RangeValue) -> Result<(), RangeError> {
    match min.compare(max) {
        Some(Ordering::Less) => Ok(()),
        _ => Err(RangeError::Bounds { min: min.to_string(), max: max.to_string() }),
    }
}

fn out_of_bounds(min: &RangeValue, max: &RangeValue) -> RangeError {
    RangeError::OutOfBounds { min: min.to_string(), max: max.to_string() }
}

fn mismatch() -> RangeError {
    RangeError::TypeMismatch("expected bounds to have the type of the value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use RangeValue::{Double, Int32, Int64};

    fn bounds(min: RangeValue, max: RangeValue) -> Domain {
        Domain { bounds: Some((min, max)), precision: None }
    }

    fn precise(min: f64, max: f64, precision: i32) -> Domain {
        Domain { bounds: Some((Double(min), Double(max))), precision: Some(precision) }
    }

    #[test]
    fn integers_start_at_their_minimum() {
        let encoded = |value, domain: &Domain| {
            let encoded = encode(&value, domain).unwrap();
            (encoded.value, encoded.max)
        };
        let all = Domain::default();
        assert_eq!(encoded(Int32(i32::MIN), &all), (0, u32::MAX.into()));
        assert_eq!(encoded(Int32(0), &all), (1 << 31, u32::MAX.into()));
        assert_eq!(encoded(Int64(i64::MAX), &all), (u64::MAX.into(), u64::MAX.into()));
        assert_eq!(encoded(Int32(5), &bounds(Int32(-5), Int32(20))), (10, 25));
        let wide = bounds(Int64(i64::MIN), Int64(i64::MAX));
        assert_eq!(encoded(Int64(0), &wide), (1 << 63, u64::MAX.into()));
    }

    #[test]
    fn doubles_keep_their_order() {
        let values = [f64::MIN, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1.0, 1.5, f64::MAX];
        let encoded: Vec<_> = values
            .iter()
            .map(|value| encode(&Double(*value), &Domain::default()).unwrap().value)
            .collect();
        assert!(encoded.is_sorted());
        assert_eq!(encoded[3], encoded[4]);
        assert_eq!(encoded[4], 1 << 63);
    }

    #[test]
    fn precision_cuts_digits() {
        let encoded = encode(&Double(123.456), &precise(0.0, 200.0, 2)).unwrap();
        assert_eq!(encoded, Encoded { value: 12345, max: (1 << 15) - 1 });
    }

    #[test]
    fn wrong_values_are_refused_without_being_shown() {
        let error = |value: &RangeValue, domain: &Domain| encode(value, domain).unwrap_err();
        let text = error(&Int32(77), &bounds(Int32(0), Int32(9))).to_string();
        assert!(text.contains(
            "greater than or equal to the minimum value and less than or equal to the maximum value"
        ));
        assert!(!text.contains("77"));
        assert_eq!(
            error(&Double(f64::NAN), &Domain::default()).to_string(),
            "Infinity and NaN double values are not supported."
        );
        assert_eq!(
            error(&Int32(1), &bounds(Int32(9), Int32(9))).to_string(),
            "The minimum value must be less than the maximum value, got min: 9, max: 9"
        );
        assert_eq!(
            error(&Double(1.0), &precise(0.0, 1.005, 2)).to_string(),
            "Invalid upper bound for double precision. Fractional digits must be less than the \
             specified precision value. max: 1.005"
        );
    }
}
