//! The quick start in Rust: a data key, a schema, an encrypted document and a query.
//!
//! ```text
//! fieldveil serve --listen 127.0.0.1:27017 --data-dir data &
//! fieldveil keys generate-master-key --out master-key.bin
//! cargo run --example quick_start -- mongodb://127.0.0.1:27017 master-key.bin
//! ```

use std::error::Error;

use bson::{Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, LocalKey};

const KEY_VAULT: &str = "encryption.__keyVault";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(uri), Some(master_key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: quick_start URI MASTER_KEY_FILE".into());
    };
    let providers = LocalKey::from_file(master_key)?.to_kms_providers();

    // A data key. It is stored in the key vault, wrapped by the master key.
    let keys = ClientEncryption::builder(mongodb::Client::with_uri_str(&uri).await?)
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers.clone())
        .build()?;
    keys.create_alt_name_index().await?;
    let key = match keys.get_key_by_alt_name("example").await? {
        Some(key) => key.get("_id").cloned().ok_or("a key without an id")?,
        None => keys.create_data_key("local").key_alt_names(["example"]).await?.into(),
    };

    // A client with a schema: it says that `ssn` is encrypted, how, and with which key.
    let schema = doc! {
        "bsonType": "object",
        "properties": { "ssn": { "encrypt": {
            "bsonType": "string",
            "algorithm": Algorithm::Deterministic.as_str(),
            "keyId": [key],
        } } },
    };
    let client = EncryptedClient::builder(uri.as_str())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers)
        .schema("clinic.patients", schema)
        .build()
        .await?;

    // From here on the application is what it was without encryption.
    let patients = client.database("clinic").collection::<Document>("patients");
    patients.insert_one(doc! { "name": "Sophia Duleep Singh", "ssn": "123-12-1234" }).await?;
    let found = patients.find_one(doc! { "ssn": "123-12-1234" }).await?;
    println!("with the keys:    {}", found.ok_or("nothing found")?);

    let stored = patients.without_encryption().find_one(doc! {}).await?;
    println!("without the keys: {}", stored.ok_or("nothing stored")?);
    Ok(())
}
