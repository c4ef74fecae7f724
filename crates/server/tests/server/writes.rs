//! Write commands and their errors.

use bson::{RawDocumentBuf, raw::cstr, rawdoc};

use crate::client::start;

#[tokio::test]
async fn write_errors_stand_in_the_reply() {
    let (_server, mut client) = start().await;
    let insert = rawdoc! {
        "insert": "c", "ordered": false, "$db": "d",
        "documents": [{ "_id": 1 }, { "_id": 1 }, { "_id": 2 }],
    };
    let reply = client.ok(insert).await;
    assert_eq!(reply.get_i32("n").unwrap(), 2);
    let errors = reply.get_array("writeErrors").unwrap();
    let error = errors.get_document(0).unwrap();
    assert_eq!(error.get_i32("index").unwrap(), 1);
    assert_eq!(error.get_i32("code").unwrap(), 11000);
    assert!(error.get_document("keyPattern").is_ok());
}

#[tokio::test]
async fn batches_have_a_size() {
    let (_server, mut client) = start().await;
    assert_eq!(client.code(rawdoc! { "insert": "c", "documents": [], "$db": "d" }).await, 16);
    let not_documents = rawdoc! { "insert": "c", "documents": [1], "$db": "d" };
    assert_eq!(client.code(not_documents).await, 14);
}

#[tokio::test]
async fn unknown_fields_and_names_are_refused() {
    let (_server, mut client) = start().await;
    let insert = rawdoc! { "insert": "c", "documents": [{}], "colour": 1, "$db": "d" };
    assert_eq!(client.code(insert).await, 40415);
    for name in ["", "a$b", ".a"] {
        let insert = rawdoc! { "insert": name, "documents": [{}], "$db": "d" };
        assert_eq!(client.code(insert).await, 73, "{name}");
    }
    assert_eq!(client.code(rawdoc! { "insert": 1, "documents": [{}], "$db": "d" }).await, 73);
}

#[tokio::test]
async fn a_fail_point_fails_a_command_as_often_as_it_says() {
    let server = crate::client::builder().test_commands(true).start().await.unwrap();
    let mut client = crate::client::Client::connect(&server).await;
    let configure = rawdoc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 }, "$db": "admin",
        "data": { "failCommands": ["find"], "errorCode": 91, "errorLabels": ["X"] },
    };
    client.ok(configure).await;
    let reply = client.run(rawdoc! { "find": "c", "$db": "d" }).await;
    assert_eq!(reply.get_str("codeName").unwrap(), "ShutdownInProgress");
    assert!(reply.get_array("errorLabels").is_ok());
    client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
}

/// Drivers test so that they pass on what they were told of the API.
#[tokio::test]
async fn a_command_for_tests_is_not_in_the_stable_api() {
    let server = crate::client::builder().test_commands(true).start().await.unwrap();
    let mut client = crate::client::Client::connect(&server).await;
    let command = rawdoc! { "testVersion2": 1, "$db": "admin" };
    client.ok(command.clone()).await;
    let mut strict = command.clone();
    strict.append(cstr!("apiVersion"), "1");
    client.ok(strict.clone()).await;
    strict.append(cstr!("apiStrict"), true);
    assert_eq!(client.code(strict).await, 323);
    let list = rawdoc! { "listCommands": 1, "$db": "admin" };
    let listed = client.ok(list.clone()).await;
    assert!(listed.get_document("commands").unwrap().get("testVersion2").unwrap().is_some());
    let (_server, mut client) = start().await;
    assert_eq!(client.code(command).await, 59);
    let listed = client.ok(list).await;
    assert!(listed.get_document("commands").unwrap().get("testVersion2").unwrap().is_none());
}

/// Drivers test so what they do when they cannot connect.
#[tokio::test]
async fn a_fail_point_knows_a_client_by_its_first_message() {
    let server = crate::client::builder().test_commands(true).start().await.unwrap();
    let mut client = crate::client::Client::connect(&server).await;
    let configure = rawdoc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 }, "$db": "admin",
        "data": { "failCommands": ["ismaster"], "errorCode": 1234, "appName": "me" },
    };
    client.ok(configure).await;
    let hello = |name: &str| {
        rawdoc! {
            "isMaster": 1, "helloOk": true, "client": { "application": { "name": name } },
            "$db": "admin",
        }
    };
    client.ok(hello("you")).await;
    let mut me = crate::client::Client::connect(&server).await;
    assert_eq!(me.code(hello("me")).await, 1234);
    me.ok(hello("me")).await;
}

#[tokio::test]
async fn bulk_write_reports_each_operation_and_the_sums() {
    let (_server, mut client) = start().await;
    let reply = client
        .ok(rawdoc! {
            "bulkWrite": 1, "$db": "admin", "ordered": false,
            "ops": [
                { "insert": 0, "document": { "_id": 1 } },
                { "insert": 0, "document": { "_id": 1 } },
                { "update": 1, "filter": { "_id": 7 }, "updateMods": { "$set": { "a": 1 } }, "upsert": true },
                { "delete": 0, "filter": {}, "multi": true },
            ],
            "nsInfo": [{ "ns": "d.a" }, { "ns": "d.b" }],
        })
        .await;
    for (name, expected) in [
        ("nErrors", 1),
        ("nInserted", 1),
        ("nMatched", 0),
        ("nModified", 0),
        ("nUpserted", 1),
        ("nDeleted", 1),
    ] {
        assert_eq!(reply.get_i32(name).unwrap(), expected, "{name}");
    }
    let results = crate::client::batch(&reply);
    assert_eq!(results.len(), 4);
    assert_eq!(results[1].get_i32("code").unwrap(), 11000);
    assert_eq!(results[2].get_document("upserted").unwrap().get_i32("_id").unwrap(), 7);
}

#[tokio::test]
async fn bulk_write_refuses_what_it_does_not_know() {
    let (_server, mut client) = start().await;
    let run = |ops: RawDocumentBuf| {
        rawdoc! { "bulkWrite": 1, "ops": [ops], "nsInfo": [{ "ns": "d.a" }], "$db": "admin" }
    };
    assert_eq!(client.code(run(rawdoc! { "insert": 3, "document": {} })).await, 2);
    assert_eq!(client.code(run(rawdoc! { "replace": 0, "document": {} })).await, 9);
    assert_eq!(client.code(run(rawdoc! { "delete": 0, "filter": {}, "x": 1 })).await, 40415);
}

#[tokio::test]
async fn a_collection_is_renamed_and_measured() {
    let (_server, mut client) = start().await;
    client.ok(rawdoc! { "insert": "a", "documents": [{ "_id": 1 }], "$db": "d" }).await;
    client.ok(rawdoc! { "renameCollection": "d.a", "to": "e.b", "$db": "admin" }).await;
    let stats = client.ok(rawdoc! { "collStats": "b", "$db": "e" }).await;
    assert_eq!(stats.get_i32("count").unwrap(), 1);
    let stats = client.ok(rawdoc! { "dbStats": 1, "$db": "e" }).await;
    assert_eq!(stats.get_i64("objects").unwrap(), 1);
    let report = client.ok(rawdoc! { "validate": "b", "$db": "e" }).await;
    assert!(report.get_bool("valid").unwrap());
}
