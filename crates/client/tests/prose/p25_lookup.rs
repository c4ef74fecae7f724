//! 25. Test `$lookup`: the cases without Queryable Encryption.
//!
//! Cases 2, 4, 6, 8 and 10 need a server with it; case 9 is about analysis before MongoDB 8.1, which
//! cannot join at all.

use bson::{Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, EncryptedClient};
use futures_util::TryStreamExt;

use crate::setup::Deployment;

async fn setup() -> Deployment {
    let deployment = Deployment::new().await;
    let key = deployment.client_encryption().create_data_key("local").await.unwrap();
    let db = deployment.client.database("db");
    for name in ["csfle", "csfle2"] {
        let schema = doc! {
            "bsonType": "object",
            "properties": { name: { "encrypt": {
                "keyId": [key.clone()],
                "bsonType": "string",
                "algorithm": Algorithm::Deterministic.as_str(),
            } } },
        };
        db.create_collection(name).validator(doc! { "$jsonSchema": schema }).await.unwrap();
    }
    for name in ["no_schema", "no_schema2"] {
        db.create_collection(name).await.unwrap();
    }
    let encrypted = client(&deployment).await;
    for name in ["csfle", "csfle2", "no_schema", "no_schema2"] {
        let collection = encrypted.collection::<Document>("db", name);
        collection.insert_one(doc! { name: name }).await.unwrap();
        let stored = db.collection::<Document>(name).find_one(doc! {}).await.unwrap().unwrap();
        let is_encrypted = stored.get_binary_generic(name).is_err()
            && matches!(stored.get(name), Some(bson::Bson::Binary(binary))
                if binary.subtype == BinarySubtype::Encrypted);
        assert_eq!(is_encrypted, name.starts_with("csfle"), "{stored}");
    }
    deployment
}

/// A client that has no schema in its cache yet.
async fn client(deployment: &Deployment) -> EncryptedClient {
    deployment.encrypted().build().await.unwrap()
}

/// Joins the document of one collection with that of another, each found by its own value.
async fn join(collection: &str, with: &str) {
    let deployment = setup().await;
    let pipeline = [
        doc! { "$match": { collection: collection } },
        doc! { "$lookup": {
            "from": with,
            "as": "matched",
            "pipeline": [{ "$match": { with: with } }, { "$project": { "_id": 0 } }],
        } },
        doc! { "$project": { "_id": 0 } },
    ];
    let encrypted = client(&deployment).await.collection::<Document>("db", collection);
    let cursor = encrypted.aggregate(pipeline).await.unwrap();
    let found: Vec<Document> = cursor.try_collect().await.unwrap();
    assert_eq!(found, [doc! { collection: collection, "matched": [{ with: with }] }]);
}

#[tokio::test]
async fn case_1_an_encrypted_collection_joins_one_without_schema() {
    join("csfle", "no_schema").await;
}

#[tokio::test]
async fn case_3_a_collection_without_schema_joins_an_encrypted_one() {
    join("no_schema", "csfle").await;
}

#[tokio::test]
async fn case_5_an_encrypted_collection_joins_another() {
    join("csfle", "csfle2").await;
}

#[tokio::test]
async fn case_7_two_collections_without_schema_join() {
    join("no_schema", "no_schema2").await;
}
