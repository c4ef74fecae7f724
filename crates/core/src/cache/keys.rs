//! Unwrapped data keys, by id and by alternate name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use smallvec::SmallVec;

use crate::key_id::KeyId;
use crate::marking::KeySelector;
use crate::vault::VaultKey;

/// Unwrapped data keys that are still fresh.
///
/// An entry is dead when it is older than the expiration; dead entries are removed by the next
/// lookup or insertion. Inserting a key removes every entry that has its id or shares a name with it.
#[derive(Debug)]
pub(crate) struct KeyCache {
    /// `None`: entries never die.
    expiration: Option<Duration>,
    entries: RwLock<Entries>,
}

/// Keys at the places of what asked for them.
pub(crate) type FewKeys = SmallVec<[Arc<VaultKey>; 2]>;

#[derive(Debug, Default)]
struct Entries {
    by_id: BTreeMap<KeyId, Entry>,
    by_name: BTreeMap<String, KeyId>,
    /// No entry dies before this moment.
    next_death: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    key: Arc<VaultKey>,
    added: Duration,
}

impl KeyCache {
    /// An empty cache whose entries live for `expiration`, for ever if that is `None`.
    pub(crate) fn new(expiration: Option<Duration>) -> Self {
        Self { expiration, entries: RwLock::default() }
    }

    /// The key that `selector` names, if it is here and fresh at `now`.
    pub(crate) fn get(&self, selector: KeySelector<'_>, now: Duration) -> Option<Arc<VaultKey>> {
        self.fresh(now).get(selector).cloned()
    }

    /// The keys that `selectors` name, all of them or nothing.
    pub(crate) fn get_all<'a>(
        &self,
        selectors: impl Iterator<Item = KeySelector<'a>>,
        now: Duration,
    ) -> Option<FewKeys> {
        let entries = self.fresh(now);
        let mut keys = FewKeys::new();
        for selector in selectors {
            keys.push(Arc::clone(entries.get(selector)?));
        }
        Some(keys)
    }

    /// Adds a key that was unwrapped at `now`.
    pub(crate) fn insert(&self, key: Arc<VaultKey>, now: Duration) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(expiration) = self.expiration {
            entries.purge(expiration, now);
            let death = now.saturating_add(expiration);
            entries.next_death = Some(entries.next_death.map_or(death, |other| other.min(death)));
        }
        entries.insert(key, now);
    }

    /// The entries, after what has died is removed, if anything can have.
    fn fresh(&self, now: Duration) -> RwLockReadGuard<'_, Entries> {
        let read = || self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entries = read();
        match self.expiration {
            Some(expiration) if entries.next_death.is_some_and(|death| now > death) => {
                drop(entries);
                let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
                entries.purge(expiration, now);
                drop(entries);
                read()
            }
            _ => entries,
        }
    }
}

impl Entries {
    fn get(&self, selector: KeySelector<'_>) -> Option<&Arc<VaultKey>> {
        let id = match &selector {
            KeySelector::Id(id) => id,
            KeySelector::Name(name) => self.by_name.get(*name)?,
        };
        Some(&self.by_id.get(id)?.key)
    }

    fn insert(&mut self, key: Arc<VaultKey>, added: Duration) {
        self.remove(key.id());
        for name in key.document().alt_names() {
            if let Some(other) = self.by_name.get(name).copied() {
                self.remove(&other);
            }
        }
        for name in key.document().alt_names() {
            self.by_name.insert(name.clone(), *key.id());
        }
        self.by_id.insert(*key.id(), Entry { key, added });
    }

    fn remove(&mut self, id: &KeyId) {
        if let Some(entry) = self.by_id.remove(id) {
            for name in entry.key.document().alt_names() {
                self.by_name.remove(name);
            }
        }
    }

    fn purge(&mut self, expiration: Duration, now: Duration) {
        let is_fresh = |entry: &Entry| now.saturating_sub(entry.added) <= expiration;
        self.by_id.retain(|_, entry| is_fresh(entry));
        let by_id = &self.by_id;
        self.by_name.retain(|_, id| by_id.contains_key(id));
        self.next_death =
            self.by_id.values().map(|entry| entry.added.saturating_add(expiration)).min();
    }
}

#[cfg(test)]
mod tests {
    use fieldveil_crypto::DataKey;
    use fieldveil_kms::MasterKey;

    use super::*;
    use crate::vault::KeyDocument;

    fn key(id: u8, names: &[&str]) -> Arc<VaultKey> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let id = KeyId::from_bytes([id; 16]);
        let document = KeyDocument::new(id, names, vec![], MasterKey::local(), 0);
        let key = DataKey::try_from(&[0; 96][..]).unwrap();
        Arc::new(VaultKey::new(document, Arc::new(key), None))
    }

    fn id(byte: u8) -> KeySelector<'static> {
        KeySelector::Id(KeyId::from_bytes([byte; 16]))
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn keys_are_found_by_id_and_by_any_name() {
        let cache = KeyCache::new(Some(ms(60)));
        cache.insert(key(1, &["a", "b"]), ms(0));
        for selector in [id(1), KeySelector::Name("a"), KeySelector::Name("b")] {
            assert!(cache.get(selector, ms(60)).is_some());
        }
        assert!(cache.get(id(2), ms(0)).is_none());
        assert!(cache.get(KeySelector::Name("c"), ms(0)).is_none());
    }

    #[test]
    fn an_entry_dies_after_the_expiration_and_not_before() {
        let cache = KeyCache::new(Some(ms(60)));
        cache.insert(key(1, &["a"]), ms(10));
        cache.insert(key(2, &[]), ms(20));
        assert!(cache.get(id(1), ms(70)).is_some());
        assert!(cache.get(id(1), ms(71)).is_none());
        assert!(cache.get(KeySelector::Name("a"), ms(71)).is_none());
        assert!(cache.get(id(2), ms(80)).is_some());
        assert!(cache.get(id(2), ms(81)).is_none());
        assert_eq!(cache.entries.read().unwrap().by_id.len(), 0);
    }

    #[test]
    fn no_expiration_is_for_ever() {
        let cache = KeyCache::new(None);
        cache.insert(key(1, &[]), ms(0));
        assert!(cache.get(id(1), Duration::MAX).is_some());
    }

    #[test]
    fn a_key_replaces_all_that_share_its_id_or_a_name() {
        let cache = KeyCache::new(None);
        cache.insert(key(1, &["a"]), ms(0));
        cache.insert(key(2, &["b"]), ms(0));
        cache.insert(key(3, &["a", "b"]), ms(0));
        assert!(cache.get(id(1), ms(0)).is_none());
        assert!(cache.get(id(2), ms(0)).is_none());
        let found = cache.get(KeySelector::Name("b"), ms(0)).unwrap();
        assert_eq!(found.id(), &KeyId::from_bytes([3; 16]));
        cache.insert(key(3, &["c"]), ms(0));
        assert!(cache.get(KeySelector::Name("a"), ms(0)).is_none());
    }
}
