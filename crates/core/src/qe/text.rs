//! Text indexes: strings as sets of pieces.
//!
//! A string is *folded* (case, diacritics), then indexed whole and, as configured, under its prefixes,
//! suffixes or substrings of some lengths. How many token sets there are depends only on the length of
//! the ciphertext: each index is filled up with copies of the set of a piece that no string has.

mod fold;
mod pieces;
mod spec;

pub(crate) use fold::fold;
pub(crate) use pieces::{Pieces, pieces};
pub(crate) use spec::{Affix, Substring, TextSpec};

/// Why a string cannot be indexed or looked for. The string is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A specification is malformed.
    #[error("Error parsing {spec}: {problem}")]
    Spec {
        /// Which one.
        spec: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No index.
    #[error(
        "FLE2TextSearchInsertSpec is missing a substring, suffix, or prefix index specification"
    )]
    NoIndex,
    /// A query for several indexes.
    #[error("Text search query specification cannot contain multiple query type specifications")]
    SeveralQueries,
    /// Longer than a document.
    #[error(
        "{operation}: String passed in was too long: String was {len} bytes, but max is {max} bytes"
    )]
    TooLong {
        /// `StrEncode` or `StrQuery`
        operation: &'static str,
        /// Its length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A zero byte, or no UTF-8.
    #[error("{operation}: String passed in was not valid UTF-8")]
    NotText {
        /// `StrEncode` or `StrQuery`
        operation: &'static str,
    },
    /// Longer than the substring index allows.
    #[error(
        "StrEncode: String passed in was longer than the maximum length for substring indexing -- \
         String len: {len}, max len: {max}"
    )]
    TooLongForSubstrings {
        /// Its length in code points.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// Nothing to look for.
    #[error("StrQuery: string value cannot be empty for substring, suffix, or prefix queries")]
    EmptyQuery,
    /// A query longer than the index.
    #[error(
        "StrQuery: string value was longer than the maximum query length for this field after \
         folding -- folded codepoint len: {len}, max query len: {max}"
    )]
    QueryTooLong {
        /// Its length in code points.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A query shorter than the index.
    #[error(
        "StrQuery: string value was shorter than the minimum query length for this field after \
         folding -- folded codepoint len: {len}, min query len: {min}"
    )]
    QueryTooShort {
        /// Its length in code points.
        len: usize,
        /// How short it may be.
        min: usize,
    },
    /// More token sets than fit a document.
    #[error("StrEncode: String passed in needs more than {limit} tags")]
    TooManyTags {
        /// How many are allowed.
        limit: usize,
    },
}
