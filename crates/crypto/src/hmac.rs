//! HMAC (RFC 2104) with SHA-256 and SHA-512.
//!
//! A key's inner and outer pad fill one block each. Hashing them is half of the work of a MAC over
//! a short message, so `Hmac` keeps the two chaining values that result.

use zeroize::{Zeroize, ZeroizeOnDrop, zeroize_bytes};

use crate::hash::{Hash, Sha256, Sha512, Stream};

mod many;

/// HMAC-SHA-256 of `data`, with a key of any length.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    HmacSha256::new(key).mac([data])
}

/// HMAC-SHA-512 of `data`, with a key of any length.
pub fn hmac_sha512(key: &[u8], data: &[u8]) -> [u8; 64] {
    HmacSha512::new(key).mac([data])
}

pub(crate) type HmacSha256 = Hmac<Sha256, 64>;
pub(crate) type HmacSha512 = Hmac<Sha512, 128>;

/// A MAC key, as the chaining values after its pads. Wiped on drop.
pub(crate) struct Hmac<H: Hash<BLOCK>, const BLOCK: usize> {
    inner: H::State,
    outer: H::State,
}

impl<H: Hash<BLOCK>, const BLOCK: usize> Hmac<H, BLOCK> {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut keyed = Self { inner: H::INITIAL, outer: H::INITIAL };
        keyed.set_key(key);
        keyed
    }

    fn set_key(&mut self, key: &[u8]) {
        let mut pad = [0; BLOCK];
        if key.len() <= BLOCK {
            pad.split_at_mut(key.len()).0.copy_from_slice(key);
        } else {
            let mut stream = Stream::<H, BLOCK>::new();
            stream.update(key);
            for (to, from) in pad.iter_mut().zip(stream.finish().as_ref()) {
                *to = *from;
            }
        }
        pad.iter_mut().for_each(|byte| *byte ^= 0x36);
        H::compress(&mut self.inner, std::slice::from_ref(&pad));
        pad.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        H::compress(&mut self.outer, std::slice::from_ref(&pad));
        zeroize_bytes(&mut pad);
    }

    /// The chaining value after the inner pad.
    pub(crate) fn inner(&self) -> &H::State {
        &self.inner
    }

    /// The chaining value after the outer pad.
    pub(crate) fn outer(&self) -> &H::State {
        &self.outer
    }

    /// The MAC of the concatenation of `parts`.
    pub(crate) fn mac<const N: usize>(&self, parts: [&[u8]; N]) -> H::Output {
        if parts.iter().map(|part| part.len()).sum::<usize>() + 1 + H::LENGTH_FIELD <= BLOCK {
            return self.mac_short(parts);
        }
        self.mac_long(parts)
    }

    #[inline(never)]
    fn mac_long<const N: usize>(&self, parts: [&[u8]; N]) -> H::Output {
        let mut inner = self.start();
        for part in parts {
            inner.update(part);
        }
        self.finish(inner)
    }

    /// The same for a message that fills one block together with its padding.
    fn mac_short<const N: usize>(&self, parts: [&[u8]; N]) -> H::Output {
        match H::mac_short(&self.inner, &self.outer, parts) {
            Some(mac) => mac,
            None => self.mac_one_block(parts),
        }
    }

    #[inline(never)]
    fn mac_one_block<const N: usize>(&self, parts: [&[u8]; N]) -> H::Output {
        let (mut state, mut block) = (self.inner, [0; BLOCK]);
        write_last_block(&mut block, parts);
        H::compress(&mut state, std::slice::from_ref(&block));
        write_last_block(&mut block, [H::output(&state).as_ref()]);
        state = self.outer;
        H::compress(&mut state, std::slice::from_ref(&block));
        let mac = H::output(&state);
        state.zeroize();
        zeroize_bytes(&mut block);
        mac
    }

    /// The hash that the message goes into.
    pub(crate) fn start(&self) -> Stream<H, BLOCK> {
        Stream::resume(self.inner, 1)
    }

    /// The MAC of the message that went into `inner`.
    pub(crate) fn finish(&self, inner: Stream<H, BLOCK>) -> H::Output {
        let mut outer = Stream::<H, BLOCK>::resume(self.outer, 1);
        outer.update(inner.finish().as_ref());
        outer.finish()
    }
}

/// A short message with its padding, after a pad of one block.
fn write_last_block<const BLOCK: usize, const N: usize>(
    block: &mut [u8; BLOCK],
    parts: [&[u8]; N],
) {
    let mut free = &mut block[..];
    for part in parts {
        let (place, rest) = free.split_at_mut(part.len());
        place.copy_from_slice(part);
        free = rest;
    }
    free.fill(0);
    let bits = ((BLOCK + parts.iter().map(|part| part.len()).sum::<usize>()) * 8) as u16;
    if let [mark, .., high, low] = free {
        *mark = 0x80;
        [*high, *low] = bits.to_be_bytes();
    }
}

impl<H: Hash<BLOCK>, const BLOCK: usize> Drop for Hmac<H, BLOCK> {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl<H: Hash<BLOCK>, const BLOCK: usize> ZeroizeOnDrop for Hmac<H, BLOCK> {}

#[cfg(test)]
mod tests {
    use ::hmac::{Hmac as Peer, KeyInit, Mac};
    use proptest::prelude::*;

    use super::*;

    /// RFC 4231, all cases but the fifth, whose output is cut off; 6 and 7 have a key longer than a
    /// block.
    #[test]
    fn rfc_4231() {
        let ascending: [u8; 25] = std::array::from_fn(|at| u8::try_from(at).unwrap() + 1);
        let cases: [(&[u8], &[u8], &str, &str); 6] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39\
                 bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
            ),
            (
                &ascending,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db\
                 a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size \
                  data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
                "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944\
                 b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
        ];
        for (key, data, expect256, expect512) in cases {
            assert_eq!(hex::encode(hmac_sha256(key, data)), expect256);
            assert_eq!(hex::encode(hmac_sha512(key, data)), expect512);
        }
    }

    #[test]
    fn every_length_to_1000() {
        let data: Vec<u8> = (0..1000u32).map(|at| (at * 31 + 7) as u8).collect();
        let (key256, key512) = (HmacSha256::new(b"key"), HmacSha512::new(b"key"));
        for length in 0..=data.len() {
            let (head, tail) = data[..length].split_at(length / 3);
            let mut peer = Peer::<sha2::Sha256>::new_from_slice(b"key").unwrap();
            peer.update(&data[..length]);
            assert!(key256.mac([head, &[], tail])[..] == peer.finalize().into_bytes()[..]);
            let mut peer = Peer::<sha2::Sha512>::new_from_slice(b"key").unwrap();
            peer.update(&data[..length]);
            assert!(key512.mac([head, &[], tail])[..] == peer.finalize().into_bytes()[..]);
        }
    }

    proptest! {
        #[test]
        fn equals_the_hmac_crate(
            key in prop::collection::vec(any::<u8>(), 0..300),
            data in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut peer = Peer::<sha2::Sha256>::new_from_slice(&key).unwrap();
            peer.update(&data);
            prop_assert_eq!(hmac_sha256(&key, &data)[..].to_vec(), peer.finalize().into_bytes().to_vec());
            let mut peer = Peer::<sha2::Sha512>::new_from_slice(&key).unwrap();
            peer.update(&data);
            prop_assert_eq!(hmac_sha512(&key, &data)[..].to_vec(), peer.finalize().into_bytes().to_vec());
        }
    }
}
