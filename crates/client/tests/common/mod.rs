//! A database in memory on a free port, with one data key.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bson::{Binary, Document, doc};
use fieldveil::{
    Algorithm, ClientEncryption, EncryptedClient, EncryptedClientBuilder, EncryptedCollection,
    LocalKey,
};
use fieldveil_server::{Server, ServerBuilder};
use fieldveil_store::Store;
use mongodb::{Client, Collection};

pub(crate) const KEY_VAULT: &str = "encryption.__keyVault";
pub(crate) const DATABASE: &str = "clinic";
pub(crate) const COLLECTION: &str = "patients";

pub(crate) struct Bed {
    pub(crate) server: Server,
    pub(crate) uri: String,
    pub(crate) providers: Document,
    /// A client that encrypts and decrypts nothing.
    pub(crate) plain: Client,
    pub(crate) keys: ClientEncryption,
    /// The key with the alternate name `example`.
    pub(crate) key: Binary,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        Self::of(Server::builder(), "directConnection=true").await
    }

    /// A server with these settings, reached with these options.
    pub(crate) async fn of(server: ServerBuilder, options: &str) -> Self {
        let store = Store::in_memory().unwrap();
        let server = server.store(store).start().await.unwrap();
        let uri = format!("mongodb://{}/?{options}", server.local_addr());
        let providers = LocalKey::generate().unwrap().to_kms_providers();
        let plain = Client::with_uri_str(&uri).await.unwrap();
        let keys = ClientEncryption::builder(plain.clone())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(providers.clone())
            .build()
            .unwrap();
        let key = keys.create_data_key("local").key_alt_names(["example"]).await.unwrap();
        Self { server, uri, providers, plain, keys, key }
    }

    pub(crate) fn builder(&self) -> EncryptedClientBuilder {
        EncryptedClient::builder(self.uri.as_str())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(self.providers.clone())
    }

    /// A schema that encrypts `ssn`.
    pub(crate) fn schema(&self, algorithm: Algorithm) -> Document {
        schema(&self.key, "ssn", "string", algorithm)
    }

    /// The collection through a client with that schema.
    pub(crate) async fn patients(&self, algorithm: Algorithm) -> EncryptedCollection<Document> {
        let schema = self.schema(algorithm);
        let client = self.builder().schema(format!("{DATABASE}.{COLLECTION}"), schema);
        client.build().await.unwrap().database(DATABASE).collection(COLLECTION)
    }

    /// The collection as the database sees it.
    pub(crate) fn stored(&self) -> Collection<Document> {
        self.plain.database(DATABASE).collection(COLLECTION)
    }

    /// The field `ssn` of the only document that matches, as the database sees it.
    pub(crate) async fn stored_ssn(&self, filter: Document) -> bson::Bson {
        let mut found = self.stored().find_one(filter).await.unwrap().unwrap();
        found.remove("ssn").unwrap()
    }
}

pub(crate) fn schema(key: &Binary, field: &str, bson_type: &str, algorithm: Algorithm) -> Document {
    doc! {
        "bsonType": "object",
        "properties": { field: { "encrypt": {
            "bsonType": bson_type,
            "algorithm": algorithm.as_str(),
            "keyId": [key.clone()],
        } } },
    }
}

pub(crate) fn is_ciphertext(value: &bson::Bson) -> bool {
    matches!(value, bson::Bson::Binary(binary)
        if binary.subtype == bson::spec::BinarySubtype::Encrypted)
}
