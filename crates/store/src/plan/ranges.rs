//! The parts of an index that are read for given bounds of its fields.

use std::ops::Bound;

use super::spans::{SpanSet, successor};
use crate::catalog::Index;
use crate::tables::KeyRange;

/// The most ranges that one scan is split into.
pub(super) const RANGES_MAX: usize = 1024;

/// Parts of an index.
pub(super) struct Ranges {
    pub(super) list: Vec<KeyRange>,
    /// Whether nothing outside the bounds is in them.
    pub(super) are_complete: bool,
}

/// The parts of the index that the bounds leave.
pub(super) fn ranges(index: &Index, bounds: &[SpanSet]) -> Ranges {
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    let are_full = |from: usize| bounds.iter().skip(from).all(SpanSet::is_full);
    let mut are_complete = true;
    for (position, (field, spans)) in index.spec.fields.iter().zip(bounds).enumerate() {
        let spans = if field.descending { spans.inverted() } else { spans.clone() };
        let product = prefixes.len().saturating_mul(spans.spans.len());
        if spans.is_full() || product > RANGES_MAX {
            are_complete = are_full(position);
            break;
        }
        let join = |prefix: &[u8], rest: &[u8]| [prefix, rest].concat();
        if spans.are_points() {
            prefixes = prefixes
                .iter()
                .flat_map(|prefix| spans.spans.iter().map(|span| join(prefix, &span.start)))
                .collect();
            continue;
        }
        let list = prefixes
            .iter()
            .flat_map(|prefix| {
                spans.spans.iter().map(|span| KeyRange {
                    lower: Bound::Included(join(prefix, &span.start)),
                    upper: Bound::Excluded(join(prefix, &span.end)),
                })
            })
            .collect();
        return Ranges { list, are_complete: are_full(position + 1) };
    }
    let list = prefixes
        .into_iter()
        .map(|prefix| match prefix.is_empty() {
            true => KeyRange { lower: Bound::Unbounded, upper: Bound::Unbounded },
            false => KeyRange {
                upper: Bound::Excluded(successor(&prefix)),
                lower: Bound::Included(prefix),
            },
        })
        .collect();
    Ranges { list, are_complete }
}
