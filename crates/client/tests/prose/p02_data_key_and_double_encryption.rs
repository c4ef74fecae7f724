//! 2. Data Key and Double Encryption.

use bson::{Bson, Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, EncryptKey, Part};
use mongodb::Client;

use crate::{
    services::{PROVIDERS, Services},
    setup::{Deployment, Events},
};

#[tokio::test]
async fn a_key_of_each_provider_encrypts_and_nothing_is_encrypted_twice() {
    let deployment = Deployment::new().await;
    let mut options = deployment.options().await;
    let events = Events::listen(&mut options);
    let client = Client::with_options(options).unwrap();
    let schema = doc! {
        "bsonType": "object",
        "properties": { "encrypted_placeholder": { "encrypt": {
            "keyId": "/placeholder",
            "bsonType": "string",
            "algorithm": Algorithm::Random.as_str(),
        } } },
    };
    let services = Services::new().await;
    let mut builder = deployment.encrypted().kms_providers(services.kms_providers());
    for provider in PROVIDERS.into_iter().filter(|provider| *provider != "local") {
        builder = builder.tls_options(provider, services.tls_options());
    }
    let client_encrypted = builder.schema("db.coll", schema).build().await.unwrap();
    let coll = client_encrypted.collection::<Document>("db", "coll");
    let client_encryption = services.client_encryption(client).build().unwrap();

    for provider in PROVIDERS {
        let name = format!("{provider}_altname");
        let mut create = client_encryption.create_data_key(provider).key_alt_names([&name]);
        if let Some(master_key) = services.master_key(provider) {
            create = create.master_key(master_key);
        }
        let id = create.await.unwrap();
        assert_eq!(id.subtype, BinarySubtype::Uuid);
        let stored = deployment.key_vault().find_one(doc! { "_id": id.clone() }).await.unwrap();
        let stored = stored.unwrap().get_document("masterKey").unwrap().clone();
        assert_eq!(stored.get_str("provider").unwrap(), provider);
        let insert = events.started("insert").pop().unwrap();
        assert_eq!(insert.get_document("writeConcern").unwrap(), &doc! { "w": "majority" });

        let value = format!("hello {provider}");
        let encrypt = |key| client_encryption.encrypt(&value, key, Algorithm::Deterministic);
        let encrypted = encrypt(EncryptKey::Id(id)).await.unwrap();
        assert_eq!(encrypted.subtype, BinarySubtype::Encrypted);
        coll.insert_one(doc! { "_id": provider, "value": encrypted.clone() }).await.unwrap();
        let found = coll.find_one(doc! { "_id": provider }).await.unwrap().unwrap();
        assert_eq!(found.get("value"), Some(&Bson::String(value.clone())));

        assert_eq!(encrypt(EncryptKey::AltName(name)).await.unwrap(), encrypted);
        let twice = coll.insert_one(doc! { "encrypted_placeholder": encrypted }).await;
        assert_eq!(twice.unwrap_err().part(), Part::Analysis);
    }
}
