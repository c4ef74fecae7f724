//! Which kernels serve on this processor: found out once, when first needed.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::simd::x86_64::{Aes, Avx2, Avx512, Bmi2, ShaNi, Vaes, Woven};

/// What the processor has.
#[derive(Clone, Copy)]
pub(crate) struct Engine {
    #[cfg(target_arch = "x86_64")]
    aes: Option<Aes>,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<Avx2>,
    #[cfg(target_arch = "x86_64")]
    avx512: Option<Avx512>,
    #[cfg(target_arch = "x86_64")]
    bmi2: Option<Bmi2>,
    #[cfg(target_arch = "x86_64")]
    sha_ni: Option<ShaNi>,
    #[cfg(target_arch = "x86_64")]
    vaes: Option<Vaes>,
    #[cfg(target_arch = "x86_64")]
    woven: Option<Woven>,
}

/// A kernel for SHA-512 over several messages.
#[derive(Clone, Copy)]
pub(crate) enum Sha512Lanes {
    #[cfg(target_arch = "x86_64")]
    Avx512x8(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx512x4(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2x4(Avx2),
    /// One message after the other is as fast.
    None,
}

impl Engine {
    pub(crate) fn get() -> Self {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        *ENGINE.get_or_init(|| Self {
            #[cfg(target_arch = "x86_64")]
            aes: Aes::detect(),
            #[cfg(target_arch = "x86_64")]
            avx2: Avx2::detect(),
            #[cfg(target_arch = "x86_64")]
            avx512: Avx512::detect(),
            #[cfg(target_arch = "x86_64")]
            bmi2: Bmi2::detect(),
            #[cfg(target_arch = "x86_64")]
            sha_ni: ShaNi::detect(),
            #[cfg(target_arch = "x86_64")]
            vaes: Vaes::detect(),
            #[cfg(target_arch = "x86_64")]
            woven: Woven::detect(),
        })
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn aes(self) -> Option<Aes> {
        self.aes
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn avx512(self) -> Option<Avx512> {
        self.avx512
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn vaes(self) -> Option<Vaes> {
        self.vaes
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn woven(self) -> Option<Woven> {
        self.woven
    }

    /// SHA-512: compresses blocks of one message.
    pub(crate) fn sha512(self, state: &mut [u64; 8], blocks: &[[u8; 128]]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = self.avx512 {
            return avx512.sha512(state, blocks);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(bmi2) = self.bmi2 {
            return bmi2.sha512(state, blocks);
        }
        sha2::block_api::compress512(state, blocks);
    }

    /// SHA-256: compresses one block of each of several messages.
    pub(crate) fn sha256_each(self, states: &mut [[u32; 8]], blocks: &[[u8; 64]]) {
        #[cfg(target_arch = "x86_64")]
        let (states, blocks) = match (self.sha_ni, self.avx2) {
            (Some(kernel), _) => lanes(states, blocks, |s, b| kernel.sha256_x2(s, b)),
            (None, Some(kernel)) => lanes(states, blocks, |s, b| kernel.sha256_x8(s, b)),
            (None, None) => (states, blocks),
        };
        for (state, block) in states.iter_mut().zip(blocks) {
            sha2::block_api::compress256(state, std::slice::from_ref(block));
        }
    }

    /// The fastest for so many messages.
    pub(crate) fn sha512_lanes(self, messages: usize) -> Sha512Lanes {
        #[cfg(target_arch = "x86_64")]
        match (messages, self.avx512, self.avx2) {
            (5.., Some(avx512), _) => return Sha512Lanes::Avx512x8(avx512),
            (2.., Some(avx512), _) => return Sha512Lanes::Avx512x4(avx512),
            (4.., None, Some(avx2)) => return Sha512Lanes::Avx2x4(avx2),
            _ => {}
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = messages;
        Sha512Lanes::None
    }

    /// Every kernel that this processor can run, the fastest or not.
    #[cfg(test)]
    pub(crate) fn every_sha512_lanes(self) -> Vec<Sha512Lanes> {
        let lanes = [
            Some(Sha512Lanes::None),
            #[cfg(target_arch = "x86_64")]
            self.avx2.map(Sha512Lanes::Avx2x4),
            #[cfg(target_arch = "x86_64")]
            self.avx512.map(Sha512Lanes::Avx512x4),
            #[cfg(target_arch = "x86_64")]
            self.avx512.map(Sha512Lanes::Avx512x8),
        ];
        lanes.into_iter().flatten().collect()
    }
}

/// Runs `kernel` on groups of messages; returns those that make no whole one.
#[cfg(target_arch = "x86_64")]
fn lanes<'a, 'b, const LANES: usize>(
    states: &'a mut [[u32; 8]],
    blocks: &'b [[u8; 64]],
    kernel: impl Fn(&mut [[u32; 8]; LANES], &[[u8; 64]; LANES]),
) -> (&'a mut [[u32; 8]], &'b [[u8; 64]]) {
    let (state_groups, states) = states.as_chunks_mut();
    let (block_groups, blocks) = blocks.as_chunks();
    state_groups.iter_mut().zip(block_groups).for_each(|(states, blocks)| kernel(states, blocks));
    (states, blocks)
}
