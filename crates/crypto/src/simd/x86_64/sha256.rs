//! SHA-256 of several messages: two with the SHA extensions, or eight with AVX2.
//!
//! The instruction for two rounds can be issued twice as often as its result is ready, so that two
//! messages take the time of one.

use std::arch::x86_64::*;

use super::constants::K256;

/// Proof that the processor has the SHA extensions and SSE 4.1.
#[derive(Clone, Copy)]
pub(crate) struct ShaNi(());

impl ShaNi {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }

    /// SHA-256: compresses one block of each of two messages.
    pub(crate) fn sha256_x2(self, states: &mut [[u32; 8]; 2], blocks: &[[u8; 64]; 2]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sha256_x2(states, blocks) }
    }
}

/// # Safety
/// The processor must have the SHA extensions and SSE 4.1.
#[target_feature(enable = "sha,ssse3,sse4.1")]
unsafe fn sha256_x2(states: &mut [[u32; 8]; 2], blocks: &[[u8; 64]; 2]) {
    let to_little_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let zero = _mm_setzero_si128();
    // The instructions want the words A, B, E, F in one vector and C, D, G, H in the other.
    let (mut abef, mut cdgh, mut w) = ([zero; 2], [zero; 2], [[zero; 4]; 2]);
    for lane in 0..2 {
        let (halves, _) = states[lane].as_chunks::<4>();
        let (dcba, hgfe) = (load(&halves[0]), load(&halves[1]));
        let (cdab, efgh) = (_mm_shuffle_epi32::<0xb1>(dcba), _mm_shuffle_epi32::<0x1b>(hgfe));
        abef[lane] = _mm_alignr_epi8::<8>(cdab, efgh);
        cdgh[lane] = _mm_blend_epi16::<0xf0>(efgh, cdab);
        let (quarters, _) = blocks[lane].as_chunks::<16>();
        for i in 0..4 {
            // SAFETY: 16 bytes are readable, and the load needs no alignment.
            let words = unsafe { _mm_loadu_si128(quarters[i].as_ptr().cast()) };
            w[lane][i] = _mm_shuffle_epi8(words, to_little_endian);
        }
    }
    let (abef_before, cdgh_before) = (abef, cdgh);
    for (i, k) in K256.as_chunks::<4>().0.iter().enumerate() {
        let k = load(k);
        for lane in 0..2 {
            let words = if i < 4 { w[lane][i] } else { extend(&mut w[lane]) };
            let keyed = _mm_add_epi32(words, k);
            cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], keyed);
            let upper = _mm_shuffle_epi32::<0x0e>(keyed);
            abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], upper);
        }
    }
    for lane in 0..2 {
        let abef = _mm_add_epi32(abef[lane], abef_before[lane]);
        let cdgh = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
        let (feba, dchg) = (_mm_shuffle_epi32::<0x1b>(abef), _mm_shuffle_epi32::<0xb1>(cdgh));
        let (halves, _) = states[lane].as_chunks_mut::<4>();
        store(&mut halves[0], _mm_blend_epi16::<0xf0>(feba, dchg));
        store(&mut halves[1], _mm_alignr_epi8::<8>(dchg, feba));
    }
}

/// The next four words of the message schedule, of which `w` holds the last sixteen.
#[inline]
#[target_feature(enable = "sha,ssse3")]
fn extend(w: &mut [__m128i; 4]) -> __m128i {
    let from_9 = _mm_alignr_epi8::<4>(w[3], w[2]);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), from_9);
    let next = _mm_sha256msg2_epu32(sum, w[3]);
    *w = [w[1], w[2], w[3], next];
    next
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: 16 bytes are readable, and the load needs no alignment.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(words: &mut [u32; 4], vector: __m128i) {
    // SAFETY: 16 bytes are writable, and the store needs no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) }
}

/// SHA-256 on eight messages with AVX2.
///
/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
#[expect(clippy::many_single_char_names, reason = "as in the standard")]
pub(super) unsafe fn sha256_x8(states: &mut [[u32; 8]; 8], blocks: &[[u8; 64]; 8]) {
    let mut start = [_mm256_setzero_si256(); 8];
    for i in 0..8 {
        start[i] = gather(|lane| states[lane][i]);
    }
    let mut w = [_mm256_setzero_si256(); 16];
    for i in 0..16 {
        w[i] = gather(|lane| u32::from_be_bytes(blocks[lane].as_chunks().0[i]));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
    for (i, k) in K256.iter().enumerate() {
        if i >= 16 {
            let (w1, w14) = (w[(i + 1) % 16], w[(i + 14) % 16]);
            let small_0 =
                xor3(rotate::<7, 25>(w1), rotate::<18, 14>(w1), _mm256_srli_epi32::<3>(w1));
            let small_1 =
                xor3(rotate::<17, 15>(w14), rotate::<19, 13>(w14), _mm256_srli_epi32::<10>(w14));
            let sum = add(w[i % 16], w[(i + 9) % 16]);
            w[i % 16] = add(sum, add(small_0, small_1));
        }
        let sigma_1 = xor3(rotate::<6, 26>(e), rotate::<11, 21>(e), rotate::<25, 7>(e));
        let choice = _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(f, g), e), g);
        let keyed = add(w[i % 16], _mm256_set1_epi32(k.cast_signed()));
        let sum = add(add(h, keyed), add(choice, sigma_1));
        let sigma_0 = xor3(rotate::<2, 30>(a), rotate::<13, 19>(a), rotate::<22, 10>(a));
        let (ab, bc) = (_mm256_xor_si256(a, b), _mm256_xor_si256(b, c));
        let majority = _mm256_xor_si256(_mm256_and_si256(ab, bc), b);
        (h, g, f, e) = (g, f, e, add(d, sum));
        (d, c, b, a) = (c, b, a, add(sum, add(sigma_0, majority)));
    }
    for (i, end) in [a, b, c, d, e, f, g, h].into_iter().enumerate() {
        let mut words = [0; 8];
        // SAFETY: 32 bytes are writable, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), add(start[i], end)) }
        for (state, word) in states.iter_mut().zip(words) {
            state[i] = word;
        }
    }
}

/// A word of each lane.
#[inline(always)]
fn gather(word: impl Fn(usize) -> u32) -> __m256i {
    let words: [u32; 8] = std::array::from_fn(word);
    // SAFETY: 32 bytes are readable, and the load needs no alignment; called with AVX2 alone.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(one: __m256i, other: __m256i) -> __m256i {
    _mm256_add_epi32(one, other)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(one: __m256i, two: __m256i, three: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(one, two), three)
}

/// Rotates right; `M` is `32 - N`.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const N: i32, const M: i32>(words: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_srli_epi32::<N>(words), _mm256_slli_epi32::<M>(words))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Avx2;
    use super::*;

    proptest! {
        #[test]
        fn lanes_equal_sha2(states: [[u32; 8]; 8], seed: [[u8; 32]; 8]) {
            let blocks = seed.map(|seed| std::array::from_fn(|i| seed[i % 32].wrapping_mul(i as u8 | 1)));
            let mut expected = states;
            for (state, block) in expected.iter_mut().zip(&blocks) {
                sha2::block_api::compress256(state, std::slice::from_ref(block));
            }
            if let Some(kernel) = ShaNi::detect() {
                let mut ours = states;
                let pairs = ours.as_chunks_mut().0.iter_mut().zip(blocks.as_chunks().0);
                pairs.for_each(|(states, blocks)| kernel.sha256_x2(states, blocks));
                prop_assert_eq!(ours, expected);
            }
            if let Some(kernel) = Avx2::detect() {
                let mut ours = states;
                kernel.sha256_x8(&mut ours, &blocks);
                prop_assert_eq!(ours, expected);
            }
        }
    }
}
