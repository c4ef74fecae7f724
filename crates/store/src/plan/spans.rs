//! Sets of values of one index field, as spans of encoded keys.
//!
//! A span is half open, `start <= key < end`, on ascending encodings. As no encoded value is a
//! prefix of another, "up to and with v" ends at the successor of v: the least string above all
//! that begin with it.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::collation::Collation;
use fieldveil_query::filter::{AllItem, ElemMatch, Predicate};
use fieldveil_query::value::Number;

use super::implies::is_plain_ref;
use crate::error::Result;
use crate::index_key::{self, type_byte};

/// A set of values: spans that ascend and do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpanSet {
    pub(super) spans: Vec<Span>,
}

/// `start <= key < end`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
    /// Whether `start` is one encoded value, and the only one.
    pub(super) is_point: bool,
}

/// Below and above all type bytes, also when they are inverted.
const LOWEST: u8 = 0x01;
const HIGHEST: u8 = 0xFE;

impl SpanSet {
    /// Every value.
    pub(super) fn full() -> Self {
        Self::of(Span { start: vec![LOWEST], end: vec![HIGHEST], is_point: false })
    }

    pub(super) fn nothing() -> Self {
        Self { spans: Vec::new() }
    }

    fn of(span: Span) -> Self {
        Self { spans: vec![span] }
    }

    /// All values of the type with this byte.
    fn bracket(kind: u8) -> Self {
        Self::of(Span { start: vec![kind], end: vec![kind + 1], is_point: false })
    }

    /// Null, missing, and what an empty array leaves.
    fn null() -> Self {
        let point = |kind| Span { start: vec![kind], end: vec![kind + 1], is_point: true };
        Self { spans: vec![point(type_byte::UNDEFINED), point(type_byte::NULL)] }
    }

    pub(super) fn is_full(&self) -> bool {
        *self == Self::full()
    }

    pub(super) fn are_points(&self) -> bool {
        self.spans.iter().all(|span| span.is_point)
    }

    /// Whether documents without the field may be among the values.
    pub(super) fn has_null(&self) -> bool {
        let null: &[u8] = &[type_byte::NULL];
        self.spans.iter().any(|span| span.start.as_slice() <= null && null < span.end.as_slice())
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut spans: Vec<Span> = self.spans.iter().chain(&other.spans).cloned().collect();
        spans.sort_by(|left, right| left.start.cmp(&right.start));
        let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if *last == span => {}
                Some(last) if span.start < last.end => {
                    last.is_point = false;
                    if span.end > last.end {
                        last.end = span.end;
                    }
                }
                _ => merged.push(span),
            }
        }
        Self { spans: merged }
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut spans = Vec::new();
        for left in &self.spans {
            for right in &other.spans {
                let start = left.start.clone().max(right.start.clone());
                let end = left.end.clone().min(right.end.clone());
                if start < end {
                    let is_point = left.is_point || right.is_point;
                    spans.push(Span { start, end, is_point });
                }
            }
        }
        spans.sort_by(|left, right| left.start.cmp(&right.start));
        Self { spans }
    }

    /// The same values where the index descends: ascending spans of inverted keys.
    pub(super) fn inverted(&self) -> Self {
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            index_key::invert(&mut bytes);
            bytes
        };
        let invert = |span: &Span| match span.is_point {
            true => {
                let start = flip(&span.start);
                let end = successor(&start);
                Span { start, end, is_point: true }
            }
            false => Span {
                start: successor(&flip(&span.end)),
                end: successor(&flip(&span.start)),
                is_point: false,
            },
        };
        Self { spans: self.spans.iter().rev().map(invert).collect() }
    }
}

/// The least string above all strings that begin with `bytes`.
pub(super) fn successor(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    while let Some(last) = out.pop() {
        if last < 0xFF {
            out.push(last + 1);
            return out;
        }
    }
    // No key begins with FF.
    vec![0xFF]
}

/// The values of index entries that a document can have which satisfies `predicate`.
pub(super) fn of_predicate(predicate: &Predicate, strings: Strings<'_>) -> Result<SpanSet> {
    Values { strings }.predicate(predicate)
}

/// How the strings of an index are ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strings<'a> {
    /// By bytes without one.
    pub(super) collation: Option<&'a Collation>,
    /// Whether the predicates compare them likewise; if not, their bounds say nothing.
    pub(super) is_shared: bool,
}

impl Strings<'_> {
    /// Whether a value is compared by an order that is not the index's.
    pub(super) fn differ_for(self, value: RawBsonRef<'_>) -> bool {
        !self.is_shared
            && matches!(
                value,
                RawBsonRef::String(_)
                    | RawBsonRef::Symbol(_)
                    | RawBsonRef::Document(_)
                    | RawBsonRef::Array(_)
            )
    }
}

struct Values<'a> {
    strings: Strings<'a>,
}

impl Values<'_> {
    fn predicate(&self, predicate: &Predicate) -> Result<SpanSet> {
        Ok(match predicate {
            Predicate::Eq(value) => self.equal(value.as_raw_bson_ref())?,
            Predicate::In(values) => {
                let mut all = SpanSet::nothing();
                for value in values {
                    all = all.union(&self.one_of(value)?);
                }
                all
            }
            Predicate::All(items) => self.all(items)?,
            Predicate::Gt(value) => self.above(value.as_raw_bson_ref(), true)?,
            Predicate::Gte(value) => self.above(value.as_raw_bson_ref(), false)?,
            Predicate::Lt(value) => self.below(value.as_raw_bson_ref(), true)?,
            Predicate::Lte(value) => self.below(value.as_raw_bson_ref(), false)?,
            Predicate::Exists(false) => SpanSet::null(),
            Predicate::Regex { pattern, options } => self.regex(pattern, options),
            Predicate::Mod { .. } => SpanSet::bracket(type_byte::NUMBER),
            Predicate::ElemMatch(ElemMatch::Value(predicates)) => self.element(predicates)?,
            _ => SpanSet::full(),
        })
    }

    /// An element that satisfies several predicates at once.
    fn element(&self, predicates: &[Predicate]) -> Result<SpanSet> {
        let mut all = SpanSet::full();
        for predicate in predicates {
            let one = match predicate {
                // Whole arrays as elements, and null, are entries of their own kind.
                Predicate::Eq(value) | Predicate::Gte(value) | Predicate::Lte(value)
                    if is_simple(value.as_raw_bson_ref()) =>
                {
                    self.predicate(predicate)?
                }
                Predicate::Gt(value) | Predicate::Lt(value)
                    if is_simple(value.as_raw_bson_ref()) =>
                {
                    self.predicate(predicate)?
                }
                Predicate::In(values)
                    if values.iter().all(|value| is_simple(value.as_raw_bson_ref())) =>
                {
                    self.predicate(predicate)?
                }
                _ => SpanSet::full(),
            };
            all = all.intersection(&one);
        }
        Ok(all)
    }

    fn one_of(&self, value: &RawBson) -> Result<SpanSet> {
        match value {
            RawBson::RegularExpression(regex) => {
                Ok(self.regex(regex.pattern.as_str(), regex.options.as_str()))
            }
            other => self.equal(other.as_raw_bson_ref()),
        }
    }

    fn all(&self, items: &[AllItem]) -> Result<SpanSet> {
        match items.first() {
            None => Ok(SpanSet::nothing()),
            Some(AllItem::Value(value)) => self.one_of(value),
            Some(AllItem::ElemMatch(ElemMatch::Value(predicates))) => self.element(predicates),
            Some(AllItem::ElemMatch(ElemMatch::Object(_))) => Ok(SpanSet::full()),
        }
    }

    fn equal(&self, value: RawBsonRef<'_>) -> Result<SpanSet> {
        if self.strings.differ_for(value) {
            return Ok(SpanSet::full());
        }
        match value {
            RawBsonRef::Null => Ok(SpanSet::null()),
            RawBsonRef::Undefined => Ok(SpanSet::full()),
            // An array is equal as a whole, and then its first element is an entry; or it is an
            // element of the document's array.
            RawBsonRef::Array(array) => {
                let whole = self.point(value)?;
                let first = match array.get(0)? {
                    Some(first) => self.point(first)?,
                    None => self.point(RawBsonRef::Undefined)?,
                };
                Ok(whole.union(&first))
            }
            other => self.point(other),
        }
    }

    fn above(&self, value: RawBsonRef<'_>, exclusive: bool) -> Result<SpanSet> {
        let Some(kind) = self.comparable(value) else { return self.incomparable(value) };
        if is_nan(value) {
            return self.beside_nan(value, exclusive);
        }
        let encoded = self.encoded(value)?;
        let start = if exclusive { successor(&encoded) } else { encoded };
        Ok(non_empty(start, vec![kind + 1]))
    }

    fn below(&self, value: RawBsonRef<'_>, exclusive: bool) -> Result<SpanSet> {
        let Some(kind) = self.comparable(value) else { return self.incomparable(value) };
        if is_nan(value) {
            return self.beside_nan(value, exclusive);
        }
        let encoded = self.encoded(value)?;
        let end = if exclusive { encoded } else { successor(&encoded) };
        let start = match kind {
            // NaN comes first, and is not less than any number.
            type_byte::NUMBER => self.encoded(RawBsonRef::Double(f64::NEG_INFINITY))?,
            _ => vec![kind],
        };
        Ok(non_empty(start, end))
    }

    /// NaN equals itself, and is not comparable with other numbers.
    fn beside_nan(&self, nan: RawBsonRef<'_>, exclusive: bool) -> Result<SpanSet> {
        if exclusive { Ok(SpanSet::nothing()) } else { self.point(nan) }
    }

    fn point(&self, value: RawBsonRef<'_>) -> Result<SpanSet> {
        let start = self.encoded(value)?;
        let end = successor(&start);
        Ok(SpanSet::of(Span { start, end, is_point: true }))
    }

    fn encoded(&self, value: RawBsonRef<'_>) -> Result<Vec<u8>> {
        index_key::encoded(value, self.strings.collation)
    }

    /// The type within which a value is compared.
    fn comparable(&self, value: RawBsonRef<'_>) -> Option<u8> {
        let is_ordered = is_simple(value) && !self.strings.differ_for(value);
        is_ordered.then(|| index_key::type_byte_of(value))
    }

    fn incomparable(&self, value: RawBsonRef<'_>) -> Result<SpanSet> {
        match value {
            RawBsonRef::Null => Ok(SpanSet::null()),
            _ => Ok(SpanSet::full()),
        }
    }

    fn regex(&self, pattern: &str, options: &str) -> SpanSet {
        // Patterns look at letters, whatever the collation; only an order by bytes shows those.
        let prefix = literal_prefix(pattern, options);
        let strings = match prefix.filter(|_| self.strings.collation.is_none()) {
            Some(prefix) => {
                let mut start = vec![type_byte::STRING];
                start.extend_from_slice(prefix.as_bytes());
                let end = successor(&start);
                SpanSet::of(Span { start, end, is_point: false })
            }
            None => SpanSet::bracket(type_byte::STRING),
        };
        strings.union(&SpanSet::bracket(type_byte::REGEX))
    }
}

/// Values whose comparison stays within their type and looks at nothing but them.
fn is_simple(value: RawBsonRef<'_>) -> bool {
    is_plain_ref(value)
        && !matches!(value, RawBsonRef::DbPointer(_) | RawBsonRef::JavaScriptCodeWithScope(_))
}

fn is_nan(value: RawBsonRef<'_>) -> bool {
    Number::new(value).is_some_and(Number::is_nan)
}

fn non_empty(start: Vec<u8>, end: Vec<u8>) -> SpanSet {
    if start < end { SpanSet::of(Span { start, end, is_point: false }) } else { SpanSet::nothing() }
}

/// The letters that every match begins with, if the pattern shows them plainly.
fn literal_prefix<'a>(pattern: &'a str, options: &str) -> Option<&'a str> {
    let is_special = |c: char| {
        !c.is_alphanumeric()
            && !matches!(c, ' ' | '_' | '-' | ',' | ';' | ':' | '/' | '@' | '#' | '"' | '\'')
    };
    if !options.is_empty() || pattern.contains('|') {
        return None;
    }
    let rest = pattern.strip_prefix('^')?;
    let end = rest.find(is_special).unwrap_or(rest.len());
    let (mut literal, tail) = rest.split_at(end);
    // The last letter may be repeated, or be missing altogether.
    if tail.starts_with(['*', '?', '+', '{']) {
        let (last, _) = literal.char_indices().last()?;
        literal = literal.get(..last)?;
    }
    (!literal.is_empty()).then_some(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverted_spans_hold_the_inverted_keys() {
        let values = [
            RawBsonRef::Null,
            RawBsonRef::Int32(1),
            RawBsonRef::Int32(2),
            RawBsonRef::Double(2.5),
            RawBsonRef::String(""),
            RawBsonRef::String("a"),
            RawBsonRef::MaxKey,
        ];
        let predicates = [
            Predicate::Gt(RawBson::Int32(1)),
            Predicate::Gte(RawBson::Int32(2)),
            Predicate::Lt(RawBson::Double(2.5)),
            Predicate::Lte(RawBson::String("a".into())),
            Predicate::In(vec![RawBson::Int32(1), RawBson::String(String::new())]),
            Predicate::Exists(true),
        ];
        for predicate in predicates {
            let strings = Strings { collation: None, is_shared: true };
            let spans = of_predicate(&predicate, strings).unwrap();
            let inverted = spans.inverted();
            let holds = |set: &SpanSet, key: &[u8]| {
                set.spans.iter().any(|span| span.start.as_slice() <= key && key < &span.end)
            };
            for value in values {
                let mut key = index_key::encoded(value, None).unwrap();
                let ascending = holds(&spans, &key);
                index_key::invert(&mut key);
                assert_eq!(holds(&inverted, &key), ascending, "{predicate:?} {value:?}");
            }
        }
    }

    #[test]
    fn prefixes_of_patterns_are_found() {
        assert_eq!(literal_prefix("^abc", ""), Some("abc"));
        assert_eq!(literal_prefix("^abc.*", ""), Some("abc"));
        assert_eq!(literal_prefix("^abc*", ""), Some("ab"));
        assert_eq!(literal_prefix("^a|b", ""), None);
        assert_eq!(literal_prefix("^abc", "i"), None);
        assert_eq!(literal_prefix("abc", ""), None);
        assert_eq!(literal_prefix("^.a", ""), None);
    }
}
