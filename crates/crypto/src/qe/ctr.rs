//! AES-256 in counter mode under a token: `IV ‖ C`, not authenticated.

use crate::aead::IV_LEN;
use crate::cipher::Aes256;

/// Encrypts or decrypts in place.
pub(super) fn apply(key: &[u8; 32], iv: &[u8; IV_LEN], data: &mut [u8]) {
    Aes256::new(key).ctr(iv, data);
}

/// Encrypts `N` bytes into `M`, which is `N` and the 16 bytes of the initialization vector.
pub(super) fn encrypt<const N: usize, const M: usize>(
    key: &[u8; 32],
    iv: &[u8; IV_LEN],
    plaintext: &[u8; N],
) -> [u8; M] {
    const { assert!(M == N + IV_LEN) };
    let mut out = [0; M];
    if let Some((iv_place, encrypted)) = out.split_first_chunk_mut() {
        *iv_place = *iv;
        encrypted.copy_from_slice(plaintext);
        apply(key, iv, encrypted);
    }
    out
}

/// The way back.
pub(super) fn decrypt<const N: usize, const M: usize>(
    key: &[u8; 32],
    ciphertext: &[u8; M],
) -> [u8; N] {
    const { assert!(M == N + IV_LEN) };
    let mut out = [0; N];
    if let Some((iv, encrypted)) = ciphertext.split_first_chunk() {
        out.copy_from_slice(encrypted);
        apply(key, iv, &mut out);
    }
    out
}
