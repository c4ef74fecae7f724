//! `$bitsAllSet` and its three relatives.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::filter::BitTest;
use fieldveil_query::value::Number;

/// A bit test with its positions.
pub(super) struct Bits {
    test: BitTest,
    positions: Vec<usize>,
}

impl Bits {
    pub(super) fn new(test: BitTest, mask: &RawBson) -> Self {
        let positions = match mask.as_raw_bson_ref() {
            RawBsonRef::Array(array) => array
                .into_iter()
                .flatten()
                .filter_map(|item| usize::try_from(Number::new(item)?.to_i64_exact()?).ok())
                .collect(),
            RawBsonRef::Binary(binary) => {
                (0..binary.bytes.len() * 8).filter(|at| bit_of(binary.bytes, *at)).collect()
            }
            other => {
                let mask = Number::new(other).and_then(Number::to_i64_exact).unwrap_or(0);
                (0..63).filter(|at| mask >> at & 1 == 1).collect()
            }
        };
        Self { test, positions }
    }

    /// Numbers that are no 64-bit integer, and other types but binary data, never match.
    pub(super) fn matches(&self, value: RawBsonRef<'_>) -> bool {
        match value {
            RawBsonRef::Binary(binary) => self.holds(|at| bit_of(binary.bytes, at)),
            other => match Number::new(other).and_then(Number::to_i64_exact) {
                // Positions beyond the number have its sign.
                Some(number) => self.holds(|at| number >> at.min(63) & 1 == 1),
                None => false,
            },
        }
    }

    fn holds(&self, is_set: impl Fn(usize) -> bool) -> bool {
        let mut positions = self.positions.iter();
        match self.test {
            BitTest::AllSet => positions.all(|at| is_set(*at)),
            BitTest::AllClear => positions.all(|at| !is_set(*at)),
            BitTest::AnySet => positions.any(|at| is_set(*at)),
            BitTest::AnyClear => positions.any(|at| !is_set(*at)),
        }
    }
}

fn bit_of(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}
