//! 4. BSON Size Limits and Batch Splitting.
//!
//! Steps 7 and 8 insert into a collection with Queryable Encryption, which the embedded server does
//! not have.

use bson::{Document, doc};
use fieldveil::{Algorithm, EncryptedCollection, action::WriteModel};

use crate::setup::{Deployment, Events};

/// What a batch may hold before encryption.
const TWO_MIB: usize = 2_097_152;
/// The largest document.
const SIXTEEN_MIB: usize = 16_777_216;

/// Fields of a document of about 1 KB that encrypts to about 9 KB.
fn small_fields() -> impl Iterator<Item = String> {
    (0..90).map(|number| format!("f{number}"))
}

async fn setup() -> (Deployment, EncryptedCollection<Document>, Events) {
    let deployment = Deployment::new().await;
    let key = deployment.client_encryption().create_data_key("local").await.unwrap();
    let encrypt = doc! { "encrypt": {
        "keyId": [key], "bsonType": "string", "algorithm": Algorithm::Random.as_str(),
    } };
    let properties: Document = small_fields().map(|name| (name, encrypt.clone().into())).collect();
    let schema = doc! { "bsonType": "object", "properties": properties };
    let db = deployment.client.database("db");
    db.create_collection("coll").validator(doc! { "$jsonSchema": schema }).await.unwrap();

    let mut options = deployment.options().await;
    let events = Events::listen(&mut options);
    let client = deployment.encrypted_by(options).build().await.unwrap();
    (deployment, client.collection("db", "coll"), events)
}

fn plain(id: &str, len: usize) -> Document {
    doc! { "_id": id, "unencrypted": "a".repeat(len) }
}

/// A document that grows when it is encrypted.
fn growing(id: &str, len: usize) -> Document {
    let mut document: Document = small_fields().map(|name| (name, "".into())).collect();
    document.extend(plain(id, len));
    document
}

#[tokio::test]
async fn steps_1_and_2_more_than_a_batch_goes_as_one_document() {
    let (_deployment, coll, _) = setup().await;
    coll.insert_one(plain("over_2mib_under_16mib", TWO_MIB)).await.unwrap();
    let document = growing("encryption_exceeds_2mib", TWO_MIB - 2000);
    assert!(document.to_vec().unwrap().len() < TWO_MIB);
    coll.insert_one(&document).await.unwrap();
    let found = coll.find_one(doc! { "_id": "encryption_exceeds_2mib" }).await.unwrap();
    assert_eq!(found, Some(document));
}

#[tokio::test]
async fn steps_3_and_4_bulk_writes_are_split() {
    for document in [
        |number| plain(&format!("over_2mib_{number}"), TWO_MIB),
        |number| growing(&format!("encryption_exceeds_2mib_{number}"), TWO_MIB - 2000),
    ] {
        let (deployment, coll, events) = setup().await;
        let models: [fn(Document) -> WriteModel; 2] = [WriteModel::insert_one; 2];
        let models = models.iter().zip(1..).map(|(insert, number)| insert(document(number)));
        assert_eq!(coll.bulk_write(models).await.unwrap().inserted_count, 2);
        assert_eq!(events.started("insert").len(), 2);
        assert_eq!(deployment.coll().count_documents(doc! {}).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn insert_many_is_split_as_well_and_small_documents_are_not() {
    let (_deployment, coll, events) = setup().await;
    let large = (0..3).map(|number| plain(&number.to_string(), TWO_MIB - 2000));
    coll.insert_many(large).await.unwrap();
    assert_eq!(events.started("insert").len(), 3);
    coll.insert_many((3..50).map(|number| growing(&number.to_string(), 0))).await.unwrap();
    assert_eq!(events.started("insert").len(), 4);
}

#[tokio::test]
async fn step_5_a_document_just_under_16_mib_goes() {
    let (_deployment, coll, _) = setup().await;
    coll.insert_one(plain("under_16mib", SIXTEEN_MIB - 2000)).await.unwrap();
}

#[tokio::test]
async fn step_6_a_document_that_encryption_makes_too_large_is_an_error() {
    let (deployment, coll, _) = setup().await;
    let document = growing("encryption_exceeds_16mib", SIXTEEN_MIB - 2000);
    assert!(document.to_vec().unwrap().len() < SIXTEEN_MIB);
    let error = coll.insert_one(document).await.unwrap_err();
    assert!(error.to_string().contains("must be within 16777216 bytes"), "{error}");
    assert_eq!(deployment.coll().count_documents(doc! {}).await.unwrap(), 0);
}
