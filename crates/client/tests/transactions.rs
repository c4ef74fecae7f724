//! Sessions and transactions are the driver's: what is set on them arrives at the server, and what
//! the server answers arrives at the application.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::{Arc, Mutex};

use bson::{Bson, Document, doc};
use common::{Bed, COLLECTION, DATABASE, is_ciphertext};
use fieldveil::{Algorithm, EncryptedClient, EncryptedCollection, Part};
use fieldveil_server::Server;
use mongodb::{
    error::ErrorKind,
    event::{EventHandler, command::CommandEvent},
    options::{ClientOptions, ReadConcern, WriteConcern},
};

const SSN: &str = "123-12-1234";

/// The code with which the embedded server, which has no transactions, refuses a write in one.
const ILLEGAL_OPERATION: i32 = 20;

fn assert_no_transactions(error: &fieldveil::Error) {
    assert_eq!(error.part(), Part::Database);
    let kind = error.driver_error().map(|error| error.kind.as_ref());
    assert!(
        matches!(kind, Some(ErrorKind::Command(error)) if error.code == ILLEGAL_OPERATION),
        "{error}"
    );
}

/// A client whose commands are written down as they are sent.
struct Watched {
    bed: Bed,
    client: EncryptedClient,
    patients: EncryptedCollection<Document>,
    sent: Arc<Mutex<Vec<Document>>>,
}

impl Watched {
    async fn new(bed: Bed) -> Self {
        let mut options = ClientOptions::parse(&bed.uri).await.unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(event) = event {
                seen.lock().unwrap().push(event.command);
            }
        }));
        let client = EncryptedClient::builder(options)
            .key_vault_namespace(common::KEY_VAULT)
            .kms_providers(bed.providers.clone())
            .schema(format!("{DATABASE}.{COLLECTION}"), bed.schema(Algorithm::Deterministic))
            .build()
            .await
            .unwrap();
        let patients = client.collection(DATABASE, COLLECTION);
        Self { bed, client, patients, sent }
    }

    /// The last command of this name.
    fn last(&self, name: &str) -> Document {
        let sent = self.sent.lock().unwrap();
        sent.iter().rev().find(|command| command.contains_key(name)).cloned().unwrap()
    }
}

#[tokio::test]
async fn a_standalone_server_refuses_the_first_write_of_a_transaction() {
    let watched = Watched::new(Bed::new().await).await;
    let mut session = watched.client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let insert = watched.patients.insert_one(doc! { "ssn": SSN }).session(&mut session);
    assert_no_transactions(&insert.await.unwrap_err());
    session.abort_transaction().await.unwrap();
    assert_eq!(watched.bed.stored().count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn the_options_of_a_transaction_arrive_with_encrypted_commands() {
    let bed = Bed::of(Server::builder().replica_set("rs0"), "replicaSet=rs0").await;
    let watched = Watched::new(bed).await;
    let mut session = watched.client.start_session().await.unwrap();
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(WriteConcern::majority())
        .await
        .unwrap();
    let insert = watched.patients.insert_one(doc! { "ssn": SSN }).session(&mut session);
    assert_no_transactions(&insert.await.unwrap_err());

    let insert = watched.last("insert");
    let document = insert.get_array("documents").unwrap()[0].as_document().unwrap();
    assert!(is_ciphertext(document.get("ssn").unwrap()));
    assert_eq!(insert.get("startTransaction"), Some(&Bson::Boolean(true)));
    assert_eq!(insert.get("autocommit"), Some(&Bson::Boolean(false)));
    assert!(insert.get_i64("txnNumber").is_ok() && insert.get_document("lsid").is_ok());
    let read_concern = insert.get_document("readConcern").unwrap();
    assert_eq!(read_concern.get_str("level").unwrap(), "snapshot");

    session.abort_transaction().await.unwrap();
    assert_eq!(watched.last("abortTransaction").get_i64("txnNumber").unwrap(), 1);
}

#[tokio::test]
async fn a_commit_is_sent_and_its_refusal_comes_back() {
    let bed = Bed::of(Server::builder().replica_set("rs0"), "replicaSet=rs0").await;
    let watched = Watched::new(bed).await;
    let mut session = watched.client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let update = doc! { "$set": { "a": 1 } };
    let update = watched.patients.update_one(doc! { "ssn": SSN }, update).session(&mut session);
    update.await.unwrap_err();
    session.commit_transaction().await.unwrap_err();
    let commit = watched.last("commitTransaction");
    assert_eq!(commit.get("autocommit"), Some(&Bson::Boolean(false)));
    assert_eq!(watched.bed.stored().count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn every_operation_runs_in_the_session_that_it_is_given() {
    let watched = Watched::new(Bed::new().await).await;
    let patients = &watched.patients;
    let mut session = watched.client.start_session().await.unwrap();
    let id = Bson::Document(session.id().clone());
    let of_session = |name: &str| assert_eq!(watched.last(name).get("lsid"), Some(&id), "{name}");

    patients.insert_one(doc! { "_id": 1, "ssn": SSN }).session(&mut session).await.unwrap();
    of_session("insert");
    patients.insert_many([doc! { "ssn": SSN }]).session(&mut session).await.unwrap();
    of_session("insert");
    let set = || doc! { "$set": { "a": 1 } };
    patients.update_many(doc! { "ssn": SSN }, set()).session(&mut session).await.unwrap();
    of_session("update");
    patients
        .replace_one(doc! { "_id": 1 }, doc! { "ssn": SSN })
        .session(&mut session)
        .await
        .unwrap();
    of_session("update");
    patients.find_one(doc! {}).session(&mut session).await.unwrap();
    of_session("find");
    let mut cursor = patients.find(doc! {}).batch_size(1).session(&mut session).await.unwrap();
    while cursor.next(&mut session).await.is_some() {}
    of_session("getMore");
    patients.aggregate([doc! { "$limit": 1 }]).session(&mut session).await.unwrap();
    of_session("aggregate");
    patients.count_documents(doc! { "ssn": SSN }).session(&mut session).await.unwrap();
    of_session("aggregate");
    patients.distinct("ssn", doc! {}).session(&mut session).await.unwrap();
    of_session("distinct");
    patients.find_one_and_update(doc! { "_id": 1 }, set()).session(&mut session).await.unwrap();
    of_session("findAndModify");
    patients.find_one_and_delete(doc! { "_id": 1 }).session(&mut session).await.unwrap();
    of_session("findAndModify");
    patients.delete_many(doc! { "ssn": SSN }).session(&mut session).await.unwrap();
    of_session("delete");
    let writes = [fieldveil::action::WriteModel::insert_one(doc! { "ssn": SSN })];
    patients.bulk_write(writes).session(&mut session).await.unwrap();
    of_session("insert");
    let database = watched.client.database(DATABASE);
    database.run_command(doc! { "ping": 1 }).session(&mut session).await.unwrap();
    of_session("ping");
    let find = doc! { "find": COLLECTION, "filter": { "ssn": SSN } };
    let mut cursor = database.run_cursor_command(find).session(&mut session).await.unwrap();
    let found = cursor.next(&mut session).await.unwrap().unwrap();
    assert_eq!(found.get_str("ssn").unwrap(), SSN);
    of_session("find");
}
