//! The four numeric types seen as one.

use std::cmp::Ordering;

use bson::raw::{RawBson, RawBsonRef};

use crate::decimal::Decimal;

/// A BSON number of any type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// `int`
    Int32(i32),
    /// `long`
    Int64(i64),
    /// `double`
    Double(f64),
    /// `decimal`
    Decimal(Decimal),
}

impl Number {
    /// The number a value is, if it is one.
    pub fn new(value: RawBsonRef<'_>) -> Option<Self> {
        match value {
            RawBsonRef::Int32(value) => Some(Self::Int32(value)),
            RawBsonRef::Int64(value) => Some(Self::Int64(value)),
            RawBsonRef::Double(value) => Some(Self::Double(value)),
            RawBsonRef::Decimal128(value) => Some(Self::Decimal(Decimal::decode(value))),
            _ => None,
        }
    }

    /// The value in BSON, with this number's type.
    pub fn to_bson(self) -> RawBson {
        match self {
            Self::Int32(value) => RawBson::Int32(value),
            Self::Int64(value) => RawBson::Int64(value),
            Self::Double(value) => RawBson::Double(value),
            Self::Decimal(value) => RawBson::Decimal128(value.encode()),
        }
    }

    /// An integer as `int` if it fits, else `long`.
    pub fn narrow(value: i64) -> Self {
        i32::try_from(value).map_or(Self::Int64(value), Self::Int32)
    }

    /// Order by exact value; NaN is lowest and equals itself.
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Decimal(left), Self::Decimal(right)) => left.compare(right),
            (Self::Decimal(left), Self::Double(right)) => left.compare_f64(right),
            (Self::Double(left), Self::Decimal(right)) => right.compare_f64(left).reverse(),
            (Self::Double(left), Self::Double(right)) => compare_doubles(left, right),
            (Self::Double(left), right) => compare_with_integer(left, right.as_integer()),
            (left, Self::Double(right)) => compare_with_integer(right, left.as_integer()).reverse(),
            (Self::Decimal(left), right) => left.compare(Decimal::from(right.as_integer())),
            (left, Self::Decimal(right)) => Decimal::from(left.as_integer()).compare(right),
            (left, right) => left.as_integer().cmp(&right.as_integer()),
        }
    }

    /// Whether this is zero of either sign.
    pub fn is_zero(self) -> bool {
        match self {
            Self::Int32(value) => value == 0,
            Self::Int64(value) => value == 0,
            Self::Double(value) => value == 0.0,
            Self::Decimal(value) => value.is_zero(),
        }
    }

    /// Whether this is NaN.
    pub fn is_nan(self) -> bool {
        match self {
            Self::Double(value) => value.is_nan(),
            Self::Decimal(value) => value.is_nan(),
            Self::Int32(_) | Self::Int64(_) => false,
        }
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Int32(value) => f64::from(value),
            Self::Int64(value) => value as f64,
            Self::Double(value) => value,
            Self::Decimal(value) => value.to_f64(),
        }
    }

    /// The decimal (a double is rounded to 15 digits, as in MongoDB's arithmetic).
    pub fn to_decimal(self) -> Decimal {
        match self {
            Self::Int32(value) => Decimal::from(i64::from(value)),
            Self::Int64(value) => Decimal::from(value),
            Self::Double(value) => Decimal::from_f64(value),
            Self::Decimal(value) => value,
        }
    }

    /// The integer this is exactly, if it is one and fits 64 bits.
    pub fn to_i64_exact(self) -> Option<i64> {
        match self {
            Self::Int32(value) => Some(i64::from(value)),
            Self::Int64(value) => Some(value),
            Self::Double(value) if value.fract() == 0.0 => integer_of(value),
            Self::Double(_) => None,
            Self::Decimal(value) => value.to_i64_exact(),
        }
    }

    /// The integer left when the fraction is cut off, if it fits 64 bits; `None` for NaN.
    pub fn to_i64_truncated(self) -> Option<i64> {
        match self {
            Self::Double(value) => integer_of(value.trunc()),
            Self::Decimal(value) => value.to_i64_truncated(),
            Self::Int32(_) | Self::Int64(_) => Some(self.as_integer()),
        }
    }

    /// The value of the two integer types; 0 for the others, which callers have taken out before.
    fn as_integer(self) -> i64 {
        match self {
            Self::Int32(value) => i64::from(value),
            Self::Int64(value) => value,
            Self::Double(_) | Self::Decimal(_) => 0,
        }
    }
}

/// The bounds of `i64` as doubles: 2^63 is exact, and the first double that no longer fits.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

fn integer_of(value: f64) -> Option<i64> {
    ((-TWO_TO_63..TWO_TO_63).contains(&value)).then_some(value as i64)
}

fn compare_doubles(left: f64, right: f64) -> Ordering {
    match left.partial_cmp(&right) {
        Some(order) => order,
        None => right.is_nan().cmp(&left.is_nan()),
    }
}

/// Orders a double against an integer without rounding either.
fn compare_with_integer(left: f64, right: i64) -> Ordering {
    if left.is_nan() || left < -TWO_TO_63 {
        return Ordering::Less;
    }
    if left >= TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = left.trunc();
    (whole as i64).cmp(&right).then_with(|| left.partial_cmp(&whole).unwrap_or(Ordering::Equal))
}
