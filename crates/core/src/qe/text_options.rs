//! Options of text indexes, as given to explicit encryption.

use bson::RawDocument;

use crate::raw::{Element, Elements, MalformedBson, kind};

/// `{caseSensitive, diacriticSensitive, prefix?, suffix?, substring?}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOptions {
    pub(crate) case_sensitive: bool,
    pub(crate) diacritic_sensitive: bool,
    pub(crate) prefix: Option<TextIndex>,
    pub(crate) suffix: Option<TextIndex>,
    pub(crate) substring: Option<TextIndex>,
}

/// Bounds of one text index, in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextIndex {
    /// `strMaxLength`, for substrings only.
    pub(crate) max_len: Option<i32>,
    /// `strMaxQueryLength`; 0 if it was not given.
    pub(crate) max_query_len: i32,
    /// `strMinQueryLength`; 0 if it was not given.
    pub(crate) min_query_len: i32,
}

/// Why text options are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextOptionsError {
    /// The options are no document.
    #[error("Error parsing TextOpts: Invalid BSON")]
    Malformed(#[from] MalformedBson),
    /// A field stands twice.
    #[error("Error parsing TextOpts: Unexpected duplicate field '{0}'")]
    Duplicate(&'static str),
    /// A field that text options do not have.
    #[error("Error parsing TextOpts: Unrecognized field: '{0}'")]
    UnknownField(String),
    /// A required field is absent.
    #[error("Error parsing TextOpts: '{0}' is required")]
    Missing(&'static str),
    /// A field has another type than it should.
    #[error("Error parsing TextOpts: Expected {expected} for {field}, got: {actual}")]
    Type {
        /// The field.
        field: &'static str,
        /// The type that it should have.
        expected: &'static str,
        /// The type that it has.
        actual: &'static str,
    },
    /// A length is no int32.
    #[error("Error parsing TextOpts: '{0}' must be an int32")]
    LengthType(&'static str),
    /// A length is zero or negative.
    #[error("Error parsing TextOpts: '{0}' must be greater than zero")]
    Length(&'static str),
    /// No index at all.
    #[error("Error parsing TextOpts: One of 'prefix', 'suffix', or 'substring' is required")]
    NoIndex,
    /// Indexes that exclude each other.
    #[error("Error parsing TextOpts: Cannot specify 'substring' with 'prefix' or 'suffix'")]
    SubstringWithOthers,
    /// A substring index without its maximum length.
    #[error("Error parsing TextOpts: 'strMaxLength' must be set for substring")]
    NoMaxLen,
    /// A prefix or suffix index with a maximum length.
    #[error("Error parsing TextOpts: 'strMaxLength' is not allowed in '{0}'")]
    MaxLen(&'static str),
}

impl TextOptions {
    /// Reads an options document.
    ///
    /// # Errors
    /// Unknown, repeated, missing or mistyped fields, and combinations that make no sense.
    pub fn parse(document: &RawDocument) -> Result<Self, TextOptionsError> {
        let (mut case_sensitive, mut diacritic_sensitive) = (None, None);
        let (mut prefix, mut suffix, mut substring) = (None, None, None);
        for element in Elements::of(document.as_bytes())? {
            let element = element?;
            match element.name {
                b"caseSensitive" => {
                    let value = read_bool(&element, "caseSensitive")?;
                    once(&mut case_sensitive, "caseSensitive", value)?;
                }
                b"diacriticSensitive" => {
                    let value = read_bool(&element, "diacriticSensitive")?;
                    once(&mut diacritic_sensitive, "diacriticSensitive", value)?;
                }
                b"substring" => {
                    let index = read_index(&element, "substring")?;
                    if index.max_len.is_none() {
                        return Err(TextOptionsError::NoMaxLen);
                    }
                    once(&mut substring, "substring", index)?;
                }
                b"prefix" => once(&mut prefix, "prefix", read_affix(&element, "prefix")?)?,
                b"suffix" => once(&mut suffix, "suffix", read_affix(&element, "suffix")?)?,
                _ => return Err(TextOptionsError::UnknownField(element.name_lossy())),
            }
        }
        let case_sensitive = case_sensitive.ok_or(TextOptionsError::Missing("caseSensitive"))?;
        let diacritic_sensitive =
            diacritic_sensitive.ok_or(TextOptionsError::Missing("diacriticSensitive"))?;
        let has_affix = prefix.is_some() || suffix.is_some();
        match (substring.is_some(), has_affix) {
            (true, true) => return Err(TextOptionsError::SubstringWithOthers),
            (false, false) => return Err(TextOptionsError::NoIndex),
            _ => {}
        }
        Ok(Self { case_sensitive, diacritic_sensitive, prefix, suffix, substring })
    }
}

fn read_bool(element: &Element<'_>, field: &'static str) -> Result<bool, TextOptionsError> {
    let actual = kind::name(element.kind);
    element.as_bool().ok_or(TextOptionsError::Type { field, expected: "bool", actual })
}

fn read_affix(element: &Element<'_>, field: &'static str) -> Result<TextIndex, TextOptionsError> {
    let index = read_index(element, field)?;
    if index.max_len.is_some() { Err(TextOptionsError::MaxLen(field)) } else { Ok(index) }
}

fn read_index(element: &Element<'_>, field: &'static str) -> Result<TextIndex, TextOptionsError> {
    let actual = kind::name(element.kind);
    let wrong_type = TextOptionsError::Type { field, expected: "document", actual };
    let (mut max_len, mut min_query_len, mut max_query_len) = (None, None, None);
    for element in Elements::of(element.as_document().ok_or(wrong_type)?)? {
        let element = element?;
        let (slot, field) = match element.name {
            b"strMaxLength" => (&mut max_len, "strMaxLength"),
            b"strMinQueryLength" => (&mut min_query_len, "strMinQueryLength"),
            b"strMaxQueryLength" => (&mut max_query_len, "strMaxQueryLength"),
            _ => return Err(TextOptionsError::UnknownField(element.name_lossy())),
        };
        let length = element.as_i32().ok_or(TextOptionsError::LengthType(field))?;
        if length <= 0 {
            return Err(TextOptionsError::Length(field));
        }
        once(slot, field, length)?;
    }
    Ok(TextIndex {
        max_len,
        max_query_len: max_query_len.unwrap_or(0),
        min_query_len: min_query_len.unwrap_or(0),
    })
}

fn once<T>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), TextOptionsError> {
    match slot.replace(value) {
        Some(_) => Err(TextOptionsError::Duplicate(field)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn options_are_read() {
        let index = rawdoc! { "strMinQueryLength": 2, "strMaxQueryLength": 9 };
        let options = TextOptions::parse(&rawdoc! {
            "caseSensitive": true, "diacriticSensitive": false, "prefix": index,
        })
        .unwrap();
        let expected = TextIndex { max_len: None, max_query_len: 9, min_query_len: 2 };
        assert_eq!(options.prefix, Some(expected));
        assert!(options.case_sensitive && !options.diacritic_sensitive);
    }

    #[test]
    fn wrong_options_are_refused_with_the_published_texts() {
        for (document, text) in [
            (rawdoc! {}, "'caseSensitive' is required"),
            (rawdoc! { "caseSensitive": true }, "'diacriticSensitive' is required"),
            (rawdoc! { "caseSensitive": 1 }, "Expected bool for caseSensitive, got: INT32"),
            (rawdoc! { "substring": 1 }, "Expected document for substring, got: INT32"),
            (rawdoc! { "substring": {} }, "'strMaxLength' must be set for substring"),
            (
                rawdoc! { "prefix": { "strMaxLength": 1 } },
                "'strMaxLength' is not allowed in 'prefix'",
            ),
            (
                rawdoc! { "suffix": { "strMinQueryLength": 0 } },
                "'strMinQueryLength' must be greater than zero",
            ),
            (
                rawdoc! { "suffix": { "strMinQueryLength": 1_i64 } },
                "'strMinQueryLength' must be an int32",
            ),
            (rawdoc! { "x": 1 }, "Unrecognized field: 'x'"),
            (
                rawdoc! { "caseSensitive": true, "diacriticSensitive": true },
                "One of 'prefix', 'suffix', or 'substring' is required",
            ),
            (
                rawdoc! {
                    "caseSensitive": true, "diacriticSensitive": true,
                    "substring": { "strMaxLength": 1 }, "prefix": {},
                },
                "Cannot specify 'substring' with 'prefix' or 'suffix'",
            ),
        ] {
            let error = TextOptions::parse(&document).unwrap_err().to_string();
            assert_eq!(error, format!("Error parsing TextOpts: {text}"));
        }
    }
}
