//! AES-256-CBC encryption and SHA-512 of what it gives, woven into one loop.
//!
//! Encryption in CBC mode waits for the latency of each round of AES, and uses little else of the
//! processor; SHA-512 needs the integer units. Side by side they take the time of SHA-512 alone.
//! The hash follows the cipher at some distance, through ciphertext that is still in the cache.
//!
//! Decryption is not worth the same: with many blocks in flight it takes a twentieth of the time of
//! the hash, and woven together the two were measured to take as long as one after the other.

use zeroize::Zeroize;

use super::aes::{Aes, Block, RoundKeys, Schedule};
use super::avx512::Avx512;
use super::sha512::{Bmi2, Keyed, Row};

mod encrypt;

/// Bytes that one step encrypts, and hashes.
pub(crate) const STEP: usize = 128;

/// Proof that the processor has AES-NI, AVX2, BMI1 and BMI2; and AVX-512, if it says so.
#[derive(Clone, Copy)]
pub(crate) struct Woven {
    avx512: bool,
}

impl Woven {
    pub(crate) fn detect() -> Option<Self> {
        let avx512 = Avx512::detect().is_some();
        (Aes::detect().is_some() && Bmi2::detect().is_some()).then_some(Self { avx512 })
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
        let mut work = Work::new(&keys.encrypt);
        let steps = buffer.len().saturating_sub(cipher_at) / STEP;
        for step in 0..steps {
            let (done, ahead) = buffer.split_at_mut(cipher_at + STEP * step);
            let (_, hashed) = done.split_at(hash_at + STEP * step);
            if let (Some(hashed), Some(blocks)) =
                (hashed.first_chunk(), ahead.as_chunks_mut().0.first_chunk_mut())
            {
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe {
                    if self.avx512 {
                        encrypt::step_avx512(&mut work, chain, blocks, state, hashed);
                    } else {
                        encrypt::step(&mut work, chain, blocks, state, hashed);
                    }
                }
            }
        }
        work.keys.zeroize();
        steps
    }
}

/// What a step reads, behind one pointer; `keyed` first.
#[repr(C)]
struct Work {
    keyed: Keyed,
    keys: Schedule,
    blocks: [Block; 8],
}

impl Work {
    fn new(keys: &Schedule) -> Self {
        Self { keyed: [Row::ZERO; 20], keys: *keys, blocks: [[0; 16]; 8] }
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
            avx512: bool,
            state: [u64; 8],
            lag in 128usize..300,
            hash_at in 0usize..40,
            buffer in prop::collection::vec(any::<u8>(), 340..2000),
        ) {
            let (Some(woven), Some(aes)) = (Woven::detect(), Aes::detect()) else { return Ok(()) };
            let woven = Woven { avx512: woven.avx512 && avx512 };
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
