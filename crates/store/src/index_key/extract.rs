//! Which keys a document has in an index.
//!
//! A field whose path meets an array gives one key for each element (the index is then multikey on
//! that field). Fields that meet the same array go through it together; two different arrays in
//! one index are an error, as their product could be anything.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bson::raw::{RawArray, RawBson, RawBsonRef, RawDocument};
use fieldveil_query::array_index;
use fieldveil_query::collation::Collation;
use fieldveil_query::document::field;

use super::forms::{Form, Forms};
use super::{encode, invert};
use crate::code::Code;
use crate::error::{Result, StoreError};

/// One field of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyField {
    /// The dotted path.
    pub(crate) path: String,
    /// Whether keys descend.
    pub(crate) descending: bool,
    /// Whether MongoDB would keep hashes; such a field may hold no arrays.
    pub(crate) hashed: bool,
}

impl KeyField {
    pub(crate) fn new(path: &str, descending: bool) -> Self {
        Self { path: path.to_owned(), descending, hashed: false }
    }

    fn parts(&self) -> Vec<&str> {
        self.path.split('.').collect()
    }
}

/// The keys of one document in one index.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Distinct keys, ascending, each with what its values were.
    pub(crate) keys: BTreeMap<Vec<u8>, Forms>,
    /// For each field, whether its path met an array.
    pub(crate) multikey: Vec<bool>,
}

/// Extracts the keys of `document`, with strings in the order of a collation. A sparse index has
/// none for a document without its fields.
///
/// # Errors
/// `CannotIndexParallelArrays`, and `InvalidBSON` if the document is malformed.
pub(crate) fn keys(
    fields: &[KeyField],
    sparse: bool,
    collation: Option<&Collation>,
    document: &RawDocument,
) -> Result<Keys> {
    let parts: Vec<Vec<&str>> = fields.iter().map(KeyField::parts).collect();
    let mut extraction = Extraction::new(fields, sparse, collation, None);
    extraction.expand(start(document, &parts))?;
    Ok(extraction.found)
}

/// The least key of `document`, with strings in the order of a collation: what it is sorted by.
pub(crate) fn least_key(
    fields: &[KeyField],
    collation: Option<&Collation>,
    document: &RawDocument,
) -> Result<Vec<u8>> {
    let parts: Vec<Vec<&str>> = fields.iter().map(KeyField::parts).collect();
    let mut extraction = Extraction::new(fields, false, collation, None);
    extraction.expand(start(document, &parts))?;
    Ok(extraction.found.keys.pop_first().unwrap_or_default().0)
}

/// The values that one of the document's keys stands for, for a message about it.
pub(crate) fn values_of_key(
    fields: &[KeyField],
    collation: Option<&Collation>,
    document: &RawDocument,
    key: &[u8],
) -> Result<Vec<RawBson>> {
    let parts: Vec<Vec<&str>> = fields.iter().map(KeyField::parts).collect();
    let mut extraction = Extraction::new(fields, false, collation, Some(key));
    extraction.expand(start(document, &parts))?;
    Ok(extraction.wanted_values)
}

fn start<'a>(document: &'a RawDocument, parts: &'a [Vec<&'a str>]) -> Vec<Slot<'a>> {
    parts.iter().map(|rest| Slot::Path { document, rest }).collect()
}

/// How far one field of the index has got.
#[derive(Clone, Copy)]
enum Slot<'a> {
    /// Here is its value.
    Value(RawBsonRef<'a>),
    /// The path leads nowhere.
    Missing,
    /// `rest` is still to walk.
    Path { document: &'a RawDocument, rest: &'a [&'a str] },
    /// An array to go through, then `rest` in each element.
    Array { array: &'a RawArray, rest: &'a [&'a str] },
}

struct Extraction<'f> {
    fields: &'f [KeyField],
    sparse: bool,
    found: Keys,
    /// A key whose values are of interest.
    wanted: Option<&'f [u8]>,
    wanted_values: Vec<RawBson>,
    collation: Option<&'f Collation>,
}

impl<'f> Extraction<'f> {
    fn new(
        fields: &'f [KeyField],
        sparse: bool,
        collation: Option<&'f Collation>,
        wanted: Option<&'f [u8]>,
    ) -> Self {
        let found = Keys { keys: BTreeMap::new(), multikey: vec![false; fields.len()] };
        Self { fields, sparse, found, wanted, wanted_values: Vec::new(), collation }
    }

    fn expand(&mut self, mut slots: Vec<Slot<'_>>) -> Result<()> {
        let mut shared: Option<&RawArray> = None;
        let mut first = "";
        for (index, slot) in slots.iter_mut().enumerate() {
            if let Slot::Path { document, rest } = *slot {
                *slot = walk(document, rest)?;
            }
            let Slot::Array { array, .. } = *slot else { continue };
            if let Some(seen) = self.found.multikey.get_mut(index) {
                *seen = true;
            }
            if self.fields.get(index).is_some_and(|field| field.hashed) {
                return Err(StoreError::new(
                    Code::location(16766),
                    "hashed indexes do not currently support array values",
                ));
            }
            let path = self.fields.get(index).map_or("", |field| field.path.as_str());
            match shared {
                None => (shared, first) = (Some(array), path),
                Some(other) if std::ptr::eq(other, array) => {}
                Some(_) => {
                    return Err(StoreError::new(
                        Code::CANNOT_INDEX_PARALLEL_ARRAYS,
                        format!("cannot index parallel arrays [{path}] [{first}]"),
                    ));
                }
            }
        }
        let Some(array) = shared else { return self.emit(&slots) };
        if array.is_empty() {
            let empty = slots.iter().map(|slot| match *slot {
                Slot::Array { rest: [], .. } => Slot::Value(RawBsonRef::Undefined),
                Slot::Array { .. } => Slot::Missing,
                other => other,
            });
            return self.emit(&empty.collect::<Vec<_>>());
        }
        for element in array {
            let element = element?;
            let mut inner = Vec::with_capacity(slots.len());
            for slot in &slots {
                inner.push(match *slot {
                    Slot::Array { rest, .. } => into_element(element, rest)?,
                    other => other,
                });
            }
            self.expand(inner)?;
        }
        Ok(())
    }

    fn emit(&mut self, slots: &[Slot<'_>]) -> Result<()> {
        if self.sparse && slots.iter().all(|slot| matches!(slot, Slot::Missing)) {
            return Ok(());
        }
        let mut key = Vec::with_capacity(16 * slots.len());
        let mut forms = Forms::UNKNOWN;
        for (position, (slot, field)) in slots.iter().zip(self.fields).enumerate() {
            let start = key.len();
            let (value, form) = match *slot {
                Slot::Value(value) => (value, Form::of(value, self.collation.is_some())),
                _ => (RawBsonRef::Null, Form::of_missing(&field.path)),
            };
            forms.set(position, form);
            encode(value, self.collation, &mut key)?;
            if field.descending {
                invert(key.get_mut(start..).unwrap_or_default());
            }
        }
        if self.wanted == Some(key.as_slice()) {
            self.wanted_values = slots
                .iter()
                .map(|slot| match *slot {
                    Slot::Value(value) => RawBson::from(value),
                    _ => RawBson::Null,
                })
                .collect();
        }
        match self.found.keys.entry(key) {
            Entry::Vacant(place) => drop(place.insert(forms)),
            // Elements of one array that are equal and not the same.
            Entry::Occupied(mut known) if *known.get() != forms => {
                known.insert(Forms::UNKNOWN);
            }
            Entry::Occupied(_) => {}
        }
        Ok(())
    }
}

/// Walks `rest` through nested documents to a value, an array, or nothing.
fn walk<'a>(document: &'a RawDocument, rest: &'a [&'a str]) -> Result<Slot<'a>> {
    let Some((name, rest)) = rest.split_first() else {
        return Ok(Slot::Value(RawBsonRef::Document(document)));
    };
    match field(document, name)? {
        None => Ok(Slot::Missing),
        Some(value) => walk_value(value, rest),
    }
}

fn walk_value<'a>(value: RawBsonRef<'a>, rest: &'a [&'a str]) -> Result<Slot<'a>> {
    match (value, rest) {
        (RawBsonRef::Array(array), [position, deeper @ ..]) => match array_index(position) {
            // A number picks one element, unless elements have a field of that name.
            Some(index) => {
                check_ambiguous(array, position)?;
                match array.get(index)? {
                    Some(element) => walk_value(element, deeper),
                    None => Ok(Slot::Missing),
                }
            }
            None => Ok(Slot::Array { array, rest }),
        },
        (RawBsonRef::Array(array), []) => Ok(Slot::Array { array, rest }),
        (value, []) => Ok(Slot::Value(value)),
        (RawBsonRef::Document(document), rest) => walk(document, rest),
        _ => Ok(Slot::Missing),
    }
}

/// Goes on in one element of an array. Arrays directly inside arrays are not gone through.
fn into_element<'a>(element: RawBsonRef<'a>, rest: &'a [&'a str]) -> Result<Slot<'a>> {
    match (element, rest) {
        (value, []) => Ok(Slot::Value(value)),
        (RawBsonRef::Document(document), rest) => Ok(Slot::Path { document, rest }),
        (RawBsonRef::Array(_), [position, ..]) if array_index(position).is_some() => {
            walk_value(element, rest)
        }
        _ => Ok(Slot::Missing),
    }
}

fn check_ambiguous(array: &RawArray, name: &str) -> Result<()> {
    for element in array {
        if let RawBsonRef::Document(document) = element?
            && document.get(name)?.is_some()
        {
            return Err(StoreError::new(
                Code::location(16746),
                format!(
                    "Ambiguous field name found in array (do not use numeric field names in \
                     embedded elements in an array), field: '{name}'"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::super::encoded;
    use super::*;

    fn fields(paths: &[&str]) -> Vec<KeyField> {
        paths.iter().map(|path| KeyField::new(path, false)).collect()
    }

    fn concatenated(values: &[RawBsonRef<'_>]) -> Vec<u8> {
        values.iter().flat_map(|value| encoded(*value, None).unwrap()).collect()
    }

    #[test]
    fn fields_of_one_array_stay_together() {
        let document = rawdoc! {"a": [{"b": 1, "c": 2}, {"b": 3}], "d": 9};
        let found = keys(&fields(&["a.b", "a.c", "d"]), false, None, &document).unwrap();
        let int = RawBsonRef::Int32;
        let expected = [
            concatenated(&[int(1), int(2), int(9)]),
            concatenated(&[int(3), RawBsonRef::Null, int(9)]),
        ];
        assert!(found.keys.keys().eq(&expected));
        assert_eq!(found.multikey, [true, true, false]);
    }

    #[test]
    fn parallel_arrays_are_refused() {
        let document = rawdoc! {"a": [1], "b": [1]};
        let error = keys(&fields(&["a", "b"]), false, None, &document).unwrap_err();
        assert!(error.is(Code::CANNOT_INDEX_PARALLEL_ARRAYS));
    }

    #[test]
    fn empty_and_missing_have_keys() {
        let found = keys(&fields(&["a"]), false, None, &rawdoc! {"a": []}).unwrap();
        assert!(found.keys.keys().eq(&[encoded(RawBsonRef::Undefined, None).unwrap()]));
        let found = keys(&fields(&["a"]), false, None, &rawdoc! {}).unwrap();
        assert!(found.keys.keys().eq(&[encoded(RawBsonRef::Null, None).unwrap()]));
        assert!(keys(&fields(&["a", "b"]), true, None, &rawdoc! {}).unwrap().keys.is_empty());
        assert_eq!(
            keys(&fields(&["a", "b"]), true, None, &rawdoc! {"b": 1}).unwrap().keys.len(),
            1
        );
    }

    #[test]
    fn number_in_a_path_picks_an_element() {
        let document = rawdoc! {"a": [{"b": 1}, {"b": [2, 3]}]};
        let found = keys(&fields(&["a.1.b"]), false, None, &document).unwrap();
        assert_eq!(found.keys.len(), 2);
        let ambiguous = rawdoc! {"a": [{"0": 1}]};
        assert_eq!(keys(&fields(&["a.0"]), false, None, &ambiguous).unwrap_err().code(), 16746);
    }

    #[test]
    fn descending_fields_are_inverted() {
        let field = KeyField::new("a", true);
        let found = keys(&[field], false, None, &rawdoc! {"a": 1}).unwrap();
        let mut expected = encoded(RawBsonRef::Int32(1), None).unwrap();
        invert(&mut expected);
        assert!(found.keys.contains_key(&expected));
    }
}
