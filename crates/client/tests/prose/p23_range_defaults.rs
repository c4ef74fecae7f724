//! 23. Range Explicit Encryption applies defaults.
//!
//! Payloads hold random bytes, so it is their sizes that are compared.

use bson::{Binary, Bson};
use fieldveil::{Algorithm, ClientEncryption, RangeOptions};

use crate::setup::Deployment;

async fn setup() -> (Deployment, ClientEncryption, Binary) {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    let key = keys.create_data_key("local").await.unwrap();
    (deployment, keys, key)
}

async fn payload_len(
    keys: &ClientEncryption,
    key: &Binary,
    sparsity: Option<i64>,
    trim_factor: Option<i32>,
) -> usize {
    let range = RangeOptions {
        min: Some(Bson::Int32(0)),
        max: Some(Bson::Int32(1000)),
        sparsity,
        trim_factor,
        precision: None,
    };
    let encrypt = keys.encrypt(123, key.clone(), Algorithm::Range);
    encrypt.contention_factor(0).range(range).await.unwrap().bytes.len()
}

#[tokio::test]
async fn case_1_sparsity_2_and_trim_factor_6_are_the_defaults() {
    let (_deployment, keys, key) = setup().await;
    let defaults = payload_len(&keys, &key, None, None).await;
    assert_eq!(payload_len(&keys, &key, Some(2), Some(6)).await, defaults);
}

#[tokio::test]
async fn case_2_a_trim_factor_of_0_is_accepted() {
    let (_deployment, keys, key) = setup().await;
    let defaults = payload_len(&keys, &key, None, None).await;
    assert!(payload_len(&keys, &key, None, Some(0)).await > defaults);
}
