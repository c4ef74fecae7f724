//! Schemas that the client configured itself.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bson::{RawDocument, RawDocumentBuf};

use super::{CollectionSchema, SchemaError};
use crate::raw::{Element, Elements, MalformedBson};

/// `{"database.collection": schema}`. An entry is parsed when its collection is first used.
#[derive(Debug, Default)]
pub(crate) struct SchemaMap {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// `{<namespace>: <schema>}`
    document: RawDocumentBuf,
    parse: fn(&Element<'_>) -> Result<CollectionSchema, SchemaError>,
    parsed: OnceLock<Arc<CollectionSchema>>,
}

impl SchemaMap {
    /// A map of JSON schemas.
    pub(crate) fn json(map: &RawDocument) -> Result<Self, MalformedBson> {
        Self::new(map, CollectionSchema::from_schema_map)
    }

    /// A map of `encryptedFields` documents.
    pub(crate) fn encrypted_fields(map: &RawDocument) -> Result<Self, MalformedBson> {
        Self::new(map, CollectionSchema::from_encrypted_fields_map)
    }

    fn new(
        map: &RawDocument,
        parse: fn(&Element<'_>) -> Result<CollectionSchema, SchemaError>,
    ) -> Result<Self, MalformedBson> {
        crate::raw::check(map.as_bytes())?;
        let mut entries = BTreeMap::new();
        for element in Elements::of(map.as_bytes())? {
            let element = element?;
            let mut out = Vec::with_capacity(element.value.len() + 64);
            let mut writer = crate::raw::DocumentWriter::new(&mut out);
            writer.raw(element.kind, element.name, element.value);
            writer.finish()?;
            let document = RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?;
            // The first of several entries counts.
            entries.entry(element.name_lossy()).or_insert(Entry {
                document,
                parse,
                parsed: OnceLock::new(),
            });
        }
        Ok(Self { entries })
    }

    /// The schema of a collection, if the map has one.
    ///
    /// # Errors
    /// If its entry is no schema.
    pub(crate) fn get(
        &self,
        namespace: &str,
    ) -> Result<Option<Arc<CollectionSchema>>, SchemaError> {
        let Some(entry) = self.entries.get(namespace) else { return Ok(None) };
        if let Some(parsed) = entry.parsed.get() {
            return Ok(Some(Arc::clone(parsed)));
        }
        let element = Elements::of(entry.document.as_bytes())?.next().ok_or(MalformedBson)??;
        let parsed = Arc::new((entry.parse)(&element)?);
        Ok(Some(Arc::clone(entry.parsed.get_or_init(|| parsed))))
    }

    /// A collection that both maps have an entry for.
    pub(crate) fn shared_namespace(&self, other: &Self) -> Option<&str> {
        self.entries.keys().find(|key| other.entries.contains_key(*key)).map(String::as_str)
    }
}
