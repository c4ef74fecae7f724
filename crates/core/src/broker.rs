//! Which data keys an operation needs, and how it comes to them: cache, key vault, key service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{RawDocument, RawDocumentBuf};
use smallvec::SmallVec;

use crate::cache::KeyCache;
use crate::key_id::KeyId;
use crate::marking::KeySelector;
use crate::raw::{DocumentWriter, MalformedBson, subtype};
use crate::vault::{KeyDocument, KeyDocumentError, VaultKey};

/// Distinct keys in the order in which they were first named. What asked for a key keeps its place
/// here, and finds the key at the same place of [`KeyBroker::into_keys`].
#[derive(Debug, Default)]
pub(crate) struct KeyRequests {
    requests: SmallVec<[Request; 2]>,
    /// Made once there are more than a few requests.
    places: Option<Box<Places>>,
    /// Most values of a document have the same key as the one before.
    last: Option<(KeyId, usize)>,
}

/// One wanted key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Id(KeyId),
    Name(String),
}

/// Where requests stand in their list.
#[derive(Debug, Default)]
struct Places {
    by_id: BTreeMap<KeyId, usize>,
    by_name: BTreeMap<String, usize>,
}

/// How many requests are searched one by one before a table is made.
const FEW: usize = 8;

impl KeyRequests {
    /// Asks for a key and returns its place.
    pub(crate) fn add(&mut self, selector: KeySelector<'_>) -> usize {
        match selector {
            KeySelector::Id(id) => self.add_id(id),
            KeySelector::Name(_) => self.find_or_push(selector),
        }
    }

    /// Asks for a key by id and returns its place.
    #[inline]
    pub(crate) fn add_id(&mut self, id: KeyId) -> usize {
        if let Some((last, place)) = self.last
            && last == id
        {
            return place;
        }
        let place = self.find_or_push(KeySelector::Id(id));
        self.last = Some((id, place));
        place
    }

    fn find_or_push(&mut self, selector: KeySelector<'_>) -> usize {
        let known = match &self.places {
            Some(places) => places.get(selector),
            None => self.selectors().position(|known| known == selector),
        };
        known.unwrap_or_else(|| self.push(selector))
    }

    fn push(&mut self, selector: KeySelector<'_>) -> usize {
        let place = self.requests.len();
        self.requests.push(match selector {
            KeySelector::Id(id) => Request::Id(id),
            KeySelector::Name(name) => Request::Name(name.to_owned()),
        });
        if let Some(places) = &mut self.places {
            places.insert(selector, place);
        } else if self.requests.len() > FEW {
            let mut places = Box::<Places>::default();
            for (place, request) in self.requests.iter().enumerate() {
                places.insert(request.selector(), place);
            }
            self.places = Some(places);
        }
        place
    }

    /// The requests in order.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = KeySelector<'_>> {
        self.requests.iter().map(Request::selector)
    }

    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

impl Places {
    fn get(&self, selector: KeySelector<'_>) -> Option<usize> {
        match selector {
            KeySelector::Id(id) => self.by_id.get(&id).copied(),
            KeySelector::Name(name) => self.by_name.get(name).copied(),
        }
    }

    fn insert(&mut self, selector: KeySelector<'_>, place: usize) {
        match selector {
            KeySelector::Id(id) => self.by_id.insert(id, place),
            KeySelector::Name(name) => self.by_name.insert(name.to_owned(), place),
        };
    }
}

/// Why the key vault's answer is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyVaultError {
    /// A document is no key document.
    #[error(transparent)]
    Document(#[from] KeyDocumentError),
    /// A key that nobody asked for.
    #[error("unexpected key returned, does not match any requests")]
    Unexpected,
    /// Two documents for one key.
    #[error("keys returned have duplicate keyAltNames or _id")]
    Duplicate,
    /// A key is missing.
    #[error(
        "not all keys requested were satisfied. Verify that key vault DB/collection name was \
         correctly specified."
    )]
    Missing,
}

/// Collects the keys of one operation.
#[derive(Debug)]
pub(crate) struct KeyBroker {
    wanted: Wanted,
    /// Keys that came from the key vault and are to be unwrapped.
    wrapped: Vec<KeyDocument>,
}

#[derive(Debug)]
enum Wanted {
    /// These keys, each with the key once it is found.
    These(Vec<(Request, Option<Found>)>),
    /// Whatever a filter of the caller matches.
    Any(Vec<Found>),
}

#[derive(Debug, Clone)]
enum Found {
    /// In the cache, or unwrapped.
    Key(Arc<VaultKey>),
    /// The key vault has it, at this place of `wrapped`.
    Wrapped(usize),
}

impl KeyBroker {
    /// For these keys; those that are fresh in the cache or among `held` need no more.
    pub(crate) fn new(
        requests: KeyRequests,
        held: &[Arc<VaultKey>],
        cache: &KeyCache,
        now: Duration,
    ) -> Self {
        let wanted = requests.requests.into_iter().map(|request| {
            let found = held.iter().find(|key| request.is_for(key.document())).cloned();
            let found = found.or_else(|| cache.get(request.selector(), now));
            (request, found.map(Found::Key))
        });
        Self { wanted: Wanted::These(wanted.collect()), wrapped: Vec::new() }
    }

    /// For any key that is fed.
    pub(crate) fn any() -> Self {
        Self { wanted: Wanted::Any(Vec::new()), wrapped: Vec::new() }
    }

    /// Whether every wanted key is there, unwrapped.
    pub(crate) fn is_satisfied(&self) -> bool {
        match &self.wanted {
            Wanted::These(wanted) => {
                wanted.iter().all(|(_, found)| matches!(found, Some(Found::Key(_))))
            }
            Wanted::Any(_) => false,
        }
    }

    /// `{$or: [{_id: {$in: [..]}}, {keyAltNames: {$in: [..]}}]}` of the keys that are still missing;
    /// the last one asked for comes first.
    pub(crate) fn filter(&self) -> Result<RawDocumentBuf, MalformedBson> {
        let missing = || {
            match &self.wanted {
                Wanted::These(wanted) => wanted.as_slice(),
                Wanted::Any(_) => &[],
            }
            .iter()
            .rev()
            .filter_map(|(request, found)| found.is_none().then_some(request))
        };

        let mut out = Vec::with_capacity(128);
        let mut writer = DocumentWriter::new(&mut out);
        writer.array("$or", |arms| {
            arms.item(|arm, index| {
                write_arm(arm, index, "_id", missing(), |request, item, index| {
                    if let Request::Id(id) = request {
                        item.binary(index, subtype::UUID, id.as_bytes());
                    }
                })
            })?;
            arms.item(|arm, index| {
                write_arm(arm, index, "keyAltNames", missing(), |request, item, index| {
                    if let Request::Name(name) = request {
                        item.str(index, name);
                    }
                })
            })
        })?;
        writer.finish()?;
        RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)
    }

    /// Takes a document of the key vault.
    ///
    /// # Errors
    /// If it is no key document, was not asked for, or stands for a key that another document in
    /// this answer stands for.
    pub(crate) fn feed(&mut self, document: &RawDocument) -> Result<&KeyDocument, KeyVaultError> {
        let key = KeyDocument::parse(document)?;
        if self.wrapped.iter().any(|other| is_same_key(other, &key)) {
            return Err(KeyVaultError::Duplicate);
        }
        let place = self.wrapped.len();
        match &mut self.wanted {
            Wanted::These(wanted) => {
                let mut is_wanted = false;
                for (request, found) in wanted {
                    if request.is_for(&key) {
                        is_wanted = true;
                        found.get_or_insert(Found::Wrapped(place));
                    }
                }
                if !is_wanted {
                    return Err(KeyVaultError::Unexpected);
                }
            }
            Wanted::Any(found) => found.push(Found::Wrapped(place)),
        }
        self.wrapped.push(key);
        self.wrapped.last().ok_or(KeyVaultError::Missing)
    }

    /// Ends the key vault's answer. Where any key is wanted, those that the cache holds unwrapped
    /// from the same key material need not be unwrapped again.
    ///
    /// # Errors
    /// `Missing` if a key has not come.
    pub(crate) fn finish_feeding(
        &mut self,
        cache: &KeyCache,
        now: Duration,
    ) -> Result<(), KeyVaultError> {
        match &mut self.wanted {
            Wanted::These(wanted) if wanted.iter().any(|(_, found)| found.is_none()) => {
                Err(KeyVaultError::Missing)
            }
            Wanted::These(_) => Ok(()),
            Wanted::Any(found) => {
                found.clear();
                let mut wrapped = Vec::new();
                for document in self.wrapped.drain(..) {
                    let cached = cache.get(KeySelector::Id(*document.id()), now);
                    let cached =
                        cached.filter(|key| key.document().material() == document.material());
                    found.push(match cached {
                        Some(key) => Found::Key(Arc::new(key.with_document(document))),
                        None => {
                            wrapped.push(document);
                            Found::Wrapped(wrapped.len() - 1)
                        }
                    });
                }
                self.wrapped = wrapped;
                Ok(())
            }
        }
    }

    /// The keys that came from the key vault, still wrapped.
    pub(crate) fn wrapped(&self) -> &[KeyDocument] {
        &self.wrapped
    }

    /// The keys, each at the place of its request, or in the order of feeding. `unwrapped` are those
    /// of [`KeyBroker::wrapped`], in its order.
    ///
    /// # Errors
    /// If one is missing.
    pub(crate) fn into_keys(
        self,
        unwrapped: &[Arc<VaultKey>],
    ) -> Result<Vec<Arc<VaultKey>>, KeyVaultError> {
        let resolve = |found: Found| match found {
            Found::Key(key) => Some(key),
            Found::Wrapped(place) => unwrapped.get(place).cloned(),
        };
        let found: Vec<_> = match self.wanted {
            Wanted::These(wanted) => wanted.into_iter().map(|(_, found)| found).collect(),
            Wanted::Any(found) => found.into_iter().map(Some).collect(),
        };
        found
            .into_iter()
            .map(|found| found.and_then(resolve).ok_or(KeyVaultError::Missing))
            .collect()
    }
}

impl Request {
    fn selector(&self) -> KeySelector<'_> {
        match self {
            Self::Id(id) => KeySelector::Id(*id),
            Self::Name(name) => KeySelector::Name(name),
        }
    }

    fn is_for(&self, key: &KeyDocument) -> bool {
        match self {
            Self::Id(id) => id == key.id(),
            Self::Name(name) => key.alt_names().contains(name),
        }
    }
}

fn is_same_key(one: &KeyDocument, other: &KeyDocument) -> bool {
    one.id() == other.id() || one.alt_names().iter().any(|name| other.alt_names().contains(name))
}

/// `{<field>: {$in: [<items>]}}` as the item `index` of an array.
fn write_arm<'a>(
    arm: &mut DocumentWriter<'_>,
    index: &str,
    field: &str,
    requests: impl Iterator<Item = &'a Request>,
    write: impl Fn(&Request, &mut DocumentWriter<'_>, &str),
) -> Result<(), MalformedBson> {
    let is_for_field = |request: &&Request| match request {
        Request::Id(_) => field == "_id",
        Request::Name(_) => field == "keyAltNames",
    };
    arm.document(index, |arm| {
        arm.document(field, |condition| {
            condition.array("$in", |items| {
                for request in requests.filter(is_for_field) {
                    items.item(|item, index| write(request, item, index));
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}
