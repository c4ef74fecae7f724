//! Collations: how strings compare when a command or collection names a locale.
//!
//! Strings are ordered by the Unicode collation algorithm with the data of the Unicode Common
//! Locale Data Repository. MongoDB does the same with an older version of that data.
//!
//! Source: MongoDB manual, "Collation"; Unicode Technical Standards 10 and 35 (part 5).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bson::raw::RawDocument;
use icu_collator::CollatorBorrowed;

use crate::QueryError;

use options::Options;

mod locales;
mod options;

/// The version of the order of [`Collation::key`].
///
/// Stored keys of one version do not compare with those of another. It has to be counted up with
/// every change of the order, which comes with new data; a test of this module notices.
pub const ORDER_VERSION: i64 = 1;

/// A parsed collation other than `simple`. Cheap to clone.
#[derive(Clone)]
pub struct Collation {
    options: Options,
    collator: Arc<CollatorBorrowed<'static>>,
}

impl Collation {
    /// Parses a collation document; the `simple` locale is `None`, plain byte order.
    ///
    /// # Errors
    /// `BadValue` for locales that do not exist and for options out of range, 40414 without a
    /// locale, 40415 for unknown options, `NotImplemented` for locales whose order is not known.
    pub fn parse(document: &RawDocument) -> Result<Option<Self>, QueryError> {
        let Some((options, collator)) = options::parse(document)? else { return Ok(None) };
        Ok(Some(Self { options, collator: Arc::new(collator) }))
    }

    /// Every option, as the server shows a collation.
    pub fn to_document(&self) -> bson::RawDocumentBuf {
        self.options.to_document()
    }

    /// The name to give to the locale of a stored collation: earlier versions took any region of a
    /// language that they knew.
    pub fn known_locale(name: &str) -> &str {
        match locales::find(name) {
            locales::Found::Named(_) => name,
            locales::Found::Similar(language) => language,
            locales::Found::Unknown if name == "simple" => name,
            // What they took otherwise had the root's order, as English has.
            locales::Found::Unknown => "en",
        }
    }

    /// The locale.
    pub fn locale(&self) -> &str {
        &self.options.locale
    }

    /// Orders two strings.
    pub fn compare(&self, left: &str, right: &str) -> Ordering {
        self.collator.compare(left, right)
    }

    /// Bytes whose order is the order of the strings; equal for equal ones.
    pub fn key(&self, text: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(text.len() + KEY_OVERHEAD_BYTES);
        let Ok(()) = self.collator.write_sort_key_to(text, &mut key);
        key
    }
}

/// About what the levels after the first add to the key of a word.
const KEY_OVERHEAD_BYTES: usize = 8;

impl PartialEq for Collation {
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

impl Eq for Collation {}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

#[cfg(test)]
mod tests;
