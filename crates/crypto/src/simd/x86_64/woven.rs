//! AES-256-CBC encryption and SHA-512 of what it gives, woven into one loop.
//!
//! Encryption in CBC mode waits for the latency of each round of AES, and uses little else of the
//! processor; SHA-512 needs the integer units. Side by side they take the time of SHA-512 alone.
//! The hash follows the cipher at some distance, through ciphertext that is still in the cache.

use std::arch::asm;
use std::mem::offset_of;

use super::aes::{Aes, Block, RoundKeys, Schedule, load, store};
use super::sha512::{Bmi2, Keyed, extend, load as load_words, sha512_round};

/// Bytes that one step encrypts and hashes.
pub(crate) const STEP: usize = 128;

/// Proof that the processor has AES-NI, AVX2, BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(crate) struct Woven(());

impl Woven {
    pub(crate) fn detect() -> Option<Self> {
        (Aes::detect().is_some() && Bmi2::detect().is_some()).then_some(Self(()))
    }

    /// Encrypts `buffer` from `cipher_at` on in place, in whole steps as far as it reaches, and
    /// hashes as many bytes from `hash_at` on. Returns the number of steps.
    ///
    /// `chain` is the initialization vector or the ciphertext block before `cipher_at`.
    ///
    /// # Panics
    /// If `hash_at` is not at least one step behind `cipher_at`.
    pub(crate) fn encrypt(
        self,
        keys: &RoundKeys,
        chain: &mut Block,
        state: &mut [u64; 8],
        buffer: &mut [u8],
        cipher_at: usize,
        hash_at: usize,
    ) -> usize {
        assert!(hash_at + STEP <= cipher_at);
        let steps = buffer.len().saturating_sub(cipher_at) / STEP;
        for step in 0..steps {
            let (done, ahead) = buffer.split_at_mut(cipher_at + STEP * step);
            let (_, hashed) = done.split_at(hash_at + STEP * step);
            if let (Some(hashed), Some(blocks)) =
                (hashed.first_chunk(), ahead.as_chunks_mut().0.first_chunk_mut())
            {
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe { encrypt_step(&keys.encrypt, chain, blocks, state, hashed) }
            }
        }
        steps
    }
}

/// What a step reads, `keyed` first.
#[repr(C)]
struct Work {
    keyed: Keyed,
    keys: Schedule,
    blocks: [Block; 8],
}

/// Encrypts eight blocks and compresses another block of 128 bytes.
///
/// # Safety
/// The processor must have AES-NI, AVX2, BMI1 and BMI2.
#[target_feature(enable = "aes,avx2,bmi1,bmi2")]
#[expect(unused_assignments, reason = "by the last round")]
unsafe fn encrypt_step(
    keys: &Schedule,
    chain: &mut Block,
    blocks: &mut [Block; 8],
    state: &mut [u64; 8],
    hashed: &[u8; STEP],
) {
    // Everything the asm statements read stands behind one pointer.
    let mut work = Work { keyed: [[0; 4]; 20], keys: *keys, blocks: *blocks };
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
                        work = in(reg) &raw const work,
                        key = const offset_of!(Work, keys),
                        block = const offset_of!(Work, blocks) + 16 * ($n / 15),
                        options(readonly, nostack, preserves_flags),
                    ),
                    14 => asm!(
                        "vaesenclast {cipher}, {cipher}, xmmword ptr [{work} + {key}]",
                        cipher = inout(xmm_reg) cipher,
                        work = in(reg) &raw const work,
                        key = const offset_of!(Work, keys) + 16 * 14,
                        options(readonly, nostack, preserves_flags),
                    ),
                    _ => asm!(
                        "vaesenc {cipher}, {cipher}, xmmword ptr [{work} + {key}]",
                        cipher = inout(xmm_reg) cipher,
                        work = in(reg) &raw const work,
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
            let words = (&raw const work).cast::<u64>();
            sha512_round!(a b c d e f g h, bc, words, 8 * $eighth);
            sha512_round!(h a b c d e f g, bc, words, 8 * $eighth + 1);
            three_of_aes!(12 * $eighth);
            sha512_round!(g h a b c d e f, bc, words, 8 * $eighth + 2);
            sha512_round!(f g h a b c d e, bc, words, 8 * $eighth + 3);
            three_of_aes!(12 * $eighth + 3);
            if $eighth < 8 {
                extend(&mut w, &mut work.keyed, 2 * $eighth + 1);
            }
            let words = (&raw const work).cast::<u64>();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_one_after_the_other(
            key: [u8; 32],
            iv: Block,
            state: [u64; 8],
            lag in 128usize..300,
            hash_at in 0usize..40,
            buffer in prop::collection::vec(any::<u8>(), 340..2000),
        ) {
            let (Some(woven), Some(aes)) = (Woven::detect(), Aes::detect()) else { return Ok(()) };
            let keys = aes.expand(&key);
            let cipher_at = hash_at + lag;
            let (mut ours, mut chain, mut ours_state) = (buffer.clone(), iv, state);
            let steps = woven.encrypt(&keys, &mut chain, &mut ours_state, &mut ours, cipher_at, hash_at);
            prop_assert_eq!(steps, (buffer.len() - cipher_at) / STEP);

            let mut expected = buffer;
            let blocks = expected[cipher_at..cipher_at + steps * STEP].as_chunks_mut().0;
            aes.cbc_encrypt(&keys, &iv, blocks);
            prop_assert_eq!(chain, blocks.last().copied().unwrap_or(iv));
            prop_assert_eq!(&ours, &expected);
            let mut expected_state = state;
            let hashed = expected[hash_at..hash_at + steps * STEP].as_chunks().0;
            sha2::block_api::compress512(&mut expected_state, hashed);
            prop_assert_eq!(ours_state, expected_state);
        }
    }
}
