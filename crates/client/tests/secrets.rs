//! What an operation carries is told by no log line, error or `Debug` of it.
//!
//! Keys and key services have tests of their own in `tests/kms`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "common/search.rs"]
mod search;

use std::{
    fmt::Debug,
    io,
    sync::{Arc, Mutex},
};

use bson::{Document, doc};
use common::{Bed, COLLECTION, DATABASE};
use fieldveil::{Algorithm, EncryptedCollection, Error, Result, action::WriteModel};
use futures_util::TryStreamExt;
use tracing_subscriber::filter::LevelFilter;

const PLAINTEXT: &str = "457-55-5462, which nobody may see";

/// Everything that was logged or told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Heard {
    fn note(&self, what: impl Debug) {
        let text = format!("{what:?} {what:#?}\n");
        io::Write::write_all(&mut self.clone(), text.as_bytes()).unwrap();
    }

    fn outcome<T>(&self, outcome: Result<T>) {
        if let Err(error) = outcome {
            self.note(format_args!("{error} {:?}", error.advice()));
            self.note(error);
        }
    }
}

fn secret() -> Document {
    doc! { "ssn": PLAINTEXT }
}

/// Each operation is looked at before it runs, and told of if it fails.
macro_rules! run {
    ($heard:ident, $($operation:expr),+ $(,)?) => {
        $({
            let operation = $operation;
            $heard.note(&operation);
            $heard.outcome(operation.await.map(|_| ()));
        })+
    };
}

async fn every_operation(heard: &Heard, patients: &EncryptedCollection<Document>) {
    let set = || doc! { "$set": secret() };
    run!(
        heard,
        patients.insert_one(secret()),
        patients.insert_many([secret(), secret()]),
        patients.find(secret()),
        patients.find_one(secret()),
        patients.update_one(secret(), set()).upsert(true),
        patients.update_many(secret(), set()),
        patients.replace_one(secret(), secret()),
        patients.find_one_and_update(secret(), set()),
        patients.find_one_and_replace(secret(), secret()),
        patients.find_one_and_delete(secret()),
        patients.aggregate([doc! { "$match": secret() }]),
        patients.count_documents(secret()),
        patients.distinct("ssn", secret()),
        patients.bulk_write([WriteModel::insert_one(secret()), WriteModel::delete_one(secret())]),
        patients.delete_one(secret()),
        // Refused by analysis.
        patients.find(doc! { "ssn": { "$gt": PLAINTEXT } }),
        patients.update_one(doc! {}, doc! { "$push": { "ssn": PLAINTEXT } }),
        patients.aggregate([doc! { "$match": { "$expr": { "$gt": ["$ssn", PLAINTEXT] } } }]),
        patients.insert_one(doc! { "ssn": [PLAINTEXT] }),
    );
    let cursor = patients.find(doc! {}).await.unwrap();
    heard.note(&cursor);
    heard.outcome(cursor.try_collect::<Vec<_>>().await);
}

#[tokio::test]
async fn no_operation_tells_what_it_carries() {
    let heard = Heard::default();
    let writer = heard.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let bed = Bed::new().await;
    for algorithm in [Algorithm::Deterministic, Algorithm::Random] {
        every_operation(&heard, &bed.patients(algorithm).await).await;
    }
    let schema = bed.schema(Algorithm::Deterministic);
    let client = bed.builder().schema(format!("{DATABASE}.{COLLECTION}"), schema);
    let database = client.build().await.unwrap().database(DATABASE);
    run!(
        heard,
        database.run_command(doc! { "insert": COLLECTION, "documents": [secret()] }),
        database
            .run_command(doc! { "find": COLLECTION, "filter": { "ssn": { "$lt": PLAINTEXT } } }),
        database.run_cursor_command(doc! { "find": COLLECTION, "filter": secret() }),
        database.create_collection("other").validator(secret()),
        bed.keys.encrypt(PLAINTEXT, "example", Algorithm::Random),
        bed.keys.encrypt(PLAINTEXT, "absent", Algorithm::Random),
        bed.keys.encrypt(vec![PLAINTEXT], "example", Algorithm::Deterministic),
        bed.keys.encrypt_expression(doc! { "$and": [secret()] }, bed.key.clone()),
    );

    // A document that does not fit its type: what it is instead must not be quoted.
    #[derive(Debug, serde::Deserialize)]
    struct Patient {
        #[serde(rename = "ssn")]
        _ssn: i64,
    }
    let patients = bed.patients(Algorithm::Deterministic).await;
    patients.insert_one(secret()).await.unwrap();
    let typed = patients.clone_with_type::<Patient>().find_one(doc! {}).await;
    let error = typed.unwrap_err();
    assert!(matches!(error, Error::Document(_)), "{error}");
    heard.outcome::<()>(Err(error));

    let text = String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned();
    assert!(text.contains("Cannot query on fields") && text.contains("DEBUG"), "all is heard");
    search::assert_absent(&text, PLAINTEXT.as_bytes());
    match bed.providers.get_document("local").unwrap().get("key") {
        Some(bson::Bson::Binary(key)) => search::assert_absent(&text, &key.bytes),
        other => panic!("no key: {other:?}"),
    }
}
