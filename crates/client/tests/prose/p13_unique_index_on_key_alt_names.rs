//! 13. Unique Index on `keyAltNames`.

use bson::{Binary, doc};
use fieldveil::{ClientEncryption, Error, Part};
use mongodb::error::{ErrorKind, WriteFailure};

use crate::setup::Deployment;

/// The code of a server that refuses a second document with the same key.
const DUPLICATE_KEY: i32 = 11000;

/// A key vault with the index, and in it a key named "def".
async fn setup() -> (Deployment, ClientEncryption, Binary) {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    keys.create_alt_name_index().await.unwrap();
    let existing = keys.create_data_key("local").key_alt_names(["def"]).await.unwrap();
    (deployment, keys, existing)
}

fn assert_duplicate(error: &Error) {
    assert_eq!(error.part(), Part::KeyVault, "{error}");
    let code = match error.driver_error().map(|error| error.kind.as_ref()) {
        Some(ErrorKind::Write(WriteFailure::WriteError(error))) => error.code,
        Some(ErrorKind::Command(error)) => error.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code, DUPLICATE_KEY);
}

#[tokio::test]
async fn case_1_a_new_key_cannot_take_a_name_that_is_taken() {
    let (_deployment, keys, _) = setup().await;
    keys.create_data_key("local").key_alt_names(["abc"]).await.unwrap();
    for taken in ["abc", "def"] {
        let error = keys.create_data_key("local").key_alt_names([taken]).await.unwrap_err();
        assert_duplicate(&error);
    }
}

#[tokio::test]
async fn case_2_a_name_that_is_taken_cannot_be_added() {
    let (_deployment, keys, existing) = setup().await;
    let key = keys.create_data_key("local").await.unwrap();
    let before = keys.add_key_alt_name(&key, "abc").await.unwrap().unwrap();
    assert_eq!(before.get("keyAltNames"), None);
    let again = keys.add_key_alt_name(&key, "abc").await.unwrap().unwrap();
    assert_eq!(again.get_array("keyAltNames").unwrap(), &vec!["abc".into()]);
    assert_duplicate(&keys.add_key_alt_name(&key, "def").await.unwrap_err());
    let unchanged = keys.add_key_alt_name(&existing, "def").await.unwrap().unwrap();
    assert_eq!(unchanged.get_array("keyAltNames").unwrap(), &vec!["def".into()]);
}

#[tokio::test]
async fn the_index_is_the_one_the_specification_describes() {
    let (deployment, ..) = setup().await;
    let indexes = doc! { "listIndexes": "datakeys" };
    let reply = deployment.client.database("keyvault").run_command(indexes).await.unwrap();
    let indexes = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let index = indexes
        .iter()
        .filter_map(|index| index.as_document())
        .find(|index| index.get_str("name").is_ok_and(|name| name == "keyAltNames_1"))
        .unwrap();
    assert_eq!(index.get_document("key").unwrap(), &doc! { "keyAltNames": 1 });
    assert!(index.get_bool("unique").unwrap());
    assert_eq!(
        index.get_document("partialFilterExpression").unwrap(),
        &doc! { "keyAltNames": { "$exists": true } }
    );
}
