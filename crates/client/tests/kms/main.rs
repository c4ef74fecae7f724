//! The way to key services, over sockets: what may happen on it, whose credentials are shown there,
//! and that no secret leaves it.
//!
//! More of it is in the prose tests of the driver specification (`tests/prose`), which share the
//! services that are played here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connect;
mod credentials;
mod exchange;
#[path = "../common/search.rs"]
mod search;
mod secrets;
#[path = "../prose/services.rs"]
mod services;
mod tls;

use fieldveil_server::Server;
use fieldveil_store::Store;
use mongodb::Client;

/// A database in memory.
struct Database {
    _server: Server,
    uri: String,
    client: Client,
}

impl Database {
    async fn new() -> Self {
        let store = Store::in_memory().unwrap();
        let server = Server::builder().store(store).start().await.unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", server.local_addr());
        Self { client: Client::with_uri_str(&uri).await.unwrap(), uri, _server: server }
    }
}
