//! The pieces of a string, and how many token sets stand for them.

use std::collections::HashSet;
use std::ops::Range;

use super::{Affix, TextError, TextSpec, fold};

/// As many token sets as fit a document of 16 MiB.
const MAX_TAGS: usize = 84_000;
/// Follows the folded string in the padding piece. No UTF-8 has this byte.
const PADDING_BYTE: u8 = 0xFF;

/// What a string is indexed under.
pub(crate) struct Pieces {
    /// The folded string.
    pub(crate) folded: String,
    pub(crate) substrings: Index,
    pub(crate) suffixes: Index,
    pub(crate) prefixes: Index,
}

/// The pieces of one index.
#[derive(Default)]
pub(crate) struct Index {
    /// Where they stand in the folded string, in the order of their token sets.
    pub(crate) pieces: Vec<Range<usize>>,
    /// How many copies of the padding piece follow.
    pub(crate) padding: usize,
}

impl Index {
    fn len(&self) -> usize {
        self.pieces.len() + self.padding
    }

    fn fill(pieces: Vec<Range<usize>>, len: usize) -> Self {
        let padding = len.saturating_sub(pieces.len());
        Self { pieces, padding }
    }
}

impl Pieces {
    /// The piece that stands for padding.
    pub(crate) fn padding_piece(&self) -> Vec<u8> {
        [self.folded.as_bytes(), &[PADDING_BYTE]].concat()
    }

    /// Number of token sets, that of the whole string included.
    pub(crate) fn tags(&self) -> usize {
        1 + self.substrings.len() + self.suffixes.len() + self.prefixes.len()
    }
}

/// Cuts a string into its pieces.
///
/// # Errors
/// If it is longer than the index allows, or has more pieces than fit a document.
pub(crate) fn pieces(spec: &TextSpec<'_>) -> Result<Pieces, TextError> {
    let text = spec.text("StrEncode")?;
    if spec.substring.is_none() && spec.suffix.is_none() && spec.prefix.is_none() {
        return Err(TextError::NoIndex);
    }
    let folded = fold(text, spec.folds_case, spec.folds_diacritics);
    let points = Points::of(&folded);
    let padded_len = padded_len(text.len());
    let affixes = |affix: &Option<Affix>, cut: &dyn Fn(usize) -> Range<usize>| match affix {
        None => Ok(Index::default()),
        Some(affix) => affix_pieces(affix, padded_len, points.len(), cut),
    };
    let suffixes = affixes(&spec.suffix, &|len| points.cut(points.len() - len, points.len()))?;
    let prefixes = affixes(&spec.prefix, &|len| points.cut(0, len))?;
    let substrings = match &spec.substring {
        None => Index::default(),
        Some(substring) => {
            let len = text.chars().count();
            if len > substring.max_len {
                let max = substring.max_len;
                return Err(TextError::TooLongForSubstrings { len, max });
            }
            let limit = padded_len.min(substring.max_len);
            substring_pieces(&substring.query, padded_len, limit, &points)?
        }
    };
    let pieces = Pieces { folded, substrings, suffixes, prefixes };
    if pieces.tags() > MAX_TAGS {
        return Err(TextError::TooManyTags { limit: MAX_TAGS });
    }
    Ok(pieces)
}

/// The longest string whose ciphertext is as long as that of a string of `len` bytes.
fn padded_len(len: usize) -> usize {
    /// Length and terminator of a BSON string.
    const OVERHEAD: usize = 5;
    16 * ((len + OVERHEAD + 16) / 16) - OVERHEAD
}

/// Prefixes or suffixes by growing length, `cut` gives that of a length.
fn affix_pieces(
    affix: &Affix,
    padded_len: usize,
    points: usize,
    cut: &dyn Fn(usize) -> Range<usize>,
) -> Result<Index, TextError> {
    if padded_len < affix.min_query_len {
        return Ok(Index::default());
    }
    let len = padded_len.min(affix.max_query_len) - affix.min_query_len + 1;
    if len > MAX_TAGS {
        return Err(TextError::TooManyTags { limit: MAX_TAGS });
    }
    let longest = points.min(affix.max_query_len);
    Ok(Index::fill((affix.min_query_len..=longest).map(cut).collect(), len))
}

/// Distinct substrings, in the order of a hash; other clients write them so.
fn substring_pieces(
    query: &Affix,
    padded_len: usize,
    limit: usize,
    points: &Points<'_>,
) -> Result<Index, TextError> {
    if padded_len < query.min_query_len {
        return Ok(Index::default());
    }
    let lengths = query.min_query_len..=query.max_query_len.min(limit);
    let len: usize = lengths.map(|len| limit - len + 1).sum();
    if len > MAX_TAGS {
        return Err(TextError::TooManyTags { limit: MAX_TAGS });
    }
    let mut seen = HashSet::new();
    let mut pieces = Vec::new();
    for start in 0..points.len() {
        let longest = points.len().min(start + query.max_query_len);
        for end in start + query.min_query_len..=longest {
            let piece = points.cut(start, end);
            let text = points.text.get(piece.clone()).unwrap_or_default();
            if seen.insert(text) {
                pieces.push((fnv1a(text.as_bytes()) % 4096, piece));
            }
        }
    }
    pieces.sort_by_key(|(hash, _)| *hash);
    let pieces = pieces.into_iter().map(|(_, piece)| piece).collect();
    Ok(Index::fill(pieces, len))
}

/// 32 bits FNV-1a.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A string by its code points.
struct Points<'a> {
    text: &'a str,
    /// Offset of each code point, and the length.
    offsets: Vec<usize>,
}

impl<'a> Points<'a> {
    fn of(text: &'a str) -> Self {
        let mut offsets: Vec<_> = text.char_indices().map(|(offset, _)| offset).collect();
        offsets.push(text.len());
        Self { text, offsets }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where the bytes from one code point to another stand.
    fn cut(&self, start: usize, end: usize) -> Range<usize> {
        let offset = |point: usize| self.offsets.get(point).copied().unwrap_or(self.text.len());
        offset(start)..offset(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qe::text::Substring;
    use crate::raw::{Element, kind};

    fn string(text: &str) -> Vec<u8> {
        let mut value = i32::try_from(text.len() + 1).unwrap().to_le_bytes().to_vec();
        value.extend_from_slice(text.as_bytes());
        value.push(0);
        value
    }

    fn cut(text: &str, change: impl FnOnce(&mut TextSpec<'_>)) -> Result<Pieces, TextError> {
        let value = string(text);
        let mut spec = TextSpec {
            value: Element { kind: kind::STRING, name: b"v", value: &value },
            folds_case: false,
            folds_diacritics: false,
            substring: None,
            suffix: None,
            prefix: None,
        };
        change(&mut spec);
        pieces(&spec)
    }

    const ALL: Affix = Affix { max_query_len: 100, min_query_len: 1 };

    #[test]
    fn prefixes_grow_and_are_padded() {
        let pieces = cut("abc", |spec| spec.prefix = Some(ALL)).unwrap();
        assert_eq!(pieces.prefixes.pieces, [0..1, 0..2, 0..3]);
        assert_eq!(pieces.prefixes.padding, 8);
        assert_eq!(pieces.tags(), 12);
        assert_eq!(pieces.padding_piece(), b"abc\xFF");
    }

    #[test]
    fn suffixes_are_cut_at_code_points() {
        let pieces = cut("aé€", |spec| spec.suffix = Some(ALL)).unwrap();
        assert_eq!(pieces.suffixes.pieces, [3..6, 1..6, 0..6]);
    }

    #[test]
    fn substrings_are_distinct() {
        let substring = Substring { max_len: 100, query: ALL };
        let pieces = cut("abc", |spec| spec.substring = Some(substring)).unwrap();
        assert_eq!(pieces.substrings.pieces.len(), 6);
        assert_eq!(pieces.substrings.padding, 60);
        assert_eq!(pieces.tags(), 67);
        let pieces = cut("aaa", |spec| spec.substring = Some(substring)).unwrap();
        assert_eq!(pieces.substrings.pieces.len(), 3);
        assert_eq!(pieces.tags(), 67);
    }

    #[test]
    fn short_strings_have_only_padding() {
        let affix = Affix { max_query_len: 9, min_query_len: 5 };
        let pieces = cut("abc", |spec| spec.prefix = Some(affix)).unwrap();
        assert!(pieces.prefixes.pieces.is_empty());
        assert_eq!(pieces.prefixes.padding, 5);
        let affix = Affix { max_query_len: 90, min_query_len: 50 };
        let pieces = cut("abc", |spec| spec.prefix = Some(affix)).unwrap();
        assert_eq!(pieces.tags(), 1);
    }

    #[test]
    fn strings_that_cannot_be_indexed_are_refused() {
        let substring =
            Substring { max_len: 2, query: Affix { max_query_len: 2, min_query_len: 1 } };
        assert!(matches!(
            cut("abc", |spec| spec.substring = Some(substring)),
            Err(TextError::TooLongForSubstrings { len: 3, max: 2 })
        ));
        assert!(matches!(
            cut("a\0c", |spec| spec.prefix = Some(ALL)),
            Err(TextError::NotText { .. })
        ));
        assert!(matches!(cut("abc", |_| ()), Err(TextError::NoIndex)));
        let long = "x".repeat(90_000);
        let affix = Affix { max_query_len: 1_000_000, min_query_len: 1 };
        assert!(matches!(
            cut(&long, |spec| spec.prefix = Some(affix)),
            Err(TextError::TooManyTags { .. })
        ));
    }
}
