//! Covered reads: documents made of index keys, where an answer needs nothing else.
//!
//! Such a document has the fields that filter, sort and answer look at, in the order of the index,
//! and is then treated as a stored one is. It may be made only of what the key gives back exactly.
//! A key gives a value back up to equality; what it was stands in the entry's forms (see
//! [`crate::index_key::forms`]). Where they do not tell, the stored document is read instead, for
//! this entry only: so for decimals, `-0.0` and NaN, for documents and rarer types, for a missing
//! field below the top, and for entries of files of the first format.
//!
//! No index is used so that has met an array (its keys are elements), that has a collation (its
//! keys are not the strings), that is hashed (MongoDB's keys would be hashes), or whose path has a
//! number in it (which would pick an element).

use std::collections::BTreeSet;

use bson::raw::RawDocument;
use fieldveil_query::FieldPath;

use crate::catalog::Index;
use crate::entry::Entry;
use crate::index_key::decode::{Written, split};
use crate::index_key::forms::FIELDS_MAX;

/// How documents are made of the keys of one index.
#[derive(Debug)]
pub(crate) struct Cover {
    /// For each field of the index as far as needed, whether it descends.
    descending: Vec<bool>,
    steps: Vec<Step>,
}

/// A step of writing a document. Names end with a zero byte.
#[derive(Debug)]
enum Step {
    Value { field: usize, name: Vec<u8> },
    Open { name: Vec<u8> },
    Close,
}

/// BSON's number for the type of an embedded document.
const DOCUMENT_ELEMENT: u8 = 0x03;

impl Cover {
    /// If the keys of the index have all that is needed.
    pub(super) fn new(index: &Index, needed: &BTreeSet<&FieldPath>) -> Option<Self> {
        let spec = &index.spec;
        let is_fit = spec.collation.is_none()
            && !index.multikey.contains(&true)
            && !spec.fields.iter().any(|field| field.hashed);
        if !is_fit || needed.iter().any(|path| path.has_position()) {
            return None;
        }
        let fields = spec.fields.iter().take(FIELDS_MAX).enumerate();
        let used: Vec<(usize, &str)> = fields
            .map(|(position, field)| (position, field.path.as_str()))
            .filter(|(_, path)| needed.iter().any(|needed| needed.as_str() == *path))
            .collect();
        if used.len() != needed.len() {
            return None;
        }
        let length = used.last().map_or(0, |(position, _)| position + 1);
        let descending = spec.fields.iter().take(length).map(|field| field.descending).collect();
        let mut steps = Vec::new();
        lay_out(&used, 0, &mut steps)?;
        Some(Self { descending, steps })
    }

    /// The document of an entry, in `buffer`; `None` if the stored one has to be read.
    pub(super) fn document<'b>(
        &self,
        key: &[u8],
        entry: Entry,
        buffer: &'b mut Vec<u8>,
    ) -> Option<&'b RawDocument> {
        let mut values = [None; FIELDS_MAX];
        let mut rest = key;
        for (value, descending) in values.iter_mut().zip(&self.descending) {
            *value = Some(split(&mut rest, *descending)?);
        }
        buffer.clear();
        buffer.extend_from_slice(&[0; 4]);
        let mut open = [0; FIELDS_MAX];
        let mut depth = 0;
        for step in &self.steps {
            match step {
                Step::Value { field, name } => {
                    let value = (*values.get(*field)?)?;
                    if value.write(entry.forms.get(*field), name, buffer) == Written::Unknown {
                        return None;
                    }
                }
                Step::Open { name } => {
                    buffer.push(DOCUMENT_ELEMENT);
                    buffer.extend_from_slice(name);
                    *open.get_mut(depth)? = buffer.len();
                    depth += 1;
                    buffer.extend_from_slice(&[0; 4]);
                }
                Step::Close => {
                    depth -= 1;
                    end_document(buffer, *open.get(depth)?)?;
                }
            }
        }
        end_document(buffer, 0)?;
        RawDocument::from_bytes(buffer).ok()
    }
}

/// Ends the document that begins at `start`, and fills in its length.
fn end_document(buffer: &mut Vec<u8>, start: usize) -> Option<()> {
    buffer.push(0);
    let length = u32::try_from(buffer.len() - start).ok()?;
    buffer.get_mut(start..start + 4)?.copy_from_slice(&length.to_le_bytes());
    Some(())
}

/// The steps for fields whose paths are equal in their first `depth` components; `None` if one
/// path leads through another, or too deep.
fn lay_out(fields: &[(usize, &str)], depth: usize, steps: &mut Vec<Step>) -> Option<()> {
    let component = |path: &str| path.split('.').nth(depth).map(str::to_owned);
    let mut names: Vec<String> = Vec::new();
    for (_, path) in fields {
        let name = component(path)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let here: Vec<(usize, &str)> = fields
            .iter()
            .copied()
            .filter(|(_, path)| component(path).as_deref() == Some(name.as_str()))
            .collect();
        let zero_ended = [name.as_bytes(), &[0]].concat();
        match here.as_slice() {
            [(field, path)] if path.split('.').count() == depth + 1 => {
                steps.push(Step::Value { field: *field, name: zero_ended });
            }
            _ if depth + 1 >= FIELDS_MAX => return None,
            _ => {
                steps.push(Step::Open { name: zero_ended });
                lay_out(&here, depth + 1, steps)?;
                steps.push(Step::Close);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::catalog::IndexSpec;
    use crate::transaction::keys_of;

    fn index(key: bson::RawDocumentBuf) -> Index {
        let spec = IndexSpec::parse(&rawdoc! {"key": key, "name": "x"}).unwrap();
        let multikey = vec![false; spec.fields.len()];
        Index { id: 1, spec, multikey, order: 0 }
    }

    fn cover(index: &Index, needed: &[&str]) -> Option<Cover> {
        let needed: Vec<FieldPath> = needed.iter().map(|path| FieldPath::new(*path)).collect();
        Cover::new(index, &needed.iter().collect())
    }

    fn made(
        index: &Index,
        needed: &[&str],
        document: &RawDocument,
    ) -> Option<bson::RawDocumentBuf> {
        let keys = keys_of(index, document).unwrap().keys;
        let (key, forms) = keys.first_key_value().unwrap();
        let entry = Entry { record: 1, forms: *forms };
        let mut buffer = vec![1, 2, 3];
        let cover = cover(index, needed).unwrap();
        cover.document(key, entry, &mut buffer).map(ToOwned::to_owned)
    }

    #[test]
    fn documents_have_what_is_needed() {
        let index = index(rawdoc! {"a.b": 1, "c": -1, "a.d.e": 1, "_id": 1});
        let document = rawdoc! {"_id": 7, "c": "x", "a": {"b": 5_i64, "d": {"e": true, "f": 1}}};
        assert_eq!(
            made(&index, &["a.b", "a.d.e", "c"], &document),
            Some(rawdoc! {"a": {"b": 5_i64, "d": {"e": true}}, "c": "x"})
        );
        assert_eq!(made(&index, &["_id"], &document), Some(rawdoc! {"_id": 7}));
        assert_eq!(made(&index, &[], &document), Some(rawdoc! {}));
        // Missing at the top is known, further in it is not.
        assert_eq!(made(&index, &["c"], &rawdoc! {"_id": 1}), Some(rawdoc! {}));
        assert_eq!(made(&index, &["a.b"], &rawdoc! {"_id": 1}), None);
    }

    #[test]
    fn unfit_indexes_do_not_cover() {
        assert!(cover(&index(rawdoc! {"a": 1}), &["a", "b"]).is_none());
        assert!(cover(&index(rawdoc! {"a.b": 1}), &["a"]).is_none());
        assert!(cover(&index(rawdoc! {"a": "hashed"}), &["a"]).is_none());
        assert!(cover(&index(rawdoc! {"a.0": 1}), &["a.0"]).is_none());
        assert!(cover(&index(rawdoc! {"a": 1, "a.b": 1}), &["a", "a.b"]).is_none());
        let mut with_arrays = index(rawdoc! {"a": 1, "b": 1});
        with_arrays.multikey = vec![false, true];
        assert!(cover(&with_arrays, &["a"]).is_none());
    }
}
