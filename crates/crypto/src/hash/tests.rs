use proptest::prelude::*;
use sha2::Digest;

use super::*;

/// FIPS 180-4 examples (NIST, "Examples with Intermediate Values").
const NIST: &[(&str, &str, &str)] = &[
    (
        "abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
         47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335\
         96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445",
    ),
];

#[test]
fn nist_examples() {
    for (message, expect256, expect512) in NIST {
        assert_eq!(hex::encode(sha256(message.as_bytes())), *expect256);
        assert_eq!(hex::encode(sha512(message.as_bytes())), *expect512);
    }
}

#[test]
fn million_letters_a() {
    let message = vec![b'a'; 1_000_000];
    assert_eq!(
        hex::encode(sha256(&message)),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
    assert_eq!(
        hex::encode(sha512(&message)),
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb\
         de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
    );
}

#[test]
fn equals_sha2_at_every_length_to_1000() {
    let message: Vec<u8> = (0..1000u32).map(|i| (i * 31 + 7) as u8).collect();
    for length in 0..=message.len() {
        let part = &message[..length];
        assert_eq!(sha256(part)[..], sha2::Sha256::digest(part)[..], "SHA-256 of {length} bytes");
        assert_eq!(sha512(part)[..], sha2::Sha512::digest(part)[..], "SHA-512 of {length} bytes");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
        let mut short = Stream::<Sha256, 64>::new();
        let mut long = Stream::<Sha512, 128>::new();
        for piece in &pieces {
            short.update(piece);
            long.update(piece);
        }
        let whole = pieces.concat();
        prop_assert_eq!(short.finish(), sha256(&whole));
        prop_assert_eq!(long.finish(), sha512(&whole));
    }
}
