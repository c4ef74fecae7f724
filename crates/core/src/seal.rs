//! Encryption of marked documents and of single values.

use std::sync::Arc;

use fieldveil_crypto::Random;
use fieldveil_crypto::aead::IV_LEN;
use fieldveil_crypto::batch::{self, Algorithm, EncryptJob, ciphertext_len};
use smallvec::SmallVec;

use crate::broker::{KeyRequests, KeyVaultError};
use crate::ciphertext::{HEADER_LEN, check_value_type, header};
use crate::error::CoreError;
use crate::hooked;
use crate::marking::{CsfleAlgorithm, KeySelector, Marking, is_marking};
use crate::qe;
use crate::raw::{self, Element, Sites, kind, subtype};
use crate::vault::VaultKey;

/// A document with markings. It holds several of them without an allocation, so it is filled where it
/// stands instead of being moved there.
pub(crate) struct Marked<'a> {
    document: &'a [u8],
    sites: Sites,
    values: SmallVec<[MarkedValue<'a>; 2]>,
}

struct MarkedValue<'a> {
    marking: Marking<'a>,
    /// Place of the key that the value is encrypted under.
    user_key: usize,
    /// Place of the index key.
    index_key: usize,
}

impl<'a> Marked<'a> {
    /// A document whose markings are still to be [found](Self::find).
    #[inline]
    pub(crate) fn new(document: &'a [u8]) -> Self {
        Self { document, sites: Sites::default(), values: SmallVec::new() }
    }

    /// Finds the markings and asks for their keys.
    ///
    /// # Errors
    /// If a marking is malformed.
    pub(crate) fn find(&mut self, requests: &mut KeyRequests) -> Result<(), CoreError> {
        self.sites.scan(self.document, is_marking)?;
        self.values.reserve(self.sites.as_slice().len());
        for site in self.sites.as_slice() {
            let marking = Marking::parse(site.content(self.document))?;
            let (user_key, index_key) = match &marking {
                Marking::Csfle(marking) => {
                    let key = requests.add(marking.key);
                    (key, key)
                }
                Marking::Qe(placeholder) => {
                    let index_key = requests.add(KeySelector::Id(placeholder.index_key));
                    (requests.add(KeySelector::Id(placeholder.user_key)), index_key)
                }
            };
            self.values.push(MarkedValue { marking, user_key, index_key });
        }
        Ok(())
    }

    /// Appends the document to `out`, each marking replaced by its ciphertext or payload. `keys` are
    /// at the places that [`Marked::find`] asked for.
    ///
    /// All CSFLE values are encrypted in one call, right where they stand in `out`.
    pub(crate) fn seal(
        &self,
        keys: &[Arc<VaultKey>],
        random: &mut dyn Random,
        out: &mut Vec<u8>,
    ) -> Result<(), CoreError> {
        // A ciphertext is at most 57 bytes longer than the shortest marking, which names the key.
        out.reserve(self.document.len() + self.values.len() * 57);
        let mut ivs = Ivs::draw(self.count_random(), random)?;
        let mut jobs = SmallVec::<[_; 2]>::with_capacity(self.values.len());
        self.sites.rewrite(self.document, out, |index, out| {
            let value = self.values.get(index).ok_or(raw::MalformedBson)?;
            let user_key = keys.get(value.user_key).ok_or(KeyVaultError::Missing)?;
            match &value.marking {
                Marking::Csfle(marking) => {
                    let value = &marking.value;
                    let algorithm = ivs.algorithm(marking.algorithm)?;
                    jobs.push(place(marking.algorithm, algorithm, user_key, value, out)?);
                }
                Marking::Qe(placeholder) => {
                    let index_key = keys.get(value.index_key).ok_or(KeyVaultError::Missing)?;
                    let payload =
                        qe::encrypt_placeholder(placeholder, user_key, index_key, random)?;
                    raw::push_binary(out, subtype::ENCRYPTED, &payload);
                }
            }
            Ok::<_, CoreError>(kind::BINARY)
        })?;
        encrypt(&jobs, keys.first().map(Arc::as_ref), out)
    }

    fn count_random(&self) -> usize {
        let is_random = |value: &&MarkedValue<'_>| {
            matches!(&value.marking, Marking::Csfle(marking)
                if marking.algorithm == CsfleAlgorithm::Random)
        };
        self.values.iter().filter(is_random).count()
    }
}

/// Appends the encrypted value as the value bytes of a binary.
pub(crate) fn seal_single(
    algorithm: CsfleAlgorithm,
    key: &VaultKey,
    value: &Element<'_>,
    random: &mut dyn Random,
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let iv = match algorithm {
        CsfleAlgorithm::Deterministic => Algorithm::Deterministic,
        CsfleAlgorithm::Random => {
            let mut iv = [0; IV_LEN];
            random.fill_nonces(&mut iv)?;
            Algorithm::Random { iv }
        }
    };
    let job = place(algorithm, iv, key, value, out)?;
    encrypt(&[job], Some(key), out)
}

/// Encrypts all values; `any_key` knows whether the application does so itself.
fn encrypt(
    jobs: &[EncryptJob<'_>],
    any_key: Option<&VaultKey>,
    out: &mut [u8],
) -> Result<(), CoreError> {
    match any_key.and_then(VaultKey::hooks) {
        Some(hooks) => hooked::encrypt_batch(hooks, jobs, out),
        None => Ok(batch::encrypt(jobs, out)?),
    }
}

/// Appends length, subtype and header of a ciphertext and the space for the rest.
#[inline]
fn place<'a>(
    csfle: CsfleAlgorithm,
    algorithm: Algorithm,
    key: &'a VaultKey,
    value: &Element<'a>,
    out: &mut Vec<u8>,
) -> Result<EncryptJob<'a>, CoreError> {
    check_value_type(csfle, value.kind, value.value)?;
    let sealed_len = ciphertext_len(value.value.len());
    out.extend_from_slice(&raw::len_field(HEADER_LEN + sealed_len));
    out.push(subtype::ENCRYPTED);
    let start = out.len();
    out.extend_from_slice(&header(csfle, key.id(), value.kind));
    let aad = start..out.len();
    out.resize(out.len() + sealed_len, 0);
    Ok(EncryptJob { key: key.key(), algorithm, plaintext: value.value, aad })
}

/// Initialization vectors, all drawn at once.
struct Ivs {
    bytes: SmallVec<[u8; 2 * IV_LEN]>,
    used: usize,
}

impl Ivs {
    fn draw(count: usize, random: &mut dyn Random) -> Result<Self, CoreError> {
        let mut bytes = SmallVec::from_elem(0, count * IV_LEN);
        if count > 0 {
            random.fill_nonces(&mut bytes)?;
        }
        Ok(Self { bytes, used: 0 })
    }

    #[inline]
    fn algorithm(&mut self, algorithm: CsfleAlgorithm) -> Result<Algorithm, CoreError> {
        if algorithm == CsfleAlgorithm::Deterministic {
            return Ok(Algorithm::Deterministic);
        }
        let rest = self.bytes.get(self.used..).unwrap_or_default();
        let iv = *rest.first_chunk().ok_or(raw::MalformedBson)?;
        self.used += iv.len();
        Ok(Algorithm::Random { iv })
    }
}
