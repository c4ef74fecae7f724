//! 1. Custom Key Material Test.

use bson::{Binary, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, EncryptKey};

use crate::setup::Deployment;

/// What libmongocrypt 1.21.0 makes of "test" under a key with this material and this id.
const EXPECTED: &str = "AQAAAAAAAAAAAAAAAAAAAAAC8jxouGAw8YQUsfr0y2FIZ7aGgsrB+zssp4ZpL8PtbIKOd73Mgors\
                        +4G9PRbl4QIB4KGKJRqWLX56vt5YPrPznw==";

#[tokio::test]
async fn material_that_is_given_encrypts_as_it_does_elsewhere() {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    let material: Vec<u8> = (0..96).collect();
    let id = keys.create_data_key("local").key_material(material).await.unwrap();

    let vault = deployment.key_vault();
    let mut key = vault.find_one_and_delete(doc! { "_id": id }).await.unwrap().unwrap();
    let zero = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0; 16] };
    key.insert("_id", zero.clone());
    vault.insert_one(key).await.unwrap();

    let encrypted = keys.encrypt("test", EncryptKey::Id(zero), Algorithm::Deterministic);
    let expected = Binary::from_base64(EXPECTED, BinarySubtype::Encrypted).unwrap();
    assert_eq!(encrypted.await.unwrap(), expected);
}
