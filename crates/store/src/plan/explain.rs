//! Plans as `explain` shows them.

use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::document::put;

use super::spans::{Span, SpanSet};
use super::{Access, IndexScan, Plan};
use crate::index_key::{number, type_byte};

impl Access {
    /// The innermost stages of the winning plan; `filter` is shown where it is applied.
    pub(crate) fn to_document(&self, filter: &RawDocumentBuf) -> RawDocumentBuf {
        match self {
            Self::Nothing => rawdoc! {"stage": "EOF"},
            Self::Id { .. } => rawdoc! {"stage": "IDHACK"},
            Self::Collection { descending } => {
                let mut out = rawdoc! {"stage": "COLLSCAN"};
                if !filter.is_empty() {
                    out.append(cstr!("filter"), filter.clone());
                }
                out.append(cstr!("direction"), direction(*descending));
                out
            }
            Self::Index(scan) if scan.cover.is_some() => {
                let mut out = scan.to_document();
                if !filter.is_empty() {
                    out.append(cstr!("filter"), filter.clone());
                }
                out
            }
            Self::Index(scan) => fetch(filter, scan.to_document()),
            Self::Union(scans) => {
                let inputs: RawArrayBuf = scans.iter().map(IndexScan::to_document).collect();
                fetch(filter, rawdoc! {"stage": "OR", "inputStages": inputs})
            }
        }
    }
}

fn fetch(filter: &RawDocumentBuf, input: RawDocumentBuf) -> RawDocumentBuf {
    let mut out = rawdoc! {"stage": "FETCH"};
    if !filter.is_empty() {
        out.append(cstr!("filter"), filter.clone());
    }
    out.append(cstr!("inputStage"), input);
    out
}

fn direction(descending: bool) -> &'static str {
    if descending { "backward" } else { "forward" }
}

impl Plan {
    /// The stage that only counts the entries of one range, if that is all that a count has to do.
    pub(crate) fn count_scan(&self) -> Option<RawDocumentBuf> {
        match &self.access {
            Access::Index(scan)
                if self.is_exact && scan.cover.is_some() && scan.ranges.len() == 1 =>
            {
                Some(scan.describe("COUNT_SCAN"))
            }
            _ => None,
        }
    }
}

impl IndexScan {
    fn to_document(&self) -> RawDocumentBuf {
        self.describe("IXSCAN")
    }

    fn describe(&self, stage: &str) -> RawDocumentBuf {
        let spec = &self.index.spec;
        let (mut bounds, mut multikey_paths) = (RawDocumentBuf::new(), RawDocumentBuf::new());
        for ((field, spans), multikey) in
            spec.fields.iter().zip(&self.bounds).zip(&self.index.multikey)
        {
            let texts: RawArrayBuf = spans.spans.iter().map(Span::to_string).collect();
            put(&mut bounds, &field.path, &*texts);
            let paths: RawArrayBuf = multikey.then(|| field.path.clone()).into_iter().collect();
            put(&mut multikey_paths, &field.path, &*paths);
        }
        rawdoc! {
            "stage": stage,
            "keyPattern": spec.key.clone(),
            "indexName": spec.name.as_str(),
            "isMultiKey": self.index.multikey.contains(&true),
            "multiKeyPaths": multikey_paths,
            "isUnique": spec.unique,
            "isSparse": spec.sparse,
            "isPartial": spec.partial.is_some(),
            "indexVersion": 2,
            "direction": direction(self.descending),
            "indexBounds": bounds,
        }
    }
}

/// Bounds as the shell writes them, `[1, 5)`, where a key shows its value plainly; other keys are
/// shown by type and bytes.
impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if SpanSet::full().spans.first() == Some(self) {
            return f.write_str("[MinKey, MaxKey]");
        }
        if self.is_point {
            let value = value_text(&self.start);
            return write!(f, "[{value}, {value}]");
        }
        match (lowest_of_type(&self.start), plain(&self.start), plain_before(&self.start)) {
            (Some(lowest), ..) => write!(f, "[{lowest}, ")?,
            (None, Some(value), _) => write!(f, "[{value}, ")?,
            (None, None, Some(value)) => write!(f, "({value}, ")?,
            (None, None, None) => write!(f, "[{}, ", bytes_text(&self.start))?,
        }
        match (end_of_type(&self.end), plain(&self.end), plain_before(&self.end)) {
            (Some(end), ..) => f.write_str(end),
            (None, Some(value), _) => write!(f, "{value})"),
            (None, None, Some(value)) => write!(f, "{value}]"),
            (None, None, None) => write!(f, "{})", bytes_text(&self.end)),
        }
    }
}

fn value_text(key: &[u8]) -> String {
    plain(key).unwrap_or_else(|| bytes_text(key))
}

/// The value of a key of a simple type.
fn plain(key: &[u8]) -> Option<String> {
    let (kind, body) = key.split_first()?;
    match *kind {
        type_byte::UNDEFINED if body.is_empty() => Some("undefined".into()),
        type_byte::NULL if body.is_empty() => Some("null".into()),
        type_byte::MIN_KEY if body.is_empty() => Some("MinKey".into()),
        type_byte::MAX_KEY if body.is_empty() => Some("MaxKey".into()),
        type_byte::NUMBER => number_text(body),
        type_byte::STRING => {
            let text = std::str::from_utf8(body.strip_suffix(&[0, 0])?).ok()?;
            Some(format!("{text:?}"))
        }
        type_byte::OBJECT_ID => {
            let id = bson::oid::ObjectId::from_bytes(body.try_into().ok()?);
            Some(format!("ObjectId('{id}')"))
        }
        type_byte::BOOL => match body {
            [0] => Some("false".into()),
            [1] => Some("true".into()),
            _ => None,
        },
        type_byte::DATE => {
            let millis = i64::from_be_bytes(body.try_into().ok()?) ^ i64::MIN;
            Some(format!("new Date({millis})"))
        }
        _ => None,
    }
}

/// A number that is a double exactly.
fn number_text(body: &[u8]) -> Option<String> {
    let number = if body.len() == 9 { number::decode_f64(body) } else { None };
    number.map(|number| number.to_string())
}

/// The value whose successor the key is.
fn plain_before(key: &[u8]) -> Option<String> {
    let (last, rest) = key.split_last()?;
    plain(&[rest, &[last.checked_sub(1)?]].concat())
}

fn lowest_of_type(key: &[u8]) -> Option<&'static str> {
    match key {
        [type_byte::NUMBER] => Some("nan"),
        [type_byte::STRING] => Some("\"\""),
        _ => None,
    }
}

fn end_of_type(key: &[u8]) -> Option<&'static str> {
    match key {
        [byte] if *byte == type_byte::NUMBER + 1 => Some("inf]"),
        [byte] if *byte == type_byte::STRING + 1 => Some("{})"),
        _ => None,
    }
}

fn bytes_text(key: &[u8]) -> String {
    let mut text = String::from("key ");
    for byte in key.iter().take(40) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
