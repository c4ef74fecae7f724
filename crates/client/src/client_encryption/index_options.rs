//! The indexes of Queryable Encryption that a value is encrypted for.

use bson::{Bson, Document, RawDocumentBuf, doc};
use fieldveil_core::{CoreError, OptionsError};

use crate::error::Result;

/// The range index of a field. Its options must be those in the collection's `encryptedFields`.
///
/// ```
/// use bson::Bson;
/// use fieldveil::RangeOptions;
///
/// let age = RangeOptions { min: Some(Bson::Int32(0)), max: Some(Bson::Int32(150)), ..RangeOptions::default() };
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeOptions {
    /// The smallest value. Required with `precision`.
    pub min: Option<Bson>,
    /// The greatest value. Required with `precision`.
    pub max: Option<Bson>,
    /// How many levels of the index are left out. A greater one makes writes faster and queries
    /// slower; 2 if not set.
    pub sparsity: Option<i64>,
    /// How many of the upper levels of the index are left out; 6 if not set.
    pub trim_factor: Option<i32>,
    /// How many digits after the point count. For double and decimal fields only.
    pub precision: Option<i32>,
}

impl RangeOptions {
    pub(super) fn to_core(&self) -> Result<fieldveil_core::RangeOptions> {
        let mut options = Document::new();
        let fields = [
            ("min", self.min.clone()),
            ("max", self.max.clone()),
            ("sparsity", self.sparsity.map(Bson::Int64)),
            ("trimFactor", self.trim_factor.map(Bson::Int32)),
            ("precision", self.precision.map(Bson::Int32)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                options.insert(name, value);
            }
        }
        let options = RawDocumentBuf::try_from(&options)?;
        Ok(fieldveil_core::RangeOptions::parse(&options).map_err(refused)?)
    }
}

/// The text indexes of a field: by prefix and suffix, or by substring. Their options must be those
/// in the collection's `encryptedFields`.
///
/// ```
/// use fieldveil::{AffixOptions, TextOptions};
///
/// let lengths = AffixOptions { min_query_len: 2, max_query_len: 10 };
/// let name = TextOptions { case_sensitive: false, prefix: Some(lengths), ..TextOptions::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether `A` and `a` differ. They do by default.
    pub case_sensitive: bool,
    /// Whether `e` and `é` differ. They do by default.
    pub diacritic_sensitive: bool,
    /// Found by how the text begins.
    pub prefix: Option<AffixOptions>,
    /// Found by how the text ends.
    pub suffix: Option<AffixOptions>,
    /// Found by any part of the text. Not together with the others.
    pub substring: Option<SubstringOptions>,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            case_sensitive: true,
            diacritic_sensitive: true,
            prefix: None,
            suffix: None,
            substring: None,
        }
    }
}

/// An index by prefix or suffix. Lengths are in code points.
///
/// ```
/// let lengths = fieldveil::AffixOptions { min_query_len: 2, max_query_len: 10 };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffixOptions {
    /// The shortest text that can be looked for.
    pub min_query_len: i32,
    /// The longest.
    pub max_query_len: i32,
}

/// An index by substring. Lengths are in code points.
///
/// ```
/// let lengths = fieldveil::SubstringOptions { max_len: 10, min_query_len: 2, max_query_len: 6 };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubstringOptions {
    /// The longest text that can be stored.
    pub max_len: i32,
    /// The shortest text that can be looked for.
    pub min_query_len: i32,
    /// The longest.
    pub max_query_len: i32,
}

impl TextOptions {
    pub(super) fn to_core(self) -> Result<fieldveil_core::TextOptions> {
        let mut options = doc! {
            "caseSensitive": self.case_sensitive,
            "diacriticSensitive": self.diacritic_sensitive,
        };
        for (name, affix) in [("prefix", self.prefix), ("suffix", self.suffix)] {
            if let Some(affix) = affix {
                options.insert(name, query_len(affix.min_query_len, affix.max_query_len));
            }
        }
        if let Some(substring) = self.substring {
            let mut index = query_len(substring.min_query_len, substring.max_query_len);
            index.insert("strMaxLength", substring.max_len);
            options.insert("substring", index);
        }
        let options = RawDocumentBuf::try_from(&options)?;
        Ok(fieldveil_core::TextOptions::parse(&options).map_err(refused)?)
    }
}

fn query_len(min: i32, max: i32) -> Document {
    doc! { "strMinQueryLength": min, "strMaxQueryLength": max }
}

fn refused(error: impl Into<OptionsError>) -> CoreError {
    error.into().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let bounds = RangeOptions {
            min: Some(Bson::Int32(0)),
            max: Some(Bson::Int64(9)),
            ..RangeOptions::default()
        };
        let error = bounds.to_core().unwrap_err();
        assert!(error.to_string().contains("to be same type"), "{error}");

        let error = TextOptions::default().to_core().unwrap_err();
        assert!(error.to_string().contains("is required"), "{error}");
    }

    #[test]
    fn every_option_is_handed_on() {
        let range = RangeOptions {
            min: Some(Bson::Double(0.0)),
            max: Some(Bson::Double(9.0)),
            sparsity: Some(1),
            trim_factor: Some(3),
            precision: Some(2),
        };
        let raw = bson::rawdoc! {
            "min": 0.0, "max": 9.0, "sparsity": 1_i64, "trimFactor": 3, "precision": 2,
        };
        assert_eq!(range.to_core().unwrap(), fieldveil_core::RangeOptions::parse(&raw).unwrap());

        let affix = AffixOptions { min_query_len: 2, max_query_len: 5 };
        let text =
            TextOptions { prefix: Some(affix), suffix: Some(affix), ..TextOptions::default() };
        let lengths = bson::rawdoc! { "strMinQueryLength": 2, "strMaxQueryLength": 5 };
        let raw = bson::rawdoc! {
            "caseSensitive": true, "diacriticSensitive": true,
            "prefix": lengths.clone(), "suffix": lengths,
        };
        assert_eq!(text.to_core().unwrap(), fieldveil_core::TextOptions::parse(&raw).unwrap());
    }
}
