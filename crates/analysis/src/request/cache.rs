//! Compiled schemas by their bytes: a driver sends the same few with every command.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bson::raw::RawDocument;

use crate::{EncryptionSchema, SchemaError, SchemaOrigin};

/// How many schemas are kept.
const MAX_SCHEMAS: usize = 256;

/// The longest schema that is kept, in bytes.
const MAX_LEN_BYTES: usize = 256 * 1024;

/// Compiled schemas. What is kept depends on the schemas alone, so sharing it says nothing.
#[derive(Debug, Default)]
pub(super) struct SchemaCache {
    compiled: Mutex<HashMap<Key, Arc<EncryptionSchema>>>,
}

/// Where a schema comes from, and its bytes.
type Key = (SchemaOrigin, Box<[u8]>);

impl SchemaCache {
    /// The compiled schema; only good ones are kept.
    pub(super) fn compile(
        &self,
        schema: &RawDocument,
        origin: SchemaOrigin,
    ) -> Result<Arc<EncryptionSchema>, SchemaError> {
        let key: Key = (origin, schema.as_bytes().into());
        // A panic elsewhere leaves the map whole.
        let find = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find().get(&key) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(EncryptionSchema::parse(schema, origin)?);
        if key.1.len() <= MAX_LEN_BYTES {
            let mut kept = find();
            // Simple, and enough for what it guards against: a caller with ever new schemas.
            if kept.len() >= MAX_SCHEMAS {
                kept.clear();
            }
            kept.insert(key, Arc::clone(&compiled));
        }
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn a_schema_is_compiled_once_for_each_origin() {
        let cache = SchemaCache::default();
        let schema = rawdoc! { "bsonType": "object", "required": ["a"] };
        let first = cache.compile(&schema, SchemaOrigin::Remote).unwrap();
        let second = cache.compile(&schema, SchemaOrigin::Remote).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(cache.compile(&schema, SchemaOrigin::Local).is_err());
    }

    #[test]
    fn ever_new_schemas_do_not_fill_the_memory() {
        let cache = SchemaCache::default();
        for index in 0..3 * MAX_SCHEMAS {
            let schema = rawdoc! { "title": index.to_string() };
            cache.compile(&schema, SchemaOrigin::Local).unwrap();
        }
        assert!(cache.compiled.lock().unwrap().len() <= MAX_SCHEMAS);
    }
}
