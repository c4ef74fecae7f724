//! The options of a collation.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use bson::rawdoc;
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};

use super::locales::{self, Found, Named};
use crate::QueryError;
use crate::value::Number;

/// Every option, with what the locale says where the document says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) locale: String,
    case_level: bool,
    case_first: &'static str,
    strength: i32,
    numeric_ordering: bool,
    alternate: &'static str,
    max_variable: &'static str,
    /// Means nothing: strings are always compared as if they were normalized.
    normalization: bool,
    backwards: bool,
}

/// The version of ICU whose collations MongoDB has.
const VERSION: &str = "57.1";

/// What the document says.
#[derive(Debug, Default)]
struct Given<'a> {
    locale: Option<&'a str>,
    case_level: Option<bool>,
    case_first: Option<&'a str>,
    strength: Option<i64>,
    numeric_ordering: Option<bool>,
    alternate: Option<&'a str>,
    max_variable: Option<&'a str>,
    normalization: Option<bool>,
    backwards: Option<bool>,
}

/// The options of `document` and what compares by them; `None` for the simple collation.
pub(super) fn parse(
    document: &RawDocument,
) -> Result<Option<(Options, CollatorBorrowed<'static>)>, QueryError> {
    let mut given = Given::default();
    for element in document.iter() {
        let (name, value) = element?;
        given.set(name.as_str(), value)?;
    }
    match given.locale {
        None => Err(QueryError::new(
            40414,
            "BSON field 'collation.locale' is missing but a required field",
        )),
        Some("simple") => Ok(None),
        Some(name) => match locales::find(name) {
            Found::Named(locale) => given.resolve(name, locale).map(Some),
            found => Err(unknown_locale(name, &found)),
        },
    }
}

impl<'a> Given<'a> {
    fn set(&mut self, name: &str, value: RawBsonRef<'a>) -> Result<(), QueryError> {
        match (name, value) {
            ("locale", RawBsonRef::String(locale)) => self.locale = Some(locale),
            ("strength", value) => {
                let strength = Number::new(value)
                    .and_then(Number::to_i64_exact)
                    .filter(|strength| (1..=5).contains(strength))
                    .ok_or_else(|| invalid(name))?;
                self.strength = Some(strength);
            }
            ("caseLevel", RawBsonRef::Boolean(on)) => self.case_level = Some(on),
            ("caseFirst", RawBsonRef::String(first @ ("upper" | "lower" | "off"))) => {
                self.case_first = Some(first);
            }
            ("numericOrdering", RawBsonRef::Boolean(on)) => self.numeric_ordering = Some(on),
            ("alternate", RawBsonRef::String(alternate @ ("non-ignorable" | "shifted"))) => {
                self.alternate = Some(alternate);
            }
            ("maxVariable", RawBsonRef::String(most @ ("punct" | "space"))) => {
                self.max_variable = Some(most);
            }
            ("normalization", RawBsonRef::Boolean(on)) => self.normalization = Some(on),
            ("backwards", RawBsonRef::Boolean(on)) => self.backwards = Some(on),
            ("version", RawBsonRef::String(_)) => {}
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

    fn resolve(
        &self,
        name: &str,
        locale: Named,
    ) -> Result<(Options, CollatorBorrowed<'static>), QueryError> {
        let not_supported = || QueryError::not_supported(format!("the collation locale '{name}'"));
        let backwards = self.backwards.unwrap_or(locale.base == "fr_CA");
        let mut preferences = match (backwards, locale.has_root_order()) {
            // Canadian French is the root's order with this option, French the one without.
            (true, true) => order_of("fr_CA"),
            (false, true) => order_of("fr"),
            (true, false) => {
                return Err(QueryError::not_supported(format!(
                    "the collation option 'backwards' for the locale '{name}'"
                )));
            }
            (false, false) => locale.preferences(),
        }
        .ok_or_else(not_supported)?;
        preferences.case_first = self.case_first.map(|first| match first {
            "upper" => CollationCaseFirst::Upper,
            "lower" => CollationCaseFirst::Lower,
            _ => CollationCaseFirst::False,
        });
        preferences.numeric_ordering = Some(match self.numeric_ordering {
            Some(true) => CollationNumericOrdering::True,
            _ => CollationNumericOrdering::False,
        });
        let collator =
            Collator::try_new(preferences, self.collator_options()).map_err(|_| not_supported())?;
        let options = self.options(name, backwards, &collator);
        Ok((options, collator))
    }

    fn collator_options(&self) -> CollatorOptions {
        let mut options = CollatorOptions::default();
        options.strength = Some(match self.strength {
            Some(1) => Strength::Primary,
            Some(2) => Strength::Secondary,
            Some(4) => Strength::Quaternary,
            Some(5) => Strength::Identical,
            _ => Strength::Tertiary,
        });
        options.case_level =
            self.case_level.map(|on| if on { CaseLevel::On } else { CaseLevel::Off });
        options.alternate_handling = self.alternate.map(|alternate| match alternate {
            "shifted" => AlternateHandling::Shifted,
            _ => AlternateHandling::NonIgnorable,
        });
        options.max_variable = self.max_variable.map(|most| match most {
            "space" => MaxVariable::Space,
            _ => MaxVariable::Punctuation,
        });
        options
    }

    fn options(&self, name: &str, backwards: bool, collator: &CollatorBorrowed<'_>) -> Options {
        let resolved = collator.resolved_options();
        Options {
            locale: name.to_owned(),
            case_level: resolved.case_level == CaseLevel::On,
            case_first: match resolved.case_first {
                CollationCaseFirst::Upper => "upper",
                CollationCaseFirst::Lower => "lower",
                _ => "off",
            },
            strength: match resolved.strength {
                Strength::Primary => 1,
                Strength::Secondary => 2,
                Strength::Quaternary => 4,
                Strength::Identical => 5,
                _ => 3,
            },
            numeric_ordering: resolved.numeric == CollationNumericOrdering::True,
            alternate: match resolved.alternate_handling {
                AlternateHandling::Shifted => "shifted",
                _ => "non-ignorable",
            },
            max_variable: match resolved.max_variable {
                MaxVariable::Space => "space",
                _ => "punct",
            },
            normalization: self.normalization.unwrap_or(false),
            backwards,
        }
    }
}

fn order_of(locale: &str) -> Option<CollatorPreferences> {
    match locales::find(locale) {
        Found::Named(locale) => locale.preferences(),
        _ => None,
    }
}

impl Options {
    pub(super) fn to_document(&self) -> RawDocumentBuf {
        rawdoc! {
            "locale": self.locale.as_str(),
            "caseLevel": self.case_level,
            "caseFirst": self.case_first,
            "strength": self.strength,
            "numericOrdering": self.numeric_ordering,
            "alternate": self.alternate,
            "maxVariable": self.max_variable,
            "normalization": self.normalization,
            "backwards": self.backwards,
            "version": VERSION,
        }
    }
}

fn invalid(option: &str) -> QueryError {
    QueryError::bad_value(format!("invalid value for collation option '{option}'"))
}

fn unknown_locale(name: &str, found: &Found) -> QueryError {
    let advice = match found {
        Found::Similar(other) => format!(". Did you mean '{other}'?"),
        _ => String::new(),
    };
    let name = name.escape_debug();
    QueryError::bad_value(format!("Field 'locale' is invalid in: {{ locale: \"{name}\" }}{advice}"))
}
