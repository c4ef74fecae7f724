//! Ciphers and MACs of the caller's own, in place of the built-in ones.
//!
//! The C interface lets an application bring its cryptography along. If it does, everything that a
//! [`Crypt`](crate::Crypt) encrypts, decrypts and derives goes through these plain constructions over
//! the application's primitives, one value at a time. The formats are the same.

use std::sync::Arc;

use fieldveil_crypto::aead::{IV_LEN, MIN_CIPHERTEXT_LEN, TAG_LEN};
use fieldveil_crypto::batch::{Algorithm, EncryptJob};
use fieldveil_crypto::{CryptoError, Secret};
use fieldveil_kms::RequestHashes;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::CoreError;
use crate::raw::MalformedBson;

/// AES block length.
const BLOCK: usize = 16;

/// Primitives that an application brings along. All of them work on whole inputs; a cipher's output is
/// as long as its input, and padding is added here.
pub trait CryptoHooks {
    /// AES-256-CBC encryption of whole blocks.
    ///
    /// # Errors
    /// Whatever the application says; the operation then fails with its text.
    fn aes_256_cbc_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError>;

    /// AES-256-CBC decryption of whole blocks.
    ///
    /// # Errors
    /// As for encryption.
    fn aes_256_cbc_decrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError>;

    /// AES-256-CTR, the initialization vector being the first counter block, big-endian.
    ///
    /// # Errors
    /// As for encryption.
    fn aes_256_ctr_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError>;

    /// The inverse of [`aes_256_ctr_encrypt`](Self::aes_256_ctr_encrypt), which is the same function,
    /// unless the application tells them apart.
    ///
    /// # Errors
    /// As for encryption.
    fn aes_256_ctr_decrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        self.aes_256_ctr_encrypt(key, iv, input, out)
    }

    /// HMAC-SHA-512.
    ///
    /// # Errors
    /// As for encryption.
    fn hmac_sha_512(&self, key: &[u8; 32], input: &[u8]) -> Result<[u8; 64], HookError>;

    /// HMAC-SHA-256. Keys are of any length where requests to AWS are signed.
    ///
    /// # Errors
    /// As for encryption.
    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], HookError>;

    /// SHA-256, of requests to AWS.
    ///
    /// # Errors
    /// As for encryption.
    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], HookError>;
}

/// A primitive of the application failed; the text is the application's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookError(pub String);

/// Hooks as an instance keeps them.
pub(crate) type Hooks = dyn CryptoHooks + Send + Sync;

/// Hooks as key services use them.
pub(crate) struct HookedHashes(pub(crate) Arc<Hooks>);

impl RequestHashes for HookedHashes {
    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], String> {
        self.0.sha_256(input).map_err(|error| error.0)
    }

    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], String> {
        self.0.hmac_sha_256(key, input).map_err(|error| error.0)
    }
}

/// The three slices of key material. CSFLE uses them as MAC key, encryption key and key of
/// initialization vectors; Queryable Encryption as encryption key, MAC key and root of tokens.
fn slices(material: &Secret<96>) -> Result<[&[u8; 32]; 3], CryptoError> {
    match material.expose().as_chunks() {
        ([first, second, third], _) => Ok([first, second, third]),
        _ => Err(CryptoError::KeyLength { expected: 96, actual: 0 }),
    }
}

/// CSFLE encryption; see `fieldveil_crypto::aead` for the construction. Appends to `out`.
pub(crate) fn seal_csfle(
    hooks: &Hooks,
    material: &Secret<96>,
    algorithm: Algorithm,
    aad: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let [mac, encryption, iv_key] = slices(material)?;
    let bits = aad_bits(aad);
    let iv = match algorithm {
        Algorithm::Random { iv } => iv,
        Algorithm::Deterministic => {
            let input = Zeroizing::new([aad, &bits, plaintext].concat());
            first_bytes(&hooks.hmac_sha_512(iv_key, &input)?)
        }
    };
    let start = out.len();
    encrypt_blocks(hooks, encryption, &iv, plaintext, out)?;
    let body = out.get(start..).unwrap_or_default();
    let tag = hooks.hmac_sha_512(mac, &[aad, body, &bits].concat())?;
    out.extend_from_slice(&first_bytes::<TAG_LEN>(&tag));
    Ok(())
}

/// CSFLE decryption. Appends to `out`.
pub(crate) fn open_csfle(
    hooks: &Hooks,
    material: &Secret<96>,
    aad: &[u8],
    sealed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let [mac, encryption, _] = slices(material)?;
    open(hooks, encryption, sealed, out, |body| {
        let tag = hooks.hmac_sha_512(mac, &[aad, body, &aad_bits(aad)].concat())?;
        Ok(first_bytes(&tag))
    })
}

/// Encryption of a value for Queryable Encryption. Appends to `out`.
pub(crate) fn seal_qe(
    hooks: &Hooks,
    material: &Secret<96>,
    iv: &[u8; IV_LEN],
    aad: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let [encryption, mac, _] = slices(material)?;
    let start = out.len();
    encrypt_blocks(hooks, encryption, iv, plaintext, out)?;
    let body = out.get(start..).unwrap_or_default();
    let tag = hooks.hmac_sha_256(mac, &[aad, body].concat())?;
    out.extend_from_slice(&tag);
    Ok(())
}

/// Decryption of a value of Queryable Encryption. Appends to `out`.
pub(crate) fn open_qe(
    hooks: &Hooks,
    material: &Secret<96>,
    aad: &[u8],
    sealed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let [encryption, mac, _] = slices(material)?;
    open(hooks, encryption, sealed, out, |body| Ok(hooks.hmac_sha_256(mac, &[aad, body].concat())?))
}

/// Decryption of a value of protocol 1, which has counter mode in place of CBC. Appends to `out`.
pub(crate) fn open_qe_v1(
    hooks: &Hooks,
    material: &Secret<96>,
    aad: &[u8],
    sealed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let [encryption, mac, _] = slices(material)?;
    let too_short = CryptoError::CiphertextTooShort { minimum: IV_LEN + TAG_LEN };
    let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;
    let expected = hooks.hmac_sha_256(mac, &[aad, body].concat())?;
    check_tag(&expected, tag)?;
    decrypt_counter(hooks, encryption, body, out)
}

/// A token: HMAC-SHA-256 under another.
pub(crate) fn prf(hooks: &Hooks, key: &[u8; 32], data: &[u8]) -> Result<[u8; 32], CoreError> {
    Ok(hooks.hmac_sha_256(key, data)?)
}

/// The root of the tokens of an index key.
pub(crate) fn token_root(material: &Secret<96>) -> Result<&[u8; 32], CoreError> {
    let [_, _, root] = slices(material)?;
    Ok(root)
}

/// Counter mode with its initialization vector in front. Appends to `out`.
pub(crate) fn encrypt_counter(
    hooks: &Hooks,
    key: &[u8; 32],
    iv: &[u8; IV_LEN],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    out.extend_from_slice(iv);
    let start = out.len();
    out.resize(start + plaintext.len(), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    Ok(hooks.aes_256_ctr_encrypt(key, iv, plaintext, place)?)
}

/// The inverse. Appends to `out`.
pub(crate) fn decrypt_counter(
    hooks: &Hooks,
    key: &[u8; 32],
    sealed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    let too_short = CryptoError::CiphertextTooShort { minimum: IV_LEN };
    let (iv, encrypted) = sealed.split_first_chunk::<IV_LEN>().ok_or(too_short)?;
    if encrypted.is_empty() {
        return Err(CryptoError::CiphertextEmpty { overhead: IV_LEN }.into());
    }
    let start = out.len();
    out.resize(start + encrypted.len(), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    Ok(hooks.aes_256_ctr_decrypt(key, iv, encrypted, place)?)
}

/// Pads and encrypts; appends initialization vector and ciphertext.
fn encrypt_blocks(
    hooks: &Hooks,
    key: &[u8; 32],
    iv: &[u8; IV_LEN],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CoreError> {
    if plaintext.is_empty() {
        return Err(CryptoError::PlaintextEmpty.into());
    }
    let padding = BLOCK - plaintext.len() % BLOCK;
    let mut padded = Zeroizing::new(Vec::with_capacity(plaintext.len() + padding));
    padded.extend_from_slice(plaintext);
    padded.resize(plaintext.len() + padding, u8::try_from(padding).unwrap_or(0));
    out.extend_from_slice(iv);
    let start = out.len();
    out.resize(start + padded.len(), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    Ok(hooks.aes_256_cbc_encrypt(key, iv, &padded, place)?)
}

/// Checks the tag, then decrypts and removes the padding.
fn open(
    hooks: &Hooks,
    key: &[u8; 32],
    sealed: &[u8],
    out: &mut Vec<u8>,
    tag_of: impl FnOnce(&[u8]) -> Result<[u8; TAG_LEN], CoreError>,
) -> Result<(), CoreError> {
    let too_short = CryptoError::CiphertextTooShort { minimum: MIN_CIPHERTEXT_LEN };
    if sealed.len() < MIN_CIPHERTEXT_LEN {
        return Err(too_short.into());
    }
    let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;
    check_tag(&tag_of(body)?, tag)?;
    let (iv, encrypted) = body.split_first_chunk::<IV_LEN>().ok_or(too_short)?;
    if !encrypted.len().is_multiple_of(BLOCK) {
        return Err(CryptoError::CiphertextNotBlocks.into());
    }
    let start = out.len();
    out.resize(start + encrypted.len(), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    hooks.aes_256_cbc_decrypt(key, iv, encrypted, place)?;
    let padding = place.last().copied().unwrap_or(0);
    let is_padding = (1..=16).contains(&padding)
        && place.iter().rev().take(padding.into()).all(|byte| *byte == padding);
    if !is_padding {
        out.truncate(start);
        return Err(CryptoError::Padding.into());
    }
    out.truncate(out.len() - usize::from(padding));
    Ok(())
}

fn check_tag(expected: &[u8; TAG_LEN], actual: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
    if bool::from(expected.ct_eq(actual)) { Ok(()) } else { Err(CryptoError::Authentication) }
}

/// Length of the associated data in bits.
fn aad_bits(aad: &[u8]) -> [u8; 8] {
    u64::try_from(aad.len()).unwrap_or(0).wrapping_mul(8).to_be_bytes()
}

fn first_bytes<const N: usize>(digest: &[u8; 64]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    bytes
}

/// Many CSFLE encryptions, each into its place in `out`, as `fieldveil_crypto::batch::encrypt`.
pub(crate) fn encrypt_batch(
    hooks: &Hooks,
    jobs: &[EncryptJob<'_>],
    out: &mut [u8],
) -> Result<(), CoreError> {
    for job in jobs {
        let aad = out.get(job.aad.clone()).unwrap_or_default().to_vec();
        let mut sealed = Vec::new();
        seal_csfle(hooks, job.key.material(), job.algorithm, &aad, job.plaintext, &mut sealed)?;
        let end = job.aad.end + sealed.len();
        let place = out.get_mut(job.aad.end..end).ok_or(MalformedBson)?;
        place.copy_from_slice(&sealed);
    }
    Ok(())
}
