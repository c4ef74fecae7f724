//! 9. Deadlock Tests.
//!
//! What a command needs (the schema of its collection, its data keys) is fetched before the command
//! takes a connection, and decryption begins when the reply has freed its own. So one connection is
//! enough, no second client is made to fetch them, and what the specification expects of its internal
//! client is here seen on the one client. Cases 5 to 8 want a pool without limit, which the driver
//! does not have; they are run with its default size.

use bson::{Document, doc};
use fieldveil::{Algorithm, EncryptedClientBuilder};
use mongodb::{Client, event::command::CommandEvent};

use crate::setup::{Deployment, Events};

/// Runs one case; gives the commands of `client_encrypted` and of `client_keyvault`.
async fn run(max_pool_size: Option<u32>, bypass: bool, separate: bool) -> [Vec<String>; 2] {
    let deployment = Deployment::new().await;
    let mut options = deployment.options().await;
    options.max_pool_size = Some(1);
    let of_vault = Events::listen(&mut options);
    let client_keyvault = Client::with_options(options).unwrap();

    let keys = deployment.client_encryption();
    let key = keys.create_data_key("local").key_alt_names(["local"]).await.unwrap();
    let schema = doc! {
        "bsonType": "object",
        "properties": { "encrypted": { "encrypt": {
            "keyId": [key],
            "bsonType": "string",
            "algorithm": Algorithm::Deterministic.as_str(),
        } } },
    };
    let db = deployment.client.database("db");
    db.create_collection("coll").validator(doc! { "$jsonSchema": schema }).await.unwrap();
    let ciphertext = keys.encrypt("string0", "local", Algorithm::Deterministic).await.unwrap();

    let mut options = deployment.options().await;
    options.max_pool_size = max_pool_size;
    let of_client = Events::listen(&mut options);
    let mut builder: EncryptedClientBuilder =
        deployment.encrypted_by(options).bypass_auto_encryption(bypass);
    if separate {
        builder = builder.key_vault_client(client_keyvault);
    }
    let client_encrypted = builder.build().await.unwrap();
    let coll = client_encrypted.collection::<Document>("db", "coll");
    if bypass {
        deployment.coll().insert_one(doc! { "_id": 0, "encrypted": ciphertext }).await.unwrap();
    } else {
        coll.insert_one(doc! { "_id": 0, "encrypted": "string0" }).await.unwrap();
    }
    let found = coll.find_one(doc! { "_id": 0 }).await.unwrap().unwrap();
    assert_eq!(found, doc! { "_id": 0, "encrypted": "string0" });
    [shown(&of_client), shown(&of_vault)]
}

/// Each command with its database.
fn shown(events: &Events) -> Vec<String> {
    let started = events.all().into_iter().filter_map(|event| match event {
        CommandEvent::Started(started) => Some(format!("{} {}", started.command_name, started.db)),
        _ => None,
    });
    started.collect()
}

/// The size that must be enough, and the driver's own.
const POOL_SIZES: [Option<u32>; 2] = [Some(1), None];

#[tokio::test]
async fn cases_1_and_5_encryption_and_key_vault_through_one_client() {
    for max_pool_size in POOL_SIZES {
        let [client, vault] = run(max_pool_size, false, false).await;
        assert_eq!(client, ["listCollections db", "find keyvault", "insert db", "find db"]);
        assert!(vault.is_empty(), "{vault:?}");
    }
}

#[tokio::test]
async fn cases_2_and_6_encryption_with_another_client_for_the_key_vault() {
    for max_pool_size in POOL_SIZES {
        let [client, vault] = run(max_pool_size, false, true).await;
        assert_eq!(client, ["listCollections db", "insert db", "find db"]);
        assert_eq!(vault, ["find keyvault"]);
    }
}

#[tokio::test]
async fn cases_3_and_7_decryption_and_key_vault_through_one_client() {
    for max_pool_size in POOL_SIZES {
        let [client, vault] = run(max_pool_size, true, false).await;
        assert_eq!(client, ["find db", "find keyvault"]);
        assert!(vault.is_empty(), "{vault:?}");
    }
}

#[tokio::test]
async fn cases_4_and_8_decryption_with_another_client_for_the_key_vault() {
    for max_pool_size in POOL_SIZES {
        let [client, vault] = run(max_pool_size, true, true).await;
        assert_eq!(client, ["find db"]);
        assert_eq!(vault, ["find keyvault"]);
    }
}
