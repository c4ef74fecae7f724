//! Large CSFLE values, in pieces that stay in the cache.
//!
//! A piece is copied into the output and at once encrypted and hashed there, or decrypted and
//! hashed; so memory is read once and written once.

use zeroize::zeroize_bytes;

use super::{IV_LEN, Parts, length_field, padding_len, prefix, strip_padding, tags_equal};
use crate::CryptoError;
use crate::cipher::BLOCK;
use crate::data_key::CsfleKeys;
use crate::hash::{Sha512, Stream};

/// From this length on a value goes this way. The woven loop needs a start of less than 300 bytes.
pub(super) const LARGE: usize = 512;

const PIECE: usize = 32 * 1024;

/// The bytes of a block of SHA-512.
const HASH_BLOCK: usize = 128;

/// As [`seal`](super::seal), but with the plaintext taken from `plaintext`.
pub(super) fn seal(
    keys: &CsfleKeys,
    iv: &[u8; IV_LEN],
    aad: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) {
    let Some((body, tag)) = ciphertext.split_last_chunk_mut() else { return };
    let Some((iv_place, encrypted)) = body.split_first_chunk_mut() else { return };
    *iv_place = *iv;
    let mut sealing = Sealing::new(keys, iv, aad);
    let mut filled = 0;
    for piece in plaintext.chunks(PIECE) {
        let (now, rest) = encrypted.split_at_mut(filled + piece.len());
        now.split_at_mut(filled).1.copy_from_slice(piece);
        filled += piece.len();
        if filled == plaintext.len() {
            rest.fill(padding_len(filled) as u8);
        } else {
            sealing.go_on(now);
        }
    }
    *tag = sealing.finish(aad, encrypted);
}

/// A value being encrypted and hashed.
struct Sealing<'a> {
    keys: &'a CsfleKeys,
    inner: Stream<Sha512, HASH_BLOCK>,
    /// The block before `cipher_at`.
    chain: [u8; BLOCK],
    /// Bytes that are encrypted.
    cipher_at: usize,
    /// Bytes that are hashed.
    hash_at: usize,
}

impl<'a> Sealing<'a> {
    fn new(keys: &'a CsfleKeys, iv: &[u8; IV_LEN], aad: &[u8]) -> Self {
        let mut inner = keys.mac.0.start();
        inner.update(aad);
        inner.update(iv);
        Self { keys, inner, chain: *iv, cipher_at: 0, hash_at: 0 }
    }

    /// Goes on with `encrypted`: ciphertext up to `cipher_at`, plaintext from there on.
    fn go_on(&mut self, encrypted: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let crate::cipher::Aes256::Ni(_, keys) = &self.keys.cipher
            && let Some(woven) = crate::engine::Engine::get().woven()
        {
            // The hash starts at a boundary of its blocks, the cipher at least a block ahead.
            let to_boundary = self.inner.to_boundary();
            let lead = (self.hash_at + to_boundary + HASH_BLOCK).next_multiple_of(BLOCK);
            if lead > self.cipher_at {
                self.encrypt_to(encrypted, lead);
            }
            self.hash_to(encrypted, self.hash_at + to_boundary);
            if self.inner.to_boundary() == 0 && self.hash_at + HASH_BLOCK <= self.cipher_at {
                let (cipher_at, hash_at) = (self.cipher_at, self.hash_at);
                let chain = &mut self.chain;
                let mut steps = 0;
                self.inner.with_state(|state| {
                    steps = woven.encrypt(keys, chain, state, encrypted, cipher_at, hash_at);
                    steps as u64
                });
                self.cipher_at += steps * HASH_BLOCK;
                self.hash_at += steps * HASH_BLOCK;
            }
            return;
        }
        let end = encrypted.len() / BLOCK * BLOCK;
        self.encrypt_to(encrypted, end);
        self.hash_to(encrypted, end);
    }

    /// Encrypts and hashes the rest, which is in whole blocks, and gives the tag.
    fn finish(mut self, aad: &[u8], encrypted: &mut [u8]) -> [u8; 32] {
        self.go_on(encrypted);
        self.encrypt_to(encrypted, encrypted.len());
        self.hash_to(encrypted, encrypted.len());
        self.inner.update(&length_field(aad.len()));
        prefix(self.keys.mac.0.finish(self.inner))
    }

    fn encrypt_to(&mut self, encrypted: &mut [u8], end: usize) {
        if let Some(part) = encrypted.get_mut(self.cipher_at..end) {
            let (blocks, _) = part.as_chunks_mut();
            self.keys.cipher.cbc_encrypt(&self.chain, blocks);
            self.chain = blocks.last().copied().unwrap_or(self.chain);
            self.cipher_at = end;
        }
    }

    fn hash_to(&mut self, encrypted: &[u8], end: usize) {
        if let Some(part) = encrypted.get(self.hash_at..end) {
            self.inner.update(part);
            self.hash_at = end;
        }
    }
}

/// Decrypts into `out`, hashing on the way. Nobody sees the plaintext before the tag has been
/// compared; if it differs, the plaintext is wiped.
pub(super) fn append_opened(
    keys: &CsfleKeys,
    aad: &[u8],
    ciphertext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CryptoError> {
    let Parts { iv, encrypted, tag, .. } = Parts::of(ciphertext)?;
    let start = out.len();
    out.reserve(encrypted.len());
    let mut inner = keys.mac.0.start();
    inner.update(aad);
    inner.update(iv);
    let mut chain = *iv;
    for piece in encrypted.chunks(PIECE) {
        inner.update(piece);
        let at = out.len();
        out.extend_from_slice(piece);
        keys.cipher.cbc_decrypt(&chain, out.split_at_mut(at).1.as_chunks_mut().0);
        chain = piece.last_chunk().copied().unwrap_or(chain);
    }
    inner.update(&length_field(aad.len()));
    let is_authentic = tags_equal(&prefix(keys.mac.0.finish(inner)), tag);
    if is_authentic && encrypted.len().is_multiple_of(BLOCK) {
        return strip_padding(out, start);
    }
    zeroize_bytes(out.split_at_mut(start).1);
    out.truncate(start);
    Err(if is_authentic { CryptoError::CiphertextNotBlocks } else { CryptoError::Authentication })
}
