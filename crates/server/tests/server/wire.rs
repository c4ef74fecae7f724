//! Bytes that are not what they should be.

use bson::rawdoc;
use fieldveil_wire::{Compressor, Message, MsgFlags, OpMsg, Operation, Sequence};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{Client, start};

#[tokio::test]
async fn malformed_bytes_close_only_their_connection() {
    let (server, mut client) = start().await;
    let oversized = [0x01, 0x6c, 0xdc, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0x07, 0, 0];
    for bytes in [&oversized[..], b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[0; 64]] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // The connection may be reset, since the server does not read what it cannot use.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
}

#[tokio::test]
async fn an_invalid_document_gets_an_error_and_the_connection_goes_on() {
    let (_server, mut client) = start().await;
    let mut nested = rawdoc! {};
    for _ in 0..250 {
        nested = rawdoc! { "a": nested };
    }
    assert_eq!(client.code(rawdoc! { "ping": nested, "$db": "admin" }).await, 15);
    client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
}

#[tokio::test]
async fn a_reply_has_a_checksum_when_the_request_had() {
    let (_server, mut client) = start().await;
    let mut ping = OpMsg::new(rawdoc! { "ping": 1, "$db": "admin" });
    ping.flags = MsgFlags::CHECKSUM_PRESENT;
    client.send(ping).await;
    let (message, ..) = client.receive().await;
    let Operation::Msg(reply) = message.operation else { panic!() };
    assert!(reply.flags.contains(MsgFlags::CHECKSUM_PRESENT));
}

#[tokio::test]
async fn compressed_requests_get_compressed_replies() {
    let (_server, mut client) = start().await;
    let hello = rawdoc! { "hello": 1, "compression": ["zstd", "zlib", "snappy"], "$db": "admin" };
    let reply = client.ok(hello).await;
    let common: Vec<_> = reply.get_array("compression").unwrap().into_iter().flatten().collect();
    assert_eq!(common.len(), 3);
    for compressor in [Compressor::Snappy, Compressor::Zlib, Compressor::Zstd] {
        let operation = Operation::Msg(OpMsg::new(rawdoc! { "ping": 1, "$db": "admin" }));
        let message = Message { request_id: 1, response_to: 0, operation };
        client.connection.write(&message, Some(compressor)).await.unwrap();
        let received = client.connection.read().await.unwrap().unwrap();
        assert_eq!(received.compressor, Some(compressor));
    }
}

#[tokio::test]
async fn an_unacknowledged_write_has_no_reply() {
    let (_server, mut client) = start().await;
    let mut insert = OpMsg::new(rawdoc! {
        "insert": "c", "writeConcern": { "w": 0 }, "$db": "d",
    });
    insert.flags = MsgFlags::MORE_TO_COME;
    insert
        .sequences
        .push(Sequence { identifier: "documents".into(), documents: vec![rawdoc! { "_id": 1 }] });
    client.send(insert).await;
    let reply = client.ok(rawdoc! { "count": "c", "$db": "d" }).await;
    assert_eq!(reply.get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn every_connection_is_on_its_own() {
    let (server, mut first) = start().await;
    let mut second = Client::connect(&server).await;
    first.ok(rawdoc! { "insert": "c", "documents": [{ "_id": 1 }], "$db": "d" }).await;
    let reply = second.ok(rawdoc! { "count": "c", "$db": "d" }).await;
    assert_eq!(reply.get_i32("n").unwrap(), 1);
}
