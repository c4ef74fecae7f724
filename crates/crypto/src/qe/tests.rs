use ::hmac::{Hmac, KeyInit, Mac};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit, StreamCipher};
use proptest::prelude::*;

use super::state::{IndexKind, MAX_TEXT_TAGS};
use super::tokens::*;
use super::*;

type Ctr = ::ctr::Ctr128BE<aes::Aes256>;

fn key(material: &[u8]) -> DataKey {
    material.try_into().unwrap()
}

/// HMAC-SHA-256 from another crate.
fn h256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn number(key: &[u8], number: u64) -> [u8; 32] {
    h256(key, &number.to_le_bytes())
}

proptest! {
    #[test]
    fn values_equal_the_format_built_from_other_crates(
        material: [u8; 96],
        iv: [u8; 16],
        aad in prop::collection::vec(any::<u8>(), 0..60),
        plaintext in prop::collection::vec(any::<u8>(), 1..500),
    ) {
        let mut out = b"before".to_vec();
        key(&material).encrypt_qe(&iv, &aad, &plaintext, &mut out).unwrap();
        let cbc = cbc::Encryptor::<aes::Aes256>::new_from_slices(&material[..32], &iv).unwrap();
        let body = [&iv[..], &cbc.encrypt_padded_vec::<Pkcs7>(&plaintext)].concat();
        let tag = h256(&material[32..64], &[&aad[..], &body].concat());
        prop_assert_eq!(&out[6..], [&body[..], &tag].concat());

        let mut plain = b"before".to_vec();
        key(&material).decrypt_qe(&aad, &out[6..], &mut plain).unwrap();
        prop_assert_eq!(&plain[6..], &plaintext);
    }

    #[test]
    fn version_1_values_are_read(
        material: [u8; 96],
        iv: [u8; 16],
        aad in prop::collection::vec(any::<u8>(), 0..60),
        plaintext in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        let mut encrypted = plaintext.clone();
        Ctr::new_from_slices(&material[..32], &iv).unwrap().apply_keystream(&mut encrypted);
        let body = [&iv[..], &encrypted].concat();
        let tag = h256(&material[32..64], &[&aad[..], &body].concat());
        let mut ciphertext = [&body[..], &tag].concat();
        let mut plain = Vec::new();
        key(&material).decrypt_qe_v1(&aad, &ciphertext, &mut plain).unwrap();
        prop_assert_eq!(&plain, &plaintext);
        ciphertext[20] ^= 1;
        let result = key(&material).decrypt_qe_v1(&aad, &ciphertext, &mut plain);
        prop_assert_eq!(result, Err(CryptoError::Authentication));
        prop_assert_eq!(plain, plaintext);
    }

    #[test]
    fn tree_is_that_of_the_protocol(material: [u8; 96], w in prop::collection::vec(any::<u8>(), 0..100), u: u64) {
        let key = key(&material);
        let IndexTokens { edc, esc, ecoc, server_derivation, server_data_encryption } =
            key.index_tokens();
        let root = &material[64..];
        let cl1 = number(root, 1);
        assert_eq!(edc.as_bytes(), &number(&cl1, 1));
        assert_eq!(esc.as_bytes(), &number(&cl1, 2));
        assert_eq!(ecoc.as_bytes(), &number(&cl1, 4));
        assert_eq!(server_derivation.as_bytes(), &number(root, 2));
        assert_eq!(server_data_encryption.as_bytes(), &number(root, 3));

        let padding = h256(esc.as_bytes(), &[0; 17]);
        assert_eq!(esc.anchor_padding_root().as_bytes(), &padding);
        assert_eq!(esc.anchor_padding_root().key().as_bytes(), &number(&padding, 1));
        assert_eq!(esc.anchor_padding_root().value().as_bytes(), &number(&padding, 2));

        for text in [None, Some(TextIndex::Exact), Some(TextIndex::Substring), Some(TextIndex::Suffix), Some(TextIndex::Prefix)] {
            let (edc_data, esc_data, server_data) = match text {
                None => (edc.derived_from_data(&w), esc.derived_from_data(&w), server_derivation.derived_from_data(&w)),
                Some(n) => (
                    edc.text(n).derived_from_data(&w),
                    esc.text(n).derived_from_data(&w),
                    server_derivation.text(n).derived_from_data(&w),
                ),
            };
            let below = |token: &[u8; 32]| match text {
                None => *token,
                Some(TextIndex::Exact) => number(token, 1),
                Some(TextIndex::Substring) => number(token, 2),
                Some(TextIndex::Suffix) => number(token, 3),
                Some(TextIndex::Prefix) => number(token, 4),
            };
            assert_eq!(edc_data.as_bytes(), &h256(&below(edc.as_bytes()), &w));
            assert_eq!(esc_data.as_bytes(), &h256(&below(esc.as_bytes()), &w));
            assert_eq!(server_data.as_bytes(), &h256(&below(server_derivation.as_bytes()), &w));

            let edc_factor = edc_data.and_contention_factor(u);
            let esc_factor = esc_data.and_contention_factor(u);
            assert_eq!(edc_factor.as_bytes(), &number(edc_data.as_bytes(), u));
            assert_eq!(esc_factor.as_bytes(), &number(esc_data.as_bytes(), u));
            assert_eq!(edc_factor.twice_derived().as_bytes(), &number(edc_factor.as_bytes(), 1));
            assert_eq!(esc_factor.twice_derived_tag().as_bytes(), &number(esc_factor.as_bytes(), 1));
            assert_eq!(esc_factor.twice_derived_value().as_bytes(), &number(esc_factor.as_bytes(), 2));
            let count = server_data.count_and_contention_factor_encryption();
            assert_eq!(count.as_bytes(), &number(server_data.as_bytes(), 1));
            assert_eq!(server_data.zeros_encryption().as_bytes(), &number(server_data.as_bytes(), 2));
        }
    }

    #[test]
    fn records_are_those_of_the_protocol(token: [u8; 32], n: u64) {
        let zero_then = [[0; 8], n.to_le_bytes()].concat();
        prop_assert_eq!(EdcTwiceDerivedToken::from_bytes(&token).tag(n), number(&token, n));
        let tag = EscTwiceDerivedTagToken::from_bytes(&token);
        prop_assert_eq!(tag.non_anchor_id(n), number(&token, n));
        prop_assert_eq!(tag.anchor_id(n), h256(&token, &zero_then));
        prop_assert_eq!(AnchorPaddingKeyToken::from_bytes(&token).anchor_id(n), h256(&token, &zero_then));
    }

    #[test]
    fn state_is_encrypted_in_counter_mode(token: [u8; 32], iv: [u8; 16], esc: [u8; 32], n in 0..=MAX_TEXT_TAGS) {
        let ecoc = EcocToken::from_bytes(&token);
        let esc_token = EscDerivedFromDataTokenAndContentionFactor::from_bytes(&esc);
        let [low, middle, high, _] = n.to_le_bytes();
        for (kind, rest) in [
            (IndexKind::Equality, &[][..]),
            (IndexKind::Range { is_leaf: false }, &[0]),
            (IndexKind::Range { is_leaf: true }, &[1]),
            (IndexKind::Text { tag_count: n }, &[low, middle, high]),
        ] {
            let mut state = Vec::new();
            ecoc.encrypt_state(&iv, &esc_token, kind, &mut state).unwrap();
            let mut expected = [&esc, rest].concat();
            Ctr::new_from_slices(&token, &iv).unwrap().apply_keystream(&mut expected);
            prop_assert_eq!(&state, &[&iv[..], &expected].concat());
            let (opened, opened_kind) = ecoc.decrypt_state(&state).unwrap();
            prop_assert_eq!(opened.as_bytes(), &esc);
            prop_assert_eq!(opened_kind, kind);
        }
    }

    #[test]
    fn stored_parts_come_back(token: [u8; 32], iv: [u8; 16], a: u64, b: u64, value in prop::collection::vec(any::<u8>(), 1..300)) {
        let encrypt = |plain: &[u8]| {
            let mut out = plain.to_vec();
            Ctr::new_from_slices(&token, &iv).unwrap().apply_keystream(&mut out);
            [&iv[..], &out].concat()
        };
        let pair = encrypt(&[a.to_le_bytes(), b.to_le_bytes()].concat());
        let count = ServerCountAndContentionFactorEncryptionToken::from_bytes(&token);
        prop_assert_eq!(count.encrypt(&iv, a, b)[..].to_vec(), pair.clone());
        prop_assert_eq!(count.decrypt(&count.encrypt(&iv, a, b)), (a, b));
        let anchor = EscTwiceDerivedValueToken::from_bytes(&token);
        prop_assert_eq!(anchor.encrypt(&iv, a, b)[..].to_vec(), pair);
        prop_assert_eq!(anchor.decrypt(&anchor.encrypt(&iv, a, b)), (a, b));
        let padding = AnchorPaddingValueToken::from_bytes(&token);
        prop_assert_eq!(padding.decrypt(&padding.encrypt(&iv, a)), (a, 0));

        let zeros = ServerZerosEncryptionToken::from_bytes(&token);
        let mut encrypted = zeros.encrypt(&iv);
        prop_assert_eq!(encrypted[..].to_vec(), encrypt(&[0; 16]));
        prop_assert!(zeros.matches(&encrypted));
        encrypted[31] ^= 1;
        prop_assert!(!zeros.matches(&encrypted));

        let outer = ServerDataEncryptionLevel1Token::from_bytes(&token);
        let (mut stored, mut back) = (Vec::new(), Vec::new());
        outer.encrypt_value(&iv, &value, &mut stored);
        prop_assert_eq!(&stored, &encrypt(&value));
        outer.decrypt_value(&stored, &mut back).unwrap();
        prop_assert_eq!(back, value);
    }
}

#[test]
fn state_of_no_kind_is_refused() {
    let ecoc = EcocToken::from_bytes(&[1; 32]);
    for actual in (0..200).filter(|length| ![48, 49, 51].contains(length)) {
        let result = ecoc.decrypt_state(&vec![0; actual]);
        assert_eq!(result.unwrap_err(), CryptoError::StateLength { actual });
    }
    let esc = EscDerivedFromDataTokenAndContentionFactor::from_bytes(&[2; 32]);
    let mut state = Vec::new();
    ecoc.encrypt_state(&[3; 16], &esc, IndexKind::Range { is_leaf: false }, &mut state).unwrap();
    state[48] ^= 2;
    assert_eq!(ecoc.decrypt_state(&state).unwrap_err(), CryptoError::StateLeafFlag);

    let kind = IndexKind::Text { tag_count: MAX_TEXT_TAGS + 1 };
    let result = ecoc.encrypt_state(&[3; 16], &esc, kind, &mut Vec::new());
    assert!(matches!(result, Err(CryptoError::TooManyTags { .. })));
}

#[test]
fn short_values_are_refused() {
    let key = key(&[1; 96]);
    let message = |length: usize| {
        let error = key.decrypt_qe_v1(b"", &vec![0; length], &mut Vec::new()).unwrap_err();
        error.to_string()
    };
    assert_eq!(message(47), "input ciphertext too small. Must be more than 48 bytes");
    assert_eq!(message(48), "input ciphertext too small. Must be more than 48 bytes");
    assert_eq!(message(49), "HMAC validation failure");
    let error = key.decrypt_qe(b"", &[0; 63], &mut Vec::new()).unwrap_err();
    assert_eq!(error, CryptoError::CiphertextTooShort { minimum: 64 });
    let error = key.encrypt_qe(&[0; 16], b"", b"", &mut Vec::new()).unwrap_err();
    assert_eq!(error, CryptoError::PlaintextEmpty);
    let outer = &key.index_tokens().server_data_encryption;
    for length in 0..=16 {
        assert!(outer.decrypt_value(&vec![0; length], &mut Vec::new()).is_err());
    }
}

#[test]
fn tokens_print_their_name_only() {
    let tokens = format!("{:?}", key(&[0xA5; 96]).index_tokens());
    assert_eq!(
        tokens,
        "IndexTokens { edc: EdcToken([redacted]), esc: EscToken([redacted]), \
         ecoc: EcocToken([redacted]), \
         server_derivation: ServerTokenDerivationLevel1Token([redacted]), \
         server_data_encryption: ServerDataEncryptionLevel1Token([redacted]) }"
    );
}

/// Gives the given words, then fails.
struct Words(Vec<u64>);

impl Random for Words {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        let word = self.0.pop().ok_or_else(|| RandomError::new("no more words"))?;
        out.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }
}

#[test]
fn contention_factor_is_drawn_without_bias() {
    let draw = |maximum, words: &[u64]| {
        draw_contention_factor(maximum, &mut Words(words.iter().rev().copied().collect()))
    };
    assert_eq!(draw(0, &[]), Ok(0));
    assert_eq!(draw(8, &[8]), Ok(8));
    // 2^64 = 9 * k + 7: the seven smallest words are rejected.
    assert_eq!(draw(8, &[0, 6, 7]), Ok(7));
    assert_eq!(draw(8, &[6, 9]), Ok(0));
    assert_eq!(draw(3, &[0]), Ok(0), "a power of two rejects nothing");
    assert_eq!(draw(u64::MAX, &[u64::MAX]), Ok(u64::MAX));
    assert!(draw(8, &[0]).is_err());
    let stuck = draw(8, &[0; 1000]).unwrap_err();
    assert_eq!(stuck.reason(), "what the source gives is not random");
}
