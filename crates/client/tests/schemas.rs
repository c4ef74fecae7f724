//! Where schemas come from, and what bypassing does.

mod common;

use bson::{Document, doc};
use common::{Bed, COLLECTION, DATABASE, is_ciphertext};
use fieldveil::{Algorithm, LocalKey, Part};
use mongodb::Client;

const SSN: &str = "123-12-1234";

#[tokio::test]
async fn a_schema_comes_from_the_validator_on_the_server() {
    let bed = Bed::new().await;
    let validator = doc! { "$jsonSchema": bed.schema(Algorithm::Deterministic) };
    let database = bed.plain.database(DATABASE);
    database.create_collection(COLLECTION).validator(validator).await.unwrap();

    let client = bed.builder().build().await.unwrap();
    let patients = client.collection::<Document>(DATABASE, COLLECTION);
    patients.insert_one(doc! { "_id": 1, "ssn": SSN }).await.unwrap();
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
    let found = patients.find_one(doc! { "ssn": SSN }).await.unwrap();
    assert_eq!(found, Some(doc! { "_id": 1, "ssn": SSN }));

    let error = bed.stored().insert_one(doc! { "ssn": SSN }).await.unwrap_err();
    assert!(error.to_string().contains("121"), "{error}");
}

#[tokio::test]
async fn without_any_schema_nothing_is_encrypted_but_ciphertext_is_decrypted() {
    let bed = Bed::new().await;
    bed.patients(Algorithm::Random).await.insert_one(doc! { "_id": 1, "ssn": SSN }).await.unwrap();
    let client = bed.builder().build().await.unwrap();
    let patients = client.collection::<Document>(DATABASE, COLLECTION);
    patients.insert_one(doc! { "_id": 2, "ssn": SSN }).await.unwrap();
    assert_eq!(bed.stored_ssn(doc! { "_id": 2 }).await, SSN.into());
    for id in [1, 2] {
        let found = patients.find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert_eq!(found.get_str("ssn").unwrap(), SSN);
    }
}

#[tokio::test]
async fn bypassing_sends_explicit_ciphertext_and_still_decrypts() {
    let bed = Bed::new().await;
    let namespace = format!("{DATABASE}.{COLLECTION}");
    for builder in
        [bed.builder().bypass_auto_encryption(true), bed.builder().bypass_query_analysis(true)]
    {
        let builder = builder.schema(&namespace, bed.schema(Algorithm::Deterministic));
        let client = builder.build().await.unwrap();
        let patients = client.collection::<Document>(DATABASE, COLLECTION);
        let secret = bed.keys.encrypt(SSN, "example", Algorithm::Deterministic).await.unwrap();
        patients.insert_one(doc! { "ssn": secret.clone() }).await.unwrap();
        let found = patients.find_one(doc! { "ssn": secret }).await.unwrap().unwrap();
        assert_eq!(found.get_str("ssn").unwrap(), SSN);
        patients.delete_many(doc! {}).await.unwrap();
    }
}

#[tokio::test]
async fn the_key_vault_may_be_elsewhere() {
    let (bed, data) = (Bed::new().await, Bed::new().await);
    let client = fieldveil::EncryptedClient::builder(data.uri.as_str())
        .key_vault_client(Client::with_uri_str(&bed.uri).await.unwrap())
        .key_vault_namespace(common::KEY_VAULT)
        .kms_providers(bed.providers.clone())
        .schema("clinic.patients", bed.schema(Algorithm::Random))
        .build()
        .await
        .unwrap();
    let patients = client.collection::<Document>(DATABASE, COLLECTION);
    patients.insert_one(doc! { "ssn": SSN }).await.unwrap();
    assert!(is_ciphertext(&data.stored_ssn(doc! {}).await));
    assert_eq!(patients.find_one(doc! {}).await.unwrap().unwrap().get_str("ssn").unwrap(), SSN);
}

#[tokio::test]
async fn the_key_of_each_document_may_be_named_in_it() {
    let bed = Bed::new().await;
    for name in ["one", "two"] {
        bed.keys.create_data_key("local").key_alt_names([name]).await.unwrap();
    }
    let schema = doc! {
        "bsonType": "object",
        "properties": { "ssn": { "encrypt": {
            "bsonType": "string",
            "algorithm": Algorithm::Random.as_str(),
            "keyId": "/owner",
        } } },
    };
    let client = bed.builder().schema("clinic.patients", schema).build().await.unwrap();
    let patients = client.collection::<Document>(DATABASE, COLLECTION);
    for name in ["one", "two"] {
        patients.insert_one(doc! { "_id": name, "owner": name, "ssn": SSN }).await.unwrap();
    }
    assert_eq!(
        patients.find_one(doc! { "_id": "two" }).await.unwrap(),
        Some(doc! { "_id": "two", "owner": "two", "ssn": SSN })
    );
}

#[tokio::test]
async fn faults_of_a_schema_are_errors_before_anything_is_sent() {
    let bed = Bed::new().await;
    let mut schema = bed.schema(Algorithm::Random);
    let field = schema.get_document_mut("properties").unwrap().get_document_mut("ssn").unwrap();
    field.get_document_mut("encrypt").unwrap().insert("algorithm", "rot13");
    let client = bed.builder().schema("clinic.patients", schema);
    let error = match client.build().await {
        Err(error) => error,
        Ok(client) => {
            let patients = client.collection::<Document>(DATABASE, COLLECTION);
            patients.insert_one(doc! { "ssn": SSN }).await.unwrap_err()
        }
    };
    assert_eq!(error.part(), Part::Analysis);
    assert_eq!(bed.stored().count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let bed = Bed::new().await;
    let builder = || fieldveil::EncryptedClient::builder(bed.uri.as_str());
    let error = builder().build().await.unwrap_err();
    assert!(error.to_string().contains("key_vault_namespace"), "{error}");
    let error = builder().key_vault_namespace("a.b").build().await.unwrap_err();
    assert!(error.to_string().contains("kms_providers"), "{error}");
    let providers = LocalKey::generate().unwrap().to_kms_providers();
    let error = builder().key_vault_namespace("ab").kms_providers(providers).build().await;
    assert!(error.unwrap_err().to_string().contains("'ab' is no namespace"));
}
