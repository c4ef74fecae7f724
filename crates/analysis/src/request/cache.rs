//! Compiled schemas by their bytes: a driver sends the same few with every command.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bson::raw::RawDocument;

use crate::{EncryptionSchema, SchemaError, SchemaOrigin};

/// How many schemas are kept.
const MAX_SCHEMAS: usize = 256;

/// How many bytes of schemas are kept.
const MAX_LEN_BYTES: usize = 4 * 1024 * 1024;

/// Compiled schemas. What is kept depends on the schemas alone, so sharing it says nothing.
#[derive(Debug, Default)]
pub(super) struct SchemaCache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By origin and length; among those of one length the bytes decide. To compare a few is
    /// quicker than to hash one.
    compiled: HashMap<(SchemaOrigin, usize), Vec<Entry>>,
    count: usize,
    len_bytes: usize,
}

/// The bytes of a schema, and what they mean.
type Entry = (Box<[u8]>, Arc<EncryptionSchema>);

impl SchemaCache {
    /// The compiled schema; only good ones are kept.
    pub(super) fn compile(
        &self,
        schema: &RawDocument,
        origin: SchemaOrigin,
    ) -> Result<Arc<EncryptionSchema>, SchemaError> {
        // A panic elsewhere leaves what is kept whole.
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().find(schema.as_bytes(), origin) {
            return Ok(known);
        }
        let compiled = Arc::new(EncryptionSchema::parse(schema, origin)?);
        kept().insert(schema.as_bytes(), origin, &compiled);
        Ok(compiled)
    }
}

impl Kept {
    fn find(&self, schema: &[u8], origin: SchemaOrigin) -> Option<Arc<EncryptionSchema>> {
        let entries = self.compiled.get(&(origin, schema.len()))?;
        entries.iter().find(|(bytes, _)| **bytes == *schema).map(|(_, known)| Arc::clone(known))
    }

    fn insert(&mut self, schema: &[u8], origin: SchemaOrigin, compiled: &Arc<EncryptionSchema>) {
        let is_known = self.find(schema, origin).is_some();
        if is_known || schema.len() > MAX_LEN_BYTES {
            return;
        }
        // Simple, and enough for what it guards against: a caller with ever new schemas.
        if self.count == MAX_SCHEMAS || self.len_bytes + schema.len() > MAX_LEN_BYTES {
            *self = Self::default();
        }
        self.count += 1;
        self.len_bytes += schema.len();
        let entries = self.compiled.entry((origin, schema.len())).or_default();
        entries.push((schema.into(), Arc::clone(compiled)));
    }
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    impl Kept {
        /// How many schemas, and how many bytes of them.
        fn measure(&self) -> (usize, usize) {
            let entries = || self.compiled.values().flatten();
            (entries().count(), entries().map(|(bytes, _)| bytes.len()).sum())
        }
    }

    fn titled(title: &str) -> RawDocumentBuf {
        rawdoc! { "title": title }
    }

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
    fn schemas_of_one_length_are_told_apart() {
        let cache = SchemaCache::default();
        let first = cache.compile(&titled("a"), SchemaOrigin::Local).unwrap();
        let other = cache.compile(&titled("b"), SchemaOrigin::Local).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(Arc::ptr_eq(&first, &cache.compile(&titled("a"), SchemaOrigin::Local).unwrap()));
        assert!(Arc::ptr_eq(&other, &cache.compile(&titled("b"), SchemaOrigin::Local).unwrap()));
    }

    #[test]
    fn ever_new_schemas_do_not_fill_the_memory() {
        let cache = SchemaCache::default();
        let check = || {
            let kept = cache.kept.lock().unwrap();
            assert_eq!(kept.measure(), (kept.count, kept.len_bytes));
            assert!(kept.count <= MAX_SCHEMAS && kept.len_bytes <= MAX_LEN_BYTES);
        };
        for index in 0..3 * MAX_SCHEMAS {
            cache.compile(&titled(&index.to_string()), SchemaOrigin::Local).unwrap();
            check();
        }
        for index in 0..9_u8 {
            let long = char::from(b'a' + index).to_string().repeat(MAX_LEN_BYTES / 4);
            cache.compile(&titled(&long), SchemaOrigin::Local).unwrap();
            check();
        }
        cache.compile(&titled(&"a".repeat(MAX_LEN_BYTES)), SchemaOrigin::Local).unwrap();
        check();
    }
}
