//! The order of BSON values. Numbers are written out in full and compared digit by digit.

use std::cmp::Ordering;

use bson::Bson;

/// MongoDB's order of values of all types.
pub(crate) fn compare(left: &Bson, right: &Bson) -> Ordering {
    let order = rank(left).cmp(&rank(right));
    if order.is_ne() {
        return order;
    }
    match (left, right) {
        (Bson::String(left) | Bson::Symbol(left), Bson::String(right) | Bson::Symbol(right)) => {
            left.as_bytes().cmp(right.as_bytes())
        }
        (Bson::Document(left), Bson::Document(right)) => {
            for ((left_name, left), (right_name, right)) in left.iter().zip(right) {
                let order = rank(left)
                    .cmp(&rank(right))
                    .then_with(|| left_name.cmp(right_name))
                    .then_with(|| compare(left, right));
                if order.is_ne() {
                    return order;
                }
            }
            left.len().cmp(&right.len())
        }
        (Bson::Array(left), Bson::Array(right)) => {
            let elements = left.iter().zip(right).map(|(left, right)| compare(left, right));
            elements.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        (Bson::Binary(left), Bson::Binary(right)) => left
            .bytes
            .len()
            .cmp(&right.bytes.len())
            .then_with(|| u8::from(left.subtype).cmp(&u8::from(right.subtype)))
            .then_with(|| left.bytes.cmp(&right.bytes)),
        (Bson::ObjectId(left), Bson::ObjectId(right)) => left.bytes().cmp(&right.bytes()),
        (Bson::Boolean(left), Bson::Boolean(right)) => left.cmp(right),
        (Bson::DateTime(left), Bson::DateTime(right)) => {
            left.timestamp_millis().cmp(&right.timestamp_millis())
        }
        (Bson::Timestamp(left), Bson::Timestamp(right)) => {
            (left.time, left.increment).cmp(&(right.time, right.increment))
        }
        (Bson::RegularExpression(left), Bson::RegularExpression(right)) => left
            .pattern
            .as_str()
            .cmp(right.pattern.as_str())
            .then_with(|| left.options.as_str().cmp(right.options.as_str())),
        (Bson::JavaScriptCode(left), Bson::JavaScriptCode(right)) => left.cmp(right),
        (left, right) => match (Digits::of(left), Digits::of(right)) {
            (Some(left), Some(right)) => left.compare(&right),
            _ => Ordering::Equal,
        },
    }
}

fn rank(value: &Bson) -> u8 {
    match value {
        Bson::MinKey => 0,
        Bson::Undefined => 1,
        Bson::Null => 2,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => 3,
        Bson::String(_) | Bson::Symbol(_) => 4,
        Bson::Document(_) => 5,
        Bson::Array(_) => 6,
        Bson::Binary(_) => 7,
        Bson::ObjectId(_) => 8,
        Bson::Boolean(_) => 9,
        Bson::DateTime(_) => 10,
        Bson::Timestamp(_) => 11,
        Bson::RegularExpression(_) => 12,
        Bson::DbPointer(_) => 13,
        Bson::JavaScriptCode(_) => 14,
        Bson::JavaScriptCodeWithScope(_) => 15,
        Bson::MaxKey => 16,
    }
}

/// A number written out.
#[derive(Debug)]
enum Digits {
    NotANumber,
    Infinite {
        negative: bool,
    },
    /// As many digits before the point as it takes, then those after it.
    Finite {
        negative: bool,
        whole: String,
        fraction: String,
    },
}

impl Digits {
    fn of(value: &Bson) -> Option<Self> {
        Some(match value {
            Bson::Int32(value) => Self::parse(&value.to_string()),
            Bson::Int64(value) => Self::parse(&value.to_string()),
            // More places than the smallest double has.
            Bson::Double(value) if value.is_finite() => Self::parse(&format!("{value:.1100}")),
            Bson::Double(value) if value.is_nan() => Self::NotANumber,
            Bson::Double(value) => Self::Infinite { negative: *value < 0.0 },
            Bson::Decimal128(value) => Self::parse(&value.to_string()),
            _ => return None,
        })
    }

    /// `-12.5E-3`, `NaN`, `Infinity`.
    fn parse(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        match text {
            "NaN" => return Self::NotANumber,
            "Infinity" => return Self::Infinite { negative },
            _ => {}
        }
        let (digits, exponent) = text.split_once('E').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().unwrap();
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
        for _ in 0..exponent {
            fraction.push('0');
            whole.push(fraction.remove(0));
        }
        for _ in exponent..0 {
            whole.insert(0, '0');
            fraction.insert(0, whole.pop().unwrap());
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Self::Finite { negative, whole, fraction }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let class = |digits: &Self| match digits {
            Self::NotANumber => 0,
            Self::Infinite { negative: true } => 1,
            Self::Finite { negative: true, .. } => 2,
            Self::Finite { .. } => 3,
            Self::Infinite { .. } => 4,
        };
        let order = class(self).cmp(&class(other));
        match (self, other) {
            (
                Self::Finite { negative, whole, fraction },
                Self::Finite { whole: other_whole, fraction: other_fraction, .. },
            ) if order.is_eq() => {
                let order = whole
                    .len()
                    .cmp(&other_whole.len())
                    .then_with(|| whole.cmp(other_whole))
                    .then_with(|| fraction.cmp(other_fraction));
                if *negative { order.reverse() } else { order }
            }
            _ => order,
        }
    }
}
