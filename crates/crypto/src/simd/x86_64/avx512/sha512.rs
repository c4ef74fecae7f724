//! SHA-512 of one message: rounds in general registers, and the message schedule in vectors of
//! four words, its instructions spread between those of the rounds.

use std::arch::x86_64::*;
use std::hint;
use std::mem::MaybeUninit;

use super::super::avx2;
use super::super::constants::K512;
use super::super::sha512::{self, Keyed, Row, sha512_round, sha512_rounds};
use super::nine::OUTER_BITS;

/// Four rounds, and meanwhile the four words of the message schedule for sixteen rounds later:
/// `$i` is the index of the four, and the words for this and the next rounds are in `$w0` to `$w3`.
/// The new words replace those in `$w0`, and go with the round constants added to `$keyed`. The rest
/// is as in [`sha512_rounds`].
macro_rules! scheduled_rounds {
    ($variables:tt, $bc:ident, $keyed:expr, $i:expr, $words:tt,
        $one:tt $two:tt $three:tt $four:tt, $($operands:tt)*) => {
        scheduled_rounds!(
            @ "vpaddq {x}, {w0}, ymmword ptr [rip + {constants} + {offset} + 128]",
            $variables, $bc, $keyed, $i, $words, $one $two $three $four,
            constants = sym super::super::constants::K512,
            $($operands)*
        )
    };
    // The constants are in the rows that get the sums.
    ($variables:tt, $bc:ident, $keyed:expr, $i:expr, $words:tt) => {
        scheduled_rounds!(
            @ "vpaddq {x}, {w0}, ymmword ptr [{keyed} + {offset} + 128]",
            $variables, $bc, $keyed, $i, $words, ["", ""] ["", ""] ["", ""] ["", ""],
        )
    };
    (@ $add_constants:literal,
        $variables:tt, $bc:ident, $keyed:expr, $i:expr, [$w0:ident $w1:ident $w2:ident $w3:ident],
        $one:tt $two:tt $three:tt $four:tt, $($operands:tt)*) => {
        sha512_rounds!(
            @ $variables, $bc, $keyed, $i,
            // Words 1 and 9 steps on, and the first function of the schedule.
            ["valignq {x}, {w1}, {w0}, 1"
             "valignq {y}, {w3}, {w2}, 1"
             "vprorq {z}, {x}, 1"
             "vpaddq {w0}, {w0}, {y}"
             "vprorq {y}, {x}, 8"
             "vpsrlq {x}, {x}, 7"]
            ["vpternlogq {x}, {y}, {z}, 0x96"
             "valignq {y}, {zero}, {w3}, 2"
             "vpaddq {w0}, {w0}, {x}"
             // The second function: of words that are there for the lower two.
             "vprorq {x}, {y}, 19"
             "vprorq {z}, {y}, 61"
             "vpsrlq {y}, {y}, 6"]
            ["vpternlogq {x}, {y}, {z}, 0x96"
             "vpaddq {w0}, {w0}, {x}"
             // And of those for the upper two.
             "valignq {y}, {w0}, {zero}, 2"
             "vprorq {x}, {y}, 19"
             "vprorq {z}, {y}, 61"
             "vpsrlq {y}, {y}, 6"]
            ["vpternlogq {x}, {y}, {z}, 0x96"
             "vpaddq {w0}, {w0}, {x}"
             $add_constants
             "vmovdqa ymmword ptr [{keyed} + {offset} + 128], {x}"
             ""
             ""],
            $one $two $three $four,
            w0 = inout(ymm_reg) $w0,
            w1 = in(ymm_reg) $w1,
            w2 = in(ymm_reg) $w2,
            w3 = in(ymm_reg) $w3,
            zero = in(ymm_reg) _mm256_setzero_si256(),
            x = out(ymm_reg) _,
            y = out(ymm_reg) _,
            z = out(ymm_reg) _,
            $($operands)*
        )
    };
}

pub(in super::super) use scheduled_rounds;

/// # Safety
/// The processor must have AVX2, BMI1, BMI2, and AVX-512 F and VL.
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512vl")]
pub(super) unsafe fn sha512(state: &mut [u64; 8], blocks: &[[u8; 128]]) {
    let mut blocks = blocks.iter();
    *state = hash(*state, |_| blocks.next().map(|block| sha512::words(block)));
}

/// Both hashes of the HMAC of a message whose padded block is given as words, from the chaining
/// values on.
///
/// # Safety
/// The processor must have AVX2, BMI1, BMI2, and AVX-512 F and VL.
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512vl")]
pub(super) unsafe fn hmac(inner: &[u64; 8], outer: &[u64; 8], words: [__m256i; 4]) -> [u64; 8] {
    let mut hashes = 0;
    hash(*inner, |state| {
        hashes += 1;
        match hashes {
            1 => Some(words),
            2 => {
                let [low, high] = vectors(*state);
                *state = *outer;
                let mark = _mm256_set_epi64x(0, 0, 0, i64::MIN);
                Some([low, high, mark, _mm256_set_epi64x(OUTER_BITS, 0, 0, 0)])
            }
            _ => None,
        }
    })
}

/// The words of a chaining value, four in each vector. Through memory they would have to wait until
/// all of them are written.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn vectors(state: [u64; 8]) -> [__m256i; 2] {
    let [a, b, c, d, e, f, g, h] = state.map(u64::cast_signed);
    [_mm256_set_epi64x(d, c, b, a), _mm256_set_epi64x(h, g, f, e)]
}

/// Copies the round constants at these offsets, eight at a time, to the same places of `$rows`. As a
/// statement the compiler would make a call of it.
macro_rules! copy_constants {
    ($rows:expr, $($offset:literal),*) => {
        std::arch::asm!(
            $(
                concat!("vmovdqa64 zmm0, zmmword ptr [rip + {constants} + ", $offset, "]"),
                concat!("vmovdqu64 zmmword ptr [{rows} + ", $offset, "], zmm0"),
            )*
            rows = in(reg) $rows,
            constants = sym K512,
            out("zmm0") _,
            options(nostack, preserves_flags),
        )
    };
}

/// Hashes into a chaining value the blocks that `next` gives as words, which may also change it before
/// each.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512vl")]
fn hash(
    mut state: [u64; 8],
    mut next: impl FnMut(&mut [u64; 8]) -> Option<[__m256i; 4]>,
) -> [u64; 8] {
    while let Some(words) = next(&mut state) {
        let mut keyed = MaybeUninit::<Keyed>::uninit();
        let mut rows = keyed.as_mut_ptr().cast::<Row>();
        // SAFETY: writes all of `keyed`.
        unsafe {
            for i in 0..4 {
                let constants = avx2::load(&K512.0.as_chunks().0[i]);
                rows.add(i).cast::<__m256i>().write(_mm256_add_epi64(words[i], constants));
            }
            copy_constants!(rows, 128, 192, 256, 320, 384, 448, 512, 576);
        }
        let [mut w0, mut w1, mut w2, mut w3] = words;
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        let mut bc = b ^ c;
        // Not unrolled, which is no slower, and leaves room for what else an operation runs in the
        // caches for instructions.
        for _ in 0..hint::black_box(4) {
            // SAFETY: reads and writes rows of `keyed`, eight from the fourth times this one on.
            unsafe {
                scheduled_rounds!([a b c d e f g h], bc, rows, 0, [w0 w1 w2 w3]);
                scheduled_rounds!([e f g h a b c d], bc, rows, 1, [w1 w2 w3 w0]);
                scheduled_rounds!([a b c d e f g h], bc, rows, 2, [w2 w3 w0 w1]);
                scheduled_rounds!([e f g h a b c d], bc, rows, 3, [w3 w0 w1 w2]);
                rows = rows.add(4);
            }
        }
        for _ in 0..hint::black_box(2) {
            // SAFETY: reads nothing but two of the last four rows of `keyed`.
            unsafe {
                sha512_rounds!([a b c d e f g h], bc, rows, 0);
                sha512_rounds!([e f g h a b c d], bc, rows, 1);
                rows = rows.add(2);
            }
        }
        for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(end);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::simd::x86_64::{Avx512, sha512::tests::check};

    proptest! {
        #[test]
        fn equals_sha2(state: [u64; 8], seed: [u8; 32], count in 0usize..20) {
            let Some(kernel) = Avx512::detect() else { return Ok(()) };
            check(|state, blocks| kernel.sha512(state, blocks), state, seed, count)?;
        }
    }
}
