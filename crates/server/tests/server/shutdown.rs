//! Ending a server.

use std::time::Duration;

use bson::rawdoc;
use fieldveil_server::{Server, StartError};
use fieldveil_store::Store;
use fieldveil_wire::OpMsg;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::client::{Client, start};

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let (server, mut client) = start().await;
    client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
    let address = server.local_addr();
    timeout(Duration::from_secs(2), server.shutdown()).await.expect("nothing to wait for");
    assert!(client.connection.read().await.unwrap().is_none());
    assert!(TcpStream::connect(address).await.is_err());
}

/// The client asks for more than the sockets buffer and reads none of it.
#[tokio::test]
async fn a_stuck_client_does_not_hold_up_the_end() {
    let (server, mut client) = start().await;
    let big = "x".repeat(15 * 1024 * 1024);
    client.ok(rawdoc! { "insert": "c", "documents": [{ "x": big }], "$db": "d" }).await;
    client.send(OpMsg::new(rawdoc! { "find": "c", "$db": "d" })).await;
    client.connection.get_ref().readable().await.unwrap();
    timeout(Duration::from_secs(30), server.shutdown()).await.expect("stuck clients are cut");
}

#[tokio::test]
async fn a_connection_above_the_limit_is_closed() {
    let server =
        Server::builder().store(Store::in_memory().unwrap()).max_connections(1).start().await;
    let server = server.unwrap();
    let mut first = Client::connect(&server).await;
    first.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
    let mut second = TcpStream::connect(server.local_addr()).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
    first.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
}

#[tokio::test]
async fn other_machines_are_kept_out() {
    let started = Server::builder()
        .store(Store::in_memory().unwrap())
        .listen("0.0.0.0:0".parse().unwrap())
        .start()
        .await;
    assert!(matches!(started, Err(StartError::Unprotected { .. })));
}

#[tokio::test]
async fn a_taken_address_is_an_error() {
    let (server, _client) = start().await;
    let second = Server::builder()
        .store(Store::in_memory().unwrap())
        .listen(server.local_addr())
        .start()
        .await;
    assert!(matches!(second, Err(StartError::Bind { .. })));
}
