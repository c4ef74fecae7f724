//! What is encrypted under tokens, in counter mode, without authentication.
//!
//! | under | plaintext | kept in |
//! | --- | --- | --- |
//! | [`EcocToken`] | token and [`IndexKind`], 32 to 35 bytes | payload, `p` |
//! | [`ServerDataEncryptionLevel1Token`] | the client's ciphertext | stored value |
//! | [`ServerCountAndContentionFactorEncryptionToken`] | count, contention factor | stored value |
//! | [`ServerZerosEncryptionToken`] | 16 zero bytes | stored value |
//! | [`EscTwiceDerivedValueToken`], [`AnchorPaddingValueToken`] | anchor position, count | state collection |
//!
//! Every ciphertext is `IV ‖ C`, 16 bytes longer than its plaintext, and every `iv` must be fresh
//! and random. Integers are little-endian.

use subtle::ConstantTimeEq;

use super::ctr;
use super::tokens::{
    AnchorPaddingValueToken, EcocToken, EscDerivedFromDataTokenAndContentionFactor,
    EscTwiceDerivedValueToken, ServerCountAndContentionFactorEncryptionToken,
    ServerDataEncryptionLevel1Token, ServerZerosEncryptionToken, TOKEN_LEN,
};
use crate::CryptoError;
use crate::aead::IV_LEN;

/// The greatest count of tags of a text value: 24 bits.
pub const MAX_TEXT_TAGS: u32 = 0xFF_FFFF;

/// What the state of a payload (`p`) says besides its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// Nothing: 48 bytes encrypted.
    Equality,
    /// Whether the edge is the value itself, of full length: 49 bytes encrypted.
    Range {
        /// The last byte: 1 or 0.
        is_leaf: bool,
    },
    /// How many tags the value has; 0 for pieces: 51 bytes encrypted.
    Text {
        /// At most [`MAX_TEXT_TAGS`].
        tag_count: u32,
    },
}

impl EcocToken {
    /// Encrypts the state of a payload and appends it to `out`.
    ///
    /// # Errors
    /// [`CryptoError::TooManyTags`]; `out` is then as it was.
    pub fn encrypt_state(
        &self,
        iv: &[u8; IV_LEN],
        esc: &EscDerivedFromDataTokenAndContentionFactor,
        kind: IndexKind,
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        if let IndexKind::Text { tag_count } = kind
            && tag_count > MAX_TEXT_TAGS
        {
            return Err(CryptoError::TooManyTags { maximum: MAX_TEXT_TAGS, actual: tag_count });
        }
        out.extend_from_slice(iv);
        let start = out.len();
        out.extend_from_slice(esc.as_bytes());
        match kind {
            IndexKind::Equality => {}
            IndexKind::Range { is_leaf } => out.push(u8::from(is_leaf)),
            IndexKind::Text { tag_count } => {
                let [low, middle, high, _] = tag_count.to_le_bytes();
                out.extend_from_slice(&[low, middle, high]);
            }
        }
        ctr::apply(self.as_bytes(), iv, out.split_at_mut(start).1);
        Ok(())
    }

    /// Decrypts the state of a payload. With the wrong token it is another one, not an error.
    ///
    /// # Errors
    /// [`CryptoError::StateLength`], [`CryptoError::StateLeafFlag`].
    pub fn decrypt_state(
        &self,
        state: &[u8],
    ) -> Result<(EscDerivedFromDataTokenAndContentionFactor, IndexKind), CryptoError> {
        let wrong = CryptoError::StateLength { actual: state.len() };
        let (iv, encrypted) = state.split_first_chunk::<IV_LEN>().ok_or(wrong)?;
        let mut plain = zeroize::Zeroizing::new([0; TOKEN_LEN + 3]);
        let plain = plain.get_mut(..encrypted.len()).ok_or(wrong)?;
        plain.copy_from_slice(encrypted);
        ctr::apply(self.as_bytes(), iv, plain);
        let (esc, rest) = plain.split_first_chunk().ok_or(wrong)?;
        let kind = match *rest {
            [] => IndexKind::Equality,
            [0] => IndexKind::Range { is_leaf: false },
            [1] => IndexKind::Range { is_leaf: true },
            [_] => return Err(CryptoError::StateLeafFlag),
            [low, middle, high] => {
                IndexKind::Text { tag_count: u32::from_le_bytes([low, middle, high, 0]) }
            }
            _ => return Err(wrong),
        };
        Ok((EscDerivedFromDataTokenAndContentionFactor::from_bytes(esc), kind))
    }
}

impl ServerDataEncryptionLevel1Token {
    /// Encrypts the client's ciphertext once more, as the server stores it; appends to `out`.
    pub fn encrypt_value(&self, iv: &[u8; IV_LEN], client_value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(iv);
        let start = out.len();
        out.extend_from_slice(client_value);
        ctr::apply(self.as_bytes(), iv, out.split_at_mut(start).1);
    }

    /// Removes the server's layer; appends the client's ciphertext to `out`.
    ///
    /// # Errors
    /// [`CryptoError::CiphertextTooShort`], [`CryptoError::CiphertextEmpty`].
    pub fn decrypt_value(&self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let Some((iv, encrypted)) = stored.split_first_chunk() else {
            return Err(CryptoError::CiphertextTooShort { minimum: IV_LEN });
        };
        if encrypted.is_empty() {
            return Err(CryptoError::CiphertextEmpty { overhead: IV_LEN });
        }
        let start = out.len();
        out.extend_from_slice(encrypted);
        ctr::apply(self.as_bytes(), iv, out.split_at_mut(start).1);
        Ok(())
    }
}

impl ServerCountAndContentionFactorEncryptionToken {
    /// Encrypts count and contention factor of a stored value.
    pub fn encrypt(&self, iv: &[u8; IV_LEN], count: u64, contention_factor: u64) -> [u8; 32] {
        encrypt_pair(self.as_bytes(), iv, count, contention_factor)
    }

    /// Count and contention factor.
    pub fn decrypt(&self, ciphertext: &[u8; 32]) -> (u64, u64) {
        decrypt_pair(self.as_bytes(), ciphertext)
    }
}

impl ServerZerosEncryptionToken {
    /// Encrypts zeros, by which a scan later recognizes the value of this token.
    pub fn encrypt(&self, iv: &[u8; IV_LEN]) -> [u8; 32] {
        ctr::encrypt(self.as_bytes(), iv, &[0; 16])
    }

    /// Whether `ciphertext` is one of zeros, so the stored value one of this token.
    pub fn matches(&self, ciphertext: &[u8; 32]) -> bool {
        let plain: [u8; 16] = ctr::decrypt(self.as_bytes(), ciphertext);
        plain.ct_eq(&[0; 16]).into()
    }
}

impl EscTwiceDerivedValueToken {
    /// Encrypts an anchor: its position (0 unless it is the null anchor) and the count.
    pub fn encrypt(&self, iv: &[u8; IV_LEN], position: u64, count: u64) -> [u8; 32] {
        encrypt_pair(self.as_bytes(), iv, position, count)
    }

    /// Position and count.
    pub fn decrypt(&self, ciphertext: &[u8; 32]) -> (u64, u64) {
        decrypt_pair(self.as_bytes(), ciphertext)
    }
}

impl AnchorPaddingValueToken {
    /// Encrypts a padding document: its position, 0 unless it is the null anchor.
    pub fn encrypt(&self, iv: &[u8; IV_LEN], position: u64) -> [u8; 32] {
        encrypt_pair(self.as_bytes(), iv, position, 0)
    }

    /// Position and count, which is 0.
    pub fn decrypt(&self, ciphertext: &[u8; 32]) -> (u64, u64) {
        decrypt_pair(self.as_bytes(), ciphertext)
    }
}

fn encrypt_pair(key: &[u8; TOKEN_LEN], iv: &[u8; IV_LEN], first: u64, second: u64) -> [u8; 32] {
    let pair = u128::from(first) | u128::from(second) << 64;
    ctr::encrypt(key, iv, &pair.to_le_bytes())
}

fn decrypt_pair(key: &[u8; TOKEN_LEN], ciphertext: &[u8; 32]) -> (u64, u64) {
    let pair = u128::from_le_bytes(ctr::decrypt(key, ciphertext));
    (pair as u64, (pair >> 64) as u64)
}
