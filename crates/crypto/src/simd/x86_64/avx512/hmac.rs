//! HMAC-SHA-512 of several short messages at once, from the bytes of the messages to the tags in
//! registers: one block of the inner hash, one of the outer.
//!
//! Nothing is gathered in memory first: each part of a message is loaded to its place in the block
//! under a mask, and the inner digest is already what the outer block begins with.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::{hint, ptr};

use super::super::avx2;
use super::lanes::{compress_x4, compress_x8};
use super::nine::{Frame, OUTER_BITS, hash};
use super::sha512;

/// Messages up to this length fill one block together with their padding.
pub(crate) const SHORT: usize = 128 - 17;

/// A message and its key.
#[derive(Clone, Copy)]
pub(crate) struct Short<'a> {
    /// The chaining value after the inner pad.
    pub(crate) inner: &'a [u64; 8],
    /// The chaining value after the outer pad.
    pub(crate) outer: &'a [u64; 8],
    /// What the message is the concatenation of; at most [`SHORT`] bytes.
    pub(crate) parts: [&'a [u8]; 3],
}

/// # Safety
/// The processor must have AVX2, BMI1, BMI2, and AVX-512 F, BW and VL.
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn hmac(message: &Short<'_>, out: &mut [u8; 64]) {
    let length = length(message.parts);
    assert!(length <= SHORT);
    let (low, high) = if length < 64 {
        (load_low(message.parts, length), _mm512_setzero_si512())
    } else {
        (load_half(message.parts, 0), load_half(message.parts, 64))
    };
    let bits = (length as i64 + 128) * 8;
    let words = [
        _mm512_castsi512_si256(low),
        _mm512_extracti64x4_epi64::<1>(low),
        _mm512_castsi512_si256(high),
        _mm256_or_si256(_mm512_extracti64x4_epi64::<1>(high), _mm256_set_epi64x(bits, 0, 0, 0)),
    ];
    // SAFETY: by the caller.
    let state = unsafe { sha512::hmac(message.inner, message.outer, words) };
    let order = _mm512_castsi512_si256(to_little_endian());
    for (out, words) in out.as_chunks_mut::<32>().0.iter_mut().zip(sha512::vectors(state)) {
        // SAFETY: 32 bytes are writable, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_shuffle_epi8(words, order)) }
    }
}

/// # Safety
/// The processor must have AVX2, BMI1, BMI2, and AVX-512 F, BW and VL.
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn hmac_x9(messages: &[Short<'_>; 9], out: &mut [[u8; 32]; 9]) {
    let Blocks { low, bits, has_high } = load_blocks(messages);
    let mut frame = MaybeUninit::<Frame>::uninit();
    let frame = frame.as_mut_ptr();
    let [eight @ .., ninth] = messages;
    // SAFETY: what is written are places in `frame`, which is aligned; `hash` gets all of them.
    unsafe {
        let high = if has_high { load_high(messages) } else { [_mm512_setzero_si512(); 9] };
        for (half, rows) in [low, high].into_iter().enumerate() {
            let words = (&raw mut (*frame).words).cast::<[__m512i; 8]>().add(half);
            let ninth_words = (&raw mut (*frame).ninth_words).cast::<__m512i>().add(half);
            let [eight @ .., ninth] = rows;
            words.write(if half == 0 || has_high { transpose(eight) } else { eight });
            ninth_words.write(ninth);
        }
        let [eight_bits @ .., ninth_bits] = bits;
        (&raw mut (*frame).words[15]).write(load(&eight_bits));
        (*frame).ninth_words[15] = ninth_bits;
        (*frame).inner = ninth.inner;
        (*frame).outer = ninth.outer;
        let same_key = |message: &Short<'_>| {
            ptr::eq(message.inner, ninth.inner) && ptr::eq(message.outer, ninth.outer)
        };
        if eight.iter().all(same_key) {
            (*frame).inner_lanes = ptr::null();
            (*frame).outer_lanes = ptr::null();
            hash(frame);
        } else {
            let mut states = [
                transpose(eight.each_ref().map(|message| load(message.inner))),
                transpose(eight.each_ref().map(|message| load(message.outer))),
            ];
            (*frame).inner_lanes = &raw const states[0];
            (*frame).outer_lanes = &raw const states[1];
            hash(frame);
            zeroize::zeroize_flat_type(&raw mut states);
        }
    }
    // SAFETY: the kernel has written these.
    let (after, ninth_after) = unsafe { (&(*frame).after, &(*frame).ninth_after) };
    let [eight @ .., ninth] = out;
    for (out, row) in eight.iter_mut().zip(transpose(*after)) {
        let digest = _mm512_castsi512_si256(_mm512_shuffle_epi8(row, to_little_endian()));
        // SAFETY: 32 bytes are writable, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), digest) }
    }
    for (bytes, word) in ninth.as_chunks_mut().0.iter_mut().zip(ninth_after) {
        *bytes = word.to_be_bytes();
    }
}

/// # Safety
/// The processor must have AVX2, BMI2, and AVX-512 F, BW and VL.
#[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn hmac_x8(messages: &[Short<'_>; 8], out: &mut [[u8; 32]; 8]) {
    let Blocks { low, bits, has_high } = load_blocks(messages);
    let mut words = [_mm512_setzero_si512(); 16];
    words[..8].copy_from_slice(&transpose(low));
    if has_high {
        words[8..].copy_from_slice(&transpose(load_high(messages)));
    }
    words[15] = load(&bits);
    let mut state = load_states(messages.map(|message| message.inner));
    for hash in 0..2 {
        if hash == 1 {
            words = [_mm512_setzero_si512(); 16];
            words[..8].copy_from_slice(&state);
            words[8] = _mm512_set1_epi64(i64::MIN);
            words[15] = _mm512_set1_epi64(OUTER_BITS);
            state = load_states(messages.map(|message| message.outer));
        }
        compress_x8(&mut state, &words);
    }
    for (out, row) in out.iter_mut().zip(transpose(state)) {
        let digest = _mm512_castsi512_si256(_mm512_shuffle_epi8(row, to_little_endian()));
        // SAFETY: 32 bytes are writable, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), digest) }
    }
}

/// # Safety
/// The processor must have AVX2, BMI2, and AVX-512 F, BW and VL.
#[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn hmac_x4(messages: &[Short<'_>; 4], out: &mut [[u8; 32]; 4]) {
    let Blocks { low, bits, has_high } = load_blocks(messages);
    let mut words = [_mm256_setzero_si256(); 16];
    words[..8].copy_from_slice(&transpose_four(low));
    if has_high {
        words[8..].copy_from_slice(&transpose_four(load_high(messages)));
    }
    words[15] = avx2::load(&bits);
    let mut state = load_four_states(messages.map(|message| message.inner));
    for hash in 0..2 {
        if hash == 1 {
            words = [_mm256_setzero_si256(); 16];
            words[..8].copy_from_slice(&state);
            words[8] = _mm256_set1_epi64x(i64::MIN);
            words[15] = _mm256_set1_epi64x(OUTER_BITS);
            state = load_four_states(messages.map(|message| message.outer));
        }
        compress_x4(&mut state, &words);
    }
    let [a, b, c, d, ..] = state;
    for (out, row) in out.iter_mut().zip(avx2::transpose([a, b, c, d])) {
        let order = _mm512_castsi512_si256(to_little_endian());
        // SAFETY: 32 bytes are writable, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_shuffle_epi8(row, order)) }
    }
}

/// Messages as blocks of words, without what is in their second halves.
struct Blocks<const N: usize> {
    low: [__m512i; N],
    /// The lengths in bits.
    bits: [u64; N],
    /// Whether there is anything else in the second halves.
    has_high: bool,
}

/// With more than four lanes the loop is not unrolled: the processor keeps only so many instructions
/// decoded, and those kernels need most of that room.
#[inline]
#[target_feature(enable = "bmi2,avx512f,avx512bw")]
fn load_blocks<const N: usize>(messages: &[Short<'_>; N]) -> Blocks<N> {
    let mut low = [_mm512_setzero_si512(); N];
    let mut bits = [0; N];
    let mut longest = 0;
    for lane in 0..if N > 4 { hint::black_box(N).min(N) } else { N } {
        let parts = messages[lane].parts;
        let length = length(parts);
        assert!(length <= SHORT);
        longest = longest.max(length);
        bits[lane] = (length as u64 + 128) * 8;
        low[lane] = if length < 64 { load_low(parts, length) } else { load_half(parts, 0) };
    }
    Blocks { low, bits, has_high: longest >= 64 }
}

/// The second halves of all messages.
#[inline]
#[target_feature(enable = "bmi2,avx512f,avx512bw")]
fn load_high<const N: usize>(messages: &[Short<'_>; N]) -> [__m512i; N] {
    let mut high = [_mm512_setzero_si512(); N];
    for lane in 0..hint::black_box(N).min(N) {
        high[lane] = load_half(messages[lane].parts, 64);
    }
    high
}

#[inline]
fn length(parts: [&[u8]; 3]) -> usize {
    let [a, b, c] = parts.map(<[u8]>::len);
    a.saturating_add(b).saturating_add(c)
}

/// What [`load_half`] gives for the first half and a message that ends in it.
#[inline]
#[target_feature(enable = "bmi2,avx512f,avx512bw")]
fn load_low(parts: [&[u8]; 3], length: usize) -> __m512i {
    let mut low = _mm512_setzero_si512();
    let mut at = 0;
    for part in parts {
        // An address that is not mapped would cost much time, though nothing is read there.
        if !part.is_empty() {
            let mask = _bzhi_u64(u64::MAX, part.len() as u32) << at;
            let start = part.as_ptr().wrapping_sub(at);
            // SAFETY: what the mask lets through are bytes of `part`; others are not accessed.
            low = _mm512_or_si512(low, unsafe { _mm512_maskz_loadu_epi8(mask, start.cast()) });
            at += part.len();
        }
    }
    let low = _mm512_mask_mov_epi8(low, 1 << length, _mm512_set1_epi8(i8::MIN));
    _mm512_shuffle_epi8(low, to_little_endian())
}

/// The half that begins at `from` of the block of a message, as words, without its length in bits.
#[inline]
#[target_feature(enable = "bmi2,avx512f,avx512bw")]
fn load_half(parts: [&[u8]; 3], from: usize) -> __m512i {
    let ([a, b, c], length) = (parts, length(parts));
    let half = load_part(a, 0, from);
    let half = _mm512_or_si512(half, load_part(b, a.len(), from));
    let half = _mm512_or_si512(half, load_part(c, a.len() + b.len(), from));
    let mark = if length & 64 == from { 1 << (length % 64) } else { 0 };
    let half = _mm512_mask_mov_epi8(half, mark, _mm512_set1_epi8(i8::MIN));
    _mm512_shuffle_epi8(half, to_little_endian())
}

/// Of a part that begins at `at` in a block, what is in the half that begins at `from`.
#[inline]
#[target_feature(enable = "bmi2,avx512f,avx512bw")]
fn load_part(part: &[u8], at: usize, from: usize) -> __m512i {
    // An address that is not mapped would cost much time, though nothing is read there.
    if part.is_empty() || at + part.len() <= from || from + 64 <= at {
        return _mm512_setzero_si512();
    }
    // From 64 on, all bits are below.
    let below = |end: usize| _bzhi_u64(u64::MAX, end as u32);
    let mask = below(at + part.len() - from) & !below(at.saturating_sub(from));
    let start = part.as_ptr().wrapping_sub(at).wrapping_add(from);
    // SAFETY: what the mask lets through are bytes of `part`; others are not accessed.
    unsafe { _mm512_maskz_loadu_epi8(mask, start.cast()) }
}

/// The chaining values of all lanes, word by word.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_states(states: [&[u64; 8]; 8]) -> [__m512i; 8] {
    if states.iter().all(|state| ptr::eq(*state, states[0])) {
        return states[0].map(|word| _mm512_set1_epi64(word.cast_signed()));
    }
    transpose(states.map(|state| load(state)))
}

/// Four rows of eight words become columns.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
fn transpose_four(rows: [__m512i; 4]) -> [__m256i; 8] {
    let low = avx2::transpose(rows.map(|row| _mm512_castsi512_si256(row)));
    let high = avx2::transpose(rows.map(|row| _mm512_extracti64x4_epi64::<1>(row)));
    let mut columns = [_mm256_setzero_si256(); 8];
    columns[..4].copy_from_slice(&low);
    columns[4..].copy_from_slice(&high);
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_four_states(states: [&[u64; 8]; 4]) -> [__m256i; 8] {
    let mut words = [_mm256_setzero_si256(); 8];
    for half in 0..2 {
        let rows = states.map(|state| avx2::load(&state.as_chunks().0[half]));
        words[4 * half..4 * half + 4].copy_from_slice(&avx2::transpose(rows));
    }
    words
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: 64 bytes are readable, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// The order of bytes that turns around each word.
#[inline]
#[target_feature(enable = "avx512f")]
fn to_little_endian() -> __m512i {
    _mm512_set_epi64(
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
    )
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    // By steps of one word, of two and of four.
    let mut pairs = [_mm512_setzero_si512(); 8];
    for i in 0..4 {
        pairs[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        pairs[i + 4] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
    }
    let mut columns = [_mm512_setzero_si512(); 8];
    for odd in 0..2 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| pairs[4 * odd + i]);
        let (low, high) = (_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b));
        let (low2, high2) =
            (_mm512_shuffle_i64x2::<0x44>(c, d), _mm512_shuffle_i64x2::<0xee>(c, d));
        columns[odd] = _mm512_shuffle_i64x2::<0x88>(low, low2);
        columns[odd + 2] = _mm512_shuffle_i64x2::<0xdd>(low, low2);
        columns[odd + 4] = _mm512_shuffle_i64x2::<0x88>(high, high2);
        columns[odd + 6] = _mm512_shuffle_i64x2::<0xdd>(high, high2);
    }
    columns
}
