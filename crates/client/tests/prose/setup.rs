//! What the prose tests begin with: a deployment, clients of it, and the commands they sent.

use std::sync::{Arc, Mutex};

use bson::{Binary, Document, doc, spec::BinarySubtype};
use fieldveil::{ClientEncryption, ConnectTo, EncryptedClient, EncryptedClientBuilder};
use fieldveil_server::{Server, ServerBuilder};
use fieldveil_store::Store;
use mongodb::{
    Client, Collection,
    event::{EventHandler, command::CommandEvent},
    options::ClientOptions,
};

use crate::secrets;

pub(crate) const KEY_VAULT: &str = "keyvault.datakeys";

/// A database server in memory, and the clients of one test.
pub(crate) struct Deployment {
    _server: Server,
    pub(crate) uri: String,
    /// A client without encryption.
    pub(crate) client: Client,
}

impl Deployment {
    pub(crate) async fn new() -> Self {
        Self::of(Server::builder()).await
    }

    /// A deployment that can be told to fail.
    pub(crate) async fn with_test_commands() -> Self {
        Self::of(Server::builder().test_commands(true)).await
    }

    async fn of(server: ServerBuilder) -> Self {
        secrets::log_if_asked();
        let store = Store::in_memory().unwrap();
        let server = server.store(store).start().await.unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", server.local_addr());
        let client = Client::with_uri_str(&uri).await.unwrap();
        Self { _server: server, uri, client }
    }

    /// The driver's options for this deployment, to be changed and made a client of.
    pub(crate) async fn options(&self) -> ClientOptions {
        ClientOptions::parse(&self.uri).await.unwrap()
    }

    /// `client_encrypted`, to be completed; it has the local provider.
    pub(crate) fn encrypted(&self) -> EncryptedClientBuilder {
        self.encrypted_by(self.uri.as_str())
    }

    /// As [`encrypted`](Self::encrypted), with options or a client of the test's own.
    pub(crate) fn encrypted_by(&self, deployment: impl Into<ConnectTo>) -> EncryptedClientBuilder {
        EncryptedClient::builder(deployment)
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(local_provider())
    }

    /// `client_encryption` with the local provider.
    pub(crate) fn client_encryption(&self) -> ClientEncryption {
        ClientEncryption::builder(self.client.clone())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(local_provider())
            .build()
            .unwrap()
    }

    /// The key vault, without encryption.
    pub(crate) fn key_vault(&self) -> Collection<Document> {
        self.client.database("keyvault").collection("datakeys")
    }

    /// `db.coll`, without encryption.
    pub(crate) fn coll(&self) -> Collection<Document> {
        self.client.database("db").collection("coll")
    }
}

/// The local provider of all tests.
pub(crate) fn local_provider() -> Document {
    let key = Binary { subtype: BinarySubtype::Generic, bytes: (100..196).collect() };
    doc! { "local": { "key": key } }
}

/// The commands that a client sent, and what came back.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<CommandEvent>>>);

impl Events {
    /// Listens to a client that is yet to be made.
    pub(crate) fn listen(options: &mut ClientOptions) -> Self {
        let events = Self::default();
        let heard = events.clone();
        options.command_event_handler =
            Some(EventHandler::callback(move |event| heard.0.lock().unwrap().push(event)));
        events
    }

    /// All events so far.
    pub(crate) fn all(&self) -> Vec<CommandEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The commands of this name, as they were sent.
    pub(crate) fn started(&self, name: &str) -> Vec<Document> {
        self.all()
            .into_iter()
            .filter_map(|event| match event {
                CommandEvent::Started(started) if started.command_name == name => {
                    Some(started.command)
                }
                _ => None,
            })
            .collect()
    }
}
