//! What drivers ask first.

use std::time::{Duration, Instant};

use bson::{raw::cstr, rawdoc};
use fieldveil_wire::{Message, MsgFlags, OpMsg, OpQuery, Operation};

use crate::client::{Client, builder, start};

#[tokio::test]
async fn legacy_and_modern_handshakes_are_answered() {
    let (server, mut client) = start().await;
    let query = OpQuery {
        flags: 4,
        full_collection_name: "admin.$cmd".into(),
        skip: 0,
        limit: -1,
        query: rawdoc! { "ismaster": 1, "helloOk": true, "client": { "driver": {} } },
    };
    let message = Message { request_id: 9, response_to: 0, operation: Operation::Query(query) };
    client.connection.write(&message, None).await.unwrap();
    let message = client.connection.read().await.unwrap().unwrap().message;
    assert_eq!(message.response_to, 9);
    let Operation::Reply(reply) = message.operation else { panic!() };
    assert!(reply.documents[0].get_bool("ismaster").unwrap());
    assert!(reply.documents[0].get_bool("helloOk").unwrap());

    let reply = client.ok(rawdoc! { "hello": 1, "$db": "admin" }).await;
    assert!(reply.get_bool("isWritablePrimary").unwrap());
    assert!(reply.get_i32("maxWireVersion").unwrap() >= 21);
    assert_eq!(reply.get_i32("logicalSessionTimeoutMinutes").unwrap(), 30);
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_describes_itself_once() {
    let (_server, mut client) = start().await;
    let hello = rawdoc! { "hello": 1, "client": { "driver": { "name": "x" } }, "$db": "admin" };
    client.ok(hello.clone()).await;
    assert_eq!(client.code(hello).await, 186);
}

#[tokio::test]
async fn hello_streams_until_the_server_ends() {
    let (server, mut client) = start().await;
    let version = client.ok(rawdoc! { "hello": 1, "$db": "admin" }).await;
    let version = version.get_document("topologyVersion").unwrap().to_owned();
    let mut hello = OpMsg::new(rawdoc! {
        "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 30, "$db": "admin",
    });
    hello.flags = MsgFlags::EXHAUST_ALLOWED;
    let begun = Instant::now();
    let mut previous = client.send(hello).await;
    for _ in 0..3 {
        let (message, reply, more) = client.receive().await;
        assert_eq!(message.response_to, previous);
        assert!(more && reply.get_f64("ok").unwrap() == 1.0);
        previous = message.request_id;
    }
    assert!(begun.elapsed() >= Duration::from_millis(90));
    server.shutdown().await;
    while client.connection.read().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_replica_set_names_its_only_member() {
    let server = builder().replica_set("rs0").start().await.unwrap();
    let mut client = Client::connect(&server).await;
    let reply = client.ok(rawdoc! { "hello": 1, "$db": "admin" }).await;
    assert_eq!(reply.get_str("setName").unwrap(), "rs0");
    assert_eq!(reply.get_str("me").unwrap(), reply.get_str("primary").unwrap());
    assert!(reply.get_document("$clusterTime").is_ok());
}

#[tokio::test]
async fn a_time_that_is_none_is_not_taken_from_a_client() {
    let server = builder().replica_set("rs0").start().await.unwrap();
    let mut client = Client::connect(&server).await;
    let reply = client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
    let mut find = rawdoc! { "find": "c", "$db": "d" };
    find.append(cstr!("$clusterTime"), reply.get_document("$clusterTime").unwrap());
    client.ok(find).await;
    let nonsense = rawdoc! { "find": "c", "$clusterTime": { "clusterTime": {} }, "$db": "d" };
    assert_eq!(client.code(nonsense).await, 14);
}

#[tokio::test]
async fn unknown_commands_and_databases_are_refused() {
    let (_server, mut client) = start().await;
    let reply = client.run(rawdoc! { "nothing": 1, "$db": "admin" }).await;
    assert_eq!(reply.get_str("errmsg").unwrap(), "no such command: 'nothing'");
    assert_eq!(reply.get_str("codeName").unwrap(), "CommandNotFound");
    assert_eq!(client.code(rawdoc! { "ping": 1, "$db": "a.b" }).await, 73);
    assert_eq!(client.code(rawdoc! { "listDatabases": 1, "$db": "a" }).await, 13);
    assert_eq!(client.code(rawdoc! { "configureFailPoint": "x", "$db": "admin" }).await, 59);
}

#[tokio::test]
async fn a_standalone_refuses_transactions() {
    let (_server, mut client) = start().await;
    let lsid = rawdoc! { "id": bson::Binary::from(bson::Uuid::new()) };
    let find = rawdoc! {
        "find": "c", "lsid": lsid, "txnNumber": 1i64, "startTransaction": true,
        "autocommit": false, "$db": "d",
    };
    let reply = client.run(find).await;
    assert_eq!(reply.get_i32("code").unwrap(), 20);
    assert_eq!(
        reply.get_str("errmsg").unwrap(),
        "Transaction numbers are only allowed on a replica set member or mongos"
    );
}
