//! Plans as `explain` shows them.

use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::document::put;

use super::spans::{Span, SpanSet};
use super::{Access, IndexScan};
use crate::catalog::Index;
use crate::index_key::type_byte;

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
            Self::Index(scan) => fetch(filter, scan.to_document()),
            Self::Union(scans) => {
                let inputs: RawArrayBuf = scans.iter().map(IndexScan::to_document).collect();
                fetch(filter, rawdoc! {"stage": "OR", "inputStages": inputs})
            }
        }
    }

    /// The indexes that are read.
    pub(crate) fn indexes(&self) -> Vec<&Index> {
        match self {
            Self::Nothing | Self::Collection { .. } => Vec::new(),
            Self::Id { index, .. } => vec![index],
            Self::Index(scan) => vec![&scan.index],
            Self::Union(scans) => scans.iter().map(|scan| &*scan.index).collect(),
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

impl IndexScan {
    fn to_document(&self) -> RawDocumentBuf {
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
            "stage": "IXSCAN",
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

impl SpanSet {
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.spans.iter().map(Span::to_string).collect()
    }
}

/// Keys are not decoded, so bounds are shown by type and bytes: exact, and never a guess.
impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == SpanSet::full().spans.into_iter().next().unwrap_or_else(|| self.clone()) {
            return f.write_str("[MinKey, MaxKey]");
        }
        if self.is_point {
            return write!(f, "[{0}, {0}]", Key(&self.start));
        }
        write!(f, "[{}, {})", Key(&self.start), Key(&self.end))
    }
}

struct Key<'a>(&'a [u8]);

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((kind, body)) = self.0.split_first() else { return f.write_str("MinKey") };
        let name = match *kind {
            type_byte::UNDEFINED => "undefined",
            type_byte::NULL => "null",
            type_byte::NUMBER => "number",
            type_byte::STRING => "string",
            type_byte::DOCUMENT => "object",
            type_byte::ARRAY => "array",
            type_byte::BINARY => "binData",
            type_byte::OBJECT_ID => "objectId",
            type_byte::BOOL => "bool",
            type_byte::DATE => "date",
            type_byte::TIMESTAMP => "timestamp",
            type_byte::REGEX => "regex",
            type_byte::MIN_KEY => "minKey",
            type_byte::MAX_KEY => "maxKey",
            _ => "after",
        };
        f.write_str(name)?;
        if body.is_empty() {
            return Ok(());
        }
        f.write_str(" ")?;
        for byte in body.iter().take(32) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
