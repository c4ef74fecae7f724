//! Ending a server.

use std::{collections::BTreeSet, time::Duration};

use bson::rawdoc;
use fieldveil_server::{Server, StartError};
use fieldveil_store::{FindOptions, Namespace, Store, StoreOptions};
use fieldveil_wire::OpMsg;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

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

/// Writes are on their way on every connection when the server ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_before_the_end_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path(), StoreOptions::default());
    let server = Server::builder().store(open().unwrap()).start().await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let mut client = Client::connect(&server).await;
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for id in (number..).step_by(32) {
                let document = rawdoc! { "_id": id };
                let insert = rawdoc! { "insert": "c", "documents": [document], "$db": "d" };
                client.send(OpMsg::new(insert)).await;
                // The connection ends between two commands.
                match client.connection.read().await {
                    Ok(Some(_)) => acknowledged.push(id),
                    Ok(None) | Err(_) => break,
                }
            }
            acknowledged
        });
    }
    sleep(Duration::from_millis(200)).await;
    timeout(Duration::from_secs(30), server.shutdown()).await.expect("writes are brief");
    let acknowledged: Vec<Vec<i32>> =
        timeout(Duration::from_secs(30), tasks.join_all()).await.expect("connections are closed");

    let store = open().expect("the store is closed");
    let collection = Namespace::new("d", "c").unwrap();
    let found: BTreeSet<i32> = store
        .find(&collection, FindOptions::default())
        .unwrap()
        .map(|document| document.unwrap().get_i32("_id").unwrap())
        .collect();
    assert!(acknowledged.iter().any(|ids| ids.len() > 1));
    assert!(acknowledged.iter().flatten().all(|id| found.contains(id)));
}

/// The only thread for commands that wait is taken by one that waits for its own write.
#[test]
fn writes_that_wait_and_writes_that_do_not_get_along_on_one_thread() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    let working = async {
        let (server, _client) = start().await;
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let mut client = Client::connect(&server).await;
            tasks.spawn(async move {
                for id in 0..50 {
                    let name = format!("c{number}");
                    let insert = rawdoc! {
                        "insert": name.as_str(), "documents": [{ "_id": id }], "$db": "d",
                    };
                    let modify = rawdoc! {
                        "findAndModify": name, "query": { "_id": id }, "upsert": true,
                        "update": { "$set": { "a": 1 } }, "$db": "d",
                    };
                    client.ok(if number % 2 == 0 { insert } else { modify }).await;
                }
            });
        }
        tasks.join_all().await;
        server.shutdown().await;
    };
    runtime.block_on(async {
        timeout(Duration::from_secs(60), working).await.expect("nobody waits for ever");
    });
}
