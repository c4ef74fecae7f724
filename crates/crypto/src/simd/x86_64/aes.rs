//! AES-256 with AES-NI.

use std::arch::x86_64::*;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub(super) type Block = [u8; 16];

/// Blocks in flight: as many as hide the latency of one round.
pub(crate) const LANES: usize = 8;

/// Proof that the processor has AES-NI and AVX.
#[derive(Clone, Copy)]
pub(crate) struct Aes(());

/// The round keys of one direction, their bytes in the order of memory. Wide, because each element
/// is wiped for itself.
pub(super) type Schedule = [u128; 15];

/// Both key schedules of an AES-256 key. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct RoundKeys {
    pub(super) encrypt: Schedule,
    pub(super) decrypt: Schedule,
}

impl Aes {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("aes") && is_x86_feature_detected!("avx");
        has.then_some(Self(()))
    }

    pub(crate) fn expand(self, key: &[u8; 32]) -> RoundKeys {
        let mut keys = RoundKeys { encrypt: [0; 15], decrypt: [0; 15] };
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { expand(key, &mut keys) }
        keys
    }

    /// Encrypts one block under each of the keys.
    pub(crate) fn encrypt_lanes(self, keys: [&RoundKeys; LANES], blocks: &mut [Block; LANES]) {
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { encrypt_lanes(keys.map(|keys| &keys.encrypt), blocks) }
    }

    /// Decrypts one block under each of the keys.
    pub(crate) fn decrypt_lanes(self, keys: [&RoundKeys; LANES], blocks: &mut [Block; LANES]) {
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { decrypt_lanes(keys.map(|keys| &keys.decrypt), blocks) }
    }

    /// Encrypts each block for itself, in place.
    pub(crate) fn encrypt_blocks(self, keys: &RoundKeys, blocks: &mut [Block]) {
        let (groups, rest) = blocks.as_chunks_mut();
        for group in groups {
            self.encrypt_lanes([keys; LANES], group);
        }
        if rest.is_empty() {
            return;
        }
        // A group takes no longer than a block alone.
        let mut last = [[0; 16]; LANES];
        last.split_at_mut(rest.len()).0.copy_from_slice(rest);
        self.encrypt_lanes([keys; LANES], &mut last);
        rest.copy_from_slice(last.split_at(rest.len()).0);
        last.zeroize();
    }

    /// Encrypts in CBC mode, in place.
    pub(crate) fn cbc_encrypt(self, keys: &RoundKeys, iv: &Block, blocks: &mut [Block]) {
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { cbc_encrypt(&keys.encrypt, iv, blocks) }
    }

    /// Encrypts whole blocks of plaintext and then `last` in CBC mode, into as many blocks.
    pub(crate) fn cbc_encrypt_to(
        self,
        keys: &RoundKeys,
        iv: &Block,
        whole: &[Block],
        last: u128,
        out: &mut [Block],
    ) {
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { cbc_encrypt_to(&keys.encrypt, iv, whole, last, out) }
    }

    /// Decrypts in CBC mode, in place.
    pub(crate) fn cbc_decrypt(self, keys: &RoundKeys, iv: &Block, blocks: &mut [Block]) {
        // SAFETY: `self` proves that the processor has AES-NI and AVX.
        unsafe { cbc_decrypt(&keys.decrypt, iv, blocks) }
    }
}

#[inline]
#[target_feature(enable = "avx")]
pub(super) fn load(block: &Block) -> __m128i {
    // SAFETY: 16 bytes are readable, and the load needs no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
pub(super) fn store(block: &mut Block, vector: __m128i) {
    // SAFETY: 16 bytes are writable, and the store needs no alignment.
    unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx")]
pub(super) fn load_key(key: &u128) -> __m128i {
    // SAFETY: 16 bytes are readable, and the load needs no alignment.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
fn store_key(key: &mut u128, vector: __m128i) {
    // SAFETY: 16 bytes are writable, and the store needs no alignment.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(key).cast(), vector) }
}

/// FIPS 197, section 5.2, two round keys at a time; for decryption the equivalent inverse cipher
/// of section 5.3.5.
///
/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn expand(key: &[u8; 32], keys: &mut RoundKeys) {
    let ([low, high], _) = key.as_chunks() else { return };
    let (mut even, mut odd) = (load(low), load(high));
    store_key(&mut keys.encrypt[0], even);
    store_key(&mut keys.encrypt[1], odd);
    macro_rules! even {
        ($i:literal, $round_constant:literal) => {
            // The word that the instruction leaves in the highest place, in all places.
            let word = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<$round_constant>(odd));
            even = _mm_xor_si128(prefix_xor(even), word);
            store_key(&mut keys.encrypt[$i], even);
        };
    }
    macro_rules! odd {
        ($i:literal) => {
            let word = _mm_shuffle_epi32::<0xaa>(_mm_aeskeygenassist_si128::<0>(even));
            odd = _mm_xor_si128(prefix_xor(odd), word);
            store_key(&mut keys.encrypt[$i], odd);
        };
    }
    even!(2, 0x01);
    odd!(3);
    even!(4, 0x02);
    odd!(5);
    even!(6, 0x04);
    odd!(7);
    even!(8, 0x08);
    odd!(9);
    even!(10, 0x10);
    odd!(11);
    even!(12, 0x20);
    odd!(13);
    even!(14, 0x40);
    keys.decrypt[0] = keys.encrypt[14];
    keys.decrypt[14] = keys.encrypt[0];
    for (to, from) in keys.decrypt[1..14].iter_mut().zip(keys.encrypt[1..14].iter().rev()) {
        store_key(to, _mm_aesimc_si128(load_key(from)));
    }
}

/// Each word becomes the exclusive or of itself and those below it.
#[inline]
#[target_feature(enable = "avx")]
fn prefix_xor(words: __m128i) -> __m128i {
    let words = _mm_xor_si128(words, _mm_slli_si128::<4>(words));
    _mm_xor_si128(words, _mm_slli_si128::<8>(words))
}

/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn encrypt_lanes(keys: [&Schedule; LANES], blocks: &mut [Block; LANES]) {
    let mut lanes = [_mm_setzero_si128(); LANES];
    for i in 0..LANES {
        lanes[i] = _mm_xor_si128(load(&blocks[i]), load_key(&keys[i][0]));
    }
    for round in 1..14 {
        for i in 0..LANES {
            lanes[i] = _mm_aesenc_si128(lanes[i], load_key(&keys[i][round]));
        }
    }
    for i in 0..LANES {
        store(&mut blocks[i], _mm_aesenclast_si128(lanes[i], load_key(&keys[i][14])));
    }
}

/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn decrypt_lanes(keys: [&Schedule; LANES], blocks: &mut [Block; LANES]) {
    let mut lanes = [_mm_setzero_si128(); LANES];
    for i in 0..LANES {
        lanes[i] = _mm_xor_si128(load(&blocks[i]), load_key(&keys[i][0]));
    }
    for round in 1..14 {
        for i in 0..LANES {
            lanes[i] = _mm_aesdec_si128(lanes[i], load_key(&keys[i][round]));
        }
    }
    for i in 0..LANES {
        store(&mut blocks[i], _mm_aesdeclast_si128(lanes[i], load_key(&keys[i][14])));
    }
}

/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn cbc_encrypt(keys: &Schedule, iv: &Block, blocks: &mut [Block]) {
    let mut chain = load(iv);
    for block in blocks {
        chain = cbc_encrypt_block(keys, chain, load(block));
        store(block, chain);
    }
}

/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn cbc_encrypt_to(
    keys: &Schedule,
    iv: &Block,
    whole: &[Block],
    last: u128,
    out: &mut [Block],
) {
    let mut chain = load(iv);
    let (out, end) = out.split_at_mut(whole.len());
    for (out, block) in out.iter_mut().zip(whole) {
        chain = cbc_encrypt_block(keys, chain, load(block));
        store(out, chain);
    }
    if let Some(out) = end.first_mut() {
        let last = _mm_set_epi64x((last >> 64) as i64, last as i64);
        store(out, cbc_encrypt_block(keys, chain, last));
    }
}

/// The ciphertext of a block that comes after the ciphertext `chain`.
#[inline]
#[target_feature(enable = "aes,avx")]
fn cbc_encrypt_block(keys: &Schedule, chain: __m128i, block: __m128i) -> __m128i {
    // The chain enters last, so that it waits for nothing else.
    let whitened = _mm_xor_si128(block, load_key(&keys[0]));
    let mut state = _mm_xor_si128(whitened, chain);
    for key in &keys[1..14] {
        state = _mm_aesenc_si128(state, load_key(key));
    }
    _mm_aesenclast_si128(state, load_key(&keys[14]))
}

/// # Safety
/// The processor must have AES-NI and AVX.
#[target_feature(enable = "aes,avx")]
unsafe fn cbc_decrypt(keys: &Schedule, iv: &Block, blocks: &mut [Block]) {
    let mut chain = load(iv);
    let (eights, rest) = blocks.as_chunks_mut::<LANES>();
    for eight in eights {
        let mut lanes = [_mm_setzero_si128(); LANES];
        let mut ciphertext = [_mm_setzero_si128(); LANES];
        for i in 0..LANES {
            ciphertext[i] = load(&eight[i]);
            lanes[i] = _mm_xor_si128(ciphertext[i], load_key(&keys[0]));
        }
        for key in &keys[1..14] {
            let key = load_key(key);
            for lane in &mut lanes {
                *lane = _mm_aesdec_si128(*lane, key);
            }
        }
        let key = load_key(&keys[14]);
        for i in 0..LANES {
            // The last round key and the block before are exclusive ors, in either order.
            let last = _mm_xor_si128(key, if i == 0 { chain } else { ciphertext[i - 1] });
            store(&mut eight[i], _mm_aesdeclast_si128(lanes[i], last));
        }
        chain = ciphertext[LANES - 1];
    }
    for block in rest {
        let ciphertext = load(block);
        let mut lane = _mm_xor_si128(ciphertext, load_key(&keys[0]));
        for key in &keys[1..14] {
            lane = _mm_aesdec_si128(lane, load_key(key));
        }
        let last = _mm_xor_si128(load_key(&keys[14]), chain);
        store(block, _mm_aesdeclast_si128(lane, last));
        chain = ciphertext;
    }
}
