//! AES-CBC over many values at once.
//!
//! A value's blocks can only be encrypted one after the other, so the processor is kept busy with
//! a block of each of several values. Decryption has no such chain, and takes blocks as they come.

use crate::aead::IV_LEN;
use crate::cipher::{Aes256, BLOCK, LANES};

/// A value to encrypt.
pub(super) struct Plain<'a> {
    pub(super) cipher: &'a Aes256,
    pub(super) iv: [u8; IV_LEN],
    pub(super) plaintext: &'a [u8],
    /// Where its ciphertext starts in the output.
    pub(super) at: usize,
}

/// A value of which blocks are left.
struct Lane<'a> {
    cipher: &'a Aes256,
    chain: [u8; BLOCK],
    rest: &'a [u8],
    at: usize,
    /// Whether the block with the padding has been taken.
    is_last: bool,
}

impl<'a> Lane<'a> {
    /// Writes the initialization vector.
    fn start(value: Plain<'a>, out: &mut [u8]) -> Self {
        let Plain { cipher, iv, plaintext, at } = value;
        write(out, at, &iv);
        Self { cipher, chain: iv, rest: plaintext, at: at + IV_LEN, is_last: false }
    }

    /// Takes the next block of the padded plaintext.
    fn take(&mut self) -> [u8; BLOCK] {
        let mut block = if let Some((whole, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            *whole
        } else {
            self.is_last = true;
            let padding = BLOCK - self.rest.len();
            let mut block = [padding as u8; BLOCK];
            for (to, from) in block.iter_mut().zip(self.rest) {
                *to = *from;
            }
            block
        };
        xor(&mut block, &self.chain);
        block
    }
}

/// Writes initialization vector and blocks of each value into its place in `out`.
pub(super) fn encrypt<'a>(mut values: impl Iterator<Item = Plain<'a>>, out: &mut [u8]) {
    let mut lanes: [Option<Lane<'a>>; LANES] = [const { None }; LANES];
    // What the idle lanes encrypt under.
    let mut any_key = None;
    loop {
        let mut blocks = [[0; BLOCK]; LANES];
        let mut busy = false;
        for (slot, block) in lanes.iter_mut().zip(&mut blocks) {
            if slot.is_none() {
                *slot = values.next().map(|value| Lane::start(value, out));
            }
            if let Some(lane) = slot {
                *block = lane.take();
                any_key = Some(lane.cipher);
                busy = true;
            }
        }
        let (true, Some(any_key)) = (busy, any_key) else { return };
        let keys = lanes.each_ref().map(|lane| lane.as_ref().map_or(any_key, |lane| lane.cipher));
        Aes256::encrypt_lanes(keys, &mut blocks);
        for (slot, block) in lanes.iter_mut().zip(&blocks) {
            if let Some(lane) = slot {
                write(out, lane.at, block);
                if lane.is_last {
                    *slot = None;
                } else {
                    lane.chain = *block;
                    lane.at += BLOCK;
                }
            }
        }
    }
}

/// As many blocks wait to be decrypted together.
const WAITING: usize = 2 * LANES;

/// Blocks that wait until there are enough of them to be decrypted together.
pub(super) struct Decryptor<'a> {
    waiting: usize,
    keys: [&'a Aes256; WAITING],
    blocks: [[u8; BLOCK]; WAITING],
    chains: [[u8; BLOCK]; WAITING],
    places: [usize; WAITING],
}

impl<'a> Decryptor<'a> {
    /// `any_key` is for the idle lanes.
    pub(super) fn new(any_key: &'a Aes256) -> Self {
        Self {
            waiting: 0,
            keys: [any_key; WAITING],
            blocks: [[0; BLOCK]; WAITING],
            chains: [[0; BLOCK]; WAITING],
            places: [0; WAITING],
        }
    }

    /// Decrypts the blocks of a value to `at` in `out`, now or with [`finish`](Self::finish).
    pub(super) fn decrypt(
        &mut self,
        cipher: &'a Aes256,
        iv: &[u8; IV_LEN],
        encrypted: &[[u8; BLOCK]],
        at: usize,
        out: &mut [u8],
    ) {
        // Whole groups of a long value need no gathering.
        let (alone, rest) = encrypted.split_at(encrypted.len() / WAITING * WAITING);
        let mut chain = *iv;
        let mut at = at;
        if let Some(last) = alone.last() {
            let end = at + alone.len() * BLOCK;
            if let Some(place) = out.get_mut(at..end) {
                let (blocks, _) = place.as_chunks_mut();
                blocks.copy_from_slice(alone);
                cipher.cbc_decrypt(iv, blocks);
            }
            (chain, at) = (*last, end);
        }
        for block in rest {
            self.push(cipher, &chain, block, at, out);
            chain = *block;
            at += BLOCK;
        }
    }

    #[expect(clippy::indexing_slicing, reason = "fewer than WAITING blocks wait")]
    fn push(
        &mut self,
        cipher: &'a Aes256,
        chain: &[u8; BLOCK],
        block: &[u8; BLOCK],
        at: usize,
        out: &mut [u8],
    ) {
        let lane = self.waiting;
        self.keys[lane] = cipher;
        self.blocks[lane] = *block;
        self.chains[lane] = *chain;
        self.places[lane] = at;
        self.waiting += 1;
        if self.waiting == WAITING {
            self.finish(out);
        }
    }

    /// Decrypts what waits.
    pub(super) fn finish(&mut self, out: &mut [u8]) {
        Aes256::cbc_decrypt_each(&self.keys, &self.chains, &mut self.blocks, self.waiting);
        for (block, at) in self.blocks.iter().zip(self.places).take(self.waiting) {
            write(out, at, block);
        }
        self.waiting = 0;
    }
}

fn write(out: &mut [u8], at: usize, block: &[u8; BLOCK]) {
    if let Some(place) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = *block;
    }
}

fn xor(block: &mut [u8; BLOCK], with: &[u8; BLOCK]) {
    *block = (u128::from_ne_bytes(*block) ^ u128::from_ne_bytes(*with)).to_ne_bytes();
}
