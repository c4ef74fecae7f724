//! Schemas that were read from the server, by namespace.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::schema::CollectionSchema;

/// How long a server's answer is believed.
const LIFETIME: Duration = Duration::from_secs(60);

/// What `listCollections` said, by `database.collection`. That there is no schema is kept as well.
#[derive(Debug, Default)]
pub(crate) struct CollectionCache {
    entries: RwLock<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    schema: Arc<CollectionSchema>,
    added: Duration,
}

impl CollectionCache {
    /// The schema of a collection, if it is here and fresh at `now`.
    pub(crate) fn get(&self, namespace: &str, now: Duration) -> Option<Arc<CollectionSchema>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(namespace)?;
        entry.is_fresh(now).then(|| Arc::clone(&entry.schema))
    }

    /// Adds a schema that was read at `now`, and removes what is no longer fresh.
    pub(crate) fn insert(&self, namespace: String, schema: Arc<CollectionSchema>, now: Duration) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.is_fresh(now));
        entries.insert(namespace, Entry { schema, added: now });
    }
}

impl Entry {
    fn is_fresh(&self, now: Duration) -> bool {
        now.saturating_sub(self.added) <= LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_believed_for_a_minute() {
        let cache = CollectionCache::default();
        let at = Duration::from_secs;
        cache.insert("db.c".to_owned(), Arc::default(), at(5));
        assert!(cache.get("db.c", at(65)).is_some());
        assert!(cache.get("db.c", at(66)).is_none());
        assert!(cache.get("db.d", at(5)).is_none());
        cache.insert("db.d".to_owned(), Arc::default(), at(66));
        assert_eq!(cache.entries.read().unwrap().len(), 1);
    }
}
