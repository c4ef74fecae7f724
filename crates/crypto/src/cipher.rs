//! AES-256 (FIPS 197) in CBC mode with the key schedules kept, and in counter mode (SP 800-38A).

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256Dec, Aes256Enc};
use zeroize::zeroize_bytes;

#[cfg(target_arch = "x86_64")]
use crate::engine::Engine;
#[cfg(target_arch = "x86_64")]
use crate::simd::x86_64::{Aes, RoundKeys};

/// Bytes of an AES block and of an initialization vector.
pub(crate) const BLOCK: usize = 16;

/// Blocks that [`Aes256::encrypt_lanes`] and [`Aes256::decrypt_lanes`] take.
pub(crate) const LANES: usize = 8;

/// Both key schedules of one AES-256 key. Wiped on drop.
pub(crate) enum Aes256 {
    #[cfg(target_arch = "x86_64")]
    Ni(Aes, RoundKeys),
    /// Of the `aes` crate: constant time on any processor.
    Portable { encrypt: Aes256Enc, decrypt: Aes256Dec },
}

impl Aes256 {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(aes) = Engine::get().aes() {
            return Self::Ni(aes, aes.expand(key));
        }
        Self::portable(key)
    }

    fn portable(key: &[u8; 32]) -> Self {
        let encrypt = Aes256Enc::new(key.into());
        let decrypt = Aes256Dec::from(&encrypt);
        Self::Portable { encrypt, decrypt }
    }

    /// Encrypts whole blocks in place.
    pub(crate) fn cbc_encrypt(&self, iv: &[u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ni(aes, keys) => aes.cbc_encrypt(keys, iv, blocks),
            Self::Portable { encrypt, .. } => {
                let mut chain = *iv;
                for block in blocks {
                    xor(block, &chain);
                    encrypt.encrypt_block(block.into());
                    chain = *block;
                }
            }
        }
    }

    /// Pads a plaintext (PKCS #7) and encrypts it into `out`, which has as many blocks.
    pub(crate) fn cbc_encrypt_padded(
        &self,
        iv: &[u8; BLOCK],
        plaintext: &[u8],
        out: &mut [[u8; BLOCK]],
    ) {
        let (whole, rest) = plaintext.as_chunks();
        let last = padded(rest);
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ni(aes, keys) => aes.cbc_encrypt_to(keys, iv, whole, last, out),
            Self::Portable { .. } => {
                let (blocks, end) = out.split_at_mut(whole.len());
                blocks.copy_from_slice(whole);
                if let Some(block) = end.first_mut() {
                    *block = last.to_le_bytes();
                }
                self.cbc_encrypt(iv, out);
            }
        }
    }

    /// Decrypts whole blocks in place.
    pub(crate) fn cbc_decrypt(&self, iv: &[u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ni(aes, keys) => {
                let (mut chain, mut rest) = (*iv, blocks);
                if let Some(vaes) = Engine::get().vaes() {
                    let (groups, after) = rest.as_chunks_mut();
                    let last = groups.last().and_then(|group| group.last()).copied();
                    vaes.cbc_decrypt(keys, iv, groups);
                    (chain, rest) = (last.unwrap_or(chain), after);
                }
                aes.cbc_decrypt(keys, &chain, rest);
            }
            Self::Portable { decrypt, .. } => {
                let mut chain = *iv;
                for chunk in blocks.chunks_mut(8) {
                    let mut ciphertext = [[0; BLOCK]; 8];
                    for (to, from) in ciphertext.iter_mut().zip(chunk.iter()) {
                        *to = *from;
                    }
                    decrypt.decrypt_blocks(Array::cast_slice_from_core_mut(chunk));
                    for (block, from) in chunk.iter_mut().zip(&ciphertext) {
                        xor(block, &chain);
                        chain = *from;
                    }
                }
            }
        }
    }

    /// Encrypts each block for itself, in place.
    fn encrypt_blocks(&self, blocks: &mut [[u8; BLOCK]]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ni(aes, keys) => {
                let mut rest = blocks;
                if let Some(vaes) = Engine::get().vaes() {
                    let (groups, after) = rest.as_chunks_mut();
                    vaes.encrypt_blocks(keys, groups);
                    rest = after;
                }
                aes.encrypt_blocks(keys, rest);
            }
            Self::Portable { encrypt, .. } => {
                encrypt.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
            }
        }
    }

    /// Encrypts or decrypts in counter mode: the whole of `iv` is the first counter, big-endian.
    pub(crate) fn ctr(&self, iv: &[u8; BLOCK], data: &mut [u8]) {
        const GROUP: usize = 16;
        let mut counter = u128::from_be_bytes(*iv);
        let mut stream = [[0; BLOCK]; GROUP];
        for chunk in data.chunks_mut(GROUP * BLOCK) {
            let (used, _) = stream.split_at_mut(chunk.len().div_ceil(BLOCK));
            for block in used.iter_mut() {
                *block = counter.to_be_bytes();
                counter = counter.wrapping_add(1);
            }
            self.encrypt_blocks(used);
            for (byte, with) in chunk.iter_mut().zip(used.as_flattened()) {
                *byte ^= with;
            }
        }
        zeroize_bytes(stream.as_flattened_mut());
    }

    /// Encrypts one block under each of the keys.
    pub(crate) fn encrypt_lanes(keys: [&Self; LANES], blocks: &mut [[u8; BLOCK]; LANES]) {
        #[cfg(target_arch = "x86_64")]
        if let Some((aes, keys)) = Self::round_keys(keys) {
            return aes.encrypt_lanes(keys, blocks);
        }
        for (key, block) in keys.into_iter().zip(blocks) {
            key.cbc_encrypt(&[0; BLOCK], std::slice::from_mut(block));
        }
    }

    /// Decrypts the first `count` blocks, each under a key of its own and with the block before it
    /// in CBC mode. What becomes of the others is unspecified.
    pub(crate) fn cbc_decrypt_each(
        keys: &[&Self; 2 * LANES],
        before: &[[u8; BLOCK]; 2 * LANES],
        blocks: &mut [[u8; BLOCK]; 2 * LANES],
        count: usize,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let (Self::Ni(_, first), Some(vaes)) = (keys[0], Engine::get().vaes())
            && keys.iter().all(|key| std::ptr::eq(*key, keys[0]))
        {
            return vaes.decrypt_after(first, before, blocks);
        }
        let halves = keys.as_chunks().0.iter().zip(blocks.as_chunks_mut().0);
        for (keys, blocks) in halves.take(count.div_ceil(LANES)) {
            Self::decrypt_lanes(*keys, blocks);
        }
        for (block, before) in blocks.iter_mut().zip(before) {
            xor(block, before);
        }
    }

    /// Decrypts one block under each of the keys.
    fn decrypt_lanes(keys: [&Self; LANES], blocks: &mut [[u8; BLOCK]; LANES]) {
        #[cfg(target_arch = "x86_64")]
        if let Some((aes, keys)) = Self::round_keys(keys) {
            return aes.decrypt_lanes(keys, blocks);
        }
        for (key, block) in keys.into_iter().zip(blocks) {
            key.cbc_decrypt(&[0; BLOCK], std::slice::from_mut(block));
        }
    }

    /// The kernel's form of all keys, unless one of them has the portable form.
    #[cfg(target_arch = "x86_64")]
    fn round_keys(keys: [&Self; LANES]) -> Option<(Aes, [&RoundKeys; LANES])> {
        let [Self::Ni(aes, first), ..] = keys else { return None };
        let mut round_keys = [first; LANES];
        for (to, key) in round_keys.iter_mut().zip(keys) {
            let Self::Ni(_, key) = key else { return None };
            *to = key;
        }
        Some((*aes, round_keys))
    }
}

/// The block that ends a plaintext: what is left after its whole blocks, and the padding.
///
/// It is a number, which stays in registers: a block put together in memory would have to wait until
/// all of its parts are there.
fn padded(rest: &[u8]) -> u128 {
    let padding = u128::from_le_bytes([(BLOCK - rest.len()) as u8; BLOCK]);
    number(rest) | padding << (8 * rest.len())
}

/// Less than a block of bytes as a number, the first the lowest; in a few pieces that may overlap.
fn number(bytes: &[u8]) -> u128 {
    let shift = |length: usize| 8 * (bytes.len() - length);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|chunk| u128::from(u64::from_le_bytes(*chunk)));
        return first | last << shift(8);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|chunk| u128::from(u32::from_le_bytes(*chunk)));
        return first | last << shift(4);
    }
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn xor(block: &mut [u8; BLOCK], with: &[u8; BLOCK]) {
    *block = (u128::from_ne_bytes(*block) ^ u128::from_ne_bytes(*with)).to_ne_bytes();
}

#[cfg(test)]
mod tests {
    use cbc::cipher::block_padding::NoPadding;
    use cbc::cipher::{BlockModeEncrypt, KeyIvInit, StreamCipher};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padded_plaintext_of_every_length() {
        let text: [u8; 70] = std::array::from_fn(|i| i as u8 | 0x80);
        for length in 0..text.len() {
            let plaintext = &text[..length];
            let padding = BLOCK - length % BLOCK;
            let mut expected = plaintext.to_vec();
            expected.resize(length + padding, padding as u8);
            for aes in forms(&[7; 32]) {
                let mut out = vec![[0; BLOCK]; expected.len() / BLOCK];
                aes.cbc_encrypt_padded(&[9; BLOCK], plaintext, &mut out);
                let mut blocks = expected.clone();
                aes.cbc_encrypt(&[9; BLOCK], blocks.as_chunks_mut().0);
                assert_eq!(out.as_flattened(), blocks, "{length}");
            }
        }
    }

    /// The kernel's form and the portable one.
    fn forms(key: &[u8; 32]) -> Vec<Aes256> {
        vec![Aes256::portable(key), Aes256::new(key)]
    }

    fn blocks(text: &str) -> Vec<[u8; BLOCK]> {
        hex::decode(text).unwrap().as_chunks().0.to_vec()
    }

    /// NIST SP 800-38A, F.2.5 and F.2.6 (CBC-AES256).
    #[test]
    fn nist_sp_800_38a() {
        let key = blocks("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = blocks("000102030405060708090a0b0c0d0e0f");
        let plaintext = blocks(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let ciphertext = blocks(
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
             39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
        );
        for cipher in forms(key.as_flattened().try_into().unwrap()) {
            let mut work = plaintext.clone();
            cipher.cbc_encrypt(&iv[0], &mut work);
            assert_eq!(work, ciphertext);
            cipher.cbc_decrypt(&iv[0], &mut work);
            assert_eq!(work, plaintext);
        }
    }

    /// NIST SP 800-38A, F.5.5 (CTR-AES256).
    #[test]
    fn nist_sp_800_38a_ctr() {
        let key = blocks("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = blocks("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let plaintext = blocks(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        for cipher in forms(key.as_flattened().try_into().unwrap()) {
            let mut work = plaintext.clone();
            cipher.ctr(&iv[0], work.as_flattened_mut());
            assert_eq!(
                hex::encode(work.as_flattened()),
                "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
                 2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
            );
        }
    }

    #[test]
    fn every_length_to_1000() {
        let data: Vec<u8> = (0..1000u32).map(|i| (i * 31 + 7) as u8).collect();
        // The counter wraps after a few blocks.
        let (key, mut iv) = ([7; 32], [0xff; 16]);
        iv[15] = 0xfb;
        for cipher in forms(&key) {
            for length in 0..=data.len() {
                let mut expect = data[..length].to_vec();
                ::ctr::Ctr128BE::<aes::Aes256>::new(&key.into(), &iv.into())
                    .apply_keystream(&mut expect);
                let mut work = data[..length].to_vec();
                cipher.ctr(&iv, &mut work);
                assert!(work == expect, "counter mode, {length} bytes");

                let plaintext: &[[u8; BLOCK]] = data[..length].as_chunks().0;
                let mut expect = plaintext.to_vec();
                let encryptor = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
                let whole = plaintext.len() * BLOCK;
                encryptor.encrypt_padded::<NoPadding>(expect.as_flattened_mut(), whole).unwrap();
                let mut work = plaintext.to_vec();
                cipher.cbc_encrypt(&iv, &mut work);
                assert!(work == expect, "{} blocks encrypted", plaintext.len());
                cipher.cbc_decrypt(&iv, &mut work);
                assert!(work == plaintext, "{} blocks decrypted", plaintext.len());
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_ctr_crate(
            key: [u8; 32],
            iv: [u8; 16],
            near_wrap: bool,
            data in prop::collection::vec(any::<u8>(), 0..700),
        ) {
            let iv = if near_wrap { [&[0xff; 15], &iv[..1]].concat().try_into().unwrap() } else { iv };
            let mut expect = data.clone();
            ::ctr::Ctr128BE::<aes::Aes256>::new(&key.into(), &iv.into()).apply_keystream(&mut expect);
            for cipher in forms(&key) {
                let mut work = data.clone();
                cipher.ctr(&iv, &mut work);
                prop_assert_eq!(&work, &expect);
            }
        }

        #[test]
        fn equals_the_cbc_crate(key: [u8; 32], iv: [u8; 16], plaintext in prop::collection::vec(any::<[u8; 16]>(), 0..40)) {
            for cipher in forms(&key) {
                let peer = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
                let mut expect = plaintext.clone();
                let length = expect.as_flattened().len();
                peer.encrypt_padded::<NoPadding>(expect.as_flattened_mut(), length).unwrap();
                let mut work = plaintext.clone();
                cipher.cbc_encrypt(&iv, &mut work);
                prop_assert_eq!(&work, &expect);
                cipher.cbc_decrypt(&iv, &mut work);
                prop_assert_eq!(&work, &plaintext);
            }
        }

        #[test]
        fn each_equals_one_by_one(
            keys: [[u8; 32]; 3],
            is_uniform: bool,
            before: [[u8; BLOCK]; 2 * LANES],
            blocks: [[u8; BLOCK]; 2 * LANES],
            count in 0..=2 * LANES,
        ) {
            for form in 0..forms(&keys[0]).len() {
                let ciphers = keys.map(|key| forms(&key).swap_remove(form));
                let lanes: [&Aes256; 2 * LANES] =
                    std::array::from_fn(|lane| &ciphers[if is_uniform { 0 } else { lane % 3 }]);
                let mut work = blocks;
                Aes256::cbc_decrypt_each(&lanes, &before, &mut work, count);
                for lane in 0..count {
                    let mut expected = blocks[lane];
                    lanes[lane].cbc_decrypt(&before[lane], std::slice::from_mut(&mut expected));
                    prop_assert_eq!(work[lane], expected);
                }
            }
        }

        #[test]
        fn lanes_equal_the_aes_crate(keys: [[u8; 32]; LANES], blocks: [[u8; BLOCK]; LANES]) {
            for form in 0..forms(&keys[0]).len() {
                let ciphers = keys.map(|key| forms(&key).swap_remove(form));
                let mut work = blocks;
                Aes256::encrypt_lanes(ciphers.each_ref(), &mut work);
                for (lane, key) in keys.iter().enumerate() {
                    let mut block = blocks[lane];
                    Aes256Enc::new(key.into()).encrypt_block((&mut block).into());
                    prop_assert_eq!(block, work[lane]);
                }
                Aes256::decrypt_lanes(ciphers.each_ref(), &mut work);
                prop_assert_eq!(work, blocks);
            }
        }
    }
}
