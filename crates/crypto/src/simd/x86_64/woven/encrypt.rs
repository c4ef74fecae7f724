//! CBC encryption, bound by the latency of AES: one operation of it between the rounds of SHA-512.

use std::arch::asm;
use std::mem::offset_of;

use super::super::aes::{Block, load, store};
use super::super::sha512::{extend, load as load_words, sha512_round};
use super::{STEP, Work};

/// Encrypts eight blocks and compresses another block of 128 bytes.
///
/// # Safety
/// The processor must have AES-NI, AVX2, BMI1 and BMI2.
#[target_feature(enable = "aes,avx2,bmi1,bmi2")]
#[expect(unused_assignments, reason = "by the last round")]
pub(super) unsafe fn step(
    work: &mut Work,
    chain: &mut Block,
    blocks: &mut [Block; 8],
    state: &mut [u64; 8],
    hashed: &[u8; STEP],
) {
    work.blocks = *blocks;
    let mut w = load_words(hashed, &mut work.keyed);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut bc = b ^ c;
    let mut cipher = load(chain);

    // 120 operations of AES, 15 to a block, are spread over 80 rounds of SHA-512: 12 to 8 rounds.
    macro_rules! three_of_aes {
        ($first:expr) => {
            one_of_aes!($first);
            one_of_aes!($first + 1);
            one_of_aes!($first + 2);
        };
    }
    macro_rules! one_of_aes {
        ($n:expr) => {
            // In the places where they stand; the compiler would put them together.
            // SAFETY: reads nothing but a round key, and a block of plaintext.
            unsafe {
                match $n % 15 {
                    0 => asm!(
                        "vpxor {cipher}, {cipher}, xmmword ptr [{work} + {key}]",
                        "vpxor {cipher}, {cipher}, xmmword ptr [{work} + {block}]",
                        cipher = inout(xmm_reg) cipher,
                        work = in(reg) &raw const *work,
                        key = const offset_of!(Work, keys),
                        block = const offset_of!(Work, blocks) + 16 * ($n / 15),
                        options(readonly, nostack, preserves_flags),
                    ),
                    14 => asm!(
                        "vaesenclast {cipher}, {cipher}, xmmword ptr [{work} + {key}]",
                        cipher = inout(xmm_reg) cipher,
                        work = in(reg) &raw const *work,
                        key = const offset_of!(Work, keys) + 16 * 14,
                        options(readonly, nostack, preserves_flags),
                    ),
                    _ => asm!(
                        "vaesenc {cipher}, {cipher}, xmmword ptr [{work} + {key}]",
                        cipher = inout(xmm_reg) cipher,
                        work = in(reg) &raw const *work,
                        key = const offset_of!(Work, keys) + 16 * ($n % 15),
                        options(readonly, nostack, preserves_flags),
                    ),
                }
            }
            if $n % 15 == 14 {
                store(&mut work.blocks[$n / 15], cipher);
            }
        };
    }
    macro_rules! eight_rounds {
        ($eighth:expr) => {
            if $eighth < 8 {
                extend(&mut w, &mut work.keyed, 2 * $eighth);
            }
            let words = (&raw const *work).cast::<u64>();
            sha512_round!(a b c d e f g h, bc, words, 8 * $eighth);
            sha512_round!(h a b c d e f g, bc, words, 8 * $eighth + 1);
            three_of_aes!(12 * $eighth);
            sha512_round!(g h a b c d e f, bc, words, 8 * $eighth + 2);
            sha512_round!(f g h a b c d e, bc, words, 8 * $eighth + 3);
            three_of_aes!(12 * $eighth + 3);
            if $eighth < 8 {
                extend(&mut w, &mut work.keyed, 2 * $eighth + 1);
            }
            let words = (&raw const *work).cast::<u64>();
            sha512_round!(e f g h a b c d, bc, words, 8 * $eighth + 4);
            sha512_round!(d e f g h a b c, bc, words, 8 * $eighth + 5);
            three_of_aes!(12 * $eighth + 6);
            sha512_round!(c d e f g h a b, bc, words, 8 * $eighth + 6);
            sha512_round!(b c d e f g h a, bc, words, 8 * $eighth + 7);
            three_of_aes!(12 * $eighth + 9);
        };
    }
    eight_rounds!(0);
    eight_rounds!(1);
    eight_rounds!(2);
    eight_rounds!(3);
    eight_rounds!(4);
    eight_rounds!(5);
    eight_rounds!(6);
    eight_rounds!(7);
    eight_rounds!(8);
    eight_rounds!(9);
    store(chain, cipher);
    *blocks = work.blocks;
    for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(end);
    }
}
