//! Sums, products, quotients and rounding.

use std::cmp::Ordering;

use ethnum::U256;

use super::{Decimal, Finite, MIN_EXPONENT, PRECISION, digits128};

impl Decimal {
    /// `self + other`.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nan, _) | (_, Self::Nan) => Self::Nan,
            (Self::Infinity(left), Self::Infinity(right)) if left != right => Self::Nan,
            (Self::Infinity(negative), _) | (_, Self::Infinity(negative)) => {
                Self::Infinity(negative)
            }
            (Self::Finite(left), Self::Finite(right)) => add_finite(left, right),
        }
    }

    /// `self - other`.
    #[must_use]
    pub fn subtract(self, other: Self) -> Self {
        self.plus(other.negate())
    }

    /// The value with the other sign.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Nan => Self::Nan,
            Self::Infinity(negative) => Self::Infinity(!negative),
            Self::Finite(finite) => Self::Finite(Finite { negative: !finite.negative, ..finite }),
        }
    }

    /// The value without sign.
    #[must_use]
    pub fn abs(self) -> Self {
        match self {
            Self::Nan => Self::Nan,
            Self::Infinity(_) => Self::Infinity(false),
            Self::Finite(finite) => Self::Finite(Finite { negative: false, ..finite }),
        }
    }

    /// `self * other`.
    #[must_use]
    pub fn multiply(self, other: Self) -> Self {
        let negative = self.is_negative() != other.is_negative();
        match (self, other) {
            (Self::Nan, _) | (_, Self::Nan) => Self::Nan,
            (Self::Infinity(_), _) | (_, Self::Infinity(_)) => {
                if self.is_zero() || other.is_zero() { Self::Nan } else { Self::Infinity(negative) }
            }
            (Self::Finite(left), Self::Finite(right)) => Self::round(
                negative,
                U256::from(left.coefficient) * U256::from(right.coefficient),
                left.exponent + right.exponent,
                false,
            ),
        }
    }

    /// `self / other`; zero by zero is NaN, anything else by zero infinite.
    #[must_use]
    pub fn divide(self, other: Self) -> Self {
        let negative = self.is_negative() != other.is_negative();
        match (self, other) {
            (Self::Nan, _) | (_, Self::Nan) | (Self::Infinity(_), Self::Infinity(_)) => Self::Nan,
            (Self::Infinity(_), _) => Self::Infinity(negative),
            (Self::Finite(_), Self::Infinity(_)) => {
                Self::Finite(Finite { negative, coefficient: 0, exponent: MIN_EXPONENT })
            }
            (Self::Finite(left), Self::Finite(right)) => divide_finite(negative, left, right),
        }
    }

    /// The remainder of the division whose quotient is cut to an integer; its sign is `self`'s.
    #[must_use]
    pub fn remainder(self, other: Self) -> Self {
        let (left, right) = match (self, other) {
            (Self::Finite(_), Self::Infinity(_)) => return self,
            (Self::Finite(left), Self::Finite(right)) if right.coefficient != 0 => (left, right),
            _ => return Self::Nan,
        };
        let exponent = left.exponent.min(right.exponent);
        let divisor_shift = (right.exponent - exponent).unsigned_abs();
        // A divisor scaled beyond 256 bits is larger than any dividend at that exponent.
        if divisor_shift > 40 {
            return self;
        }
        let divisor = U256::from(right.coefficient) * U256::from(10u8).pow(divisor_shift);
        let mut remainder = U256::from(left.coefficient) % divisor;
        // The dividend's zeros are brought down one at a time, so nothing overflows.
        for _ in 0..(left.exponent - exponent).unsigned_abs() {
            remainder = (remainder * U256::from(10u8)) % divisor;
        }
        Self::round(left.negative, remainder, exponent, false)
    }

    /// Cut to `places` digits after the point (negative: before it), towards zero.
    #[must_use]
    pub fn truncated(self, places: i32) -> Self {
        self.quantize(places, |_, _, _| false)
    }

    /// Rounded to `places` digits after the point, half to even.
    #[must_use]
    pub fn rounded(self, places: i32) -> Self {
        self.quantize(places, |_, odd, half| half.is_gt() || (half.is_eq() && odd))
    }

    /// The largest integer not above this.
    #[must_use]
    pub fn floor(self) -> Self {
        self.quantize(0, |negative, _, _| negative)
    }

    /// The smallest integer not below this.
    #[must_use]
    pub fn ceil(self) -> Self {
        self.quantize(0, |negative, _, _| !negative)
    }

    /// Drops the digits beyond `places`. `up(negative, odd, half)` is asked when something other
    /// than zeros is dropped: sign, whether the kept part is odd, and the dropped part's order
    /// against one half.
    fn quantize(self, places: i32, up: impl Fn(bool, bool, Ordering) -> bool) -> Self {
        let Self::Finite(finite) = self else { return self };
        if finite.exponent >= -places {
            return self;
        }
        let drop = (-places - finite.exponent).unsigned_abs();
        let (kept, dropped_any, odd, half) = if drop > PRECISION + 1 {
            (0, finite.coefficient != 0, false, Ordering::Less)
        } else {
            let unit = 10u128.pow(drop);
            let (kept, rest) = (finite.coefficient / unit, finite.coefficient % unit);
            (kept, rest != 0, kept % 2 == 1, rest.cmp(&(unit / 2)))
        };
        let kept = kept + u128::from(dropped_any && up(finite.negative, odd, half));
        Self::from_parts(finite.negative, kept, -places)
    }

    /// The square root, rounded; NaN for what has none.
    #[must_use]
    pub fn sqrt(self) -> Self {
        let finite = match self {
            Self::Infinity(false) => return self,
            Self::Finite(finite) if finite.coefficient == 0 => return self,
            Self::Finite(finite) if !finite.negative => finite,
            _ => return Self::Nan,
        };
        // Scale so that the radicand has 69 to 71 digits and an even exponent.
        let mut shift = 70 - digits128(finite.coefficient).cast_signed();
        if (finite.exponent - shift) % 2 != 0 {
            shift += 1;
        }
        let radicand = U256::from(finite.coefficient) * U256::from(10u8).pow(shift.unsigned_abs());
        let root = integer_sqrt(radicand);
        let exact = root * root == radicand;
        let value = Self::round(false, root, (finite.exponent - shift) / 2, !exact);
        if exact { value.with_exponent_near(finite.exponent / 2) } else { value }
    }

    /// Drops zeros at the end of the coefficient until the exponent is `ideal`, if it is below.
    fn with_exponent_near(self, ideal: i32) -> Self {
        let Self::Finite(mut finite) = self else { return self };
        while finite.exponent < ideal && finite.coefficient % 10 == 0 {
            finite.coefficient /= 10;
            finite.exponent += 1;
        }
        Self::Finite(finite)
    }

    /// Whether the sign is set (never for NaN).
    pub fn is_negative(self) -> bool {
        match self {
            Self::Nan => false,
            Self::Infinity(negative) => negative,
            Self::Finite(finite) => finite.negative,
        }
    }
}

fn add_finite(left: Finite, right: Finite) -> Decimal {
    let (high, low) = if left.exponent >= right.exponent { (left, right) } else { (right, left) };
    if high.coefficient == 0 || low.coefficient == 0 {
        return add_zero(high, low);
    }
    let distance = (high.exponent - low.exponent).unsigned_abs();
    // 10^40 keeps at least six digits below the last kept one; more distance only needs to say
    // on which side of a tie the sum lies.
    let shift = distance.min(40);
    let scaled_high = U256::from(high.coefficient) * U256::from(10u8).pow(shift);
    let exponent = high.exponent - shift.cast_signed();
    let (scaled_low, sticky) = if distance > shift {
        let unit = 10u128.checked_pow(distance - shift);
        unit.map_or((U256::ZERO, true), |unit| {
            (U256::from(low.coefficient / unit), low.coefficient % unit != 0)
        })
    } else {
        (U256::from(low.coefficient), false)
    };
    if high.negative == low.negative {
        return Decimal::round(high.negative, scaled_high + scaled_low, exponent, sticky);
    }
    match scaled_high.cmp(&scaled_low) {
        Ordering::Equal => Decimal::Finite(Finite { negative: false, coefficient: 0, exponent }),
        Ordering::Less => Decimal::round(low.negative, scaled_low - scaled_high, exponent, false),
        // A sticky remainder makes the difference smaller: one unit less, and sticky again.
        Ordering::Greater => Decimal::round(
            high.negative,
            scaled_high - scaled_low - U256::from(u8::from(sticky)),
            exponent,
            sticky,
        ),
    }
}

/// A sum with zero: the other summand, written with the smaller exponent as far as digits allow.
fn add_zero(high: Finite, low: Finite) -> Decimal {
    if high.coefficient == 0 && low.coefficient == 0 {
        let negative = high.negative && low.negative;
        return Decimal::Finite(Finite { negative, coefficient: 0, exponent: low.exponent });
    }
    if high.coefficient == 0 {
        return Decimal::Finite(low);
    }
    let room = PRECISION - digits128(high.coefficient);
    let shift = room.min((high.exponent - low.exponent).unsigned_abs());
    Decimal::from_parts(
        high.negative,
        high.coefficient * 10u128.pow(shift),
        high.exponent - shift.cast_signed(),
    )
}

fn divide_finite(negative: bool, left: Finite, right: Finite) -> Decimal {
    if right.coefficient == 0 {
        return if left.coefficient == 0 { Decimal::Nan } else { Decimal::Infinity(negative) };
    }
    let ideal = left.exponent - right.exponent;
    if left.coefficient == 0 {
        return Decimal::from_parts(negative, 0, ideal);
    }
    // At least 36 digits in the quotient: 34, one to round, and one to be safe.
    let shift = 36 + digits128(right.coefficient) - digits128(left.coefficient).min(36);
    let numerator = U256::from(left.coefficient) * U256::from(10u8).pow(shift);
    let denominator = U256::from(right.coefficient);
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let exact = remainder == U256::ZERO;
    let value = Decimal::round(negative, quotient, ideal - shift.cast_signed(), !exact);
    if exact { value.with_exponent_near(ideal) } else { value }
}

/// The largest integer whose square is not above `value` (Newton's method from above).
fn integer_sqrt(value: U256) -> U256 {
    if value == U256::ZERO {
        return value;
    }
    let bits = 256 - value.leading_zeros();
    let mut root = U256::ONE << bits.div_ceil(2);
    loop {
        let next = (root + value / root) / 2;
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn sums_keep_the_smaller_exponent() {
        for (left, right, sum) in [
            ("1", "2", "3"),
            ("1.10", "2", "3.10"),
            ("0.1", "0.2", "0.3"),
            ("1E+3", "1", "1001"),
            ("1", "-1", "0"),
            ("1.00", "0", "1.00"),
            ("1", "0.00", "1.00"),
            ("-0", "-0", "-0"),
            ("1E+40", "1", "1.000000000000000000000000000000000E+40"),
            ("1E+6111", "-1E-6176", "1.000000000000000000000000000000000E+6111"),
            ("Infinity", "-Infinity", "NaN"),
            ("9999999999999999999999999999999999", "1", "1.000000000000000000000000000000000E+34"),
        ] {
            assert_eq!(d(left).plus(d(right)).to_string(), sum, "{left} + {right}");
            assert_eq!(d(right).plus(d(left)).to_string(), sum, "{right} + {left}");
        }
    }

    #[test]
    fn products_and_quotients() {
        assert_eq!(d("1.5").multiply(d("-2")).to_string(), "-3.0");
        assert_eq!(d("1E+6000").multiply(d("1E+6000")).to_string(), "Infinity");
        assert_eq!(d("Infinity").multiply(d("0")).to_string(), "NaN");
        assert_eq!(d("1").divide(d("4")).to_string(), "0.25");
        assert_eq!(d("6").divide(d("3")).to_string(), "2");
        assert_eq!(d("1").divide(d("3")).to_string(), "0.3333333333333333333333333333333333");
        assert_eq!(d("2").divide(d("3")).to_string(), "0.6666666666666666666666666666666667");
        assert_eq!(d("1").divide(d("0")).to_string(), "Infinity");
        assert_eq!(d("0").divide(d("0")).to_string(), "NaN");
    }

    #[test]
    fn remainders_have_the_dividends_sign() {
        assert_eq!(d("7").remainder(d("3")).to_string(), "1");
        assert_eq!(d("-7").remainder(d("3")).to_string(), "-1");
        assert_eq!(d("7.5").remainder(d("2")).to_string(), "1.5");
        assert_eq!(d("1E+100").remainder(d("7")).to_string(), "4");
        assert_eq!(d("3").remainder(d("1E+100")).to_string(), "3");
        assert_eq!(d("1").remainder(d("0")).to_string(), "NaN");
    }

    #[test]
    fn rounding_modes() {
        assert_eq!(d("2.5").rounded(0).to_string(), "2");
        assert_eq!(d("3.5").rounded(0).to_string(), "4");
        assert_eq!(d("-2.5").floor().to_string(), "-3");
        assert_eq!(d("-2.5").ceil().to_string(), "-2");
        assert_eq!(d("2.5").ceil().to_string(), "3");
        assert_eq!(d("1234.567").rounded(-2).to_string(), "1.2E+3");
        assert_eq!(d("1234.567").truncated(1).to_string(), "1234.5");
        assert_eq!(d("1E-200").ceil().to_string(), "1");
    }

    #[test]
    fn roots() {
        assert_eq!(d("4").sqrt().to_string(), "2");
        assert_eq!(d("2").sqrt().to_string(), "1.414213562373095048801688724209698");
        assert_eq!(d("1E+3").sqrt().to_string(), "31.62277660168379331998893544432719");
        assert_eq!(d("-1").sqrt().to_string(), "NaN");
        assert_eq!(d("0.25").sqrt().to_string(), "0.5");
    }
}
