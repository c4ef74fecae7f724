//! AVX-512: eight lanes of 64 bits, or four. Rotation and any function of three bits are one
//! instruction each.

use std::arch::x86_64::*;

use super::avx2::{load, load_words, store};
use super::lanes::{self, Vector};

mod hmac;
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
    let mut vectors = [V8(_mm512_setzero_si512()); 8];
    for (vector, words) in vectors.iter_mut().zip(state.iter()) {
        // SAFETY: 64 bytes are readable, and the load needs no alignment.
        *vector = V8(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) });
    }
    let mut words = [V8(_mm512_setzero_si512()); 16];
    let ([low, high], _) = blocks.as_chunks::<4>() else { return };
    for (i, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (low, high) = (load_words(low, i), load_words(high, i));
        for (word, (low, high)) in four.iter_mut().zip(low.into_iter().zip(high)) {
            *word = V8(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high));
        }
    }
    lanes::compress(&mut vectors, &mut words);
    for (words, vector) in state.iter_mut().zip(vectors) {
        // SAFETY: 64 bytes are writable, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector.0) }
    }
}

/// # Safety
/// The processor must have AVX2 and AVX-512 F and VL.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
unsafe fn sha512_x4(state: &mut [[u64; 4]; 8], blocks: &[[u8; 128]; 4]) {
    let mut vectors = [V4(_mm256_setzero_si256()); 8];
    for (vector, words) in vectors.iter_mut().zip(state.iter()) {
        *vector = V4(load(words));
    }
    let mut words = [V4(_mm256_setzero_si256()); 16];
    for (i, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (word, loaded) in four.iter_mut().zip(load_words(blocks, i)) {
            *word = V4(loaded);
        }
    }
    lanes::compress(&mut vectors, &mut words);
    for (words, vector) in state.iter_mut().zip(vectors) {
        store(words, vector.0);
    }
}

/// Truth tables of three bits, as an index from the bits of first, second and third.
const XOR3: i32 = 0b1001_0110;
const CHOOSE: i32 = 0b1100_1010;
const MAJORITY: i32 = 0b1110_1000;

/// Made by [`sha512_x8`] and [`hmac`] alone, so a value proves AVX-512 F.
#[derive(Clone, Copy)]
struct V8(__m512i);

impl Vector for V8 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_add_epi64(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_ternarylogic_epi32::<XOR3>(self.0, second.0, third.0)) }
    }

    #[inline(always)]
    fn choose(self, ones: Self, zeros: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_ternarylogic_epi32::<CHOOSE>(self.0, ones.0, zeros.0)) }
    }

    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_ternarylogic_epi32::<MAJORITY>(self.0, second.0, third.0)) }
    }

    #[inline(always)]
    fn shift_right<const N: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_srlv_epi64(self.0, _mm512_set1_epi64(N.into()))) }
    }

    #[inline(always)]
    fn rotate<const N: i32, const M: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_ror_epi64::<N>(self.0)) }
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        self.rotate::<8, 56>()
    }

    #[inline(always)]
    fn splat(self, word: u64) -> Self {
        // SAFETY: a value of this type proves AVX-512 F.
        unsafe { Self(_mm512_set1_epi64(word.cast_signed())) }
    }
}

/// Made by [`sha512_x4`] and [`hmac`] alone, so a value proves AVX2 and AVX-512 F and VL.
#[derive(Clone, Copy)]
struct V4(__m256i);

impl Vector for V4 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_add_epi64(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F and VL.
        unsafe { Self(_mm256_ternarylogic_epi32::<XOR3>(self.0, second.0, third.0)) }
    }

    #[inline(always)]
    fn choose(self, ones: Self, zeros: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F and VL.
        unsafe { Self(_mm256_ternarylogic_epi32::<CHOOSE>(self.0, ones.0, zeros.0)) }
    }

    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F and VL.
        unsafe { Self(_mm256_ternarylogic_epi32::<MAJORITY>(self.0, second.0, third.0)) }
    }

    #[inline(always)]
    fn shift_right<const N: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_srli_epi64::<N>(self.0)) }
    }

    #[inline(always)]
    fn rotate<const N: i32, const M: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX-512 F and VL.
        unsafe { Self(_mm256_ror_epi64::<N>(self.0)) }
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        self.rotate::<8, 56>()
    }

    #[inline(always)]
    fn splat(self, word: u64) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_set1_epi64x(word.cast_signed())) }
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
