//! Queryable Encryption, protocol version 2.
//!
//! A client's value is encrypted under the *user key*. With *tokens*, derived from the *index key*
//! and the value, the server can find it, and no other. Automatic encryption uses one data key in
//! both roles.
//!
//! - [`DataKey::encrypt_qe`] and [`DataKey::decrypt_qe`] are the cipher for values: `IV ‖ S ‖ T`,
//!   where `S` is AES-256-CBC of the padded plaintext, key `[0..32)`, and `T` all 32 bytes of
//!   HMAC-SHA-256 over `A ‖ IV ‖ S`, key `[32..64)`. Unlike in CSFLE the length of the associated
//!   data is not part of the MAC.
//! - [`tokens`] is the tree of tokens; [`DataKey::index_tokens`] are those at its top.
//! - [`state`] is what client and server encrypt under tokens, in counter mode.

use crate::aead::{self, IV_LEN, TAG_LEN};
use crate::{CryptoError, DataKey, Random, RandomError};

pub mod state;
pub mod tokens;

mod ctr;

impl DataKey {
    /// Encrypts a value under this user key and appends the ciphertext to `out`.
    ///
    /// `iv` must be fresh and random for every call. The length of the ciphertext is
    /// [`aead::ciphertext_len`].
    ///
    /// # Errors
    /// [`CryptoError::PlaintextEmpty`]; `out` is then as it was.
    pub fn encrypt_qe(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let keys = self.qe();
        aead::append_sealed(out, plaintext, |place| {
            aead::seal_with(&keys.cipher, iv, plaintext, place, |body| keys.mac.mac([aad, body]));
        })
    }

    /// Checks the tag of `ciphertext` and, only then, decrypts it; appends the plaintext to `out`.
    ///
    /// # Errors
    /// As [`DataKey::decrypt`]; `out` is then as it was.
    pub fn decrypt_qe(
        &self,
        aad: &[u8],
        ciphertext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let keys = self.qe();
        aead::append_opened(out, ciphertext, &keys.cipher, |body| keys.mac.mac([aad, body]))
    }

    /// Decrypts a value of protocol version 1, which used counter mode in place of CBC and no
    /// padding; appends the plaintext to `out`. Nothing encrypts so any more.
    ///
    /// # Errors
    /// [`CryptoError::CiphertextTooShort`], [`CryptoError::CiphertextEmpty`],
    /// [`CryptoError::Authentication`]; `out` is then as it was.
    pub fn decrypt_qe_v1(
        &self,
        aad: &[u8],
        ciphertext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        const OVERHEAD: usize = IV_LEN + TAG_LEN;
        let Some((body, tag)) = ciphertext.split_last_chunk::<TAG_LEN>() else {
            return Err(CryptoError::CiphertextTooShort { minimum: OVERHEAD });
        };
        let Some((iv, encrypted)) = body.split_first_chunk::<IV_LEN>() else {
            return Err(CryptoError::CiphertextTooShort { minimum: OVERHEAD });
        };
        if encrypted.is_empty() {
            return Err(CryptoError::CiphertextEmpty { overhead: OVERHEAD });
        }
        let keys = self.qe();
        if !aead::tags_equal(&keys.mac.mac([aad, body]), tag) {
            return Err(CryptoError::Authentication);
        }
        let start = out.len();
        out.extend_from_slice(encrypted);
        keys.cipher.ctr(iv, out.split_at_mut(start).1);
        Ok(())
    }
}

/// Draws a contention factor uniformly from `0..=maximum`.
///
/// One draw serves all edges or string pieces of a payload. Random words that would favour small
/// factors are rejected, so the number of bytes taken from `random` varies; for a `maximum` of 0
/// none are taken.
///
/// # Errors
/// If `random` fails, or gives nothing but words to reject, which no random source does.
pub fn draw_contention_factor(maximum: u64, random: &mut dyn Random) -> Result<u64, RandomError> {
    let Some(range) = maximum.checked_add(1) else {
        return draw_word(random);
    };
    if range == 1 {
        return Ok(0);
    }
    let rejected_below = range.wrapping_neg() % range;
    for _ in 0..MAX_DRAWS {
        let word = draw_word(random)?;
        if word >= rejected_below {
            return Ok(word % range);
        }
    }
    Err(RandomError::new("what the source gives is not random"))
}

/// How many words are drawn for one factor. Each is good with a probability of at least one half.
const MAX_DRAWS: usize = 128;

fn draw_word(random: &mut dyn Random) -> Result<u64, RandomError> {
    let mut word = [0; 8];
    random.fill_nonces(&mut word)?;
    Ok(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests;
