//! 12. Explicit Encryption: the cases without a server's help.
//!
//! Cases 1 to 3 store and find payloads, which needs a server with Queryable Encryption.

use bson::{Binary, Bson, spec::BinarySubtype};
use fieldveil::{Algorithm, ClientEncryption, QueryType};

use crate::setup::Deployment;

async fn setup() -> (Deployment, ClientEncryption, Binary) {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    let key = keys.create_data_key("local").await.unwrap();
    (deployment, keys, key)
}

#[tokio::test]
async fn case_4_an_indexed_value_goes_there_and_back() {
    let (_deployment, keys, key) = setup().await;
    let value = "encrypted indexed value";
    let payload = keys.encrypt(value, key, Algorithm::Indexed).contention_factor(0).await.unwrap();
    assert_eq!(payload.subtype, BinarySubtype::Encrypted);
    assert_eq!(keys.decrypt(&payload).await.unwrap(), Bson::from(value));
}

#[tokio::test]
async fn case_5_an_unindexed_value_goes_there_and_back() {
    let (_deployment, keys, key) = setup().await;
    let value = "encrypted unindexed value";
    let payload = keys.encrypt(value, key, Algorithm::Unindexed).await.unwrap();
    assert_eq!(keys.decrypt(&payload).await.unwrap(), Bson::from(value));
}

#[tokio::test]
async fn payloads_of_the_other_cases_are_of_their_kind() {
    // The first byte says what a payload is: 11 to insert, 12 to look for by equality, 16 unindexed.
    let (_deployment, keys, key) = setup().await;
    for contention in [0, 10] {
        let encrypt =
            || keys.encrypt("v", key.clone(), Algorithm::Indexed).contention_factor(contention);
        assert_eq!(encrypt().await.unwrap().bytes[0], 11);
        let find = encrypt().query_type(QueryType::Equality).await.unwrap();
        assert_eq!(find.bytes[0], 12);
    }
    let unindexed = keys.encrypt("v", key, Algorithm::Unindexed).await.unwrap();
    assert_eq!(unindexed.bytes[0], 16);
}

#[tokio::test]
async fn options_that_do_not_go_together_are_refused() {
    let (_deployment, keys, key) = setup().await;
    let refused = [
        keys.encrypt("v", key.clone(), Algorithm::Indexed),
        keys.encrypt("v", key.clone(), Algorithm::Random).contention_factor(1),
        keys.encrypt("v", key.clone(), Algorithm::Unindexed).query_type(QueryType::Equality),
        keys.encrypt("v", "name", Algorithm::Indexed).contention_factor(1),
    ];
    for encrypt in refused {
        assert_eq!(encrypt.await.unwrap_err().part(), fieldveil::Part::Caller);
    }
}
