//! Every operation of a collection, with the field `ssn` encrypted.

mod common;

use bson::{Bson, Document, doc};
use common::{Bed, COLLECTION, DATABASE, is_ciphertext};
use fieldveil::{Algorithm, action::WriteModel};
use futures_util::TryStreamExt;
use mongodb::options::ReturnDocument;

const SSN: &str = "123-12-1234";
const OTHER: &str = "457-55-5462";
const REFUSAL: &str = "Cannot query on fields encrypted with the randomized encryption algorithm";

#[tokio::test]
async fn an_inserted_document_is_stored_encrypted_and_read_back() {
    for algorithm in [Algorithm::Random, Algorithm::Deterministic] {
        let bed = Bed::new().await;
        let patients = bed.patients(algorithm).await;
        let inserted = patients.insert_one(doc! { "name": "Sophia", "ssn": SSN }).await.unwrap();
        assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
        let found = patients.find_one(doc! { "_id": inserted.inserted_id }).await.unwrap().unwrap();
        assert_eq!(found.get_str("ssn").unwrap(), SSN);
    }
}

#[tokio::test]
async fn a_query_finds_by_a_deterministic_field() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    patients
        .insert_many([doc! { "_id": 1, "ssn": SSN }, doc! { "_id": 2, "ssn": OTHER }])
        .await
        .unwrap();
    let found: Vec<Document> =
        patients.find(doc! { "ssn": SSN }).await.unwrap().try_collect().await.unwrap();
    assert_eq!(found, [doc! { "_id": 1, "ssn": SSN }]);
    let several = doc! { "ssn": { "$in": [SSN, OTHER] } };
    let found: Vec<Document> = patients
        .find(several)
        .sort(doc! { "_id": -1 })
        .batch_size(1)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(found, [doc! { "_id": 2, "ssn": OTHER }, doc! { "_id": 1, "ssn": SSN }]);
}

#[tokio::test]
async fn a_query_on_a_random_field_is_refused() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Random).await;
    patients.insert_one(doc! { "ssn": SSN }).await.unwrap();
    let query = || doc! { "ssn": SSN };
    let errors = [
        patients.find_one(query()).await.unwrap_err(),
        patients.find(query()).await.unwrap_err(),
        patients.delete_one(query()).await.unwrap_err(),
        patients.count_documents(query()).await.unwrap_err(),
        patients.update_one(query(), doc! { "$set": { "a": 1 } }).await.unwrap_err(),
        patients.distinct("name", query()).await.unwrap_err(),
        patients.find_one_and_delete(query()).await.unwrap_err(),
        patients.aggregate([doc! { "$match": query() }]).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(REFUSAL), "{error}");
        assert_eq!(error.part(), fieldveil::Part::Analysis);
    }
}

#[tokio::test]
async fn updates_and_replacements_are_encrypted() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    patients.insert_one(doc! { "_id": 1, "ssn": SSN }).await.unwrap();

    let update = doc! { "$set": { "ssn": OTHER } };
    let updated = patients.update_one(doc! { "ssn": SSN }, update).await.unwrap();
    assert_eq!((updated.matched_count, updated.modified_count), (1, 1));
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));

    let replacement = doc! { "_id": 1, "ssn": SSN, "a": 1 };
    patients.replace_one(doc! { "ssn": OTHER }, &replacement).await.unwrap();
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
    assert_eq!(patients.find_one(doc! {}).await.unwrap().unwrap(), replacement);

    let update = doc! { "$set": { "a": 2 } };
    let updated = patients.update_many(doc! { "ssn": SSN }, update).await.unwrap();
    assert_eq!(updated.modified_count, 1);
}

#[tokio::test]
async fn an_upsert_is_encrypted() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let update = doc! { "$set": { "name": "Sophia" } };
    let upserted = patients.update_one(doc! { "ssn": SSN }, update).upsert(true).await.unwrap();
    assert!(upserted.upserted_id.is_some());
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
}

#[tokio::test]
async fn deletes_find_by_the_encrypted_field() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let all = [doc! { "ssn": SSN }, doc! { "ssn": SSN }, doc! { "ssn": OTHER }];
    patients.insert_many(all).await.unwrap();
    assert_eq!(patients.delete_one(doc! { "ssn": OTHER }).await.unwrap().deleted_count, 1);
    assert_eq!(patients.delete_many(doc! { "ssn": SSN }).await.unwrap().deleted_count, 2);
}

#[tokio::test]
async fn find_one_and_modify_encrypts_and_decrypts() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    patients.insert_one(doc! { "_id": 1, "ssn": SSN }).await.unwrap();

    let before = patients
        .find_one_and_update(doc! { "ssn": SSN }, doc! { "$set": { "ssn": OTHER } })
        .await
        .unwrap();
    assert_eq!(before, Some(doc! { "_id": 1, "ssn": SSN }));
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));

    let after = patients
        .find_one_and_replace(doc! { "ssn": OTHER }, doc! { "ssn": SSN, "a": 1 })
        .return_document(ReturnDocument::After)
        .await
        .unwrap();
    assert_eq!(after, Some(doc! { "_id": 1, "ssn": SSN, "a": 1 }));
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));

    let deleted = patients.find_one_and_delete(doc! { "ssn": SSN }).await.unwrap();
    assert_eq!(deleted.unwrap().get_str("ssn").unwrap(), SSN);
    assert_eq!(patients.find_one_and_delete(doc! { "ssn": SSN }).await.unwrap(), None);
}

#[tokio::test]
async fn counts_and_distinct_values_see_through_encryption() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let all = [doc! { "ssn": SSN }, doc! { "ssn": SSN }, doc! { "ssn": OTHER }];
    patients.insert_many(all).await.unwrap();
    assert_eq!(patients.count_documents(doc! { "ssn": SSN }).await.unwrap(), 2);
    assert_eq!(patients.count_documents(doc! {}).limit(1).await.unwrap(), 1);
    assert_eq!(patients.estimated_document_count().await.unwrap(), 3);
    let mut values: Vec<String> = patients
        .distinct("ssn", doc! {})
        .await
        .unwrap()
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    values.sort();
    assert_eq!(values, [SSN, OTHER]);
}

#[tokio::test]
async fn an_aggregation_matches_and_decrypts() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let all = [doc! { "_id": 1, "ssn": SSN }, doc! { "_id": 2, "ssn": OTHER }];
    patients.insert_many(all).await.unwrap();
    let found: Vec<Document> = patients
        .aggregate([doc! { "$match": { "ssn": OTHER } }])
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(found, [doc! { "_id": 2, "ssn": OTHER }]);
}

#[tokio::test]
async fn run_command_encrypts_the_command_and_decrypts_the_reply() {
    let bed = Bed::new().await;
    let client = bed.builder().schema("clinic.patients", bed.schema(Algorithm::Deterministic));
    let client = client.build().await.unwrap();
    let database = client.database(DATABASE);
    let insert = doc! { "insert": COLLECTION, "documents": [{ "_id": 1, "ssn": SSN }] };
    assert_eq!(database.run_command(insert).await.unwrap().get("n"), Some(&Bson::Int32(1)));
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
    let find = doc! { "find": COLLECTION, "filter": { "ssn": SSN } };
    let reply = database.run_command(find).await.unwrap();
    let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    assert_eq!(batch, &vec![Bson::Document(doc! { "_id": 1, "ssn": SSN })]);
    assert!(database.run_command(doc! { "ping": 1 }).await.is_ok());
    let error = database.run_command(doc! { "mapReduce": COLLECTION }).await.unwrap_err();
    assert!(error.to_string().contains("not supported"), "{error}");
}

#[tokio::test]
async fn typed_documents_keep_their_types() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Patient {
        name: String,
        ssn: String,
    }
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await.clone_with_type::<Patient>();
    let sophia = Patient { name: "Sophia".to_owned(), ssn: SSN.to_owned() };
    patients.insert_one(&sophia).await.unwrap();
    assert!(is_ciphertext(&bed.stored_ssn(doc! {}).await));
    assert_eq!(patients.find_one(doc! { "ssn": SSN }).await.unwrap().unwrap(), sophia);
    let replaced = patients.replace_one(doc! { "ssn": SSN }, &sophia).await.unwrap();
    assert_eq!(replaced.matched_count, 1);
}

#[tokio::test]
async fn a_bulk_write_encrypts_every_write() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let result = patients
        .bulk_write([
            WriteModel::insert_one(doc! { "_id": 1, "ssn": SSN }),
            WriteModel::insert_one(doc! { "_id": 2, "ssn": SSN }),
            WriteModel::update_one(doc! { "ssn": SSN }, doc! { "$set": { "ssn": OTHER } }),
            WriteModel::replace_one(doc! { "_id": 3 }, doc! { "ssn": OTHER }).upsert(),
            WriteModel::delete_many(doc! { "ssn": SSN }),
        ])
        .await
        .unwrap();
    assert_eq!((result.inserted_count, result.deleted_count), (2, 1));
    assert_eq!((result.matched_count, result.modified_count), (1, 1));
    assert_eq!(result.upserted_ids.get(&3), Some(&Bson::Int32(3)));
    assert_eq!(patients.count_documents(doc! { "ssn": OTHER }).await.unwrap(), 2);
    let mut stored = bed.stored().find(doc! {}).await.unwrap();
    while let Some(document) = stored.try_next().await.unwrap() {
        assert!(is_ciphertext(document.get("ssn").unwrap()));
    }
}

#[tokio::test]
async fn an_ordered_bulk_write_ends_with_its_first_error() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let models = || {
        [
            WriteModel::insert_one(doc! { "_id": 1 }),
            WriteModel::insert_one(doc! { "_id": 1 }),
            WriteModel::insert_one(doc! { "_id": 2 }),
            WriteModel::delete_one(doc! { "_id": 1 }),
        ]
    };
    let error = patients.bulk_write(models()).await.unwrap_err();
    let fieldveil::Error::BulkWrite(failure) = error else { panic!("{error}") };
    assert_eq!(failure.errors.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((failure.result.inserted_count, failure.result.deleted_count), (1, 0));

    patients.delete_many(doc! {}).await.unwrap();
    let error = patients.bulk_write(models()).ordered(false).await.unwrap_err();
    let fieldveil::Error::BulkWrite(failure) = error else { panic!("{error}") };
    assert_eq!((failure.result.inserted_count, failure.result.deleted_count), (2, 1));
}

#[tokio::test]
async fn one_document_that_must_not_be_sent_stops_all() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    // A number where the schema says string cannot be encrypted.
    let documents = [doc! { "ssn": SSN }, doc! { "ssn": 12 }];
    patients.insert_many(documents).await.unwrap_err();
    assert_eq!(bed.stored().count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn inserts_of_more_than_two_mebibytes_are_split() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Random).await;
    let large = "x".repeat(800_000);
    let documents = (0..5).map(|id| doc! { "_id": id, "ssn": &large });
    let inserted = patients.insert_many(documents).await.unwrap();
    assert_eq!(inserted.inserted_ids.len(), 5);
    let mut cursor = patients.find(doc! {}).await.unwrap();
    while let Some(found) = cursor.try_next().await.unwrap() {
        assert_eq!(found.get_str("ssn").unwrap().len(), large.len());
    }
    let duplicate = (3..7).map(|id| doc! { "_id": id, "ssn": &large });
    let error = patients.insert_many(duplicate).ordered(false).await.unwrap_err();
    assert!(error.to_string().contains("document 0"), "{error}");
    assert_eq!(patients.count_documents(doc! {}).await.unwrap(), 7);
}

#[tokio::test]
async fn a_session_goes_through() {
    let bed = Bed::new().await;
    let client = bed.builder().schema("clinic.patients", bed.schema(Algorithm::Deterministic));
    let client = client.build().await.unwrap();
    let patients = client.collection::<Document>(DATABASE, COLLECTION);
    let mut session = client.start_session().await.unwrap();
    patients.insert_one(doc! { "_id": 1, "ssn": SSN }).session(&mut session).await.unwrap();
    let found = patients.find_one(doc! { "ssn": SSN }).session(&mut session).await.unwrap();
    assert!(found.is_some());
    let mut cursor = patients.find(doc! {}).session(&mut session).await.unwrap();
    let first = cursor.next(&mut session).await.unwrap().unwrap();
    assert_eq!(first, doc! { "_id": 1, "ssn": SSN });
    assert!(cursor.next(&mut session).await.is_none());
}

#[tokio::test]
async fn the_options_of_a_bulk_write_arrive() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    let all = [doc! { "_id": 1, "ssn": SSN, "n": 1 }, doc! { "_id": 2, "ssn": SSN, "n": [5, 6] }];
    patients.insert_many(all).await.unwrap();
    let result = patients
        .bulk_write([
            WriteModel::update_one(doc! { "ssn": SSN }, doc! { "$set": { "last": true } })
                .sort(doc! { "_id": -1 }),
            WriteModel::update_many(doc! { "_id": 2 }, doc! { "$set": { "n.$[big]": 9 } })
                .array_filters([doc! { "big": { "$gt": 5 } }]),
            WriteModel::delete_one(doc! { "$expr": { "$eq": ["$_id", "$$id"] } }),
        ])
        .let_vars(doc! { "id": 1 })
        .comment("all at once".into())
        .await
        .unwrap();
    assert_eq!((result.modified_count, result.deleted_count), (2, 1));
    let left = patients.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(left, doc! { "_id": 2, "ssn": SSN, "n": [5, 9], "last": true });
}

#[tokio::test]
async fn a_new_collection_has_its_validator_unless_it_holds_plaintext() {
    let bed = Bed::new().await;
    let schema = bed.schema(Algorithm::Deterministic);
    let client = bed.builder().schema("clinic.patients", schema.clone()).build().await.unwrap();
    let database = client.database(DATABASE);
    let validator = doc! { "$jsonSchema": schema.clone() };
    database.create_collection(COLLECTION).validator(validator).await.unwrap();
    assert_eq!(database.list_collection_names().await.unwrap(), [COLLECTION]);
    bed.stored().insert_one(doc! { "ssn": SSN }).await.unwrap_err();
    let patients = database.collection::<Document>(COLLECTION);
    patients.insert_one(doc! { "ssn": SSN }).await.unwrap();

    // A comparison would stand in the collection's metadata in plaintext.
    let comparison = doc! { "ssn": SSN };
    let client = bed.builder().schema("clinic.others", schema).build().await.unwrap();
    let database = client.database(DATABASE);
    let error = database.create_collection("others").validator(comparison).await.unwrap_err();
    assert_eq!(error.part(), fieldveil::Part::Analysis, "{error}");
    assert_eq!(database.list_collection_names().await.unwrap(), [COLLECTION]);
}

#[tokio::test]
async fn run_cursor_command_encrypts_the_command_and_decrypts_every_batch() {
    let bed = Bed::new().await;
    let patients = bed.patients(Algorithm::Deterministic).await;
    patients.insert_many((0..5).map(|id| doc! { "_id": id, "ssn": SSN })).await.unwrap();
    let client = bed.builder().schema("clinic.patients", bed.schema(Algorithm::Deterministic));
    let database = client.build().await.unwrap().database(DATABASE);
    let find = doc! { "find": COLLECTION, "filter": { "ssn": SSN }, "batchSize": 2 };
    let cursor = database.run_cursor_command(find).batch_size(1).await.unwrap();
    let found: Vec<Document> = cursor.try_collect().await.unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|document| document.get_str("ssn").unwrap() == SSN));
}
