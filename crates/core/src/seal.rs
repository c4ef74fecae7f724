//! Encryption of marked documents and of single values.

use std::sync::Arc;

use fieldveil_crypto::Random;
use fieldveil_crypto::aead::IV_LEN;
use fieldveil_crypto::batch::{self, Algorithm, EncryptJob, ciphertext_len};
use smallvec::SmallVec;

use crate::broker::{KeyRequests, KeyVaultError};
use crate::ciphertext::{HEADER_LEN, check_value_type};
use crate::error::CoreError;
use crate::hooked;
use crate::marking::{CsfleAlgorithm, CsfleMarking, KeySelector, Marking, Placeholder, is_marking};
use crate::qe;
use crate::raw::{self, Element, Sites, kind, subtype};
use crate::vault::VaultKey;

/// A document with markings. It holds several of them without an allocation, so it is filled where it
/// stands instead of being moved there.
pub(crate) struct Marked<'a> {
    document: &'a [u8],
    sites: Sites,
    values: SmallVec<[MarkedValue<'a>; 2]>,
    /// How many values are encrypted with an initialization vector of their own.
    random_values: usize,
}

/// What a marking says, with the places of keys instead of their names.
enum MarkedValue<'a> {
    Csfle { algorithm: CsfleAlgorithm, key: usize, value: Element<'a> },
    Qe { placeholder: Box<Placeholder<'a>>, user_key: usize, index_key: usize },
}

impl<'a> Marked<'a> {
    /// A document whose markings are still to be [found](Self::find).
    #[inline]
    pub(crate) fn new(document: &'a [u8]) -> Self {
        Self { document, sites: Sites::default(), values: SmallVec::new(), random_values: 0 }
    }

    /// Finds the markings and asks for their keys.
    ///
    /// # Errors
    /// If a marking is malformed.
    pub(crate) fn find(&mut self, requests: &mut KeyRequests) -> Result<(), CoreError> {
        self.sites.scan(self.document, is_marking)?;
        self.values.reserve(self.sites.as_slice().len());
        for site in self.sites.as_slice() {
            self.values.push(match Marking::parse(site.content(self.document))? {
                Marking::Csfle(CsfleMarking { algorithm, key, value }) => {
                    self.random_values += usize::from(algorithm == CsfleAlgorithm::Random);
                    MarkedValue::Csfle { algorithm, key: requests.add(key), value }
                }
                Marking::Qe(placeholder) => {
                    let index_key = requests.add(KeySelector::Id(placeholder.index_key));
                    let user_key = requests.add(KeySelector::Id(placeholder.user_key));
                    MarkedValue::Qe { placeholder, user_key, index_key }
                }
            });
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
        let key_at = |place: usize| keys.get(place).ok_or(KeyVaultError::Missing);
        // A ciphertext is at most 57 bytes longer than the shortest marking, which names the key.
        out.reserve(self.document.len() + self.values.len() * 57);
        let mut ivs = Ivs::default();
        ivs.draw(self.random_values, random)?;
        let mut jobs = SmallVec::<[_; 2]>::new();
        jobs.reserve(self.values.len());
        self.sites.rewrite(self.document, out, |index, out| {
            match self.values.get(index).ok_or(raw::MalformedBson)? {
                MarkedValue::Csfle { algorithm, key, value } => {
                    let iv = ivs.algorithm(*algorithm)?;
                    jobs.push(place(*algorithm, iv, key_at(*key)?, value, out)?);
                }
                MarkedValue::Qe { placeholder, user_key, index_key } => {
                    let (user_key, index_key) = (key_at(*user_key)?, key_at(*index_key)?);
                    let payload =
                        qe::encrypt_placeholder(placeholder, user_key, index_key, random)?;
                    raw::push_binary(out, subtype::ENCRYPTED, &payload);
                }
            }
            Ok::<_, CoreError>(kind::BINARY)
        })?;
        encrypt(&jobs, keys.first().map(Arc::as_ref), out)
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
///
/// Inlined, the job is written where it is to stay, and not moved there.
#[inline(always)]
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
    // Piece by piece: put together elsewhere it would have to be read from there.
    out.push(csfle as u8);
    out.extend_from_slice(key.id().as_bytes());
    out.push(value.kind);
    let aad = start..out.len();
    out.resize(out.len() + sealed_len, 0);
    Ok(EncryptJob { key: key.key(), algorithm, plaintext: value.value, aad })
}

/// Initialization vectors, all drawn at once. They are drawn where they are to stay.
#[derive(Default)]
struct Ivs {
    /// Those that were not handed out yet.
    left: SmallVec<[[u8; IV_LEN]; 2]>,
}

impl Ivs {
    fn draw(&mut self, count: usize, random: &mut dyn Random) -> Result<(), CoreError> {
        self.left.resize(count, [0; IV_LEN]);
        if count > 0 {
            random.fill_nonces(self.left.as_flattened_mut())?;
        }
        Ok(())
    }

    #[inline]
    fn algorithm(&mut self, algorithm: CsfleAlgorithm) -> Result<Algorithm, CoreError> {
        match algorithm {
            CsfleAlgorithm::Deterministic => Ok(Algorithm::Deterministic),
            CsfleAlgorithm::Random => {
                Ok(Algorithm::Random { iv: self.left.pop().ok_or(raw::MalformedBson)? })
            }
        }
    }
}
