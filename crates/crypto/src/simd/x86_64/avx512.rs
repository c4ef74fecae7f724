//! AVX-512: eight lanes of 64 bits, with a ninth message beside them, or four.

use std::arch::x86_64::*;

use super::avx2::{load, load_words, store};
use lanes::{compress_x4, compress_x8};

mod hmac;
mod lanes;
mod nine;
mod sha512;

pub(crate) use hmac::{SHORT, Short};
pub(super) use sha512::scheduled_rounds;

/// Proof that the processor has AVX2, BMI1, BMI2, and AVX-512 F, BW and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        has.then_some(Self(()))
    }

    /// SHA-512: compresses blocks, one after the other.
    pub(crate) fn sha512(self, state: &mut [u64; 8], blocks: &[[u8; 128]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sha512::sha512(state, blocks) }
    }

    /// SHA-512: compresses one block of each of eight messages. `state[i]` are the `i`-th words.
    pub(crate) fn sha512_x8(self, state: &mut [[u64; 8]; 8], blocks: &[[u8; 128]; 8]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sha512_x8(state, blocks) }
    }

    /// SHA-512: compresses one block of each of four messages. `state[i]` are the `i`-th words.
    pub(crate) fn sha512_x4(self, state: &mut [[u64; 4]; 8], blocks: &[[u8; 128]; 4]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sha512_x4(state, blocks) }
    }

    /// The HMAC-SHA-512 of a short message.
    ///
    /// # Panics
    /// If the message is not short.
    pub(crate) fn hmac(self, message: &Short<'_>, out: &mut [u8; 64]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hmac::hmac(message, out) }
    }

    /// The first half of the HMAC-SHA-512 of each of nine short messages.
    ///
    /// # Panics
    /// If a message is not short.
    pub(crate) fn hmac_x9(self, messages: &[Short<'_>; 9], out: &mut [[u8; 32]; 9]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hmac::hmac_x9(messages, out) }
    }

    /// The first half of the HMAC-SHA-512 of each of eight short messages.
    ///
    /// # Panics
    /// If a message is not short.
    pub(crate) fn hmac_x8(self, messages: &[Short<'_>; 8], out: &mut [[u8; 32]; 8]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hmac::hmac_x8(messages, out) }
    }

    /// The first half of the HMAC-SHA-512 of each of four short messages.
    ///
    /// # Panics
    /// If a message is not short.
    pub(crate) fn hmac_x4(self, messages: &[Short<'_>; 4], out: &mut [[u8; 32]; 4]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hmac::hmac_x4(messages, out) }
    }
}

/// # Safety
/// The processor must have AVX2 and AVX-512 F and VL.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
unsafe fn sha512_x8(state: &mut [[u64; 8]; 8], blocks: &[[u8; 128]; 8]) {
    let mut vectors = [_mm512_setzero_si512(); 8];
    for (vector, words) in vectors.iter_mut().zip(state.iter()) {
        // SAFETY: 64 bytes are readable, and the load needs no alignment.
        *vector = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    }
    let mut words = [_mm512_setzero_si512(); 16];
    let ([low, high], _) = blocks.as_chunks::<4>() else { return };
    for (i, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (low, high) = (load_words(low, i), load_words(high, i));
        for (word, (low, high)) in four.iter_mut().zip(low.into_iter().zip(high)) {
            *word = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
        }
    }
    compress_x8(&mut vectors, &words);
    for (words, vector) in state.iter_mut().zip(vectors) {
        // SAFETY: 64 bytes are writable, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
    }
}

/// # Safety
/// The processor must have AVX2 and AVX-512 F and VL.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
unsafe fn sha512_x4(state: &mut [[u64; 4]; 8], blocks: &[[u8; 128]; 4]) {
    let mut vectors = [_mm256_setzero_si256(); 8];
    for (vector, words) in vectors.iter_mut().zip(state.iter()) {
        *vector = load(words);
    }
    let mut words = [_mm256_setzero_si256(); 16];
    for (i, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (word, loaded) in four.iter_mut().zip(load_words(blocks, i)) {
            *word = loaded;
        }
    }
    compress_x4(&mut vectors, &words);
    for (words, vector) in state.iter_mut().zip(vectors) {
        store(words, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const LANES: usize>(compress: impl Fn(&mut [[u64; LANES]; 8], &[[u8; 128]; LANES])) {
        let mut word = 1u64;
        let mut next = || {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            word
        };
        let states: [[u64; 8]; LANES] = std::array::from_fn(|_| std::array::from_fn(|_| next()));
        let blocks = std::array::from_fn(|_| std::array::from_fn(|_| (next() >> 56) as u8));
        let mut lanes = std::array::from_fn(|i| states.map(|state| state[i]));
        compress(&mut lanes, &blocks);
        for (lane, mut state) in states.into_iter().enumerate() {
            sha2::block_api::compress512(&mut state, &blocks[lane..=lane]);
            assert_eq!(lanes.map(|words| words[lane]), state, "lane {lane}");
        }
    }

    #[test]
    fn eight_lanes_equal_sha2() {
        let Some(avx512) = Avx512::detect() else { return };
        check::<8>(|state, blocks| avx512.sha512_x8(state, blocks));
    }

    #[test]
    fn four_lanes_equal_sha2() {
        let Some(avx512) = Avx512::detect() else { return };
        check::<4>(|state, blocks| avx512.sha512_x4(state, blocks));
    }
}
