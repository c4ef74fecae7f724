//! Edges of a stored value, and the minimal cover of a range.

use super::{Encoded, RangeError};

/// What trim factor is when none is given.
const DEFAULT_TRIM_FACTOR: i32 = 6;
/// As many token sets as fit a document of 16 MiB.
const MAX_EDGES: usize = 130_000;

/// Which lengths of prefixes are stored: the full one, and every multiple of the sparsity that is not
/// below the trim factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    bits: u32,
    sparsity: u64,
    trim_factor: u32,
}

impl Levels {
    /// For values of so many bits.
    ///
    /// # Errors
    /// If sparsity or trim factor leave nothing.
    pub(crate) fn new(
        bits: u32,
        sparsity: i64,
        trim_factor: Option<i32>,
    ) -> Result<Self, RangeError> {
        let sparsity = u64::try_from(sparsity).unwrap_or(0);
        if sparsity == 0 {
            return Err(RangeError::Sparsity);
        }
        let most = i32::try_from(bits.saturating_sub(1)).unwrap_or(DEFAULT_TRIM_FACTOR);
        let chosen = trim_factor.unwrap_or(DEFAULT_TRIM_FACTOR.min(most));
        let trim_factor =
            u32::try_from(chosen).map_err(|_| RangeError::NegativeTrimFactor(chosen))?;
        if trim_factor != 0 && trim_factor >= bits {
            return Err(RangeError::TrimFactor { bits, trim_factor: chosen });
        }
        Ok(Self { bits, sparsity, trim_factor })
    }

    /// The trim factor that was given, or chosen.
    pub(crate) fn trim_factor(&self) -> i32 {
        i32::try_from(self.trim_factor).unwrap_or(DEFAULT_TRIM_FACTOR)
    }

    fn is_stored(&self, level: u32) -> bool {
        level == self.bits
            || (level >= self.trim_factor && u64::from(level).is_multiple_of(self.sparsity))
    }

    /// The block of all values that share the first `level` digits of `value`.
    fn edge(&self, value: u128, level: u32) -> String {
        if level == 0 {
            return "root".to_owned();
        }
        let digits = (0..level)
            .map(|place| if value >> (self.bits - 1 - place) & 1 == 1 { '1' } else { '0' });
        digits.collect()
    }
}

/// The edges of a value: the root unless it is trimmed, the full length, then growing lengths.
pub(crate) fn edges(value: Encoded, levels: &Levels) -> Vec<String> {
    let mut edges = Vec::new();
    if levels.trim_factor == 0 {
        edges.push(levels.edge(value.value, 0));
    }
    edges.push(levels.edge(value.value, levels.bits));
    for level in levels.trim_factor.max(1)..levels.bits {
        if u64::from(level).is_multiple_of(levels.sparsity) {
            edges.push(levels.edge(value.value, level));
        }
    }
    edges
}

/// The fewest stored blocks whose union is `low ..= high`, in ascending order.
///
/// # Errors
/// If they are more than fit a document.
pub(crate) fn minimal_cover(
    low: u128,
    high: u128,
    levels: &Levels,
) -> Result<Vec<String>, RangeError> {
    let mut cover = Vec::new();
    collect(low, high, levels, 0, levels.bits, &mut cover)?;
    Ok(cover)
}

fn collect(
    low: u128,
    high: u128,
    levels: &Levels,
    start: u128,
    free_bits: u32,
    cover: &mut Vec<String>,
) -> Result<(), RangeError> {
    let mask = u128::MAX.checked_shr(u128::BITS - free_bits).unwrap_or(0);
    let end = start | mask;
    if end < low || start > high {
        return Ok(());
    }
    let level = levels.bits - free_bits;
    if start >= low && end <= high && levels.is_stored(level) {
        if cover.len() >= MAX_EDGES {
            return Err(RangeError::TooManyEdges { limit: MAX_EDGES });
        }
        cover.push(levels.edge(start, level));
        return Ok(());
    }
    // A block of one value is stored and either inside or outside: it has no halves to look at.
    let Some(half_bits) = free_bits.checked_sub(1) else { return Ok(()) };
    collect(low, high, levels, start, half_bits, cover)?;
    collect(low, high, levels, start | 1 << half_bits, half_bits, cover)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn levels(bits: u32, sparsity: i64, trim_factor: Option<i32>) -> Levels {
        Levels::new(bits, sparsity, trim_factor).unwrap()
    }

    #[test]
    fn edges_come_in_the_order_of_the_format() {
        let value = Encoded { value: 0b10110, max: 0b11111 };
        assert_eq!(
            edges(value, &levels(5, 1, Some(0))),
            ["root", "10110", "1", "10", "101", "1011"]
        );
        assert_eq!(edges(value, &levels(5, 2, Some(1))), ["10110", "10", "1011"]);
    }

    #[test]
    fn numbers_of_edges_at_the_defaults() {
        let count = |bits: u32, max| edges(Encoded { value: 5, max }, &levels(bits, 2, None)).len();
        assert_eq!(count(32, u32::MAX.into()), 14);
        assert_eq!(count(64, u64::MAX.into()), 30);
    }

    #[test]
    fn trim_factors_leave_a_level() {
        assert_eq!(levels(3, 1, None).trim_factor(), 2);
        assert_eq!(levels(1, 1, None).trim_factor(), 0);
        assert!(Levels::new(3, 1, Some(3)).is_err());
        assert!(Levels::new(3, 0, None).is_err());
        assert!(Levels::new(3, 1, Some(-1)).is_err());
    }

    #[test]
    fn covers_that_fit_no_document_are_refused() {
        let result = minimal_cover(1, u64::MAX.into(), &levels(64, 1, Some(63)));
        assert_eq!(result, Err(RangeError::TooManyEdges { limit: MAX_EDGES }));
    }

    proptest! {
        #[test]
        fn a_value_is_covered_if_and_only_if_it_is_in_the_range(
            one in 0u128..1024, other in 0u128..1024, value in 0u128..1024,
            sparsity in 1i64..5, trim_factor in 0i32..10,
        ) {
            let (low, high) = (one.min(other), one.max(other));
            let levels = levels(10, sparsity, Some(trim_factor));
            let cover = minimal_cover(low, high, &levels).unwrap();
            let edges = edges(Encoded { value, max: 1023 }, &levels);
            let shared = cover.iter().filter(|edge| edges.contains(edge)).count();
            prop_assert_eq!(shared, usize::from(value >= low && value <= high));
        }
    }
}
