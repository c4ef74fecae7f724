//! Messages that fill one block together with their padding: by kernels that take them whole.
#![expect(clippy::indexing_slicing, reason = "fewer than LANES messages wait")]

use super::{FULL, Message};
use crate::simd::x86_64::{Avx512, SHORT, Short};

const LANES: usize = FULL;

pub(super) fn is_short(message: &Message<'_>) -> bool {
    message.parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT
}

/// Writes the first half of the MAC of each short message; returns how many are longer.
pub(super) fn macs<'a>(
    kernel: Avx512,
    message: &impl Fn(usize) -> Message<'a>,
    out: &mut [[u8; 32]],
) -> usize {
    // Nine at a time; or eight, where that leaves two or more instead of one, and no more groups.
    let full = if out.len() % LANES == 1 && out.len() < 4 * LANES { LANES - 1 } else { LANES };
    let (mut places, mut waiting, mut long) = ([0; LANES], 0, 0);
    let mut lanes = None;
    for index in 0..out.len() {
        let message = message(index);
        if !is_short(&message) {
            long += 1;
            continue;
        }
        let short =
            Short { inner: message.key.inner(), outer: message.key.outer(), parts: message.parts };
        let lanes = lanes.get_or_insert([short; LANES]);
        lanes[waiting] = short;
        places[waiting] = index;
        waiting += 1;
        if waiting == full {
            flush(kernel, lanes, &places[..waiting], out);
            waiting = 0;
        }
    }
    if let Some(lanes) = &lanes {
        flush(kernel, lanes, &places[..waiting], out);
    }
    long
}

/// Hashes as many messages as there are places for.
fn flush(kernel: Avx512, lanes: &[Short<'_>; LANES], places: &[usize], out: &mut [[u8; 32]]) {
    let mut macs = [[0; 32]; LANES];
    let count = places.len();
    if let (1..5, Some(lanes), Some(macs)) = (count, lanes.first_chunk(), macs.first_chunk_mut()) {
        kernel.hmac_x4(lanes, macs);
    } else if let (5..9, Some(lanes), Some(macs)) =
        (count, lanes.first_chunk(), macs.first_chunk_mut())
    {
        kernel.hmac_x8(lanes, macs);
    } else if count == LANES {
        kernel.hmac_x9(lanes, &mut macs);
    }
    for (place, mac) in places.iter().zip(macs) {
        out[*place] = mac;
    }
}
