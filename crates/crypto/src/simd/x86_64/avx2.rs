//! AVX2: four lanes of 64 bits.

use std::arch::x86_64::*;

use super::sha256::sha256_x8;
use lanes::V;

mod lanes;

/// Proof that the processor has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// SHA-512: compresses one block of each of four messages. `state[i]` are the `i`-th words.
    pub(crate) fn sha512_x4(self, state: &mut [[u64; 4]; 8], blocks: &[[u8; 128]; 4]) {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { sha512_x4(state, blocks) }
    }

    /// SHA-256: compresses one block of each of eight messages.
    pub(crate) fn sha256_x8(self, states: &mut [[u32; 8]; 8], blocks: &[[u8; 64]; 8]) {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { sha256_x8(states, blocks) }
    }
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn sha512_x4(state: &mut [[u64; 4]; 8], blocks: &[[u8; 128]; 4]) {
    let mut vectors = [V(_mm256_setzero_si256()); 8];
    for (vector, words) in vectors.iter_mut().zip(state.iter()) {
        *vector = V(load(words));
    }
    let mut words = [V(_mm256_setzero_si256()); 16];
    for (i, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (word, loaded) in four.iter_mut().zip(load_words(blocks, i)) {
            *word = V(loaded);
        }
    }
    lanes::compress(&mut vectors, &mut words);
    for (words, vector) in state.iter_mut().zip(vectors) {
        store(words, vector.0);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(words: &[u64; 4]) -> __m256i {
    // SAFETY: 32 bytes are readable, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(words: &mut [u64; 4], vector: __m256i) {
    // SAFETY: 32 bytes are writable, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

/// The words `4 * i` to `4 * i + 3` of each of four blocks, transposed: one message in each lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_words(blocks: &[[u8; 128]; 4], i: usize) -> [__m256i; 4] {
    let to_little_endian = _mm256_set_epi64x(
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
    );
    let mut rows = [_mm256_setzero_si256(); 4];
    for lane in 0..4 {
        let (quarters, _) = blocks[lane].as_chunks::<32>();
        // SAFETY: 32 bytes are readable, and the load needs no alignment.
        let words = unsafe { _mm256_loadu_si256(quarters[i].as_ptr().cast()) };
        rows[lane] = _mm256_shuffle_epi8(words, to_little_endian);
    }
    transpose(rows)
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let even = [_mm256_unpacklo_epi64(a, b), _mm256_unpacklo_epi64(c, d)];
    let odd = [_mm256_unpackhi_epi64(a, b), _mm256_unpackhi_epi64(c, d)];
    [
        _mm256_permute2x128_si256::<0x20>(even[0], even[1]),
        _mm256_permute2x128_si256::<0x20>(odd[0], odd[1]),
        _mm256_permute2x128_si256::<0x31>(even[0], even[1]),
        _mm256_permute2x128_si256::<0x31>(odd[0], odd[1]),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lanes_equal_sha2(states: [[u64; 8]; 4], seed: [[u8; 32]; 4]) {
            let Some(avx2) = Avx2::detect() else { return Ok(()) };
            let blocks = seed.map(|seed| std::array::from_fn(|i| seed[i % 32].wrapping_mul(i as u8 | 1)));
            let mut lanes: [[u64; 4]; 8] = std::array::from_fn(|i| std::array::from_fn(|lane| states[lane][i]));
            avx2.sha512_x4(&mut lanes, &blocks);
            for (lane, mut state) in states.into_iter().enumerate() {
                sha2::block_api::compress512(&mut state, &blocks[lane..=lane]);
                prop_assert_eq!(lanes.map(|words| words[lane]), state);
            }
        }
    }
}
