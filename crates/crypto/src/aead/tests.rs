use ::hmac::{Hmac, KeyInit, Mac};
use cbc::cipher::block_padding::{NoPadding, Pkcs7};
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use proptest::prelude::*;

use super::*;

fn key(material: &[u8]) -> DataKey {
    material.try_into().unwrap()
}

fn counting_key() -> DataKey {
    key(&std::array::from_fn::<u8, 96, _>(|i| i as u8))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// The format once more, from other crates.
fn peer_encrypt(material: &[u8; 96], iv: &[u8; 16], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let cbc = cbc::Encryptor::<aes::Aes256>::new_from_slices(&material[32..64], iv).unwrap();
    let body = [&iv[..], &cbc.encrypt_padded_vec::<Pkcs7>(plaintext)].concat();
    let length = (aad.len() as u64 * 8).to_be_bytes();
    let tag = hmac(&material[..32], &[aad, &body, &length]);
    [&body, &tag[..32]].concat()
}

/// A ciphertext with the right tag over CBC of `padded` as it is.
fn forge(material: &[u8; 96], padded: &[u8]) -> Vec<u8> {
    let iv = [9; 16];
    let cbc = cbc::Encryptor::<aes::Aes256>::new_from_slices(&material[32..64], &iv).unwrap();
    let body = [&iv[..], &cbc.encrypt_padded_vec::<NoPadding>(padded)].concat();
    let tag = hmac(&material[..32], &[&body, &[0; 8]]);
    [&body, &tag[..32]].concat()
}

/// draft-mcgrew-aead-aes-cbc-hmac-sha2-05, section 5.4, whose key is the MAC key followed by the
/// encryption key, and whose tag is the first half of the HMAC.
#[test]
fn mcgrew_draft() {
    let material: [u8; 96] = std::array::from_fn(|i| if i < 64 { i as u8 } else { 0 });
    let iv = hex::decode("1af38c2dc2b96ffdd86694092341bc04").unwrap();
    let plaintext = b"A cipher system must not be required to be secret, and it must be able to \
                      fall into the hands of the enemy without inconvenience";
    let aad = b"The second principle of Auguste Kerckhoffs";
    let expected = "1af38c2dc2b96ffdd86694092341bc04\
                    4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd\
                    822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b\
                    36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3\
                    a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b\
                    be2638d09dd7a4930930806d0703b1f6\
                    4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5";
    let mut out = Vec::new();
    let iv: &[u8; 16] = iv.as_slice().try_into().unwrap();
    key(&material).encrypt_random(iv, aad, plaintext, &mut out).unwrap();
    assert_eq!(hex::encode(&out), expected);
    let mut plain = Vec::new();
    key(&material).decrypt(aad, &out, &mut plain).unwrap();
    assert_eq!(plain, plaintext);
}

#[test]
fn every_changed_bit_is_refused() {
    let key = counting_key();
    let mut ciphertext = Vec::new();
    key.encrypt_deterministic(b"header", b"seventeen bytes..", &mut ciphertext).unwrap();
    let mut out = b"before".to_vec();
    for at in 0..ciphertext.len() {
        for bit in 0..8 {
            let mut tampered = ciphertext.clone();
            tampered[at] ^= 1 << bit;
            let result = key.decrypt(b"header", &tampered, &mut out);
            assert_eq!(result, Err(CryptoError::Authentication), "bit {bit} of byte {at}");
        }
    }
    for aad in [&b""[..], b"headeR", b"header\0"] {
        assert_eq!(key.decrypt(aad, &ciphertext, &mut out), Err(CryptoError::Authentication));
    }
    assert_eq!(out, b"before");
}

#[test]
fn every_truncation_is_refused() {
    let key = counting_key();
    let mut ciphertext = Vec::new();
    key.encrypt_random(&[7; 16], b"", &[1; 40], &mut ciphertext).unwrap();
    for length in 0..ciphertext.len() {
        let expected = if length < 64 {
            CryptoError::CiphertextTooShort { minimum: 64 }
        } else {
            CryptoError::Authentication
        };
        assert_eq!(key.decrypt(b"", &ciphertext[..length], &mut Vec::new()), Err(expected));
    }
}

#[test]
fn empty_plaintext_is_refused() {
    let key = counting_key();
    let mut out = Vec::new();
    assert_eq!(key.encrypt_random(&[0; 16], b"", b"", &mut out), Err(CryptoError::PlaintextEmpty));
    assert_eq!(key.encrypt_deterministic(b"", b"", &mut out), Err(CryptoError::PlaintextEmpty));
    assert!(out.is_empty());
}

#[test]
fn malformed_padding_is_refused_though_authentic() {
    let material: [u8; 96] = std::array::from_fn(|i| i as u8);
    let key = key(&material);
    let ok = |last: [u8; 16]| {
        let mut out = b"before".to_vec();
        let result = key.decrypt(b"", &forge(&material, &last), &mut out);
        assert!(result.is_ok() || out == b"before");
        result
    };
    assert_eq!(ok([16; 16]), Ok(()));
    assert_eq!(ok([1; 16]), Ok(()));
    for bad in [0, 17, 255] {
        assert_eq!(ok([bad; 16]), Err(CryptoError::Padding));
    }
    let mut mixed = [3; 16];
    assert_eq!(ok(mixed), Ok(()));
    mixed[13] = 2;
    assert_eq!(ok(mixed), Err(CryptoError::Padding));
}

#[test]
fn authentic_ciphertext_of_broken_blocks_is_refused() {
    let material: [u8; 96] = std::array::from_fn(|i| i as u8);
    for length in [17, 10_001] {
        let body = vec![5; 16 + length];
        let tag = hmac(&material[..32], &[&body, &[0; 8]]);
        let ciphertext = [&body, &tag[..32]].concat();
        let result = key(&material).decrypt(b"", &ciphertext, &mut Vec::new());
        assert_eq!(result, Err(CryptoError::CiphertextNotBlocks));
    }
}

#[test]
fn messages_are_those_drivers_know() {
    let texts = [
        (CryptoError::PlaintextEmpty, "input plaintext too small. Must be more than zero bytes."),
        (
            CryptoError::CiphertextTooShort { minimum: 64 },
            "input ciphertext too small. Must be more than 64 bytes",
        ),
        (CryptoError::Authentication, "HMAC validation failure"),
        (
            CryptoError::CiphertextNotBlocks,
            "error, ciphertext length is not a multiple of block size",
        ),
        (CryptoError::Padding, "error, ciphertext malformed padding"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

proptest! {
    #[test]
    fn equals_the_format_built_from_other_crates(
        material: [u8; 96],
        iv: [u8; 16],
        aad in prop::collection::vec(any::<u8>(), 0..200),
        plaintext in prop::collection::vec(any::<u8>(), 1..1000),
    ) {
        let key = key(&material);
        let mut random = b"before".to_vec();
        key.encrypt_random(&iv, &aad, &plaintext, &mut random).unwrap();
        prop_assert_eq!(&random[6..], peer_encrypt(&material, &iv, &aad, &plaintext));
        prop_assert_eq!(random.len() - 6, ciphertext_len(plaintext.len()));

        let mut deterministic = Vec::new();
        key.encrypt_deterministic(&aad, &plaintext, &mut deterministic).unwrap();
        let length = (aad.len() as u64 * 8).to_be_bytes();
        let iv = hmac(&material[64..], &[&aad, &length, &plaintext]);
        let iv = iv[..16].try_into().unwrap();
        prop_assert_eq!(&deterministic, &peer_encrypt(&material, iv, &aad, &plaintext));

        for ciphertext in [&random[6..], &deterministic] {
            let mut out = b"before".to_vec();
            key.decrypt(&aad, ciphertext, &mut out).unwrap();
            prop_assert_eq!(&out[6..], &plaintext);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(ciphertext in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(counting_key().decrypt(b"", &ciphertext, &mut Vec::new()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Around the lengths at which pieces, and steps of kernels, begin and end.
    #[test]
    fn large_values_equal_the_format_built_from_other_crates(
        material: [u8; 96],
        iv: [u8; 16],
        aad_len in 0usize..300,
        base in prop_oneof![Just(600usize), Just(4096), Just(32 * 1024), Just(64 * 1024)],
        more in 0usize..400,
        flip: prop::sample::Index,
    ) {
        let key = key(&material);
        let aad = vec![3; aad_len];
        let plaintext: Vec<u8> = (0..base - 150 + more).map(|i| (i * 31 + i / 256) as u8).collect();
        let mut ciphertext = Vec::new();
        key.encrypt_random(&iv, &aad, &plaintext, &mut ciphertext).unwrap();
        prop_assert!(ciphertext == peer_encrypt(&material, &iv, &aad, &plaintext));
        let mut out = b"before".to_vec();
        key.decrypt(&aad, &ciphertext, &mut out).unwrap();
        prop_assert!(out[6..] == plaintext);

        out.truncate(6);
        let at = flip.index(ciphertext.len());
        ciphertext[at] ^= 4;
        prop_assert_eq!(key.decrypt(&aad, &ciphertext, &mut out), Err(CryptoError::Authentication));
        prop_assert_eq!(out, b"before");
    }
}

#[test]
fn every_length_to_1000() {
    let material: [u8; 96] = std::array::from_fn(|i| i as u8);
    let (key, iv) = (key(&material), [5; 16]);
    let plaintext: Vec<u8> = (0..1000u32).map(|i| (i * 31 + 7) as u8).collect();
    for length in 1..=plaintext.len() {
        let (plaintext, _) = plaintext.split_at(length);
        // The hash starts anywhere in its block.
        let aad = &material[..length % 77];
        let mut sealed = Vec::new();
        key.encrypt_random(&iv, aad, plaintext, &mut sealed).unwrap();
        assert!(sealed == peer_encrypt(&material, &iv, aad, plaintext), "{length} bytes sealed");
        let mut opened = Vec::new();
        key.decrypt(aad, &sealed, &mut opened).unwrap();
        assert!(opened == plaintext, "{length} bytes opened");
    }
}

#[test]
fn padding_is_checked_byte_by_byte() {
    for padding in 0..=255u8 {
        for wrong in 0..BLOCK {
            for change in [0, 1, 0x80] {
                let mut block = [padding; BLOCK];
                block[wrong] ^= change;
                let last = usize::from(block[BLOCK - 1]);
                let is_good = (1..=BLOCK).contains(&last)
                    && block[BLOCK - last..].iter().all(|byte| usize::from(*byte) == last);
                let expected = is_good.then(|| BLOCK - last).ok_or(CryptoError::Padding);
                assert_eq!(plaintext_len(&block), expected, "{block:?}");
            }
        }
    }
}
