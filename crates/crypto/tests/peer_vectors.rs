//! libmongocrypt's own vectors, read where they are at hand.
//!
//! They are not part of this repository. Point `FIELDVEIL_LIBMONGOCRYPT_DATA` at the directory
//! `test/data` of a libmongocrypt source tree to run them; without it there is nothing to do.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which may")]

use std::path::PathBuf;

use fieldveil_crypto::DataKey;
use fieldveil_crypto::qe::tokens::{IndexTokens, ServerDataEncryptionLevel1Token, TextIndex};
use serde_json::Value;

fn read(path: &str) -> Option<Value> {
    let directory = PathBuf::from(std::env::var_os("FIELDVEIL_LIBMONGOCRYPT_DATA")?);
    let text = std::fs::read_to_string(directory.join(path)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_default()).unwrap()
}

/// Keys of 32 bytes are those of counter mode alone.
fn key(case: &Value) -> DataKey {
    let mut material = bytes(&case["key"]);
    material.resize(96, 0);
    DataKey::try_from(&material[..]).unwrap()
}

#[test]
fn ciphers() {
    let files = [
        "mcgrew.json",
        "nist.json",
        "aes-ctr.json",
        "fle2-fixed.json",
        "fle2-generated.json",
        "fle2aead-fixed.json",
        "fle2aead-generated.json",
        "fle2aead-decrypt.json",
        "fle2v2-aead-fixed.json",
        "fle2v2-aead-generated.json",
    ];
    let mut checked = 0;
    for file in files {
        let Some(cases) = read(&format!("roundtrip/{file}")) else { return };
        for case in cases.as_array().unwrap() {
            check_cipher(case);
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} cases read");
}

fn check_cipher(case: &Value) {
    let name = &case["name"];
    let (aad, plaintext, ciphertext) =
        (bytes(&case["aad"]), bytes(&case["plaintext"]), bytes(&case["ciphertext"]));
    let iv = bytes(&case["iv"]);
    let iv: &[u8; 16] = iv.as_slice().try_into().unwrap();
    let key = key(case);
    let counter_mode =
        ServerDataEncryptionLevel1Token::try_from(&key.material().expose()[..32]).unwrap();
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
    let algorithm = case["algo"].as_str().unwrap();
    let encrypted = match algorithm {
        "AES-256-CBC/SHA-512-256" => key.encrypt_random(iv, &aad, &plaintext, &mut sealed),
        "AES-256-CBC/SHA-256" => key.encrypt_qe(iv, &aad, &plaintext, &mut sealed),
        "AES-256-CTR/NONE" => {
            counter_mode.encrypt_value(iv, &plaintext, &mut sealed);
            Ok(())
        }
        // Version 1 is only read.
        "AES-256-CTR/SHA-256" => {
            sealed.clone_from(&ciphertext);
            Ok(())
        }
        other => panic!("{name}: {other}"),
    };
    if let Some(text) = case["encrypt_error"].as_str() {
        if let Err(error) = encrypted {
            assert!(error.to_string().starts_with(text), "{name}: {error}");
        }
        if ciphertext.is_empty() {
            return;
        }
    } else {
        encrypted.unwrap();
        if case["ignore_ciphertext_mismatch_on_encrypt"].as_bool() != Some(true) {
            assert_eq!(sealed, ciphertext, "{name}");
        }
    }
    let decrypted = match algorithm {
        "AES-256-CBC/SHA-512-256" => key.decrypt(&aad, &ciphertext, &mut opened),
        "AES-256-CBC/SHA-256" => key.decrypt_qe(&aad, &ciphertext, &mut opened),
        "AES-256-CTR/NONE" => counter_mode.decrypt_value(&ciphertext, &mut opened),
        _ => key.decrypt_qe_v1(&aad, &ciphertext, &mut opened),
    };
    match case["decrypt_error"].as_str() {
        Some(text) => {
            let error = decrypted.unwrap_err();
            assert!(error.to_string().starts_with(text), "{name}: {error}");
        }
        None => {
            decrypted.unwrap();
            assert_eq!(opened, plaintext, "{name}");
        }
    }
}

#[test]
fn tokens() {
    let Some(case) = read("tokens/mc.json") else { return };
    let mut material = vec![0; 64];
    material.extend(bytes(&case["root"]));
    let key = DataKey::try_from(&material[..]).unwrap();
    let IndexTokens { edc, esc, ecoc, server_derivation, server_data_encryption } =
        key.index_tokens();
    let value = bytes(&case["value"]);
    let factor = case["contentionFactor"].as_u64().unwrap();

    let edc_data = edc.derived_from_data(&value);
    let esc_data = esc.derived_from_data(&value);
    let server_data = server_derivation.derived_from_data(&value);
    let edc_factor = edc_data.and_contention_factor(factor);
    let esc_factor = esc_data.and_contention_factor(factor);
    let count = server_data.count_and_contention_factor_encryption();
    let padding = esc.anchor_padding_root();
    let check = |name: &str, token: &[u8; 32]| assert_eq!(token[..], bytes(&case[name]), "{name}");
    check("serverDataEncryptionLevel1Token", server_data_encryption.as_bytes());
    check("ServerTokenDerivationLevel1Token", server_derivation.as_bytes());
    check("EDCToken", edc.as_bytes());
    check("ESCToken", esc.as_bytes());
    check("ECOCToken", ecoc.as_bytes());
    check("EDCDerivedFromDataToken", edc_data.as_bytes());
    check("ESCDerivedFromDataToken", esc_data.as_bytes());
    check("serverDerivedFromDataToken", server_data.as_bytes());
    check("EDCDerivedFromDataTokenAndContentionFactor", edc_factor.as_bytes());
    check("ESCDerivedFromDataTokenAndContentionFactor", esc_factor.as_bytes());
    check("EDCTwiceDerivedToken", edc_factor.twice_derived().as_bytes());
    check("ESCTwiceDerivedTagToken", esc_factor.twice_derived_tag().as_bytes());
    check("ESCTwiceDerivedValueToken", esc_factor.twice_derived_value().as_bytes());
    check("serverCountAndContentionFactorEncryptionToken", count.as_bytes());
    check("serverZerosEncryptionToken", server_data.zeros_encryption().as_bytes());
    check("AnchorPaddingTokenRoot", padding.as_bytes());
    check("AnchorPaddingKeyToken", padding.key().as_bytes());
    check("AnchorPaddingValueToken", padding.value().as_bytes());

    for index in [TextIndex::Exact, TextIndex::Substring, TextIndex::Suffix, TextIndex::Prefix] {
        let (edc, esc) = (edc.text(index), esc.text(index));
        let server = server_derivation.text(index);
        let edc_data = edc.derived_from_data(&value);
        let esc_data = esc.derived_from_data(&value);
        let check = |name: &str, token: &[u8; 32]| {
            check(&name.replace("Text", &format!("Text{index:?}")), token);
        };
        check("EDCTextToken", edc.as_bytes());
        check("ESCTextToken", esc.as_bytes());
        check("ServerTextToken", server.as_bytes());
        check("EDCTextDerivedFromDataToken", edc_data.as_bytes());
        check("ESCTextDerivedFromDataToken", esc_data.as_bytes());
        check("ServerTextDerivedFromDataToken", server.derived_from_data(&value).as_bytes());
        check(
            "EDCTextDerivedFromDataTokenAndContentionFactorToken",
            edc_data.and_contention_factor(factor).as_bytes(),
        );
        check(
            "ESCTextDerivedFromDataTokenAndContentionFactorToken",
            esc_data.and_contention_factor(factor).as_bytes(),
        );
    }
}

/// Stored values: kind, file, bytes of counts in the header.
#[test]
fn stored_values() {
    let files = [
        ("FLECrudTest-insertOneV2.json", 0),
        ("FLECrudTest-insertOneRangeV2.json", 1),
        ("FLECrudTest-insertOneText.json", 12),
        ("FLECrudTest-insertOneTextLarge.json", 12),
    ];
    for (file, counts) in files {
        let Some(case) = read(&format!("iev-v2/{file}")) else { return };
        let payload = bytes(&case["payload"]);
        let index_key = DataKey::try_from(&bytes(&case["S_Key"])[..]).unwrap();
        let user_key = DataKey::try_from(&bytes(&case["K_Key"])[..]).unwrap();
        let blocks = match counts {
            0 => 1,
            1 => usize::from(payload[18]),
            _ => u32::from_le_bytes(payload[18..22].try_into().unwrap()) as usize,
        };
        let server_value = &payload[18 + counts..payload.len() - 96 * blocks];
        let (mut client_value, mut plain) = (Vec::new(), Vec::new());
        let outer = &index_key.index_tokens().server_data_encryption;
        outer.decrypt_value(server_value, &mut client_value).unwrap();
        let (key_id, ciphertext) = client_value.split_at(16);
        user_key.decrypt_qe(key_id, ciphertext, &mut plain).unwrap();
        assert_eq!(plain, bytes(&case["bson_value"]), "{file}");
    }
}
