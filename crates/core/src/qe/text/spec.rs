//! What markings say of a string to be indexed or looked for.

use super::TextError;
use crate::raw::{Element, Elements, kind};

const SPEC: &str = "FLE2TextSearchInsertSpec";

/// `{v: string, casef: bool, diacf: bool, substr?, suffix?, prefix?}`
pub(crate) struct TextSpec<'a> {
    /// The value as it is encrypted.
    pub(crate) value: Element<'a>,
    pub(crate) folds_case: bool,
    pub(crate) folds_diacritics: bool,
    pub(crate) substring: Option<Substring>,
    pub(crate) suffix: Option<Affix>,
    pub(crate) prefix: Option<Affix>,
}

/// Bounds of a prefix or suffix index, in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Affix {
    pub(crate) max_query_len: usize,
    pub(crate) min_query_len: usize,
}

/// Bounds of a substring index, in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Substring {
    pub(crate) max_len: usize,
    pub(crate) query: Affix,
}

impl<'a> TextSpec<'a> {
    /// Reads the value of a marking.
    pub(crate) fn parse(value: &Element<'a>) -> Result<Self, TextError> {
        let document = document_of(SPEC, value)?;
        let (mut text, mut folds_case, mut folds_diacritics) = (None, None, None);
        let (mut substring, mut suffix, mut prefix) = (None, None, None);
        for element in elements_of(SPEC, document)? {
            match element.name {
                b"v" => {
                    if element.kind != kind::STRING {
                        let name = kind::name(element.kind);
                        let unsupported = format!("unsupported BSON type: {name} for text search");
                        return Err(problem(SPEC, unsupported));
                    }
                    once(&mut text, SPEC, "v", element)?;
                }
                b"casef" => once(&mut folds_case, SPEC, "casef", bool_of(&element, "casef")?)?,
                b"diacf" => {
                    once(&mut folds_diacritics, SPEC, "diacf", bool_of(&element, "diacf")?)?;
                }
                b"substr" => once(&mut substring, SPEC, "substr", read_substring(&element)?)?,
                b"suffix" => {
                    let affix = read_affix("FLE2SuffixInsertSpec", &element)?;
                    once(&mut suffix, SPEC, "suffix", affix)?;
                }
                b"prefix" => {
                    let affix = read_affix("FLE2PrefixInsertSpec", &element)?;
                    once(&mut prefix, SPEC, "prefix", affix)?;
                }
                _ => {}
            }
        }
        Ok(Self {
            value: text.ok_or_else(|| missing(SPEC, "v"))?,
            folds_case: folds_case.ok_or_else(|| missing(SPEC, "casef"))?,
            folds_diacritics: folds_diacritics.ok_or_else(|| missing(SPEC, "diacf"))?,
            substring,
            suffix,
            prefix,
        })
    }

    /// The string, checked to be one that can be indexed.
    pub(crate) fn text(&self, operation: &'static str) -> Result<&'a str, TextError> {
        /// A document has no room for more.
        const MAX_LEN: usize = 16_777_216;
        let len = self.value.value.len().saturating_sub(5);
        if len > MAX_LEN {
            return Err(TextError::TooLong { operation, len, max: MAX_LEN });
        }
        let text = self.value.as_str().filter(|text| !text.contains('\0'));
        text.ok_or(TextError::NotText { operation })
    }
}

fn read_substring(element: &Element<'_>) -> Result<Substring, TextError> {
    const SPEC: &str = "FLE2SubstringInsertSpec";
    let [max_len, query @ ..] = read_lengths(SPEC, element, true)?;
    let query = affix(SPEC, query)?;
    if max_len < query.max_query_len {
        let text = "maximum indexed length cannot be less than the upper bound";
        return Err(problem(SPEC, text.to_owned()));
    }
    Ok(Substring { max_len, query })
}

fn read_affix(spec: &'static str, element: &Element<'_>) -> Result<Affix, TextError> {
    let [_, query @ ..] = read_lengths(spec, element, false)?;
    affix(spec, query)
}

fn affix(spec: &'static str, [max, min]: [usize; 2]) -> Result<Affix, TextError> {
    if max < min {
        return Err(problem(spec, "upper bound cannot be less than the lower bound".to_owned()));
    }
    Ok(Affix { max_query_len: max, min_query_len: min })
}

/// `mlen`, `ub`, `lb`
fn read_lengths(
    spec: &'static str,
    element: &Element<'_>,
    has_max_len: bool,
) -> Result<[usize; 3], TextError> {
    let (mut max_len, mut max, mut min) = (None, None, None);
    for element in elements_of(spec, document_of(spec, element)?)? {
        let (slot, name) = match element.name {
            b"mlen" if has_max_len => (&mut max_len, "mlen"),
            b"ub" => (&mut max, "ub"),
            b"lb" => (&mut min, "lb"),
            _ => continue,
        };
        let length =
            element.as_i32().ok_or_else(|| problem(spec, format!("'{name}' must be an int32")))?;
        let length = usize::try_from(length).ok().filter(|length| *length > 0);
        let length =
            length.ok_or_else(|| problem(spec, format!("'{name}' must be greater than zero")))?;
        once(slot, spec, name, length)?;
    }
    let max_len = if has_max_len { max_len } else { Some(0) };
    Ok([
        max_len.ok_or_else(|| missing(spec, "mlen"))?,
        max.ok_or_else(|| missing(spec, "ub"))?,
        min.ok_or_else(|| missing(spec, "lb"))?,
    ])
}

fn document_of<'a>(spec: &'static str, element: &Element<'a>) -> Result<&'a [u8], TextError> {
    let wrong_type = || problem(spec, "must be an iterator to a document".to_owned());
    element.as_document().ok_or_else(wrong_type)
}

fn elements_of<'a>(spec: &'static str, document: &'a [u8]) -> Result<Vec<Element<'a>>, TextError> {
    let malformed = |_| problem(spec, "invalid BSON".to_owned());
    Elements::of(document).and_then(Iterator::collect).map_err(malformed)
}

fn bool_of(element: &Element<'_>, name: &str) -> Result<bool, TextError> {
    element.as_bool().ok_or_else(|| problem(SPEC, format!("'{name}' must be a bool")))
}

fn once<T>(
    slot: &mut Option<T>,
    spec: &'static str,
    name: &str,
    value: T,
) -> Result<(), TextError> {
    match slot.replace(value) {
        Some(_) => Err(problem(spec, format!("Duplicate field '{name}' in placeholder bson"))),
        None => Ok(()),
    }
}

fn missing(spec: &'static str, name: &str) -> TextError {
    problem(spec, format!("Missing field '{name}' in placeholder"))
}

fn problem(spec: &'static str, problem: String) -> TextError {
    TextError::Spec { spec, problem }
}
