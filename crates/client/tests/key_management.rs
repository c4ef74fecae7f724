//! Data keys, and explicit encryption with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "common/values.rs"]
mod values;

use bson::{Binary, Bson, doc, spec::BinarySubtype};
use common::{Bed, KEY_VAULT};
use fieldveil::{Algorithm, ClientEncryption, EncryptKey, LocalKey, Part};
use values::{Value, every_type, never_encrypted};

fn example() -> EncryptKey {
    EncryptKey::AltName("example".to_owned())
}

#[tokio::test]
async fn a_value_is_encrypted_and_decrypted_explicitly() {
    let bed = Bed::new().await;
    for algorithm in [Algorithm::Random, Algorithm::Deterministic] {
        let first = bed.keys.encrypt("secret", example(), algorithm).await.unwrap();
        let second = bed.keys.encrypt("secret", bed.key.clone(), algorithm).await.unwrap();
        assert_eq!(first.subtype, BinarySubtype::Encrypted);
        assert_eq!(first == second, algorithm == Algorithm::Deterministic);
        assert_eq!(bed.keys.decrypt(&first).await.unwrap(), Bson::from("secret"));
    }
}

#[tokio::test]
async fn every_type_goes_where_its_algorithm_allows_it() {
    let bed = Bed::new().await;
    for Value { name, value, deterministic } in every_type() {
        for algorithm in [Algorithm::Random, Algorithm::Deterministic] {
            let encrypted = bed.keys.encrypt(value.clone(), example(), algorithm).await;
            if algorithm == Algorithm::Random || deterministic {
                let encrypted = encrypted.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(bed.keys.decrypt(&encrypted).await.unwrap(), value);
            } else {
                let error = encrypted.unwrap_err();
                assert!(error.to_string().contains("deterministic"), "{name}: {error}");
            }
        }
    }
    for value in never_encrypted() {
        bed.keys.encrypt(value, example(), Algorithm::Random).await.unwrap_err();
    }
}

#[tokio::test]
async fn keys_are_found_named_and_deleted() {
    let bed = Bed::new().await;
    let keys = &bed.keys;
    let id = keys.create_data_key("local").await.unwrap();
    assert_eq!(keys.get_keys().await.unwrap().len(), 2);
    assert_eq!(keys.get_key(&id).await.unwrap().unwrap().get("keyAltNames"), None);

    let before = keys.add_key_alt_name(&id, "one").await.unwrap().unwrap();
    assert_eq!(before.get("keyAltNames"), None);
    keys.add_key_alt_name(&id, "two").await.unwrap();
    let named = keys.get_key_by_alt_name("two").await.unwrap().unwrap();
    assert_eq!(named.get("_id"), Some(&Bson::Binary(id.clone())));
    assert_eq!(named.get_array("keyAltNames").unwrap().len(), 2);

    keys.remove_key_alt_name(&id, "one").await.unwrap();
    keys.remove_key_alt_name(&id, "two").await.unwrap();
    assert_eq!(keys.get_key(&id).await.unwrap().unwrap().get("keyAltNames"), None);

    assert_eq!(keys.delete_key(&id).await.unwrap().deleted_count, 1);
    assert_eq!(keys.get_key(&id).await.unwrap(), None);
    assert_eq!(keys.delete_key(&id).await.unwrap().deleted_count, 0);
}

#[tokio::test]
async fn the_material_of_a_key_may_be_given() {
    let bed = Bed::new().await;
    let other = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace("other.keys")
        .kms_providers(LocalKey::generate().unwrap().to_kms_providers())
        .build()
        .unwrap();
    let material = vec![7_u8; 96];
    let first = bed.keys.create_data_key("local").key_material(material.clone()).await.unwrap();
    other.create_data_key("local").key_material(material).key_alt_names(["same"]).await.unwrap();
    // The id is part of what is authenticated, so only equal ids give equal ciphertexts; decryption
    // under the same material and id is what shows that the material was used.
    let copied = bed.keys.get_key(&first).await.unwrap().unwrap();
    let same = other.get_key_by_alt_name("same").await.unwrap().unwrap();
    let mut joined = same;
    joined.insert("_id", copied.get("_id").cloned().unwrap());
    let vault = bed.plain.database("other").collection::<bson::Document>("keys");
    vault.delete_many(doc! {}).await.unwrap();
    vault.insert_one(joined).await.unwrap();
    let encrypted = bed.keys.encrypt("x", first, Algorithm::Deterministic).await.unwrap();
    assert_eq!(other.decrypt(&encrypted).await.unwrap(), Bson::from("x"));

    let error = bed.keys.create_data_key("local").key_material(vec![7; 97]).await.unwrap_err();
    assert!(error.to_string().contains("keyMaterial should have length 96, but has length 97"));
}

#[tokio::test]
async fn keys_are_rewrapped_under_another_master_key() {
    let bed = Bed::new().await;
    let encrypted = bed.keys.encrypt("x", example(), Algorithm::Random).await.unwrap();
    let mut providers = bed.providers.clone();
    providers.insert("local:new", LocalKey::generate().unwrap().to_provider());
    let both = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers.clone())
        .build()
        .unwrap();
    let result = both.rewrap_many_data_key(doc! {}).provider("local:new").await.unwrap();
    assert_eq!((result.matched, result.modified), (1, 1));
    let key = both.get_key(&bed.key).await.unwrap().unwrap();
    assert_eq!(key.get_document("masterKey").unwrap(), &doc! { "provider": "local:new" });

    providers.remove("local");
    let new = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers)
        .build()
        .unwrap();
    assert_eq!(new.decrypt(&encrypted).await.unwrap(), Bson::from("x"));

    let none = both.rewrap_many_data_key(doc! { "keyAltNames": "absent" }).await.unwrap();
    assert_eq!((none.matched, none.modified), (0, 0));
    let error = both.rewrap_many_data_key(doc! {}).master_key(doc! {}).await.unwrap_err();
    assert_eq!(error.part(), Part::Caller);
}

#[tokio::test]
async fn wrong_keys_are_told_apart() {
    let bed = Bed::new().await;
    let absent = EncryptKey::AltName("absent".to_owned());
    let error = bed.keys.encrypt("x", absent, Algorithm::Random).await.unwrap_err();
    assert!(error.to_string().contains("not all keys requested were satisfied"), "{error}");

    let no_uuid = Binary { subtype: BinarySubtype::Generic, bytes: vec![1] };
    let error = bed.keys.encrypt("x", no_uuid, Algorithm::Random).await.unwrap_err();
    assert!(error.to_string().contains("a data key's id is a UUID"), "{error}");

    let encrypted = bed.keys.encrypt("x", example(), Algorithm::Random).await.unwrap();
    let wrong = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(LocalKey::generate().unwrap().to_kms_providers())
        .build()
        .unwrap();
    let error = wrong.decrypt(&encrypted).await.unwrap_err();
    assert!(error.to_string().contains("HMAC validation failure"), "{error}");

    let mut broken = encrypted.clone();
    *broken.bytes.last_mut().unwrap() ^= 1;
    let error = bed.keys.decrypt(&broken).await.unwrap_err();
    assert!(error.to_string().contains("HMAC validation failure"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let bed = Bed::new().await;
    let short = Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 95] };
    let build = |namespace: &str, providers| {
        ClientEncryption::builder(bed.plain.clone())
            .key_vault_namespace(namespace)
            .kms_providers(providers)
            .build()
            .unwrap_err()
            .to_string()
    };
    let error = build(KEY_VAULT, doc! { "local": { "key": short } });
    assert!(error.contains("local key must be 96 bytes"), "{error}");
    let error = build("nodot", bed.providers.clone());
    assert!(error.contains("'nodot' is no namespace"), "{error}");
    let error = build(KEY_VAULT, doc! { "vault": {} });
    assert!(error.contains("unrecognized KMS provider"), "{error}");
    let error = bed.keys.create_data_key("aws").await.unwrap_err();
    assert!(error.to_string().contains("it needs the fields region and key"), "{error}");
}
