//! HMAC-SHA-256 of many short messages side by side: those of tokens, which are a number or a value.
#![expect(clippy::indexing_slicing, reason = "indices are below the length of a group")]

use zeroize::{Zeroize, zeroize_bytes};

use super::{HmacSha256, write_last_block};
use crate::engine::Engine;
use crate::hash::{Hash, Sha256};

const BLOCK: usize = 64;

/// Messages up to this length fill one block together with their padding.
const SHORT: usize = BLOCK - 9;

/// As many as keep the lanes busy.
const GROUP: usize = 16;

impl HmacSha256 {
    /// What [`new`](Self::new) makes of each of the keys.
    pub(crate) fn new_each(keys: &[[u8; 32]]) -> Vec<Self> {
        let mut keyed: Vec<Self> =
            keys.iter().map(|_| Self { inner: Sha256::INITIAL, outer: Sha256::INITIAL }).collect();
        for (keys, keyed) in keys.chunks(GROUP).zip(keyed.chunks_mut(GROUP)) {
            let count = keys.len();
            let mut states = [Sha256::INITIAL; GROUP];
            let mut pads = [[0x36; BLOCK]; GROUP];
            for (pad, key) in pads.iter_mut().zip(keys) {
                pad.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            }
            Engine::get().sha256_each(&mut states[..count], &pads[..count]);
            keyed.iter_mut().zip(states).for_each(|(keyed, state)| keyed.inner = state);
            states = [Sha256::INITIAL; GROUP];
            pads.as_flattened_mut().iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
            Engine::get().sha256_each(&mut states[..count], &pads[..count]);
            keyed.iter_mut().zip(states).for_each(|(keyed, state)| keyed.outer = state);
            states.zeroize();
            zeroize_bytes(pads.as_flattened_mut());
        }
        keyed
    }

    /// The MACs of messages under keys of their own.
    pub(crate) fn mac_each<'a>(
        message: impl Fn(usize) -> (&'a Self, &'a [u8]),
        out: &mut [[u8; 32]],
    ) {
        for (start, out) in (0..).step_by(GROUP).zip(out.chunks_mut(GROUP)) {
            let message = |index| message(start + index);
            mac_group(message, out);
        }
    }
}

fn mac_group<'a>(message: impl Fn(usize) -> (&'a HmacSha256, &'a [u8]), out: &mut [[u8; 32]]) {
    let mut states = [[0; 8]; GROUP];
    let mut blocks = [[0; BLOCK]; GROUP];
    // Which messages are in the lanes.
    let mut taken = [0; GROUP];
    let mut count = 0;
    for (index, out) in out.iter_mut().enumerate() {
        let (key, data) = message(index);
        if data.len() > SHORT {
            *out = key.mac([data]);
            continue;
        }
        states[count] = key.inner;
        write_last_block(&mut blocks[count], [data]);
        taken[count] = index;
        count += 1;
    }
    Engine::get().sha256_each(&mut states[..count], &blocks[..count]);
    for lane in 0..count {
        write_last_block(&mut blocks[lane], [&Sha256::output(&states[lane])]);
        states[lane] = message(taken[lane]).0.outer;
    }
    Engine::get().sha256_each(&mut states[..count], &blocks[..count]);
    for (index, state) in taken.iter().zip(&states[..count]) {
        out[*index] = Sha256::output(state);
    }
    states.zeroize();
    zeroize_bytes(blocks.as_flattened_mut());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_one_by_one_at_every_length() {
        let data: Vec<u8> = (0..1000u32).map(|i| (i * 31 + 7) as u8).collect();
        let bytes: Vec<[u8; 32]> =
            (0..=data.len()).map(|i| std::array::from_fn(|n| (n * 7 + i * 3) as u8)).collect();
        for count in (0..40).chain([bytes.len()]) {
            let keys = HmacSha256::new_each(&bytes[..count]);
            let mut macs = vec![[0; 32]; count];
            // Short and long ones by turns, and every length.
            let length = |index: usize| if count < 40 { index * 53 % 110 } else { index };
            HmacSha256::mac_each(|index| (&keys[index], &data[..length(index)]), &mut macs);
            for (index, mac) in macs.iter().enumerate() {
                let expected = HmacSha256::new(&bytes[index]).mac([&data[..length(index)]]);
                assert_eq!(*mac, expected, "message {index} of {count}");
            }
        }
    }
}
