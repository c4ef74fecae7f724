//! `$regexMatch`, `$regexFind`, `$regexFindAll`.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::value::Number;

use super::Value;
use super::values::{Named, boolean, is_nullish, null, string, type_name};
use crate::eval::regex::{Groups, Regex, compile};

pub(super) type PatternFunction = fn(&Named<'_>, &LastPattern) -> Result<Value, QueryError>;

/// The pattern that an expression used last. Compiling one takes far longer than matching it with a
/// short text, and it is the same for each document, mostly.
#[derive(Default)]
pub(super) struct LastPattern(Mutex<Option<Kept>>);

struct Kept {
    options: String,
    regex: Arc<Regex>,
}

impl LastPattern {
    fn compile(&self, pattern: &str, options: &str) -> Result<Arc<Regex>, QueryError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Kept { options: its, regex }) = &*last
            && its == options
            && regex.as_str() == pattern
        {
            return Ok(Arc::clone(regex));
        }
        let regex = Arc::new(compile(pattern, options)?);
        *last = Some(Kept { options: options.to_owned(), regex: Arc::clone(&regex) });
        Ok(regex)
    }
}

pub(super) fn find(operator: &str) -> Option<PatternFunction> {
    Some(match operator {
        "$regexMatch" => |arguments, last| match inputs("$regexMatch", arguments, last)? {
            Some((text, regex)) => boolean(regex.is_match(text)),
            None => boolean(false),
        },
        "$regexFind" => |arguments, last| match inputs("$regexFind", arguments, last)? {
            Some((text, regex)) => match regex.find(text) {
                Some(groups) => Ok(Some(RawBson::Document(found(text, &groups)))),
                None => null(),
            },
            None => null(),
        },
        "$regexFindAll" => |arguments, last| {
            let mut list = RawArrayBuf::new();
            if let Some((text, regex)) = inputs("$regexFindAll", arguments, last)? {
                for groups in regex.find_all(text) {
                    // The search ends with the text; only an empty text has a match at its end.
                    let start = groups.first().and_then(Option::as_ref).map_or(0, |all| all.start);
                    if start == text.len() && start > 0 {
                        break;
                    }
                    list.push(found(text, &groups));
                }
            }
            Ok(Some(RawBson::Array(list)))
        },
        _ => return None,
    })
}

/// The text and the pattern; `None` if either is null.
fn inputs<'a>(
    operator: &str,
    arguments: &'a Named<'_>,
    last: &LastPattern,
) -> Result<Option<(&'a str, Arc<Regex>)>, QueryError> {
    let input = arguments.get("input");
    let text = match string(input) {
        Some(text) => Some(text),
        None if is_nullish(input) => None,
        None => {
            return Err(QueryError::new(
                51104,
                format!("{operator} needs 'input' to be of type string, not {}", type_name(input)),
            ));
        }
    };
    let options = match arguments.get("options") {
        value if is_nullish(value) => None,
        Some(RawBson::String(options)) => Some(options.as_str()),
        other => {
            return Err(QueryError::new(
                51106,
                format!(
                    "{operator} needs 'options' to be of type string, not {}",
                    type_name(other)
                ),
            ));
        }
    };
    let regex = match arguments.get("regex") {
        value if is_nullish(value) => None,
        Some(RawBson::String(pattern)) => Some(last.compile(pattern, options.unwrap_or_default())?),
        Some(RawBson::RegularExpression(literal)) => {
            let own = literal.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(QueryError::new(
                    51107,
                    format!(
                        "{operator}: found regex option(s) specified in both 'regex' and 'option' fields"
                    ),
                ));
            }
            Some(last.compile(literal.pattern.as_str(), options.unwrap_or(own))?)
        }
        other => {
            return Err(QueryError::new(
                51105,
                format!(
                    "{operator} needs 'regex' to be of type string or regex, not {}",
                    type_name(other)
                ),
            ));
        }
    };
    Ok(text.zip(regex))
}

/// `{ match, idx, captures }`; the index counts code points.
fn found(text: &str, groups: &Groups) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    if let Some(Some(whole)) = groups.first() {
        let index = text.get(..whole.start).map_or(0, |before| before.chars().count());
        document.append(bson::raw::cstr!("match"), part(whole));
        let index = Number::narrow(i64::try_from(index).unwrap_or(i64::MAX)).to_bson();
        document.append(bson::raw::cstr!("idx"), index);
    }
    let mut captures = RawArrayBuf::new();
    for group in groups.iter().skip(1) {
        match group {
            Some(group) => captures.push(part(group)),
            None => captures.push(RawBson::Null),
        }
    }
    document.append(bson::raw::cstr!("captures"), captures);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_is_kept_and_no_other_is_taken_for_it() {
        let last = LastPattern::default();
        let first = last.compile("a", "").unwrap();
        assert!(Arc::ptr_eq(&first, &last.compile("a", "").unwrap()));
        assert!(!first.is_match("A") && last.compile("a", "i").unwrap().is_match("A"));
        assert!(last.compile("b", "i").unwrap().is_match("B"));
        assert!(last.compile("(", "i").is_err());
        assert!(last.compile("b", "i").unwrap().is_match("b"));
    }
}
