//! Distinct values at a path.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument};
use fieldveil_query::array_index;
use fieldveil_query::collation::Collation;

use crate::code::Code;
use crate::document::DOCUMENT_MAX_BYTES;
use crate::error::{Result, StoreError};
use crate::index_key;

/// Collects the distinct values of documents, to give them in their order as values.
pub(crate) struct Distinct {
    parts: Vec<String>,
    collation: Option<Arc<Collation>>,
    /// The place in `values` of each value, by what sorts as the values do.
    places: BTreeMap<Vec<u8>, usize>,
    values: RawArrayBuf,
}

impl Distinct {
    pub(crate) fn new(key: &str, collation: Option<Arc<Collation>>) -> Self {
        let parts = key.split('.').map(str::to_owned).collect();
        Self { parts, collation, places: BTreeMap::new(), values: RawArrayBuf::new() }
    }

    /// Adds the values of a document. An array at the end of the path stands for its elements.
    ///
    /// # Errors
    /// Code 17217 if all values together are larger than a document may be.
    pub(crate) fn add(&mut self, document: &RawDocument) -> Result<()> {
        let mut found = Vec::new();
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        walk(RawBsonRef::Document(document), &parts, &mut found)?;
        for value in found {
            let mut key = Vec::new();
            index_key::encode(value, self.collation.as_deref(), &mut key)?;
            let next = self.places.len();
            if let Entry::Vacant(place) = self.places.entry(key) {
                place.insert(next);
                self.values.push(value);
            }
        }
        if self.values.as_bytes().len() > DOCUMENT_MAX_BYTES {
            return Err(StoreError::new(Code::location(17217), "distinct too big, 16mb cap"));
        }
        Ok(())
    }

    /// The values in order; of equal ones, the first that came.
    pub(crate) fn finish(self) -> Result<RawArrayBuf> {
        let values: Vec<RawBsonRef<'_>> = (&self.values).into_iter().collect::<Result<_, _>>()?;
        let mut sorted = RawArrayBuf::new();
        for value in self.places.values().filter_map(|place| values.get(*place)) {
            sorted.push(*value);
        }
        Ok(sorted)
    }
}

fn walk<'a>(value: RawBsonRef<'a>, parts: &[&str], out: &mut Vec<RawBsonRef<'a>>) -> Result<()> {
    match (value, parts) {
        (RawBsonRef::Array(array), []) => {
            for element in array {
                out.push(element?);
            }
        }
        (value, []) => out.push(value),
        (RawBsonRef::Document(document), [name, rest @ ..]) => {
            if let Some(value) = document.get(name)? {
                walk(value, rest, out)?;
            }
        }
        (RawBsonRef::Array(array), [name, rest @ ..]) => {
            if let Some(index) = array_index(name)
                && let Some(element) = array.get(index)?
            {
                walk(element, rest, out)?;
            }
            for element in array {
                if let element @ RawBsonRef::Document(_) = element? {
                    walk(element, parts, out)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn arrays_stand_for_their_elements() {
        let mut distinct = Distinct::new("a.b", None);
        for document in [
            rawdoc! {"a": {"b": 1}},
            rawdoc! {"a": [{"b": [1.0, 2]}, {"b": "x"}, 5]},
            rawdoc! {"a": 1},
            rawdoc! {"a": {"b": null}},
        ] {
            distinct.add(&document).unwrap();
        }
        let found = rawdoc! {"v": distinct.finish().unwrap()};
        assert_eq!(found, rawdoc! {"v": [null, 1, 2, "x"]});
    }

    #[test]
    fn values_come_in_their_order() {
        let mut distinct = Distinct::new("a", None);
        for document in [
            rawdoc! {"a": "uno"},
            rawdoc! {"a": 10},
            rawdoc! {"a": ["dos", 9.5, true]},
            rawdoc! {"a": -1_i64},
            rawdoc! {"a": {"b": 1}},
        ] {
            distinct.add(&document).unwrap();
        }
        let found = rawdoc! {"v": distinct.finish().unwrap()};
        assert_eq!(found, rawdoc! {"v": [-1_i64, 9.5, 10, "dos", "uno", {"b": 1}, true]});
    }
}
