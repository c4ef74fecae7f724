//! Powers and logarithms.
//!
//! They are computed in fixed point with 192 bits after the point, some 57 digits, and rounded to 34
//! in the end: what is lost on the way stays far below the last digit.

use std::cmp::Ordering;

use ethnum::U256;

use super::{Decimal, Finite, MAX_COEFFICIENT, MIN_EXPONENT, digits128, digits256};

/// Bits after the point.
const FRACTION: u32 = 192;
const ONE: U256 = U256::from_words(1 << 64, 0);
/// Beyond this magnitude a power of e is no decimal.
const LARGEST: u64 = 100_000;

/// `value * 10^exponent`, where `value` is in fixed point.
#[derive(Clone, Copy)]
struct Real {
    negative: bool,
    value: U256,
    exponent: i32,
}

impl Decimal {
    /// e to this power.
    #[must_use]
    pub fn exp(self) -> Self {
        match self {
            Self::Nan => Self::Nan,
            Self::Infinity(true) => zero(),
            Self::Infinity(false) => self,
            Self::Finite(Finite { coefficient: 0, .. }) => Self::from(1),
            Self::Finite(finite) => power_of_e(finite.negative, fixed(finite)),
        }
    }

    /// The natural logarithm; NaN for what has none.
    #[must_use]
    pub fn ln(self) -> Self {
        match self {
            Self::Infinity(false) => self,
            Self::Finite(finite) if !finite.negative && finite.coefficient != 0 => {
                match logarithm(finite) {
                    Real { value: U256::ZERO, .. } => Self::from(0),
                    real => real.to_decimal(),
                }
            }
            _ => Self::Nan,
        }
    }

    /// The logarithm to a base; NaN for what has none.
    #[must_use]
    pub fn log(self, base: Self) -> Self {
        let (Self::Finite(number), Self::Finite(of)) = (self, base) else {
            return self.ln().divide(base.ln());
        };
        let positive = |finite: Finite| !finite.negative && finite.coefficient != 0;
        if !positive(number) || !positive(of) {
            return Self::Nan;
        }
        if let (Some(number), Some(of)) = (power_of_ten(number), power_of_ten(of))
            && of != 0
            && number % of == 0
        {
            return Self::from(i64::from(number / of));
        }
        let (number, of) = (logarithm(number), logarithm(of));
        if number.value == U256::ZERO || of.value == U256::ZERO {
            return self.ln().divide(base.ln());
        }
        Real {
            negative: number.negative != of.negative,
            value: ratio(number.value, of.value),
            exponent: number.exponent - of.exponent,
        }
        .to_decimal()
    }

    /// The logarithm to the base 10; NaN for what has none.
    #[must_use]
    pub fn log10(self) -> Self {
        self.log(Self::from(10))
    }

    /// This to the power of `exponent`; NaN where that is no real number.
    #[must_use]
    pub fn power(self, exponent: Self) -> Self {
        let one = Self::from(1);
        if exponent.is_zero() || self.compare(one) == Ordering::Equal {
            return one;
        }
        if self.is_nan() || exponent.is_nan() {
            return Self::Nan;
        }
        let is_whole = exponent.truncated(0).compare(exponent) == Ordering::Equal;
        let is_odd = is_whole && !exponent.remainder(Self::from(2)).is_zero();
        let negative = self.is_negative() && is_odd;
        let (number, by) = match (self, exponent) {
            (Self::Finite(number), Self::Finite(by)) if number.coefficient != 0 => (number, by),
            _ => return self.limit(exponent, negative),
        };
        if number.negative && !is_whole {
            return Self::Nan;
        }
        if let Some(exact) = exponent.to_i64_exact().and_then(|by| exact_power(number, by)) {
            return if negative { exact.negate() } else { exact };
        }
        let logarithm = logarithm(Finite { negative: false, ..number });
        let product = logarithm.times(by).to_fixed();
        let value = power_of_e(logarithm.negative != by.negative, product);
        if negative { value.negate() } else { value }
    }

    /// Powers of zero, of infinity, and to infinity.
    fn limit(self, exponent: Self, negative: bool) -> Self {
        let order = self.abs().compare(Self::from(1));
        if order.is_eq() {
            return Self::from(1);
        }
        let value =
            if order.is_gt() == exponent.is_negative() { zero() } else { Self::Infinity(false) };
        if negative { value.negate() } else { value }
    }
}

fn zero() -> Decimal {
    Decimal::Finite(Finite { negative: false, coefficient: 0, exponent: MIN_EXPONENT })
}

impl Real {
    fn to_decimal(self) -> Decimal {
        const DIGITS: u32 = 55;
        let digits = times(self.value, U256::from(10u8).pow(DIGITS));
        Decimal::round(self.negative, digits, self.exponent - DIGITS.cast_signed(), true)
    }

    /// The magnitude of the product with a decimal.
    fn times(self, by: Finite) -> Self {
        let digits = digits128(by.coefficient) - 1;
        let scaled = ratio(U256::from(by.coefficient), U256::from(10u8).pow(digits));
        Self {
            value: times(self.value, scaled),
            exponent: self.exponent + by.exponent + digits.cast_signed(),
            ..self
        }
    }

    /// The magnitude in fixed point, `None` beyond [`LARGEST`].
    fn to_fixed(self) -> Option<U256> {
        let mut value = self.value;
        if self.exponent < 0 {
            let by = self.exponent.unsigned_abs();
            return Some(if by > 76 { U256::ZERO } else { value / U256::from(10u8).pow(by) });
        }
        for _ in 0..self.exponent {
            if value >= whole(LARGEST) {
                return None;
            }
            value *= U256::from(10u8);
        }
        (value < whole(LARGEST)).then_some(value)
    }
}

/// The magnitude of a decimal in fixed point, `None` beyond [`LARGEST`].
fn fixed(finite: Finite) -> Option<U256> {
    Real { negative: false, value: ONE, exponent: 0 }.times(finite).to_fixed()
}

/// e to a power whose magnitude is in fixed point; `None` is a very large one.
fn power_of_e(negative: bool, magnitude: Option<U256>) -> Decimal {
    let Some(magnitude) = magnitude else {
        return if negative { zero() } else { Decimal::Infinity(false) };
    };
    // e^x = 10^k * e^r with r below the logarithm of ten.
    let tens = (magnitude / ln_of_ten()).as_u32();
    let rest = magnitude - ln_of_ten() * U256::from(tens);
    // A small power converges soon; squared eight times it is the one that is wanted.
    let part = rest >> 8;
    let (mut sum, mut term) = (ONE, ONE);
    for divisor in 1_u32.. {
        term = times(term, part) / U256::from(divisor);
        if term == U256::ZERO {
            break;
        }
        sum += term;
    }
    for _ in 0..8 {
        sum = times(sum, sum);
    }
    let exponent = tens.cast_signed();
    let (value, exponent) = if negative { (ratio(ONE, sum), -exponent) } else { (sum, exponent) };
    Real { negative: false, value, exponent }.to_decimal()
}

/// The natural logarithm of a positive decimal.
fn logarithm(finite: Finite) -> Real {
    let digits = digits128(finite.coefficient);
    // The number is m * 10^tens with m between the inverse of the root of ten and that root.
    let mut places = digits - 1;
    let number = U256::from(finite.coefficient);
    if number * number > U256::from(10u8).pow(2 * places + 1) {
        places = digits;
    }
    let tens = finite.exponent + places.cast_signed();
    let unit = U256::from(10u8).pow(places);
    // ln m = 2 * (z + z^3/3 + z^5/5 ...) with z = (m - 1) / (m + 1).
    let (difference, sum) = (number.abs_diff(unit), number + unit);
    let below = number < unit;
    // A small z is scaled, so that it keeps its digits.
    let scale = digits256(sum).saturating_sub(digits256(difference) + 1);
    let scaled = ratio(difference * U256::from(10u8).pow(scale), sum);
    let square = ratio(difference, sum);
    let square = times(square, square);
    let (mut series, mut power) = (ONE, ONE);
    for odd in (3_u32..).step_by(2) {
        power = times(power, square);
        if power == U256::ZERO {
            break;
        }
        series += power / U256::from(odd);
    }
    let value = times(scaled, series) * U256::from(2u8);
    if tens == 0 {
        return Real { negative: below, value, exponent: -scale.cast_signed() };
    }
    let value = value / U256::from(10u8).pow(scale);
    let whole = ln_of_ten() * U256::from(tens.unsigned_abs());
    // The sign is that of the tens, since what is added is less than one of them.
    let value = if below == (tens < 0) { whole + value } else { whole - value };
    Real { negative: tens < 0, value, exponent: 0 }
}

/// The exponent of a power of ten.
fn power_of_ten(finite: Finite) -> Option<i32> {
    let zeros = digits128(finite.coefficient) - 1;
    (finite.coefficient == 10_u128.pow(zeros)).then_some(finite.exponent + zeros.cast_signed())
}

/// The magnitude of a power that has at most 34 digits itself, or is the inverse of such a one.
fn exact_power(number: Finite, by: i64) -> Option<Decimal> {
    let times = u32::try_from(by.unsigned_abs()).ok()?;
    let coefficient = number.coefficient.checked_pow(times).filter(|it| *it <= MAX_COEFFICIENT)?;
    let exponent = i64::from(number.exponent).checked_mul(i64::from(times))?;
    let exponent = i32::try_from(exponent.clamp(-20_000, 20_000)).ok()?;
    let power = Decimal::from_parts(false, coefficient, exponent);
    Some(if by < 0 { Decimal::from(1).divide(power) } else { power })
}

/// ln 10 in fixed point.
fn ln_of_ten() -> U256 {
    const DIGITS: (u128, u128) =
        (23_025_850_929_940_456_840_179_914_546_843_642, 76_011_014_886_287_729_760_333_279_009);
    let scale = U256::from(10u8).pow(30);
    let digits = U256::from(DIGITS.0) * scale + U256::from(DIGITS.1);
    ratio(digits, scale * U256::from(10u8).pow(34))
}

fn whole(value: u64) -> U256 {
    U256::from(value) << FRACTION
}

/// The product of two numbers in fixed point, cut; or of one and an integer, as an integer.
fn times(left: U256, right: U256) -> U256 {
    let wide = |left: u128, right: u128| U256::from(left) * U256::from(right);
    let ((left_high, left_low), (right_high, right_low)) = (left.into_words(), right.into_words());
    let middle = wide(left_high, right_low) + wide(left_low, right_high);
    (wide(left_high, right_high) << 64) + (middle >> 64) + (wide(left_low, right_low) >> FRACTION)
}

/// A quotient of integers, or of numbers in fixed point, in fixed point.
fn ratio(numerator: U256, denominator: U256) -> U256 {
    let mut quotient = numerator / denominator;
    let mut rest = numerator % denominator;
    for _ in 0..FRACTION {
        rest <<= 1;
        quotient <<= 1;
        if rest >= denominator {
            rest -= denominator;
            quotient += U256::ONE;
        }
    }
    quotient
}

#[cfg(test)]
mod tests;
