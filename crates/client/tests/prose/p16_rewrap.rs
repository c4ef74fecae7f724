//! 16. Rewrap.

use bson::{Document, doc};
use fieldveil::{Algorithm, ClientEncryption, ConfigError, EncryptKey, Error, LocalKey};

use crate::setup::{Deployment, KEY_VAULT, local_provider};

/// Every provider with its master key. A second local key stands in for the way from one provider
/// to another.
fn providers() -> Vec<(&'static str, Option<Document>)> {
    vec![("local", None), ("local:other", None)]
}

#[tokio::test]
async fn case_1_every_provider_rewraps_the_keys_of_every_other() {
    let mut kms_providers = local_provider();
    kms_providers.insert("local:other", LocalKey::generate().unwrap().to_provider());
    for (source, source_key) in providers() {
        for (target, target_key) in providers() {
            let deployment = Deployment::new().await;
            let client_encryption = || {
                ClientEncryption::builder(deployment.client.clone())
                    .key_vault_namespace(KEY_VAULT)
                    .kms_providers(kms_providers.clone())
                    .build()
                    .unwrap()
            };
            let first = client_encryption();
            let mut create = first.create_data_key(source);
            if let Some(master_key) = source_key.clone() {
                create = create.master_key(master_key);
            }
            let key = EncryptKey::Id(create.await.unwrap());
            let ciphertext = first.encrypt("test", key, Algorithm::Deterministic).await.unwrap();

            let second = client_encryption();
            let mut rewrap = second.rewrap_many_data_key(doc! {}).provider(target);
            if let Some(master_key) = target_key {
                rewrap = rewrap.master_key(master_key);
            }
            assert_eq!(rewrap.await.unwrap().modified, 1, "{source} to {target}");
            let stored = deployment.key_vault().find_one(doc! {}).await.unwrap().unwrap();
            let stored = stored.get_document("masterKey").unwrap();
            assert_eq!(stored.get_str("provider").unwrap(), target);
            for keys in [first, second] {
                assert_eq!(keys.decrypt(&ciphertext).await.unwrap(), "test".into());
            }
        }
    }
}

#[tokio::test]
async fn case_2_a_master_key_needs_its_provider() {
    let keys = Deployment::new().await.client_encryption();
    let error = keys.rewrap_many_data_key(doc! {}).master_key(doc! {}).await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::MasterKeyWithoutProvider)), "{error}");
}
