//! The schemas of all collections that one command touches.

use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use smallvec::SmallVec;

use crate::cache::CollectionCache;
use crate::crypt::Crypt;
use crate::env::Env;
use crate::raw::{DocumentWriter, MalformedBson, find};
use crate::schema::{CollectionSchema, EncryptedFields, FieldKey, SchemaError};

/// Collections of one database, each with its schema once that is known.
pub(super) struct CommandSchemas {
    /// That of the collection which the command is aimed at comes first.
    entries: SmallVec<[Entry; 1]>,
}

pub(super) struct Entry {
    /// `database.collection`
    pub(super) namespace: String,
    database_len: usize,
    schema: Option<Arc<CollectionSchema>>,
    /// Whether the schema came from `listCollections` just now.
    is_fed: bool,
}

impl Entry {
    fn new(database: &str, collection: &str) -> Self {
        let namespace = [database, collection].join(".");
        Self { namespace, database_len: database.len(), schema: None, is_fed: false }
    }

    fn database(&self) -> &str {
        self.namespace.get(..self.database_len).unwrap_or_default()
    }

    pub(super) fn collection(&self) -> &str {
        self.namespace.get(self.database_len + 1..).unwrap_or_default()
    }

    pub(super) fn schema(&self) -> Option<&CollectionSchema> {
        self.schema.as_deref()
    }
}

impl CommandSchemas {
    /// For a command that is aimed at one collection.
    pub(super) fn new(database: &str, collection: &str) -> Self {
        Self { entries: SmallVec::from_buf([Entry::new(database, collection)]) }
    }

    /// Asks for the schema of one more collection.
    pub(super) fn request(&mut self, collection: &str) {
        if self.entries.iter().all(|entry| entry.collection() != collection) {
            self.entries.push(Entry::new(self.database(), collection));
        }
    }

    pub(super) fn database(&self) -> &str {
        self.entries.first().map(Entry::database).unwrap_or_default()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn are_several(&self) -> bool {
        self.entries.len() > 1
    }

    /// Whether any collection has `encryptedFields`.
    pub(super) fn use_queryable_encryption(&self) -> bool {
        self.find_with(|schema| schema.encrypted_fields.is_some()).is_some()
    }

    /// The first collection whose schema satisfies `is_wanted`.
    pub(super) fn find_with(
        &self,
        is_wanted: impl Fn(&CollectionSchema) -> bool,
    ) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.schema().is_some_and(&is_wanted))
    }

    /// The `encryptedFields` of the collection that the command is aimed at.
    pub(super) fn encrypted_fields(&self) -> Option<&EncryptedFields> {
        self.entries.first()?.schema()?.encrypted_fields.as_ref()
    }

    /// The alternate names by which schemas name keys.
    pub(super) fn key_alt_names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter_map(|entry| entry.schema()?.encrypted_fields.as_ref())
            .flat_map(EncryptedFields::fields)
            .filter_map(|field| match &field.key {
                FieldKey::Name(name) => Some(name.as_str()),
                FieldKey::Id(_) => None,
            })
    }

    /// Takes what needs no question: the client's maps, the command itself, the cache. The first that
    /// has a schema for a collection counts.
    pub(super) fn resolve(
        &mut self,
        crypt: &Crypt,
        command_name: &str,
        command: &[u8],
        env: &mut Env<'_>,
    ) -> Result<(), SchemaError> {
        let defines_collection = matches!(command_name, "create" | "collMod");
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let mut schema = crypt.encrypted_fields_map().get(&entry.namespace)?;
            if schema.is_none() && defines_collection && index == 0 {
                schema = CollectionSchema::from_command(command, &entry.namespace)?.map(Arc::new);
            }
            if schema.is_none() {
                schema = crypt.schema_map().get(&entry.namespace)?;
            }
            if schema.is_none() {
                schema = crypt.collection_cache().get(&entry.namespace, env.now());
            }
            if schema.is_none() && command_name == "create" {
                schema = Some(Arc::default());
            }
            entry.schema = schema;
        }
        Ok(())
    }

    /// The filter for `listCollections`, if a schema is missing.
    pub(super) fn filter(&self) -> Result<Option<RawDocumentBuf>, MalformedBson> {
        if self.missing().next().is_none() {
            return Ok(None);
        }
        let missing: SmallVec<[_; 2]> = self.missing().collect();
        let mut out = Vec::new();
        let mut writer = DocumentWriter::new(&mut out);
        match missing.as_slice() {
            [entry] => {
                writer.str("name", entry.collection());
            }
            entries => {
                writer.document("name", |condition| {
                    condition.array("$in", |names| {
                        for entry in entries {
                            names.item(|item, index| {
                                item.str(index, entry.collection());
                            });
                        }
                        Ok(())
                    })?;
                    Ok(())
                })?;
            }
        }
        writer.finish()?;
        RawDocumentBuf::from_bytes(out).map(Some).map_err(|_| MalformedBson)
    }

    fn missing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.schema.is_none())
    }

    /// Takes a document of `listCollections`.
    pub(super) fn feed(&mut self, info: &[u8]) -> Result<(), SchemaError> {
        crate::raw::check(info)?;
        let name = find(info, "name")?.and_then(|element| element.as_str());
        let name = name.ok_or_else(|| SchemaError::NoName(self.database().to_owned()))?;
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.collection() == name) else {
            return Err(SchemaError::Unexpected(format!("{}.{name}", self.database())));
        };
        if entry.schema.is_some() {
            return Err(SchemaError::Duplicate(entry.namespace.clone()));
        }
        let schema = CollectionSchema::from_collection_info(info, &entry.namespace)?;
        entry.schema = Some(Arc::new(schema));
        entry.is_fed = true;
        Ok(())
    }

    /// Ends the answer of `listCollections`: what has not come has no schema. That is kept as well.
    pub(super) fn finish_feeding(&mut self, cache: &CollectionCache, now: Duration) {
        for entry in &mut self.entries {
            let is_new = entry.is_fed || entry.schema.is_none();
            let schema = Arc::clone(entry.schema.get_or_insert_default());
            if is_new {
                cache.insert(entry.namespace.clone(), schema, now);
            }
        }
    }
}
