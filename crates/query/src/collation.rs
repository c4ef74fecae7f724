//! Collations: how strings compare when a command or collection names a locale.
//!
//! Implemented is the order of the Unicode root collation as far as it concerns letters with and
//! without accents, digits, and ASCII punctuation, at strengths 1 to 5. Locales that tailor that
//! order are refused by name instead of sorted wrongly.
//!
//! Source: MongoDB manual, "Collation"; Unicode Technical Standard 10.

use std::cmp::Ordering;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use bson::rawdoc;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::QueryError;
use crate::value::Number;

/// A parsed collation other than `simple`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collation {
    locale: String,
    strength: i64,
    case_level: bool,
    upper_first: bool,
    numeric_ordering: bool,
    ignores_punctuation: bool,
}

impl Collation {
    /// Parses a collation document; the `simple` locale is `None`, plain byte order.
    ///
    /// # Errors
    /// `BadValue` for options out of range, 40415 for unknown ones, `NotImplemented` for locales
    /// with an order of their own.
    pub fn parse(document: &RawDocument) -> Result<Option<Self>, QueryError> {
        let mut collation = Self {
            locale: String::new(),
            strength: 3,
            case_level: false,
            upper_first: false,
            numeric_ordering: false,
            ignores_punctuation: false,
        };
        for element in document.iter() {
            let (name, value) = element?;
            collation.set(name.as_str(), value)?;
        }
        match collation.locale.as_str() {
            "" => Err(QueryError::new(
                40414,
                "BSON field 'collation.locale' is missing but a required field",
            )),
            "simple" => Ok(None),
            locale if is_untailored(locale) => Ok(Some(collation)),
            locale => Err(QueryError::not_supported(format!("the collation locale '{locale}'"))),
        }
    }

    /// `document` with every option that it leaves out, as the server shows a collation.
    ///
    /// # Errors
    /// If the document is malformed.
    pub fn complete(document: &RawDocument) -> Result<RawDocumentBuf, QueryError> {
        let defaults = rawdoc! {
            "locale": "simple", "caseLevel": false, "caseFirst": "off", "strength": 3,
            "numericOrdering": false, "alternate": "non-ignorable", "maxVariable": "punct",
            "normalization": false, "backwards": false, "version": "57.1",
        };
        let mut complete = RawDocumentBuf::new();
        for option in defaults.iter() {
            let (name, default) = option?;
            complete.append(name, document.get(name.as_str())?.unwrap_or(default));
        }
        Ok(complete)
    }

    fn set(&mut self, name: &str, value: RawBsonRef<'_>) -> Result<(), QueryError> {
        match (name, value) {
            ("locale", RawBsonRef::String(locale)) => self.locale = locale.to_owned(),
            ("strength", value) => {
                self.strength = Number::new(value)
                    .and_then(Number::to_i64_exact)
                    .filter(|strength| (1..=5).contains(strength))
                    .ok_or_else(|| invalid(name))?;
            }
            ("caseLevel", RawBsonRef::Boolean(on)) => self.case_level = on,
            ("caseFirst", RawBsonRef::String(first @ ("upper" | "lower" | "off"))) => {
                self.upper_first = first == "upper";
            }
            ("numericOrdering", RawBsonRef::Boolean(on)) => self.numeric_ordering = on,
            ("alternate", RawBsonRef::String(alternate @ ("non-ignorable" | "shifted"))) => {
                self.ignores_punctuation = alternate == "shifted";
            }
            ("maxVariable", RawBsonRef::String("punct" | "space"))
            | ("normalization", RawBsonRef::Boolean(_))
            | ("backwards", RawBsonRef::Boolean(false))
            | ("version", RawBsonRef::String(_)) => {}
            ("backwards", RawBsonRef::Boolean(true)) => {
                return Err(QueryError::not_supported("the collation option 'backwards'"));
            }
            (
                "locale" | "caseLevel" | "caseFirst" | "numericOrdering" | "alternate"
                | "maxVariable" | "normalization" | "backwards" | "version",
                _,
            ) => return Err(invalid(name)),
            _ => {
                return Err(QueryError::new(
                    40415,
                    format!("BSON field 'collation.{name}' is an unknown field."),
                ));
            }
        }
        Ok(())
    }

    /// The locale.
    pub fn locale(&self) -> &str {
        &self.locale
    }

    /// Orders two strings.
    pub fn compare(&self, left: &str, right: &str) -> Ordering {
        if left == right { Ordering::Equal } else { self.key(left).cmp(&self.key(right)) }
    }

    /// Bytes whose order is the order of the strings.
    pub fn key(&self, text: &str) -> Vec<u8> {
        let mut primary = Vec::new();
        let mut secondary = Vec::new();
        let mut tertiary = Vec::new();
        let mut rest = text.nfd().peekable();
        while let Some(letter) = rest.next() {
            if is_combining_mark(letter) {
                secondary.push(u32::from(letter));
                continue;
            }
            if self.ignores_punctuation && !letter.is_alphanumeric() {
                continue;
            }
            secondary.push(1);
            if self.numeric_ordering && letter.is_ascii_digit() {
                let mut number = String::from(letter);
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                let digits = number.trim_start_matches('0');
                primary.push(DIGITS);
                primary.push(u32::try_from(digits.len()).unwrap_or(u32::MAX) + 1);
                primary.extend(digits.chars().map(weight));
                tertiary.push(1);
                continue;
            }
            let upper = letter.is_uppercase();
            primary.extend(letter.to_lowercase().map(weight));
            tertiary.push(if upper == self.upper_first { 1 } else { 2 });
        }
        let mut key = Vec::new();
        append(&mut key, &primary);
        if self.strength >= 2 {
            append(&mut key, &secondary);
        }
        if self.strength >= 3 || self.case_level {
            append(&mut key, &tertiary);
        }
        if self.strength == 5 || (self.strength == 4 && self.ignores_punctuation) {
            key.extend_from_slice(text.as_bytes());
        }
        key
    }
}

fn invalid(option: &str) -> QueryError {
    QueryError::bad_value(format!("invalid value for collation option '{option}'"))
}

fn append(key: &mut Vec<u8>, weights: &[u32]) {
    for weight in weights {
        key.extend_from_slice(&weight.to_be_bytes());
    }
    // Weights are above zero, so the end of a level sorts before anything in it.
    key.extend_from_slice(&[0; 4]);
}

/// ASCII punctuation and symbols in the root collation's order.
const MARKS: &str = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
const SPACES: u32 = 1;
const OTHER_MARKS: u32 = 0x1000;
const DIGITS: u32 = 0x0020_0000;
const LETTERS: u32 = 0x0040_0000;

fn weight(letter: char) -> u32 {
    let code = u32::from(letter);
    if letter.is_whitespace() || letter.is_control() {
        return SPACES + code.min(0xff);
    }
    if let Some(place) = MARKS.find(letter) {
        return 0x200 + u32::try_from(place).unwrap_or(0);
    }
    if let Some(digit) = letter.to_digit(10) {
        return DIGITS + 1 + digit;
    }
    if letter.is_alphabetic() { LETTERS + code } else { OTHER_MARKS + code }
}

/// Locales that use the root order as it is, for the letters their languages have.
fn is_untailored(locale: &str) -> bool {
    let (locale, keyword) = locale.split_once('@').unwrap_or((locale, ""));
    let language = locale.split(['_', '-']).next().unwrap_or_default();
    keyword.is_empty()
        && locale != "fr_CA"
        && matches!(
            language,
            "en" | "de"
                | "fr"
                | "it"
                | "pt"
                | "nl"
                | "id"
                | "ms"
                | "ga"
                | "sw"
                | "zu"
                | "xh"
                | "lb"
                | "ca"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collation(strength: i32) -> Collation {
        Collation::parse(&rawdoc! { "locale": "en", "strength": strength }).unwrap().unwrap()
    }

    #[test]
    fn strengths_look_at_letters_accents_and_case() {
        for (left, right, first_difference) in
            [("a", "b", 1), ("a", "á", 2), ("a", "A", 3), ("résumé", "Resume", 2)]
        {
            for strength in 1..=3 {
                let equal = collation(strength).compare(left, right) == Ordering::Equal;
                assert_eq!(equal, strength < first_difference, "{left} {right} {strength}");
            }
        }
    }

    #[test]
    fn words_are_in_dictionary_order() {
        let mut words = ["b", "B", "a", "A", "Ab", "aa", "á", "10", "2", "_x", " y"];
        words.sort_by(|l, r| collation(3).compare(l, r));
        assert_eq!(words, [" y", "_x", "10", "2", "a", "A", "á", "aa", "Ab", "b", "B"]);
    }

    #[test]
    fn digits_can_compare_as_numbers() {
        let numeric = Collation::parse(&rawdoc! { "locale": "en", "numericOrdering": true });
        let numeric = numeric.unwrap().unwrap();
        assert_eq!(numeric.compare("a10", "a9"), Ordering::Greater);
        assert_eq!(numeric.compare("a9b", "a9c"), Ordering::Less);
        assert_eq!(collation(3).compare("a10", "a9"), Ordering::Less);
    }

    #[test]
    fn all_options_are_shown() {
        let complete = Collation::complete(&rawdoc! { "strength": 2, "locale": "en" }).unwrap();
        assert_eq!(complete.iter().count(), 10);
        assert_eq!(complete.get_str("locale").unwrap(), "en");
        assert_eq!(complete.get_i32("strength").unwrap(), 2);
        assert_eq!(Collation::parse(&complete).unwrap(), Some(collation(2)));
    }

    #[test]
    fn simple_is_none_and_tailored_locales_are_refused() {
        assert_eq!(Collation::parse(&rawdoc! { "locale": "simple" }).unwrap(), None);
        assert_eq!(Collation::parse(&rawdoc! { "locale": "sv" }).unwrap_err().code(), 238);
        assert_eq!(
            Collation::parse(&rawdoc! { "locale": "en", "strength": 9 }).unwrap_err().code(),
            2
        );
        assert_eq!(
            Collation::parse(&rawdoc! { "locale": "en", "x": 9 }).unwrap_err().code(),
            40415
        );
    }
}
