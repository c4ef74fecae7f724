//! New data keys.

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_core::{Algorithm, Crypt, DataKeyOptions, ExplicitOptions};
use fieldveil_crypto::Secret;

use crate::outside::{Outside, binary};

fn options() -> DataKeyOptions {
    DataKeyOptions {
        master_key: Some(rawdoc! { "provider": "local" }),
        ..DataKeyOptions::default()
    }
}

#[test]
fn a_new_key_document_has_the_fields_of_the_format_in_their_order() {
    let mut outside = Outside::new();
    let mut options = options();
    options.key_alt_names = vec!["first".to_owned(), "second".to_owned()];
    let key = outside.run(|crypt, env| crypt.create_data_key(options, env)).unwrap();
    let names: Vec<_> = key.iter().map(|element| element.unwrap().0.to_string()).collect();
    assert_eq!(
        names,
        ["_id", "keyAltNames", "keyMaterial", "creationDate", "updateDate", "status", "masterKey"]
    );
    let id = key.get_binary("_id").unwrap().bytes;
    assert_eq!((id[6] >> 4, id[8] >> 6), (4, 2), "a version 4 UUID");
    assert_eq!(key.get_array("keyAltNames").unwrap().get_str(0).unwrap(), "second");
    assert_eq!(key.get_binary("keyMaterial").unwrap().bytes.len(), 160);
    assert_eq!(key.get_datetime("creationDate").unwrap().timestamp_millis(), 1_700_000_000_000);
    assert_eq!(key.get_i32("status").unwrap(), 0);
    assert_eq!(key.get_document("masterKey").unwrap(), &*rawdoc! { "provider": "local" });
    assert!(outside.waits.is_empty());
}

#[test]
fn given_key_material_is_what_encrypts() {
    let message = rawdoc! { "v": "text" };
    let deterministic = |seed: u8| {
        let mut outside = Outside::new();
        let mut options = options();
        options.key_material = Some(Secret::copy_from(&[seed; 96]));
        let key = outside.run(|crypt, env| crypt.create_data_key(options, env)).unwrap();
        let id = fieldveil_core::KeyId::from_bson(key.get("_id").unwrap().unwrap()).unwrap();
        outside.vault.push(key);
        let options = ExplicitOptions {
            key_id: Some(id),
            algorithm: Some(Algorithm::Deterministic),
            ..ExplicitOptions::new()
        };
        binary(&outside.encrypt(&message, &options).unwrap())[18..].to_vec()
    };
    assert_ne!(deterministic(1), deterministic(2));
}

#[test]
fn wrong_options_are_refused() {
    let mut outside = Outside::new();
    let mut error = |options| {
        outside.run(|crypt, env| crypt.create_data_key(options, env)).unwrap_err().to_string()
    };
    assert_eq!(error(DataKeyOptions::default()), "master key required");
    let mut twice = options();
    twice.key_alt_names = vec!["a".to_owned(), "a".to_owned()];
    assert_eq!(error(twice), "duplicate keyAltNames found");
    let mut aws = options();
    aws.master_key = Some(rawdoc! { "provider": "aws", "region": "r", "key": "k" });
    assert_eq!(error(aws), "requested kms provider not configured: `aws`");
}

#[test]
fn credentials_are_asked_for_when_the_provider_has_none() {
    let mut outside = Outside::new();
    let mut builder = Crypt::builder();
    builder
        .kms_providers(&rawdoc! { "aws": {}, "local": { "key": crate::outside::local_key() } })
        .unwrap();
    outside.crypt = builder.build().unwrap();
    // The local provider has its key: no credentials are needed for it.
    outside.make_key(&[]);
    assert!(outside.waits.is_empty());
    // But any key of the vault may be one of the provider without credentials.
    let key: RawDocumentBuf = outside.vault[0].clone();
    let id = fieldveil_core::KeyId::from_bson(key.get("_id").unwrap().unwrap());
    let options = ExplicitOptions {
        key_id: id,
        algorithm: Some(Algorithm::Random),
        ..ExplicitOptions::new()
    };
    outside.encrypt(&rawdoc! { "v": 1 }, &options).unwrap();
    assert_eq!(outside.waits, ["credentials", "keys"]);
}

#[test]
fn a_provider_without_credentials_is_refused_where_nobody_can_supply_them() {
    let mut builder = Crypt::builder();
    builder.kms_providers(&rawdoc! { "aws": {} }).unwrap();
    builder.credentials_on_demand(false);
    assert_eq!(builder.build().unwrap_err().to_string(), "on-demand credentials not enabled");
    assert_eq!(Crypt::builder().build().unwrap_err().to_string(), "no kms provider set");
}
