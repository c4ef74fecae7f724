//! Use without async: `run` beside `await`, cursors as iterators.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bson::{Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, Error, LocalKey};
use fieldveil_server::Server;
use fieldveil_store::Store;
use mongodb::options::ClientOptions;
use tokio::runtime::Runtime;

const KEY_VAULT: &str = "encryption.__keyVault";
const SSN: &str = "123-12-1234";

/// A server on threads of its own, which end with it.
struct Served {
    uri: String,
    _server: Server,
    _threads: Runtime,
}

impl Served {
    fn new() -> Self {
        let threads = Runtime::new().unwrap();
        let server = Server::builder().store(Store::in_memory().unwrap());
        let server = threads.block_on(server.start()).unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", server.local_addr());
        Self { uri, _server: server, _threads: threads }
    }
}

#[test]
fn a_program_without_async_encrypts_and_decrypts() {
    let served = Served::new();
    let providers = LocalKey::generate().unwrap().to_kms_providers();
    let options = ClientOptions::parse(&served.uri).run().unwrap();
    let keys = ClientEncryption::builder(mongodb::Client::with_options(options).unwrap())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers.clone())
        .build()
        .unwrap();
    assert!(keys.create_alt_name_index().run().unwrap());
    let key = keys.create_data_key("local").key_alt_names(["example"]).run().unwrap();
    assert!(keys.get_key(&key).run().unwrap().is_some());
    let secret = keys.encrypt(SSN, "example", Algorithm::Deterministic).run().unwrap();
    assert_eq!(keys.decrypt(&secret).run().unwrap(), SSN.into());

    let schema = doc! {
        "bsonType": "object",
        "properties": { "ssn": { "encrypt": {
            "bsonType": "string",
            "algorithm": Algorithm::Deterministic.as_str(),
            "keyId": [key],
        } } },
    };
    let client = EncryptedClient::builder(served.uri.as_str())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers)
        .schema("clinic.patients", schema)
        .build()
        .run()
        .unwrap();
    let patients = client.collection::<Document>("clinic", "patients");
    let documents = (0..5).map(|id| doc! { "_id": id, "ssn": SSN });
    patients.insert_many(documents).run().unwrap();
    let stored = patients.without_encryption();
    assert_eq!(stored.count_documents(doc! { "ssn": secret }).run().unwrap(), 5);

    let cursor = patients.find(doc! { "ssn": SSN }).batch_size(2).run().unwrap();
    let found: Vec<Document> = cursor.collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|document| document.get_str("ssn").unwrap() == SSN));
    let pipeline = [doc! { "$match": { "ssn": SSN } }, doc! { "$limit": 1 }];
    assert_eq!(patients.aggregate(pipeline).run().unwrap().count(), 1);
    let find = doc! { "find": "patients", "filter": { "ssn": SSN } };
    assert_eq!(client.database("clinic").run_cursor_command(find).run().unwrap().count(), 5);

    let mut session = client.start_session().run().unwrap();
    let mut cursor = patients.find(doc! { "_id": 1 }).session(&mut session).run().unwrap();
    assert_eq!(cursor.next(&mut session).unwrap().unwrap(), doc! { "_id": 1, "ssn": SSN });
    assert!(cursor.next(&mut session).is_none());
    assert_eq!(patients.delete_many(doc! { "ssn": SSN }).run().unwrap().deleted_count, 5);
}

#[tokio::test]
async fn blocking_inside_async_code_is_refused() {
    let client = EncryptedClient::builder("mongodb://127.0.0.1:9");
    assert!(matches!(client.build().run(), Err(Error::BlockingInAsync)));
}
