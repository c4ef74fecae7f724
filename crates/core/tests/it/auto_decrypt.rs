//! Automatic decryption.

use bson::{RawBson, rawdoc};
use fieldveil_core::{Algorithm, ExplicitOptions, KeyId};

use crate::outside::{Outside, binary, encrypted};

fn ciphertext(outside: &mut Outside, id: KeyId, value: impl Into<RawBson>) -> bson::Binary {
    let options = ExplicitOptions {
        key_id: Some(id),
        algorithm: Some(Algorithm::Random),
        ..ExplicitOptions::new()
    };
    let mut message = rawdoc! {};
    let value: RawBson = value.into();
    message.append(bson::raw::cstr!("v"), value);
    encrypted(binary(&outside.encrypt(&message, &options).unwrap()).to_vec())
}

#[test]
fn every_value_of_a_cursors_batch_is_decrypted() {
    let mut outside = Outside::new();
    let (one, two) = (outside.make_key(&[]), outside.make_key(&[]));
    let reply = rawdoc! { "cursor": { "firstBatch": [
        { "_id": 1, "ssn": ciphertext(&mut outside, one, "123"), "plain": true },
        { "_id": 2, "deep": { "list": [ ciphertext(&mut outside, two, 5), 6 ] } },
        { "_id": 3, "doc": ciphertext(&mut outside, one, rawdoc! { "x": [1, { "y": 2 }] }) },
    ], "id": 0_i64, "ns": "db.c" }, "ok": 1.0 };
    let mut outside = Outside { vault: outside.vault, ..Outside::new() };
    let expected = rawdoc! { "cursor": { "firstBatch": [
        { "_id": 1, "ssn": "123", "plain": true },
        { "_id": 2, "deep": { "list": [ 5, 6 ] } },
        { "_id": 3, "doc": { "x": [1, { "y": 2 }] } },
    ], "id": 0_i64, "ns": "db.c" }, "ok": 1.0 };
    assert_eq!(outside.decrypt(&reply).unwrap(), expected);
    assert_eq!(outside.waits, ["keys"]);
    assert_eq!(outside.decrypt(&reply).unwrap(), expected);
    assert!(outside.waits.is_empty());
}

/// Large values go their own way, right into the result.
#[test]
fn large_and_small_values_stand_side_by_side() {
    let mut outside = Outside::new();
    let key = outside.make_key(&[]);
    let text = |length: usize| "x".repeat(length);
    let lengths = [3, 40_000, 7, 16_302, 16_303, 16_304, 100_000, 1];
    let (mut document, mut expected) = (rawdoc! {}, rawdoc! {});
    for (index, length) in lengths.into_iter().enumerate() {
        let name = bson::raw::CString::try_from(format!("f{index}")).unwrap();
        document.append(&name, ciphertext(&mut outside, key, text(length)));
        expected.append(&name, text(length));
    }
    let nested = rawdoc! { "a": [document.clone(), 5], "b": document.clone() };
    let expected = rawdoc! { "a": [expected.clone(), 5], "b": expected };
    assert_eq!(outside.decrypt(&nested).unwrap(), expected);

    // A bit of the last value's tag, in the very last ciphertext.
    let mut bytes = nested.into_bytes();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    let changed = bson::RawDocumentBuf::from_bytes(bytes).unwrap();
    assert!(outside.decrypt(&changed).is_err());
}

#[test]
fn a_document_without_ciphertext_is_returned_at_once() {
    let mut outside = Outside::new();
    let other = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1; 60] };
    let document = rawdoc! { "a": 1, "b": { "c": other }, "m": encrypted(vec![3, 1, 2]) };
    assert_eq!(outside.decrypt(&document).unwrap(), document);
    assert!(outside.waits.is_empty());
}

#[test]
fn keys_are_asked_for_in_reverse_order_and_once_each() {
    let mut outside = Outside::new();
    let (one, two) = (outside.make_key(&[]), outside.make_key(&[]));
    let document = rawdoc! {
        "a": ciphertext(&mut outside, one, 1),
        "b": ciphertext(&mut outside, two, 2),
        "c": ciphertext(&mut outside, one, 3),
    };
    let mut outside = Outside { vault: outside.vault, ..Outside::new() };
    outside.decrypt(&document).unwrap();
    let expected = rawdoc! { "$or": [
        { "_id": { "$in": [crate::outside::uuid(two), crate::outside::uuid(one)] } },
        { "keyAltNames": { "$in": [] } },
    ] };
    assert_eq!(outside.asked, [expected]);
}

#[test]
fn many_keys_are_told_apart() {
    let mut outside = Outside::new();
    let mut document = rawdoc! {};
    let mut expected = rawdoc! {};
    for index in 0..40 {
        let id = outside.make_key(&[]);
        let name = bson::raw::CString::try_from(format!("f{index}")).unwrap();
        document.append(&name, ciphertext(&mut outside, id, index));
        expected.append(&name, index);
    }
    let mut outside = Outside { vault: outside.vault, ..Outside::new() };
    assert_eq!(outside.decrypt(&document).unwrap(), expected);
}

#[test]
fn a_value_under_a_missing_key_fails_the_whole_document() {
    let mut outside = Outside::new();
    let (one, two) = (outside.make_key(&[]), outside.make_key(&[]));
    let document = rawdoc! {
        "a": ciphertext(&mut outside, one, 1), "b": ciphertext(&mut outside, two, 2),
    };
    outside.vault.truncate(1);
    let mut outside = Outside { vault: outside.vault, ..Outside::new() };
    assert!(outside.decrypt(&document).is_err());
}

#[test]
fn a_ciphertext_moved_to_another_key_or_type_is_refused() {
    let mut outside = Outside::new();
    let (one, two) = (outside.make_key(&[]), outside.make_key(&[]));
    let mut content = ciphertext(&mut outside, one, "text").bytes;
    content[1..17].copy_from_slice(two.as_bytes());
    let error = outside.decrypt(&rawdoc! { "a": encrypted(content.clone()) }).unwrap_err();
    assert_eq!(error.to_string(), "HMAC validation failure");
    content[1..17].copy_from_slice(one.as_bytes());
    content[17] = 0x0E;
    assert!(outside.decrypt(&rawdoc! { "a": encrypted(content) }).is_err());
}
