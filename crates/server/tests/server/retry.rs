//! Writes that a driver repeats because it did not hear the answer.

use bson::{Binary, RawBson, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_server::Server;

use crate::client::{Client, batch, builder};

async fn start() -> (Server, Client) {
    let server = builder().replica_set("rs0").start().await.unwrap();
    let client = Client::connect(&server).await;
    (server, client)
}

fn lsid() -> RawDocumentBuf {
    rawdoc! { "id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![5; 16] } }
}

/// `command` with what makes it retryable.
fn numbered(command: RawDocumentBuf, number: i64) -> RawDocumentBuf {
    let mut numbered = command;
    numbered.append(bson::raw::cstr!("lsid"), lsid());
    numbered.append(bson::raw::cstr!("txnNumber"), number);
    numbered.append(bson::raw::cstr!("$db"), "d");
    numbered
}

async fn documents(client: &mut Client) -> Vec<RawDocumentBuf> {
    batch(&client.ok(rawdoc! { "find": "c", "$db": "d" }).await)
}

/// Sends a command twice; the replies may differ only in what says that one is a repetition.
async fn twice(client: &mut Client, command: RawDocumentBuf) -> (RawDocumentBuf, RawDocumentBuf) {
    let first = client.ok(command.clone()).await;
    let second = client.ok(command).await;
    for name in ["n", "nModified", "upserted", "value", "lastErrorObject", "nErrors"] {
        let of = |reply: &RawDocumentBuf| reply.get(name).unwrap().map(RawBson::from);
        assert_eq!(of(&first), of(&second), "{name}");
    }
    (first, second)
}

#[tokio::test]
async fn inserts_updates_and_deletes_are_done_once() {
    let (_server, mut client) = start().await;
    let insert = rawdoc! { "insert": "c", "documents": [{ "_id": 1, "n": 0 }, { "_id": 2 }] };
    let (_, repetition) = twice(&mut client, numbered(insert, 1)).await;
    assert!(repetition.get_array("writeErrors").is_err());
    assert_eq!(repetition.get_array("retriedStmtIds").unwrap().into_iter().count(), 2);
    let updates = rawdoc! {
        "update": "c",
        "updates": [
            { "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } } },
            { "q": { "_id": 3 }, "u": { "$inc": { "n": 1 } }, "upsert": true },
        ],
    };
    twice(&mut client, numbered(updates, 2)).await;
    let deletes =
        rawdoc! { "delete": "c", "deletes": [{ "q": { "n": { "$exists": false } }, "limit": 1 }] };
    twice(&mut client, numbered(deletes, 3)).await;
    assert_eq!(
        documents(&mut client).await,
        [rawdoc! { "_id": 1, "n": 1 }, rawdoc! { "_id": 3, "n": 1 }]
    );
}

#[tokio::test]
async fn find_and_modify_is_done_once() {
    let (_server, mut client) = start().await;
    for (number, is_new) in [(1, true), (2, false)] {
        let command = rawdoc! {
            "findAndModify": "c", "query": { "_id": 1 }, "update": { "$inc": { "n": 1 } },
            "upsert": true, "new": is_new,
        };
        let (first, second) = twice(&mut client, numbered(command, number)).await;
        assert_eq!(first.get_document("value").unwrap().get_i32("n").unwrap(), 1);
        assert_eq!(second.get_i32("retriedStmtId").unwrap(), 0);
    }
    assert_eq!(documents(&mut client).await, [rawdoc! { "_id": 1, "n": 2 }]);
}

#[tokio::test]
async fn bulk_write_is_done_once() {
    let (_server, mut client) = start().await;
    let command = rawdoc! {
        "bulkWrite": 1,
        "ops": [
            { "insert": 0, "document": { "_id": 1 } },
            { "update": 0, "filter": { "_id": 1 }, "updateMods": { "$inc": { "n": 1 } } },
        ],
        "nsInfo": [{ "ns": "d.c" }], "lsid": lsid(), "txnNumber": 1i64, "$db": "admin",
    };
    let (_, second) = twice(&mut client, command).await;
    assert_eq!(second.get_i32("nInserted").unwrap(), 1);
    assert_eq!(documents(&mut client).await, [rawdoc! { "_id": 1, "n": 1 }]);
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused() {
    let (_server, mut client) = start().await;
    let insert = |id: i32| rawdoc! { "insert": "c", "documents": [{ "_id": id }] };
    client.ok(numbered(insert(1), 5)).await;
    assert_eq!(client.code(numbered(insert(2), 4)).await, 225);
    assert_eq!(client.code(numbered(insert(2), -1)).await, 2);
    assert_eq!(client.code(numbered(rawdoc! { "find": "c" }, 6)).await, 50768);
    let mut listed = insert(2);
    listed.append(bson::raw::cstr!("stmtIds"), bson::RawArrayBuf::from_iter([1, 2]));
    assert_eq!(client.code(numbered(listed, 6)).await, 72);
    let update = rawdoc! {
        "update": "c", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } }, "multi": true }],
    };
    let reply = client.ok(numbered(update, 7)).await;
    let errors = reply.get_array("writeErrors").unwrap();
    assert_eq!(errors.get_document(0).unwrap().get_i32("code").unwrap(), 72);
    assert_eq!(documents(&mut client).await, [rawdoc! { "_id": 1 }]);
}

#[tokio::test]
async fn a_standalone_server_has_no_transaction_numbers() {
    let (_server, mut client) = crate::client::start().await;
    let insert = rawdoc! { "insert": "c", "documents": [{}] };
    assert_eq!(client.code(numbered(insert, 1)).await, 20);
}
