//! The document that an upsert starts from.

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::document::append;
use fieldveil_query::filter::Filter;
use fieldveil_query::{FieldPath, Overlap, PathSet, QueryError};

use super::tree::Tree;

/// The filter's equalities as a document; for a replacement only `_id`.
pub(super) fn base(filter: &Filter, only_id: bool) -> Result<RawDocumentBuf, QueryError> {
    let equalities = filter.equalities();
    let mut used = PathSet::default();
    let mut fields = Vec::new();
    for &(path, value) in &equalities {
        if only_id && path.as_str() != "_id" {
            continue;
        }
        used.insert(path).map_err(|overlap| matched_twice(path, overlap, &equalities))?;
        if let RawBson::Document(inner) = value
            && let Some(Ok((name, _))) = inner.iter().next()
            && name.as_str().starts_with('$')
            && !matches!(name.as_str(), "$ref" | "$id" | "$db")
        {
            return Err(QueryError::new(
                52,
                format!(
                    "The dollar ($) prefixed field '{name}' in '{path}' is not valid for storage."
                ),
            ));
        }
        let components: Vec<&str> = path.components().collect();
        insert(&mut fields, &components, value);
    }
    Tree::Document(fields).to_document()
}

/// The error of a path that overlaps with one before it.
fn matched_twice(
    path: &FieldPath,
    overlap: Overlap<'_>,
    equalities: &[(&FieldPath, &RawBson)],
) -> QueryError {
    let below = || {
        let is_below = |other: &&FieldPath| *other != path && path.is_prefix_of(other);
        equalities.iter().map(|(other, _)| *other).find(is_below).map(FieldPath::as_str)
    };
    let other = match overlap {
        Overlap::Same => {
            return QueryError::new(
                54,
                format!("cannot infer query fields to set, path '{path}' is matched twice"),
            );
        }
        Overlap::Below(other) | Overlap::Mixed(other) => other,
        Overlap::Above => below().unwrap_or_default(),
    };
    QueryError::new(
        54,
        format!("cannot infer query fields to set, both paths '{path}' and '{other}' are matched"),
    )
}

fn insert(fields: &mut Vec<(String, Tree)>, components: &[&str], value: &RawBson) {
    let Some((first, rest)) = components.split_first() else { return };
    if rest.is_empty() {
        fields.push(((*first).to_owned(), Tree::Raw(value.clone())));
        return;
    }
    let index = match fields.iter().position(|(name, _)| name == first) {
        Some(index) => index,
        None => {
            fields.push(((*first).to_owned(), Tree::Document(Vec::new())));
            fields.len() - 1
        }
    };
    if let Some((_, Tree::Document(inner))) = fields.get_mut(index) {
        insert(inner, rest, value);
    }
}

/// The document with `_id` in front, made if missing.
pub(super) fn id_first(
    document: &RawDocument,
    make_id: impl FnOnce() -> RawBson,
) -> Result<RawDocumentBuf, QueryError> {
    let id = match document.get("_id")? {
        Some(id) => RawBson::from(id),
        None => make_id(),
    };
    let mut ordered = RawDocumentBuf::new();
    append(&mut ordered, "_id", &id)?;
    for element in document.iter() {
        let (name, value) = element?;
        if name.as_str() != "_id" {
            ordered.append(name, value);
        }
    }
    Ok(ordered)
}
