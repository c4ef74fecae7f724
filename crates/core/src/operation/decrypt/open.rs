//! Opening the values of a document whose keys are at hand, and writing the document anew.

use std::sync::Arc;

use fieldveil_crypto::batch::{self, DecryptJob};

use crate::broker::KeyVaultError;
use crate::ciphertext::{self, Ciphertext, CiphertextError, check_plaintext, is_ciphertext};
use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::payload::{Indexed, Payload, Sealed};
use crate::raw::{self, Site, Sites};
use crate::step::Ready;
use crate::vault::VaultKey;

/// From this length on a value is worth decrypting right into its place, instead of together with
/// others.
const LARGE: usize = 16 * 1024;

/// What lies within the server's layers of indexed values, in document order.
#[derive(Default)]
pub(super) struct Layers {
    /// Clients' values, one behind the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Layers {
    /// Removes the layer of one more value, and returns what is inside.
    pub(super) fn add(
        &mut self,
        indexed: &Indexed<'_>,
        key: &VaultKey,
    ) -> Result<&[u8], CoreError> {
        let start = self.bytes.len();
        indexed.open_layer(&key.index(), &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(self.bytes.get(start..).unwrap_or_default())
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(*start..*end).unwrap_or_default())
    }
}

/// Opens every value and writes the document with the plaintexts in their places.
pub(super) fn open(
    document: &[u8],
    sites: &Sites,
    layers: &Layers,
    keys: &[Arc<VaultKey>],
) -> Result<Ready, CoreError> {
    let mut layers = layers.iter();
    let mut batch = Batch::of(document, sites.as_slice(), keys);
    let mut out = Vec::with_capacity(document.len());
    sites.rewrite(document, &mut out, |index, out| {
        if let Some(kind) = batch.write(index, out)? {
            return Ok(kind);
        }
        let site = sites.as_slice().get(index).ok_or(raw::MalformedBson)?;
        let sealed = match Payload::parse(site.content(document))? {
            Payload::Sealed(sealed) => sealed,
            Payload::Indexed(indexed) => {
                let layer = layers.next().ok_or(KeyVaultError::Missing)?;
                indexed.client_value(layer).map_err(CiphertextError::from)?
            }
        };
        open_alone(&sealed, batch.keys.get(&sealed.key).ok_or(KeyVaultError::Missing)?, out)
    })?;
    Ready::from_bytes(out)
}

/// Appends the plaintext of one value to `out` and returns its type.
fn open_alone(value: &Sealed<'_>, key: &VaultKey, out: &mut Vec<u8>) -> Result<u8, CoreError> {
    let start = out.len();
    key.decrypt(value.cipher, value.associated_data, value.sealed, out)?;
    check_plaintext(value.kind, out.get(start..).unwrap_or_default())?;
    Ok(value.kind)
}

/// Values that stand one after the other and are decrypted together: as many at a time as are read
/// and written while they are in the first cache.
struct Batch<'a> {
    document: &'a [u8],
    sites: &'a [Site],
    keys: KeyRing<'a>,
    /// Which of the sites the first job is for.
    first: usize,
    jobs: Vec<DecryptJob<'a>>,
    plaintexts: Vec<u8>,
}

impl<'a> Batch<'a> {
    fn of(document: &'a [u8], sites: &'a [Site], keys: &'a [Arc<VaultKey>]) -> Self {
        let jobs = Vec::with_capacity(sites.len().min(batch::GROUP));
        let keys = KeyRing::new(keys);
        Self { document, sites, keys, first: 0, jobs, plaintexts: Vec::new() }
    }

    /// Appends the plaintext of a site to `out` and returns its type; `None` if it is to be decrypted
    /// alone. To be called for each site in order.
    #[inline]
    fn write(&mut self, index: usize, out: &mut Vec<u8>) -> Result<Option<u8>, CoreError> {
        if index >= self.first + self.jobs.len() {
            self.decrypt_from(index)?;
        }
        let (Some(job), Some(site)) = (self.jobs.get(index - self.first), self.sites.get(index))
        else {
            return Ok(None);
        };
        let kind = ciphertext::value_kind(site.content(self.document));
        let plaintext = self.plaintexts.get(job.plaintext()).ok_or(raw::MalformedBson)?;
        check_plaintext(kind, plaintext)?;
        raw::push_range(out, &self.plaintexts, job.plaintext()).ok_or(raw::MalformedBson)?;
        Ok(Some(kind))
    }

    /// Decrypts the values from a site on, up to one that is to be decrypted alone.
    fn decrypt_from(&mut self, index: usize) -> Result<(), CoreError> {
        self.first = index;
        self.jobs.clear();
        self.plaintexts.clear();
        for site in self.sites.get(index..).unwrap_or_default().iter().take(batch::GROUP) {
            let content = site.content(self.document);
            if !content.first().is_some_and(|byte| is_ciphertext(*byte)) || content.len() >= LARGE {
                break;
            }
            let Ciphertext { key, associated_data, sealed, .. } = Ciphertext::parse(content)?;
            let key = self.keys.get(&key).ok_or(KeyVaultError::Missing)?;
            if key.hooks().is_some() {
                break;
            }
            self.jobs.push(DecryptJob::new(key.key(), associated_data, sealed));
        }
        batch::decrypt(&mut self.jobs, &mut self.plaintexts)?;
        Ok(())
    }
}

/// Keys by their ids.
pub(super) struct KeyRing<'a> {
    keys: &'a [Arc<VaultKey>],
    /// Most values of a document have the same key as the one before.
    last: Option<(KeyId, &'a VaultKey)>,
    /// The keys in order of their ids, if they are more than a few.
    sorted: Vec<(KeyId, &'a VaultKey)>,
}

impl<'a> KeyRing<'a> {
    /// How many keys are searched one by one.
    const FEW: usize = 8;

    pub(super) fn new(keys: &'a [Arc<VaultKey>]) -> Self {
        let mut sorted = Vec::new();
        if keys.len() > Self::FEW {
            sorted.extend(keys.iter().map(|key| (*key.id(), key.as_ref())));
            sorted.sort_unstable_by_key(|(id, _)| *id);
        }
        Self { keys, last: None, sorted }
    }

    #[inline]
    pub(super) fn get(&mut self, id: &KeyId) -> Option<&'a VaultKey> {
        if let Some((last, key)) = self.last
            && last == *id
        {
            return Some(key);
        }
        let key = self.find(id)?;
        self.last = Some((*id, key));
        Some(key)
    }

    fn find(&self, id: &KeyId) -> Option<&'a VaultKey> {
        if self.sorted.is_empty() {
            return self.keys.iter().find(|key| key.id() == id).map(Arc::as_ref);
        }
        let place = self.sorted.binary_search_by_key(id, |(id, _)| *id).ok()?;
        self.sorted.get(place).map(|(_, key)| *key)
    }
}
