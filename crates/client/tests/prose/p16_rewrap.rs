//! 16. Rewrap.

use bson::doc;
use fieldveil::{Algorithm, ConfigError, EncryptKey, Error};

use crate::{
    services::{PROVIDERS, Services},
    setup::Deployment,
};

#[tokio::test]
async fn case_1_every_provider_rewraps_the_keys_of_every_other() {
    let services = Services::new().await;
    for source in PROVIDERS {
        for target in PROVIDERS {
            let deployment = Deployment::new().await;
            let client_encryption =
                || services.client_encryption(deployment.client.clone()).build().unwrap();
            let first = client_encryption();
            let mut create = first.create_data_key(source);
            if let Some(master_key) = services.master_key(source) {
                create = create.master_key(master_key);
            }
            let key = EncryptKey::Id(create.await.unwrap());
            let ciphertext = first.encrypt("test", key, Algorithm::Deterministic).await.unwrap();

            let second = client_encryption();
            let mut rewrap = second.rewrap_many_data_key(doc! {}).provider(target);
            if let Some(master_key) = services.master_key(target) {
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
