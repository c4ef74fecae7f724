//! Sums and products of numbers of different types.
//!
//! Integers stay integers and grow from `int` to `long`; a `decimal` makes the result one, else a
//! `double` does. What happens when a `long` overflows is the caller's choice.

use fieldveil_query::value::Number;

/// A sum or product, or that two integers overflowed 64 bits.
pub(crate) enum Outcome {
    Value(Number),
    Overflow,
}

/// `left + right`
pub(crate) fn add(left: Number, right: Number) -> Outcome {
    combine(left, right, i64::checked_add, |l, r| l + r, |l, r| l.plus(r))
}

/// `left - right`
pub(crate) fn subtract(left: Number, right: Number) -> Outcome {
    combine(left, right, i64::checked_sub, |l, r| l - r, |l, r| l.subtract(r))
}

/// `left * right`
pub(crate) fn multiply(left: Number, right: Number) -> Outcome {
    combine(left, right, i64::checked_mul, |l, r| l * r, |l, r| l.multiply(r))
}

type Decimal = fieldveil_query::decimal::Decimal;

fn combine(
    left: Number,
    right: Number,
    integers: fn(i64, i64) -> Option<i64>,
    doubles: fn(f64, f64) -> f64,
    decimals: fn(Decimal, Decimal) -> Decimal,
) -> Outcome {
    Outcome::Value(match (left, right) {
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            Number::Decimal(decimals(left.to_decimal(), right.to_decimal()))
        }
        (Number::Double(_), _) | (_, Number::Double(_)) => {
            Number::Double(doubles(left.to_f64(), right.to_f64()))
        }
        (Number::Int32(l), Number::Int32(r)) => match integers(i64::from(l), i64::from(r)) {
            Some(value) => Number::narrow(value),
            None => return Outcome::Overflow,
        },
        _ => match (left.to_i64_exact(), right.to_i64_exact()) {
            (Some(l), Some(r)) => match integers(l, r) {
                Some(value) => Number::Int64(value),
                None => return Outcome::Overflow,
            },
            _ => return Outcome::Overflow,
        },
    })
}
