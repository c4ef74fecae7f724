//! AES-256 with VAES: two blocks in each vector.

use std::arch::x86_64::*;

use super::aes::{self, Aes, Block, RoundKeys, Schedule};

/// Vectors in flight: as many as hide the latency of one round.
const VECTORS: usize = 8;

/// Blocks in flight.
pub(crate) const BLOCKS: usize = 2 * VECTORS;

/// Proof that the processor has VAES, AVX2 and AES-NI.
#[derive(Clone, Copy)]
pub(crate) struct Vaes(());

impl Vaes {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("avx2")
            && Aes::detect().is_some();
        has.then_some(Self(()))
    }

    /// Decrypts in CBC mode, in place.
    pub(crate) fn cbc_decrypt(self, keys: &RoundKeys, iv: &Block, groups: &mut [[Block; BLOCKS]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { cbc_decrypt(&keys.decrypt, iv, groups) }
    }

    /// Decrypts blocks in place, of which `before` are those before in CBC mode.
    pub(crate) fn decrypt_after(
        self,
        keys: &RoundKeys,
        before: &[Block; BLOCKS],
        blocks: &mut [Block; BLOCKS],
    ) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { decrypt_after(&keys.decrypt, before, blocks) }
    }

    /// Encrypts each block for itself, in place.
    pub(crate) fn encrypt_blocks(self, keys: &RoundKeys, groups: &mut [[Block; BLOCKS]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { encrypt_blocks(&keys.encrypt, groups) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(pair: &[Block; 2]) -> __m256i {
    // SAFETY: 32 bytes are readable, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(pair.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(pair: &mut [Block; 2], vector: __m256i) {
    // SAFETY: 32 bytes are writable, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(pair.as_mut_ptr().cast(), vector) }
}

/// The same round key for both blocks.
#[inline]
#[target_feature(enable = "avx2")]
fn load_key(key: &u128) -> __m256i {
    _mm256_broadcastsi128_si256(aes::load_key(key))
}

/// # Safety
/// The processor must have VAES, AVX2 and AES-NI.
#[target_feature(enable = "vaes,avx2,aes")]
unsafe fn cbc_decrypt(keys: &Schedule, iv: &Block, groups: &mut [[Block; BLOCKS]]) {
    let mut chain = *iv;
    for group in groups {
        let mut before = [[0; 16]; BLOCKS];
        before[0] = chain;
        before[1..].copy_from_slice(&group[..BLOCKS - 1]);
        chain = group[BLOCKS - 1];
        decrypt_after(keys, &before, group);
    }
}

/// What all rounds but the last make of a group of blocks, and the last round key.
macro_rules! rounds {
    ($keys:expr, $pairs:expr, $round:ident) => {{
        let mut vectors = [_mm256_setzero_si256(); VECTORS];
        for i in 0..VECTORS {
            vectors[i] = _mm256_xor_si256(load(&$pairs[i]), load_key(&$keys[0]));
        }
        for key in &$keys[1..14] {
            let key = load_key(key);
            for vector in &mut vectors {
                *vector = $round(*vector, key);
            }
        }
        (vectors, load_key(&$keys[14]))
    }};
}

/// `before` are the blocks that enter at the end.
#[inline]
#[target_feature(enable = "vaes,avx2,aes")]
fn decrypt_after(keys: &Schedule, before: &[Block; BLOCKS], group: &mut [Block; BLOCKS]) {
    let (pairs, _) = group.as_chunks_mut::<2>();
    let (vectors, key) = rounds!(keys, pairs, _mm256_aesdec_epi128);
    let (before, _) = before.as_chunks::<2>();
    for i in 0..VECTORS {
        // The last round key and the block before are exclusive ors, in either order.
        let last = _mm256_xor_si256(key, load(&before[i]));
        store(&mut pairs[i], _mm256_aesdeclast_epi128(vectors[i], last));
    }
}

/// # Safety
/// The processor must have VAES, AVX2 and AES-NI.
#[target_feature(enable = "vaes,avx2,aes")]
unsafe fn encrypt_blocks(keys: &Schedule, groups: &mut [[Block; BLOCKS]]) {
    for group in groups {
        let (pairs, _) = group.as_chunks_mut::<2>();
        let (vectors, key) = rounds!(keys, pairs, _mm256_aesenc_epi128);
        for i in 0..VECTORS {
            store(&mut pairs[i], _mm256_aesenclast_epi128(vectors[i], key));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_aes_ni(
            key: [u8; 32],
            iv: Block,
            groups in prop::collection::vec(any::<[Block; BLOCKS]>(), 0..6),
        ) {
            let (Some(vaes), Some(aes)) = (Vaes::detect(), Aes::detect()) else { return Ok(()) };
            let keys = aes.expand(&key);
            let (mut ours, mut expected) = (groups.clone(), groups.clone());
            vaes.cbc_decrypt(&keys, &iv, &mut ours);
            aes.cbc_decrypt(&keys, &iv, expected.as_flattened_mut());
            prop_assert_eq!(&ours, &expected);
            let (mut ours, mut expected) = (groups.clone(), groups);
            vaes.encrypt_blocks(&keys, &mut ours);
            aes.encrypt_blocks(&keys, expected.as_flattened_mut());
            prop_assert_eq!(&ours, &expected);
        }
    }
}
