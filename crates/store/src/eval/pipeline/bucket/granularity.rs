//! Series of preferred numbers, which the bounds of `$bucketAuto` may be rounded to.
//!
//! Source: ISO 3 (Renard series R5 to R80), IEC 60063 (E6 to E192).

use std::f64::consts::LOG2_10;

use bson::raw::RawBson;
use fieldveil_query::QueryError;
use fieldveil_query::decimal::{Decimal, Finite};
use fieldveil_query::value::{BsonType, Number};

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Granularity {
    /// These numbers from 100 up to 1000, in order, times each power of ten.
    Decades(Vec<u16>),
    /// Each power of two.
    PowersOfTwo,
}

/// R80. Each coarser Renard series has every second number of the next finer one.
const R80: [u16; 80] = [
    100, 103, 106, 109, 112, 115, 118, 122, 125, 128, 132, 136, 140, 145, 150, 155, 160, 165, 170,
    175, 180, 185, 190, 195, 200, 206, 212, 218, 224, 230, 236, 243, 250, 258, 265, 272, 280, 290,
    300, 307, 315, 325, 335, 345, 355, 365, 375, 387, 400, 412, 425, 437, 450, 462, 475, 487, 500,
    515, 530, 545, 560, 580, 600, 615, 630, 650, 670, 690, 710, 730, 750, 775, 800, 825, 850, 875,
    900, 925, 950, 975,
];

/// E24, of which E12 and E6 have every second and fourth number.
const E24: [u16; 24] = [
    100, 110, 120, 130, 150, 160, 180, 200, 220, 240, 270, 300, 330, 360, 390, 430, 470, 510, 560,
    620, 680, 750, 820, 910,
];

/// E192, of which E96 and E48 have every second and fourth number.
const E192: [u16; 192] = [
    100, 101, 102, 104, 105, 106, 107, 109, 110, 111, 113, 114, 115, 117, 118, 120, 121, 123, 124,
    126, 127, 129, 130, 132, 133, 135, 137, 138, 140, 142, 143, 145, 147, 149, 150, 152, 154, 156,
    158, 160, 162, 164, 165, 167, 169, 172, 174, 176, 178, 180, 182, 184, 187, 189, 191, 193, 196,
    198, 200, 203, 205, 208, 210, 213, 215, 218, 221, 223, 226, 229, 232, 234, 237, 240, 243, 246,
    249, 252, 255, 258, 261, 264, 267, 271, 274, 277, 280, 284, 287, 291, 294, 298, 301, 305, 309,
    312, 316, 320, 324, 328, 332, 336, 340, 344, 348, 352, 357, 361, 365, 370, 374, 379, 383, 388,
    392, 397, 402, 407, 412, 417, 422, 427, 432, 437, 442, 448, 453, 459, 464, 470, 475, 481, 487,
    493, 499, 505, 511, 517, 523, 530, 536, 542, 549, 556, 562, 569, 576, 583, 590, 597, 604, 612,
    619, 626, 634, 642, 649, 657, 665, 673, 681, 690, 698, 706, 715, 723, 732, 741, 750, 759, 768,
    777, 787, 796, 806, 816, 825, 835, 845, 856, 866, 876, 887, 898, 909, 920, 931, 942, 953, 965,
    976, 988,
];

impl Granularity {
    /// The series of a name.
    ///
    /// # Errors
    /// 40257 if there is none.
    pub(super) fn named(name: &str) -> Result<Self, QueryError> {
        let every = |numbers: &[u16], step| numbers.iter().copied().step_by(step).collect();
        Ok(Self::Decades(match name {
            "R5" => every(&R80, 16),
            "R10" => every(&R80, 8),
            "R20" => every(&R80, 4),
            "R40" => every(&R80, 2),
            "R80" => every(&R80, 1),
            "1-2-5" => vec![100, 200, 500],
            "E6" => every(&E24, 4),
            "E12" => every(&E24, 2),
            "E24" => every(&E24, 1),
            "E48" => every(&E192, 4),
            "E96" => every(&E192, 2),
            "E192" => every(&E192, 1),
            "POWERSOF2" => return Ok(Self::PowersOfTwo),
            other => {
                return Err(QueryError::new(
                    40257,
                    format!("Unknown rounding granularity '{other}'"),
                ));
            }
        }))
    }

    /// Refuses what is not to be rounded.
    ///
    /// # Errors
    /// 40258 to 40260: no number, not a number, a negative number.
    pub(super) fn check(value: &RawBson) -> Result<(), QueryError> {
        let refused = |code, found: &str| {
            Err(QueryError::new(
                code,
                format!("$bucketAuto can specify a 'granularity' with {found}"),
            ))
        };
        let Some(number) = Number::new(value.as_raw_bson_ref()) else {
            let name = BsonType::of(value.as_raw_bson_ref()).name();
            let found = format!("numeric boundaries only, but found a value with type: {name}");
            return refused(40258, &found);
        };
        if number.is_nan() {
            return refused(40259, "numeric boundaries only, but found a NaN");
        }
        if number.compare(Number::Int32(0)).is_lt() {
            return refused(40260, "non-negative numbers only, but found a negative number");
        }
        Ok(())
    }

    /// The least number of the series above `value`; `None` for zero and infinity.
    pub(super) fn above(&self, value: &RawBson) -> Option<RawBson> {
        let place = Place::of(value)?;
        let first = self.first(&place, |number| number.compare(place.number).is_gt());
        Some(first.map_or_else(|| value.clone(), Number::to_bson))
    }

    /// The greatest number of the series below `value`; zero and infinity stay what they are.
    pub(super) fn below(&self, value: &RawBson) -> RawBson {
        let Some(place) = Place::of(value) else { return value.clone() };
        let at = self.partition(&place, |number| number.compare(place.number).is_lt());
        at.checked_sub(1).map_or_else(|| value.clone(), |at| self.at(&place, at).to_bson())
    }

    /// The first number of the series about `place` that is wanted, as all after it are.
    fn first(&self, place: &Place, is_wanted: impl Fn(Number) -> bool) -> Option<Number> {
        let at = self.partition(place, |number| !is_wanted(number));
        (at < self.len()).then(|| self.at(place, at))
    }

    /// How many numbers of the series about `place` come before the others.
    fn partition(&self, place: &Place, comes_before: impl Fn(Number) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if comes_before(self.at(place, middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How many numbers are looked at: from the decade before a value's to the one after it.
    fn len(&self) -> usize {
        match self {
            Self::Decades(numbers) => 3 * numbers.len(),
            // A decade has three powers of two and a part of a fourth.
            Self::PowersOfTwo => 10,
        }
    }

    /// The number at an index among those about `place`.
    fn at(&self, place: &Place, index: usize) -> Number {
        let steps = |index: usize| i32::try_from(index).unwrap_or(i32::MAX);
        match self {
            Self::Decades(numbers) => {
                let decade = place.decade - 1 + steps(index / numbers.len());
                let number = numbers.get(index % numbers.len()).copied().unwrap_or_default();
                place.like(u128::from(number), decade - 2)
            }
            Self::PowersOfTwo => {
                let first = (f64::from(place.decade) * LOG2_10).floor() as i32 - 3;
                place.power_of_two(first + steps(index))
            }
        }
    }
}

/// Where a value is among the numbers.
struct Place {
    number: Number,
    /// It has `10^decade`, but not ten times as much.
    decade: i32,
}

impl Place {
    /// The place of a positive number that is not infinite.
    fn of(value: &RawBson) -> Option<Self> {
        let number = Number::new(value.as_raw_bson_ref())?;
        let decade = match number {
            number if number.is_zero() => return None,
            Number::Decimal(Decimal::Finite(Finite { coefficient, exponent, .. })) => {
                exponent + i32::try_from(coefficient.ilog10()).unwrap_or_default()
            }
            Number::Decimal(_) | Number::Double(f64::INFINITY) => return None,
            number => {
                let text = format!("{:e}", number.to_f64());
                text.split_once('e').and_then(|(_, decade)| decade.parse().ok()).unwrap_or_default()
            }
        };
        Some(Self { number, decade })
    }

    fn is_decimal(&self) -> bool {
        matches!(self.number, Number::Decimal(_))
    }

    /// `coefficient * 10^exponent`, as a decimal beside a decimal, and else as the nearest double.
    fn like(&self, coefficient: u128, exponent: i32) -> Number {
        if !self.is_decimal() {
            let text = format!("{coefficient}e{exponent}");
            return Number::Double(text.parse().unwrap_or(f64::INFINITY));
        }
        let (mut coefficient, mut exponent) = (coefficient, exponent);
        while exponent < 0 && coefficient.is_multiple_of(10) && coefficient > 0 {
            coefficient /= 10;
            exponent += 1;
        }
        // As many digits as it takes to do without an exponent, if there are not too many.
        while (1..=20).contains(&exponent) {
            coefficient *= 10;
            exponent -= 1;
        }
        Number::Decimal(Decimal::from_parts(false, coefficient, exponent))
    }

    fn power_of_two(&self, exponent: i32) -> Number {
        if !self.is_decimal() {
            return Number::Double(f64::from(exponent).exp2());
        }
        let (base, half) = if exponent < 0 { (5, -1) } else { (2, 0) };
        let mut factor = Decimal::from_parts(false, base, half);
        let mut power = Decimal::from_parts(false, 1, 0);
        let mut left = exponent.unsigned_abs();
        while left > 0 {
            if left % 2 == 1 {
                power = power.multiply(factor);
            }
            factor = factor.multiply(factor);
            left /= 2;
        }
        Number::Decimal(power)
    }
}

#[cfg(test)]
mod tests {
    use bson::rawbson;

    use super::*;

    fn named(name: &str) -> Granularity {
        Granularity::named(name).unwrap()
    }

    fn double(value: f64) -> RawBson {
        RawBson::Double(value)
    }

    #[test]
    fn every_series_has_as_many_numbers_as_its_name_says() {
        for (letter, sizes) in [("R", &[5, 10, 20, 40, 80][..]), ("E", &[6, 12, 24, 48, 96, 192])] {
            for size in sizes {
                let Granularity::Decades(numbers) = named(&format!("{letter}{size}")) else {
                    panic!("not powers of two")
                };
                assert_eq!(numbers.len(), *size);
                assert!(numbers.is_sorted_by(|left, right| left < right));
                // Equal steps on a logarithmic scale, but for rounding.
                for (index, number) in numbers.iter().enumerate() {
                    let exact = 100.0 * 10_f64.powf(index as f64 / *size as f64);
                    let ratio = f64::from(*number) / exact;
                    assert!((0.94..1.06).contains(&ratio), "{letter}{size}: {number}");
                }
            }
        }
        assert_eq!(Granularity::named("R6").unwrap_err().code(), 40257);
    }

    #[test]
    fn e192_is_rounded_from_the_roots_of_ten_but_for_920() {
        for (index, number) in E192.iter().enumerate() {
            let rounded = (100.0 * 10_f64.powf(index as f64 / 192.0)).round() as u16;
            assert!(*number == rounded || (*number, rounded) == (920, 919), "{number}");
        }
    }

    #[test]
    fn a_number_of_a_series_is_followed_by_the_next() {
        for name in ["R5", "R40", "R80", "1-2-5", "E6", "E24", "E48", "E192"] {
            let Granularity::Decades(mut numbers) = named(name) else { panic!("{name}") };
            numbers.push(1000);
            for pair in numbers.windows(2) {
                for exponent in [-9, -3, 0, 2, 15] {
                    let [low, high] = [pair[0], pair[1]]
                        .map(|it| double(format!("{it}e{exponent}").parse().unwrap()));
                    assert_eq!(named(name).above(&low), Some(high.clone()), "{name}");
                    assert_eq!(named(name).below(&high), low, "{name}");
                }
            }
        }
        for exponent in [-1000, -3, 0, 1, 4, 1000] {
            let (low, high) = (double(2_f64.powi(exponent)), double(2_f64.powi(exponent + 1)));
            assert_eq!(named("POWERSOF2").above(&low), Some(high.clone()));
            assert_eq!(named("POWERSOF2").below(&high), low);
        }
    }

    #[test]
    fn numbers_between_are_rounded_to_their_neighbours() {
        for (name, value, low, high) in [
            ("R5", rawbson!(19), 16.0, 25.0),
            ("R5", rawbson!(0.99), 0.63, 1.0),
            ("R20", rawbson!(59), 56.0, 63.0),
            ("E24", rawbson!(62.5), 62.0, 68.0),
            ("1-2-5", rawbson!(3_i64), 2.0, 5.0),
            ("POWERSOF2", rawbson!(83), 64.0, 128.0),
            ("POWERSOF2", rawbson!(0.3), 0.25, 0.5),
            ("R10", rawbson!(i64::MAX), 8e18, 1e19),
            ("R10", rawbson!(f64::MAX), 1.6e308, f64::INFINITY),
            ("R10", rawbson!(f64::from_bits(1)), 0.0, f64::from_bits(2)),
        ] {
            assert_eq!(named(name).below(&value), double(low), "{name} {value:?}");
            let above = named(name).above(&value);
            assert_eq!(above, Some(double(high)), "{name} {value:?}");
        }
    }

    #[test]
    fn decimals_stay_decimals() {
        let decimal = |text: &str| Number::Decimal(Decimal::parse(text).unwrap()).to_bson();
        for (name, value, low, high) in [
            ("R5", "19", "16", "25"),
            ("R5", "0.63", "0.4", "1"),
            ("E96", "1E+2000", "9.76E+1999", "1.02E+2000"),
            ("POWERSOF2", "100.5", "64", "128"),
            ("POWERSOF2", "0.3", "0.25", "0.5"),
        ] {
            assert_eq!(named(name).below(&decimal(value)), decimal(low), "{name} {value}");
            assert_eq!(named(name).above(&decimal(value)), Some(decimal(high)), "{name} {value}");
        }
    }

    #[test]
    fn only_numbers_from_zero_on_are_rounded() {
        for (value, code) in [
            (rawbson!("1"), 40258),
            (RawBson::Null, 40258),
            (rawbson!(f64::NAN), 40259),
            (rawbson!(-1), 40260),
        ] {
            assert_eq!(Granularity::check(&value).unwrap_err().code(), code, "{value:?}");
        }
        assert!(Granularity::check(&rawbson!(0.0)).is_ok());
        assert_eq!(named("R5").above(&rawbson!(0)), None);
        assert_eq!(named("R5").below(&rawbson!(0)), rawbson!(0));
    }
}
