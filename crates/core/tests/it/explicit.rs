//! Explicit encryption and decryption, CSFLE.

use std::time::Duration;

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_core::{Algorithm, ExplicitOptions, KeyId, Origin};

use crate::outside::{Outside, binary, encrypted};

fn by_id(id: KeyId, algorithm: Algorithm) -> ExplicitOptions {
    ExplicitOptions { key_id: Some(id), algorithm: Some(algorithm), ..ExplicitOptions::new() }
}

fn by_name(name: &str, algorithm: Algorithm) -> ExplicitOptions {
    ExplicitOptions {
        key_alt_names: vec![name.to_owned()],
        algorithm: Some(algorithm),
        ..ExplicitOptions::new()
    }
}

#[test]
fn a_ciphertext_names_algorithm_key_and_type() {
    let mut outside = Outside::new();
    let id = outside.make_key(&["example"]);
    for (algorithm, first_byte) in [(Algorithm::Deterministic, 1), (Algorithm::Random, 2)] {
        for options in [by_id(id, algorithm), by_name("example", algorithm)] {
            let result = outside.encrypt(&rawdoc! { "v": "123-12-1234" }, &options).unwrap();
            let content = binary(&result);
            assert_eq!(content[0], first_byte);
            assert_eq!(&content[1..17], id.as_bytes());
            assert_eq!(content[17], 2);
            assert_eq!(content.len(), 18 + 16 + 32 + 32);
        }
    }
}

#[test]
fn what_was_encrypted_is_decrypted() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let message = rawdoc! { "v": { "a": [1, 2, { "b": "c" }] } };
    let result = outside.encrypt(&message, &by_id(id, Algorithm::Random)).unwrap();
    let back = outside.run(|crypt, env| crypt.decrypt_value(&result, env)).unwrap();
    assert_eq!(back, message);
}

#[test]
fn what_stands_beside_the_value_stays() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let value = rawdoc! { "v": "secret" };
    let sealed = outside.encrypt(&value, &by_id(id, Algorithm::Random)).unwrap();
    let mut decrypt =
        |message: &RawDocumentBuf| outside.run(|crypt, env| crypt.decrypt_value(message, env));
    // The key is cached: nothing but the value takes a shorter way, with the same outcome.
    assert_eq!(decrypt(&sealed).unwrap(), value);
    let content = binary(&sealed).to_vec();
    let beside = rawdoc! { "a": 1, "v": encrypted(content.clone()), "z": { "b": true } };
    let opened = rawdoc! { "a": 1, "v": "secret", "z": { "b": true } };
    assert_eq!(decrypt(&beside).unwrap(), opened);
    for at in 1..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 1;
        assert!(decrypt(&rawdoc! { "v": encrypted(changed) }).is_err(), "{at}");
    }
}

#[test]
fn deterministic_ciphertexts_repeat_and_random_ones_do_not() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let message = rawdoc! { "v": 7_i64 };
    let mut twice = |algorithm| {
        let options = by_id(id, algorithm);
        (outside.encrypt(&message, &options).unwrap(), outside.encrypt(&message, &options).unwrap())
    };
    let (one, other) = twice(Algorithm::Deterministic);
    assert_eq!(one, other);
    let (one, other) = twice(Algorithm::Random);
    assert_ne!(one, other);
}

#[test]
fn the_vault_is_asked_once_until_the_key_expires() {
    let mut outside = Outside::new();
    let id = outside.make_key(&["n"]);
    let message = rawdoc! { "v": 7 };
    outside.encrypt(&message, &by_id(id, Algorithm::Random)).unwrap();
    assert_eq!(outside.waits, ["keys"]);
    outside.now += Duration::from_secs(60);
    for options in [by_id(id, Algorithm::Random), by_name("n", Algorithm::Random)] {
        outside.encrypt(&message, &options).unwrap();
        assert!(outside.waits.is_empty());
    }
    outside.now += Duration::from_millis(1);
    outside.encrypt(&message, &by_name("n", Algorithm::Random)).unwrap();
    assert_eq!(outside.waits, ["keys"]);
}

#[test]
fn an_expiration_of_none_is_never() {
    let mut outside = Outside::with(|builder| {
        builder.key_expiration(None);
    });
    let id = outside.make_key(&[]);
    let options = by_id(id, Algorithm::Random);
    outside.encrypt(&rawdoc! { "v": 7 }, &options).unwrap();
    outside.now += Duration::from_secs(1_000_000_000);
    outside.encrypt(&rawdoc! { "v": 7 }, &options).unwrap();
    assert!(outside.waits.is_empty());
}

#[test]
fn the_filter_has_both_arms() {
    let mut outside = Outside::new();
    let id = outside.make_key(&["n"]);
    outside.encrypt(&rawdoc! { "v": 7 }, &by_id(id, Algorithm::Random)).unwrap();
    let expected = rawdoc! { "$or": [
        { "_id": { "$in": [crate::outside::uuid(id)] } },
        { "keyAltNames": { "$in": [] } },
    ] };
    assert_eq!(outside.asked, [expected]);
    let mut outside = Outside { vault: outside.vault, ..Outside::new() };
    outside.encrypt(&rawdoc! { "v": 7 }, &by_name("n", Algorithm::Random)).unwrap();
    let expected = rawdoc! { "$or": [
        { "_id": { "$in": [] } },
        { "keyAltNames": { "$in": ["n"] } },
    ] };
    assert_eq!(outside.asked, [expected]);
}

#[test]
fn a_missing_key_is_the_key_vaults_fault() {
    let mut outside = Outside::new();
    let options = by_id(KeyId::from_bytes([9; 16]), Algorithm::Random);
    let error = outside.encrypt(&rawdoc! { "v": 7 }, &options).unwrap_err();
    assert_eq!(error.origin(), Origin::KeyVault);
    assert_eq!(
        error.to_string(),
        "not all keys requested were satisfied. Verify that key vault DB/collection name was \
         correctly specified."
    );
}

#[test]
fn values_that_may_not_be_encrypted_are_refused() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let mut error = |message: RawDocumentBuf, algorithm| {
        outside.encrypt(&message, &by_id(id, algorithm)).unwrap_err().to_string()
    };
    let never = "BSON type invalid for encryption";
    assert_eq!(error(rawdoc! { "v": null }, Algorithm::Random), never);
    assert_eq!(error(rawdoc! { "v": bson::RawBson::MinKey }, Algorithm::Random), never);
    let deterministic = "BSON type invalid for deterministic encryption";
    assert_eq!(error(rawdoc! { "v": 1.5 }, Algorithm::Deterministic), deterministic);
    assert_eq!(error(rawdoc! { "v": true }, Algorithm::Deterministic), deterministic);
    assert_eq!(error(rawdoc! { "v": { } }, Algorithm::Deterministic), deterministic);
    assert_eq!(
        error(rawdoc! { "v": encrypted(vec![1; 60]) }, Algorithm::Random),
        "BSON binary subtype 6 is invalid for encryption"
    );
    assert_eq!(error(rawdoc! { "x": 1 }, Algorithm::Random), "invalid msg, must contain 'v'");
}

#[test]
fn only_encrypted_binaries_are_decrypted() {
    let mut outside = Outside::new();
    let mut error = |message: RawDocumentBuf| {
        outside.run(|crypt, env| crypt.decrypt_value(&message, env)).unwrap_err().to_string()
    };
    assert_eq!(error(rawdoc! {}), "invalid msg, must contain 'v'");
    assert_eq!(error(rawdoc! { "v": 1 }), "invalid msg, 'v' must contain a binary");
    assert_eq!(
        error(rawdoc! { "v": crate::outside::local_key() }),
        "decryption expected BSON binary subtype 6, got 0"
    );
    assert_eq!(
        error(rawdoc! { "v": encrypted(vec![]) }),
        "unsupported FLE blob subtype: expected non-empty payload"
    );
    // Markings, search payloads and the server's own values are never stored.
    for first_byte in [0, 3, 5, 8, 10, 12, 13, 18, 99] {
        assert_eq!(
            error(rawdoc! { "v": encrypted(vec![first_byte, 1]) }),
            format!("unsupported FLE blob subtype: {first_byte}")
        );
    }
}

#[test]
fn every_prefix_of_a_ciphertext_and_every_changed_bit_is_refused() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let result =
        outside.encrypt(&rawdoc! { "v": "secret" }, &by_id(id, Algorithm::Random)).unwrap();
    let content = binary(&result).to_vec();
    for len in 1..content.len() {
        let cut = rawdoc! { "v": encrypted(content[..len].to_vec()) };
        assert!(outside.decrypt(&cut).is_err(), "{len}");
    }
    for at in 1..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 0x10;
        let error = outside.decrypt(&rawdoc! { "v": encrypted(changed) }).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{at}");
    }
}

#[test]
fn a_wrong_master_key_does_not_unwrap() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let mut other = Outside::with(|_| ());
    let mut builder = fieldveil_core::Crypt::builder();
    let key = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1; 96] };
    builder.kms_providers(&rawdoc! { "local": { "key": key } }).unwrap();
    other.crypt = builder.build().unwrap();
    other.vault = outside.vault;
    let error = other.encrypt(&rawdoc! { "v": 1 }, &by_id(id, Algorithm::Random)).unwrap_err();
    assert_eq!(error.origin(), Origin::Kms);
    assert_eq!(error.to_string(), "HMAC validation failure");
}

#[test]
fn wrong_keys_of_the_vault_are_refused() {
    let mut outside = Outside::new();
    let id = outside.make_key(&["a"]);
    outside.make_key(&["b"]);
    let options = by_id(id, Algorithm::Random);
    let message = rawdoc! { "v": 1 };
    let crypt = outside.crypt.clone();
    let vault = outside.vault.clone();
    let mut keys = || {
        let step = crypt.encrypt_value(&message, &options, &mut outside.env()).unwrap();
        let fieldveil_core::Step::Keys(keys) = step else { panic!() };
        keys
    };
    assert_eq!(
        keys().feed(&vault[1]).unwrap_err().to_string(),
        "unexpected key returned, does not match any requests"
    );
    let mut twice = keys();
    twice.feed(&vault[0]).unwrap();
    assert_eq!(
        twice.feed(&vault[0]).unwrap_err().to_string(),
        "keys returned have duplicate keyAltNames or _id"
    );
    assert_eq!(keys().feed(&rawdoc! {}).unwrap_err().to_string(), "invalid key, no '_id'");
}

#[test]
fn debug_output_shows_neither_plaintext_nor_keys() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let crypt = outside.crypt.clone();
    let message = rawdoc! { "v": "planted secret" };
    let options = by_id(id, Algorithm::Random);
    let step = crypt.encrypt_value(&message, &options, &mut outside.env()).unwrap();
    assert_eq!(format!("{step:?}"), "Keys(NeedKeys { .. })");
    let shown = format!("{crypt:?}");
    assert!(shown.contains("[redacted]") && !shown.contains("90"), "{shown}");
}
