//! AEAD_AES_256_CBC_HMAC_SHA_512 of client-side field level encryption.
//!
//! With associated data `A`, its length in bits `AL` (64 bits, big-endian) and the padded
//! plaintext `P ‖ n times n` (PKCS #7, 1 to 16 bytes), a ciphertext is
//!
//! | bytes | content |
//! | --- | --- |
//! | 16 | `IV` |
//! | 16 · n | `S`: AES-256-CBC of the padded plaintext, key `[32..64)` |
//! | 32 | `T`: first half of HMAC-SHA-512 over `A ‖ IV ‖ S ‖ AL`, key `[0..32)` |
//!
//! For the deterministic algorithm `IV` is the first 16 bytes of HMAC-SHA-512 over `A ‖ AL ‖ P`
//! with the key `[64..96)`.
//!
//! Source: draft-mcgrew-aead-aes-cbc-hmac-sha2-05, from which this differs in the order of the
//! keys and the length of the tag; MongoDB's "BSON Binary Encrypted" specification.

use subtle::ConstantTimeEq;

use crate::cipher::{Aes256, BLOCK};
use crate::data_key::CsfleKeys;
use crate::{CryptoError, DataKey};

mod large;

/// Bytes of an initialization vector.
pub const IV_LEN: usize = 16;
/// Bytes of an authentication tag.
pub const TAG_LEN: usize = 32;
/// The least length of a ciphertext: initialization vector, one block, tag.
pub const MIN_CIPHERTEXT_LEN: usize = IV_LEN + BLOCK + TAG_LEN;

/// The length of the ciphertext of `plaintext_len` bytes.
pub const fn ciphertext_len(plaintext_len: usize) -> usize {
    IV_LEN + plaintext_len + padding_len(plaintext_len) + TAG_LEN
}

impl DataKey {
    /// Encrypts with the random algorithm and appends the ciphertext to `out`.
    ///
    /// `iv` must be fresh and random for every call.
    ///
    /// # Errors
    /// [`CryptoError::PlaintextEmpty`]; `out` is then as it was.
    pub fn encrypt_random(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        append_sealed(out, plaintext, |place| seal(self.csfle(), iv, aad, plaintext, place))
    }

    /// Encrypts with the deterministic algorithm and appends the ciphertext to `out`.
    ///
    /// Equal `aad` and `plaintext` give equal ciphertext: that is what makes the value searchable,
    /// and what it gives away.
    ///
    /// # Errors
    /// [`CryptoError::PlaintextEmpty`]; `out` is then as it was.
    pub fn encrypt_deterministic(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        append_sealed(out, plaintext, |place| {
            let iv = deterministic_iv(self.csfle(), aad, plaintext);
            seal(self.csfle(), &iv, aad, plaintext, place);
        })
    }

    /// Checks the tag of `ciphertext` and, only then, decrypts it; appends the plaintext to `out`.
    ///
    /// # Errors
    /// [`CryptoError::CiphertextTooShort`] below [`MIN_CIPHERTEXT_LEN`],
    /// [`CryptoError::Authentication`] if the tag differs. [`CryptoError::CiphertextNotBlocks`] and
    /// [`CryptoError::Padding`] can only come from a faulty writer that has the key. `out` is then
    /// as it was.
    pub fn decrypt(
        &self,
        aad: &[u8],
        ciphertext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let keys = self.csfle();
        if ciphertext.len() >= large::LARGE {
            return large::append_opened(keys, aad, ciphertext, out);
        }
        append_opened(out, ciphertext, &keys.cipher, |body| {
            prefix(keys.mac.0.mac([aad, body, &length_field(aad.len())]))
        })
    }
}

/// A ciphertext taken apart.
pub(crate) struct Parts<'a> {
    /// Everything before the tag.
    pub(crate) body: &'a [u8],
    pub(crate) iv: &'a [u8; IV_LEN],
    /// `S`, at least one block long; whether in whole blocks is not checked.
    pub(crate) encrypted: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_LEN],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(ciphertext: &'a [u8]) -> Result<Self, CryptoError> {
        if ciphertext.len() >= MIN_CIPHERTEXT_LEN
            && let Some((body, tag)) = ciphertext.split_last_chunk()
            && let Some((iv, encrypted)) = body.split_first_chunk()
        {
            return Ok(Self { body, iv, encrypted, tag });
        }
        Err(CryptoError::CiphertextTooShort { minimum: MIN_CIPHERTEXT_LEN })
    }
}

/// Appends the place of a ciphertext to `out` and lets `seal` fill it.
pub(crate) fn append_sealed(
    out: &mut Vec<u8>,
    plaintext: &[u8],
    seal: impl FnOnce(&mut [u8]),
) -> Result<(), CryptoError> {
    if plaintext.is_empty() {
        return Err(CryptoError::PlaintextEmpty);
    }
    let start = out.len();
    out.resize(start + ciphertext_len(plaintext.len()), 0);
    seal(out.split_at_mut(start).1);
    Ok(())
}

/// Checks the tag of `ciphertext` against that of its body, then decrypts it, appending to `out`.
pub(crate) fn append_opened(
    out: &mut Vec<u8>,
    ciphertext: &[u8],
    cipher: &Aes256,
    tag_of: impl FnOnce(&[u8]) -> [u8; TAG_LEN],
) -> Result<(), CryptoError> {
    let Parts { body, iv, encrypted, tag } = Parts::of(ciphertext)?;
    if !tags_equal(&tag_of(body), tag) {
        return Err(CryptoError::Authentication);
    }
    if !encrypted.len().is_multiple_of(BLOCK) {
        return Err(CryptoError::CiphertextNotBlocks);
    }
    let start = out.len();
    out.extend_from_slice(encrypted);
    let (_, plain) = out.split_at_mut(start);
    cipher.cbc_decrypt(iv, plain.as_chunks_mut().0);
    strip_padding(out, start)
}

/// Removes the padding of the plaintext from `start` on; all of it if the padding is malformed.
fn strip_padding(out: &mut Vec<u8>, start: usize) -> Result<(), CryptoError> {
    let length = plaintext_len(out.split_at(start).1);
    out.truncate(start + length.unwrap_or(0));
    length.map(|_| ())
}

/// Encrypts `plaintext` into `ciphertext`, which is of the right length.
pub(crate) fn seal(
    keys: &CsfleKeys,
    iv: &[u8; IV_LEN],
    aad: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) {
    if plaintext.len() >= large::LARGE {
        return large::seal(keys, iv, aad, plaintext, ciphertext);
    }
    seal_with(&keys.cipher, iv, plaintext, ciphertext, |body| {
        prefix(keys.mac.0.mac([aad, body, &length_field(aad.len())]))
    });
}

/// The same for any MAC over what stands before the tag.
pub(crate) fn seal_with(
    cipher: &Aes256,
    iv: &[u8; IV_LEN],
    plaintext: &[u8],
    ciphertext: &mut [u8],
    tag_of: impl FnOnce(&[u8]) -> [u8; TAG_LEN],
) {
    let Some((body, tag)) = ciphertext.split_last_chunk_mut() else { return };
    let Some((iv_place, encrypted)) = body.split_first_chunk_mut() else { return };
    *iv_place = *iv;
    cipher.cbc_encrypt_padded(iv, plaintext, encrypted.as_chunks_mut().0);
    *tag = tag_of(body);
}

/// The initialization vector of the deterministic algorithm.
pub(crate) fn deterministic_iv(keys: &CsfleKeys, aad: &[u8], plaintext: &[u8]) -> [u8; IV_LEN] {
    prefix(keys.iv.0.mac([aad, &length_field(aad.len()), plaintext]))
}

/// Bytes of PKCS #7 padding: 1 to 16.
pub(crate) const fn padding_len(plaintext_len: usize) -> usize {
    BLOCK - plaintext_len % BLOCK
}

/// `AL`: the length of the associated data in bits.
pub(crate) fn length_field(aad_len: usize) -> [u8; 8] {
    (aad_len as u64).wrapping_mul(8).to_be_bytes()
}

/// Compares in constant time, a few wide words instead of 32 bytes.
pub(crate) fn tags_equal(one: &[u8; TAG_LEN], other: &[u8; TAG_LEN]) -> bool {
    let words = one.as_chunks().0.iter().zip(other.as_chunks().0);
    let difference = words.fold(0, |difference, (one, other)| {
        difference | (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other))
    });
    difference.ct_eq(&0).into()
}

/// The length of the plaintext in decrypted blocks; all bytes of the padding are checked, without
/// a branch on any of them.
pub(crate) fn plaintext_len(padded: &[u8]) -> Result<usize, CryptoError> {
    let Some((_, last)) = padded.split_last_chunk::<BLOCK>() else {
        return Err(CryptoError::Padding);
    };
    let last = u128::from_le_bytes(*last);
    let padding = (last >> 120) as u8;
    let in_range = (1..=16).contains(&padding);
    // The padding is the upper bytes of the number.
    let shift = 8 * (16 - u32::from(padding.clamp(1, 16)));
    let difference = (last ^ u128::from_le_bytes([padding; 16])) >> shift;
    if !(in_range & (difference == 0)) {
        return Err(CryptoError::Padding);
    }
    Ok(padded.len() - usize::from(padding))
}

/// The first `N` bytes of a digest.
fn prefix<const N: usize>(digest: [u8; 64]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(digest.split_at(N).0);
    bytes
}

#[cfg(test)]
mod tests;
