//! 3. External Key Vault Test.

use bson::{Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptKey, Error, Part};
use mongodb::{Client, error::ErrorKind, options::Credential};

use crate::setup::{Deployment, KEY_VAULT, local_provider};

async fn run(with_external_key_vault: bool) {
    let deployment = Deployment::new().await;
    let key = deployment.client_encryption().create_data_key("local").await.unwrap();
    let schema = doc! {
        "bsonType": "object",
        "properties": { "encrypted": { "encrypt": {
            "keyId": [key.clone()],
            "bsonType": "string",
            "algorithm": Algorithm::Random.as_str(),
        } } },
    };
    let vault_client = if with_external_key_vault {
        let mut options = deployment.options().await;
        options.credential = Some(
            Credential::builder()
                .username("fake-user".to_owned())
                .password("fake-pwd".to_owned())
                .build(),
        );
        Client::with_options(options).unwrap()
    } else {
        deployment.client.clone()
    };
    let builder = deployment.encrypted().key_vault_client(vault_client.clone());
    let client_encrypted = builder.schema("db.coll", schema).build().await.unwrap();
    let client_encryption = ClientEncryption::builder(vault_client)
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(local_provider())
        .build()
        .unwrap();

    let coll = client_encrypted.collection::<Document>("db", "coll");
    let inserted = coll.insert_one(doc! { "encrypted": "test" }).await.map(|_| ());
    let encrypted =
        client_encryption.encrypt("test", EncryptKey::Id(key), Algorithm::Deterministic).await;
    for outcome in [inserted, encrypted.map(|_| ())] {
        if with_external_key_vault {
            assert_not_authenticated(&outcome.unwrap_err());
        } else {
            outcome.unwrap();
        }
    }
    let stored = u64::from(!with_external_key_vault);
    assert_eq!(deployment.coll().count_documents(doc! {}).await.unwrap(), stored);
}

fn assert_not_authenticated(error: &Error) {
    assert_eq!(error.part(), Part::KeyVault, "{error}");
    let kind = error.driver_error().map(|error| error.kind.as_ref());
    assert!(matches!(kind, Some(ErrorKind::Authentication { .. })), "{error}");
}

#[tokio::test]
async fn the_key_vault_client_is_used_for_keys() {
    run(true).await;
}

#[tokio::test]
async fn without_one_keys_come_through_the_client_itself() {
    run(false).await;
}
