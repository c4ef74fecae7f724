//! 14. Decryption Events.
//!
//! The driver's command events show what was on the wire: ciphertext, even where decryption succeeds.

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, EncryptKey, EncryptedCollection, Part};
use futures_util::TryStreamExt;
use mongodb::event::command::CommandEvent;

use crate::setup::{Deployment, Events};

struct Setup {
    deployment: Deployment,
    ciphertext: Binary,
    malformed: Binary,
    encrypted: EncryptedCollection<Document>,
    events: Events,
}

async fn setup() -> Setup {
    let deployment = Deployment::with_test_commands().await;
    let keys = deployment.client_encryption();
    let id = keys.create_data_key("local").await.unwrap();
    let ciphertext =
        keys.encrypt("hello", EncryptKey::Id(id), Algorithm::Deterministic).await.unwrap();
    let mut malformed = ciphertext.clone();
    *malformed.bytes.last_mut().unwrap() ^= 1;

    let mut options = deployment.options().await;
    options.retry_reads = Some(false);
    let events = Events::listen(&mut options);
    let client = deployment.encrypted_by(options).build().await.unwrap();
    let encrypted = client.collection("db", "decryption_events");
    Setup { deployment, ciphertext, malformed, encrypted, events }
}

impl Setup {
    async fn fail_aggregate_once(&self, mut data: Document) {
        data.insert("failCommands", vec!["aggregate"]);
        let command = doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data,
        };
        self.deployment.client.database("admin").run_command(command).await.unwrap();
    }

    async fn aggregate(&self) -> fieldveil::Result<Vec<Document>> {
        self.encrypted.aggregate([]).await?.try_collect().await
    }

    /// The last event of an `aggregate`.
    fn last_event(&self) -> CommandEvent {
        let events = self.events.all();
        let of_aggregate = events.into_iter().rev().find(|event| match event {
            CommandEvent::Succeeded(event) => event.command_name == "aggregate",
            CommandEvent::Failed(event) => event.command_name == "aggregate",
            _ => false,
        });
        of_aggregate.unwrap()
    }

    /// The field `encrypted` of the first document in the last reply to an `aggregate`.
    fn last_seen(&self) -> Bson {
        let CommandEvent::Succeeded(event) = self.last_event() else {
            panic!("the aggregate failed")
        };
        let batch = event.reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        batch[0].as_document().unwrap().get("encrypted").unwrap().clone()
    }
}

fn assert_ciphertext(value: &Bson) {
    assert!(
        matches!(value, Bson::Binary(binary) if binary.subtype == BinarySubtype::Encrypted),
        "{value}"
    );
}

#[tokio::test]
async fn case_1_a_command_error_is_an_event() {
    let setup = setup().await;
    setup.fail_aggregate_once(doc! { "errorCode": 123 }).await;
    let error = setup.aggregate().await.unwrap_err();
    assert_eq!(error.part(), Part::Database, "{error}");
    assert!(matches!(setup.last_event(), CommandEvent::Failed(_)));
}

#[tokio::test]
async fn case_2_a_network_error_is_an_event() {
    let setup = setup().await;
    setup.fail_aggregate_once(doc! { "errorCode": 123, "closeConnection": true }).await;
    let error = setup.aggregate().await.unwrap_err();
    assert_eq!(error.part(), Part::Database, "{error}");
    assert!(matches!(setup.last_event(), CommandEvent::Failed(_)));
}

#[tokio::test]
async fn case_3_a_decryption_error_leaves_the_event_of_success() {
    let setup = setup().await;
    let document = doc! { "encrypted": setup.malformed.clone() };
    setup.encrypted.insert_one(document).await.unwrap();
    let error = setup.aggregate().await.unwrap_err();
    assert_eq!(error.part(), Part::Crypto, "{error}");
    assert_ciphertext(&setup.last_seen());
}

#[tokio::test]
async fn case_4_decryption_does_not_reach_the_events() {
    let setup = setup().await;
    let document = doc! { "encrypted": setup.ciphertext.clone() };
    setup.encrypted.insert_one(document).await.unwrap();
    let found = setup.aggregate().await.unwrap();
    assert_eq!(found[0].get_str("encrypted").unwrap(), "hello");
    assert_ciphertext(&setup.last_seen());
}
