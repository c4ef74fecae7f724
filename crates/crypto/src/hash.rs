//! SHA-256 and SHA-512 (FIPS 180-4).
//!
//! One-shot functions for the other rooms; inside the crate a `Stream` that can also be resumed
//! from the middle, which is what HMAC with a cached key needs.

use zeroize::{Zeroize, zeroize_bytes};

use crate::engine::Engine;
#[cfg(target_arch = "x86_64")]
use crate::simd::x86_64::Short;

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut stream = Stream::<Sha256, 64>::new();
    stream.update(data);
    stream.finish()
}

/// SHA-512 of `data`.
pub fn sha512(data: &[u8]) -> [u8; 64] {
    let mut stream = Stream::<Sha512, 128>::new();
    stream.update(data);
    stream.finish()
}

/// A hash function of the SHA-2 family with blocks of `BLOCK` bytes.
pub(crate) trait Hash<const BLOCK: usize> {
    /// The chaining value.
    type State: Copy + Zeroize;
    /// The digest.
    type Output: AsRef<[u8]>;
    /// The chaining value before the first block.
    const INITIAL: Self::State;
    /// Bytes of the length field at the end of the last block.
    const LENGTH_FIELD: usize;

    /// Hashes whole blocks into the chaining value.
    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK]]);
    /// The HMAC of a message that fits into one block, from the chaining values after the pads on, where
    /// there is a kernel for that.
    fn mac_short<const N: usize>(
        _inner: &Self::State,
        _outer: &Self::State,
        _parts: [&[u8]; N],
    ) -> Option<Self::Output> {
        None
    }

    /// The digest that a final chaining value stands for.
    fn output(state: &Self::State) -> Self::Output;
}

/// SHA-256.
pub(crate) enum Sha256 {}

impl Hash<64> for Sha256 {
    type State = [u32; 8];
    type Output = [u8; 32];
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const LENGTH_FIELD: usize = 8;

    fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
        sha2::block_api::compress256(state, blocks);
    }

    fn output(state: &[u32; 8]) -> [u8; 32] {
        let mut output = [0; 32];
        for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        output
    }
}

/// SHA-512.
pub(crate) enum Sha512 {}

impl Hash<128> for Sha512 {
    type State = [u64; 8];
    type Output = [u8; 64];
    const INITIAL: [u64; 8] = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    const LENGTH_FIELD: usize = 16;

    fn compress(state: &mut [u64; 8], blocks: &[[u8; 128]]) {
        Engine::get().sha512(state, blocks);
    }

    #[cfg(target_arch = "x86_64")]
    fn mac_short<const N: usize>(
        inner: &[u64; 8],
        outer: &[u64; 8],
        parts: [&[u8]; N],
    ) -> Option<[u8; 64]> {
        let kernel = Engine::get().avx512()?;
        let mut three: [&[u8]; 3] = [&[]; 3];
        three.get_mut(..N)?.copy_from_slice(&parts);
        let mut mac = [0; 64];
        kernel.hmac(&Short { inner, outer, parts: three }, &mut mac);
        Some(mac)
    }

    fn output(state: &[u64; 8]) -> [u8; 64] {
        let mut output = [0; 64];
        for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        output
    }
}

/// A message being hashed piece by piece.
pub(crate) struct Stream<H: Hash<BLOCK>, const BLOCK: usize> {
    state: H::State,
    /// The begin of the current block; less than a whole one.
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes of the message so far.
    length: u64,
}

impl<H: Hash<BLOCK>, const BLOCK: usize> Stream<H, BLOCK> {
    pub(crate) fn new() -> Self {
        Self::resume(H::INITIAL, 0)
    }

    /// Goes on from the chaining value after `blocks` whole blocks.
    pub(crate) fn resume(state: H::State, blocks: u64) -> Self {
        Self { state, block: [0; BLOCK], filled: 0, length: blocks * BLOCK as u64 }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.length += data.len() as u64;
        let mut data = data;
        if self.filled > 0 {
            let (_, free) = self.block.split_at_mut(self.filled);
            let (now, later) = data.split_at(data.len().min(free.len()));
            free.split_at_mut(now.len()).0.copy_from_slice(now);
            self.filled += now.len();
            if self.filled < BLOCK {
                return;
            }
            H::compress(&mut self.state, std::slice::from_ref(&self.block));
            data = later;
        }
        let (blocks, rest) = data.as_chunks();
        if !blocks.is_empty() {
            H::compress(&mut self.state, blocks);
        }
        self.block.split_at_mut(rest.len()).0.copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Bytes that are missing to a whole number of blocks.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn to_boundary(&self) -> usize {
        if self.filled == 0 { 0 } else { BLOCK - self.filled }
    }

    /// At a boundary: lets `compress` hash blocks and say how many.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn with_state(&mut self, compress: impl FnOnce(&mut H::State) -> u64) {
        self.length += compress(&mut self.state) * BLOCK as u64;
    }

    pub(crate) fn finish(mut self) -> H::Output {
        let (_, free) = self.block.split_at_mut(self.filled);
        if let [mark, free @ ..] = free {
            *mark = 0x80;
            free.fill(0);
            if free.len() < H::LENGTH_FIELD {
                H::compress(&mut self.state, std::slice::from_ref(&self.block));
                self.block.fill(0);
            }
        }
        if let Some(length) = self.block.last_chunk_mut() {
            *length = (self.length * 8).to_be_bytes();
        }
        H::compress(&mut self.state, std::slice::from_ref(&self.block));
        H::output(&self.state)
    }
}

/// The state may come from a key, and the block may hold plaintext.
impl<H: Hash<BLOCK>, const BLOCK: usize> Drop for Stream<H, BLOCK> {
    fn drop(&mut self) {
        self.state.zeroize();
        zeroize_bytes(&mut self.block);
    }
}

#[cfg(test)]
mod tests;
