//! Many HMAC-SHA-512 at once.
//!
//! Each lane of a kernel holds one message: first its own blocks, hashed from the inner pad on,
//! then the block with the inner digest, hashed from the outer pad on, then the next message. So
//! the lanes stay busy whatever the lengths are.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no kernel there yet"))]

use zeroize::{Zeroize, zeroize_bytes};

use crate::engine::{Engine, Sha512Lanes};
use crate::hash::{Hash, Sha512};
use crate::hmac::HmacSha512;

const BLOCK: usize = 128;

/// The most messages that a kernel takes at once.
pub(super) const FULL: usize = 9;

#[cfg(target_arch = "x86_64")]
mod short;

/// A message to authenticate: the concatenation of three parts.
pub(super) struct Message<'a> {
    pub(super) key: &'a HmacSha512,
    pub(super) parts: [&'a [u8]; 3],
}

/// Writes the first half of the MAC of each message.
pub(super) fn macs<'a>(message: impl Fn(usize) -> Message<'a>, out: &mut [[u8; 32]]) {
    let engine = Engine::get();
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = engine.avx512() {
        let long = short::macs(kernel, &message, out);
        if long > 0 {
            let is_long = |index| !short::is_short(&message(index));
            in_lanes(engine.sha512_lanes(long), &message, is_long, out);
        }
        return;
    }
    in_lanes(engine.sha512_lanes(out.len()), &message, |_| true, out);
}

/// The same for those messages alone that `is_wanted` names.
fn in_lanes<'a>(
    lanes: Sha512Lanes,
    message: &impl Fn(usize) -> Message<'a>,
    is_wanted: impl Fn(usize) -> bool,
    out: &mut [[u8; 32]],
) {
    let queue = Queue { next: 0, message, is_wanted };
    match lanes {
        #[cfg(target_arch = "x86_64")]
        Sha512Lanes::Avx512x8(kernel) => run(3, |s, b| kernel.sha512_x8(s, b), queue, out),
        #[cfg(target_arch = "x86_64")]
        Sha512Lanes::Avx512x4(kernel) => run(2, |s, b| kernel.sha512_x4(s, b), queue, out),
        #[cfg(target_arch = "x86_64")]
        Sha512Lanes::Avx2x4(kernel) => run(3, |s, b| kernel.sha512_x4(s, b), queue, out),
        Sha512Lanes::None => one_by_one(queue, out),
    }
}

/// The messages that no lane has taken yet.
struct Queue<M, W> {
    next: usize,
    message: M,
    is_wanted: W,
}

impl<'a, M: Fn(usize) -> Message<'a>, W: Fn(usize) -> bool> Queue<M, W> {
    /// The next message below `end`, and its index.
    fn take(&mut self, end: usize) -> Option<(usize, Message<'a>)> {
        let index = (self.next..end).find(|index| (self.is_wanted)(*index))?;
        self.next = index + 1;
        Some((index, (self.message)(index)))
    }
}

fn one_by_one<'a>(
    mut queue: Queue<impl Fn(usize) -> Message<'a>, impl Fn(usize) -> bool>,
    out: &mut [[u8; 32]],
) {
    while let Some((index, Message { key, parts })) = queue.take(out.len()) {
        if let Some(out) = out.get_mut(index) {
            out.copy_from_slice(key.mac(parts).split_at(32).0);
        }
    }
}

/// With fewer than `worthwhile` messages left, each is finished alone.
#[expect(clippy::indexing_slicing, reason = "lanes are counted from 0 to LANES")]
fn run<'a, const LANES: usize>(
    worthwhile: usize,
    kernel: impl Fn(&mut [[u64; LANES]; 8], &[[u8; BLOCK]; LANES]),
    mut queue: Queue<impl Fn(usize) -> Message<'a>, impl Fn(usize) -> bool>,
    out: &mut [[u8; 32]],
) {
    let mut state = [[0; LANES]; 8];
    let mut blocks = [[0; BLOCK]; LANES];
    let mut lanes: [Lane<'a>; LANES] = std::array::from_fn(|_| Lane::Idle);
    loop {
        let mut busy = 0;
        for (lane, (doing, block)) in lanes.iter_mut().zip(&mut blocks).enumerate() {
            let mut column = std::array::from_fn(|i| state[i][lane]);
            if doing.advance(&mut column, block, &mut queue, out) {
                for (words, word) in state.iter_mut().zip(column) {
                    words[lane] = word;
                }
            }
            busy += usize::from(!matches!(doing, Lane::Idle));
        }
        if busy < worthwhile {
            break;
        }
        kernel(&mut state, &blocks);
    }
    for (lane, (doing, block)) in lanes.iter_mut().zip(&mut blocks).enumerate() {
        let mut column = std::array::from_fn(|i| state[i][lane]);
        while !matches!(doing, Lane::Idle) {
            Sha512::compress(&mut column, std::slice::from_ref(block));
            doing.advance(&mut column, block, &mut queue, out);
        }
        column.zeroize();
    }
    state.zeroize();
    zeroize_bytes(blocks.as_flattened_mut());
}

/// What a lane does.
enum Lane<'a> {
    Idle,
    /// Its block is one of the message.
    Inner {
        index: usize,
        key: &'a HmacSha512,
        rest: Rest<'a>,
    },
    /// Its block is the inner digest.
    Outer {
        index: usize,
    },
}

impl<'a> Lane<'a> {
    /// After a block has been compressed into `column`, writes the next one. Returns whether the
    /// column was set anew.
    fn advance(
        &mut self,
        column: &mut [u64; 8],
        block: &mut [u8; BLOCK],
        queue: &mut Queue<impl Fn(usize) -> Message<'a>, impl Fn(usize) -> bool>,
        out: &mut [[u8; 32]],
    ) -> bool {
        if let Self::Inner { index, key, rest } = self {
            if !rest.is_empty() {
                rest.write_block(block);
                return false;
            }
            write_outer_block(column, block);
            *column = *key.outer();
            *self = Self::Outer { index: *index };
            return true;
        }
        if let Self::Outer { index } = self
            && let Some(mac) = out.get_mut(*index)
        {
            write_words(column, mac);
        }
        let Some((index, Message { key, parts })) = queue.take(out.len()) else {
            *self = Self::Idle;
            return false;
        };
        let mut rest = Rest::new(parts);
        rest.write_block(block);
        *column = *key.inner();
        *self = Self::Inner { index, key, rest };
        true
    }
}

/// What of a message is not yet in a block.
struct Rest<'a> {
    parts: [&'a [u8]; 3],
    /// Bits of message and inner pad.
    bits: u64,
    /// Whether the bit that ends the message is still to be written.
    is_open: bool,
    /// Whether the block with the length has been written.
    is_empty: bool,
}

impl<'a> Rest<'a> {
    fn new(parts: [&'a [u8]; 3]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum::<usize>() + BLOCK;
        Self { parts, bits: length as u64 * 8, is_open: true, is_empty: false }
    }

    fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn write_block(&mut self, block: &mut [u8; BLOCK]) {
        *block = [0; BLOCK];
        let mut free = &mut block[..];
        for part in &mut self.parts {
            let (now, later) = part.split_at(part.len().min(free.len()));
            let (to, rest) = free.split_at_mut(now.len());
            to.copy_from_slice(now);
            (*part, free) = (later, rest);
        }
        if self.is_open {
            let [mark, rest @ ..] = free else { return };
            *mark = 0x80;
            self.is_open = false;
            free = rest;
        }
        if let Some((_, length)) = free.split_last_chunk_mut::<16>() {
            *length = u128::from(self.bits).to_be_bytes();
            self.is_empty = true;
        }
    }
}

/// The padded message of the outer hash: 64 bytes, after a pad of 128.
fn write_outer_block(inner: &[u64; 8], block: &mut [u8; BLOCK]) {
    let (digest, padding) = block.split_at_mut(64);
    write_words(inner, digest);
    padding.fill(0);
    if let [mark, .., high, low] = padding {
        let bits: u16 = (128 + 64) * 8;
        *mark = 0x80;
        [*high, *low] = bits.to_be_bytes();
    }
}

/// As many words as `out` has room for.
fn write_words(words: &[u64; 8], out: &mut [u8]) {
    for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference<const LANES: usize>(state: &mut [[u64; LANES]; 8], blocks: &[[u8; BLOCK]; LANES]) {
        for (lane, block) in blocks.iter().enumerate() {
            let mut column = state.map(|words| words[lane]);
            Sha512::compress(&mut column, std::slice::from_ref(block));
            for (words, word) in state.iter_mut().zip(column) {
                words[lane] = word;
            }
        }
    }

    fn check(keys: &[HmacSha512], parts: &[[Vec<u8>; 3]]) {
        let message = |index: usize| Message {
            key: &keys[index % keys.len()],
            parts: parts[index].each_ref().map(|part| &part[..]),
        };
        let expected: Vec<[u8; 32]> = (0..parts.len())
            .map(|index| {
                let Message { key, parts } = message(index);
                key.mac(parts)[..32].try_into().unwrap()
            })
            .collect();
        let mut out = vec![[0; 32]; parts.len()];
        macs(message, &mut out);
        assert!(out == expected, "kernel");
        let all = || Queue { next: 0, message, is_wanted: |_| true };
        for worthwhile in [1, 3] {
            out.fill([0; 32]);
            run(worthwhile, reference::<4>, all(), &mut out);
            assert!(out == expected, "four lanes, {worthwhile} of them used");
            out.fill([0; 32]);
            run(worthwhile, reference::<8>, all(), &mut out);
            assert!(out == expected, "eight lanes, {worthwhile} of them used");
        }
        for lanes in Engine::get().every_sha512_lanes() {
            out.fill([0; 32]);
            in_lanes(lanes, &message, |index| index % 3 > 0, &mut out);
            in_lanes(lanes, &message, |index| index % 3 == 0, &mut out);
            assert!(out == expected, "each of the kernels");
        }
    }

    fn keys() -> Vec<HmacSha512> {
        (0..3).map(|n| HmacSha512::new(&[n; 32])).collect()
    }

    #[test]
    fn every_length_to_1000() {
        let message: Vec<u8> = (0..1000u32).map(|i| (i * 31 + 7) as u8).collect();
        let parts: Vec<[Vec<u8>; 3]> = (0..=message.len())
            .map(|length| {
                let (head, tail) = message[..length].split_at(length / 7);
                let (middle, tail) = tail.split_at(tail.len() / 2);
                [head.to_vec(), middle.to_vec(), tail.to_vec()]
            })
            .collect();
        check(&keys(), &parts);
    }

    /// As many as leave each number of messages for the last group; of every length that has one
    /// block, parts empty or not.
    #[test]
    fn every_number_of_short_messages() {
        let text: Vec<u8> = (0..120u32).map(|i| (i * 31 + 7) as u8).collect();
        for count in 0..=26 {
            for first in 0..=112 {
                let parts: Vec<[Vec<u8>; 3]> = (0..count)
                    .map(|n| {
                        let (head, tail) = text[..(first + n * 5) % 113]
                            .split_at((first + n * 5) % 113 * (n % 3) / 3);
                        let (middle, tail) = tail.split_at(first * tail.len() / 112);
                        [head.to_vec(), middle.to_vec(), tail.to_vec()]
                    })
                    .collect();
                check(&keys()[..1 + first % 3], &parts);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn lanes_equal_one_by_one(
            lengths in prop::collection::vec((0usize..200, 0usize..300, 0usize..40), 0..30),
            seed: u8,
        ) {
            let text: Vec<u8> = (0..300u32).map(|i| (i as u8).wrapping_mul(seed | 1)).collect();
            let parts: Vec<[Vec<u8>; 3]> = lengths
                .into_iter()
                .map(|(a, b, c)| [text[..a].to_vec(), text[..b].to_vec(), text[..c].to_vec()])
                .collect();
            check(&keys(), &parts);
        }
    }
}
