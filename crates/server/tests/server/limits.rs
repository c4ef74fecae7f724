//! What is too much, and the error that says so. The number of connections is in `shutdown`, bytes
//! that make no sense are in `wire`.

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use fieldveil_server::Server;
use fieldveil_store::{Store, StoreOptions};
use fieldveil_wire::{MAX_MESSAGE_LEN, OpMsg, Sequence};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{Client, start};

#[tokio::test]
async fn a_message_above_48_000_000_bytes_ends_its_connection() {
    let (server, mut client) = start().await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut header = Vec::new();
    let len = i32::try_from(MAX_MESSAGE_LEN).unwrap() + 1;
    for field in [len, 1, 0, 2013] {
        header.extend_from_slice(&field.to_le_bytes());
    }
    stream.write_all(&header).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
}

#[tokio::test]
async fn a_document_has_16_mib_and_100_levels() {
    let (_server, mut client) = start().await;
    let mut nested = rawdoc! {};
    for _ in 0..101 {
        nested = rawdoc! { "a": nested };
    }
    let large = rawdoc! { "a": "x".repeat(16 * 1024 * 1024) };
    for (document, code) in [(large, 10334), (nested, 15)] {
        let mut insert = OpMsg::new(rawdoc! { "insert": "c", "$db": "d" });
        insert
            .sequences
            .push(Sequence { identifier: "documents".into(), documents: vec![document] });
        client.send(insert).await;
        let (_, reply, _) = client.receive().await;
        let error = reply.get_array("writeErrors").ok().and_then(|errors| {
            errors.get_document(0).ok().and_then(|error| error.get_i32("code").ok())
        });
        assert_eq!(error.or(reply.get_i32("code").ok()), Some(code), "{reply:?}");
    }
}

#[tokio::test]
async fn a_write_has_100_000_statements() {
    let (_server, mut client) = start().await;
    let deletes: RawArrayBuf = (0..100_001).map(|_| rawdoc! { "q": {}, "limit": 1 }).collect();
    assert_eq!(client.code(rawdoc! { "delete": "c", "deletes": deletes, "$db": "d" }).await, 16);
}

async fn fill(client: &mut Client) {
    let documents: RawArrayBuf =
        (0..2000).map(|n| rawdoc! { "_id": n, "x": "a string of some length" }).collect();
    client.ok(rawdoc! { "insert": "c", "documents": documents, "$db": "d" }).await;
}

fn aggregate(stage: RawDocumentBuf) -> RawDocumentBuf {
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(stage);
    rawdoc! { "aggregate": "c", "pipeline": pipeline, "cursor": {}, "$db": "d" }
}

/// Four million comparisons in one millisecond.
#[tokio::test]
async fn time_is_limited_by_the_client() {
    let (_server, mut client) = start().await;
    fill(&mut client).await;
    let every = bson::rawbson!([{ "$match": { "$expr": { "$eq": ["$x", "$$y"] } } }]);
    let mut command = aggregate(rawdoc! {
        "$lookup": { "from": "c", "let": { "y": "$_id" }, "pipeline": every, "as": "z" },
    });
    command.append(bson::raw::cstr!("maxTimeMS"), 1);
    assert_eq!(client.code(command).await, 50);
    let command = rawdoc! { "find": "c", "maxTimeMS": -1, "$db": "d" };
    assert_eq!(client.code(command).await, 2);
}

#[tokio::test]
async fn memory_of_an_operation_is_limited() {
    let options = StoreOptions { operation_memory_bytes: 10_000, ..StoreOptions::default() };
    let store = Store::in_memory_with(options).unwrap();
    let server = Server::builder().store(store).start().await.unwrap();
    let mut client = Client::connect(&server).await;
    fill(&mut client).await;
    let group = rawdoc! { "$group": { "_id": null, "all": { "$push": "$x" } } };
    assert_eq!(client.code(aggregate(group)).await, 292);
}
