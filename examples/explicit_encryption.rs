//! Values encrypted by hand, for applications that want no schema.
//!
//! ```text
//! cargo run --example explicit_encryption -- mongodb://127.0.0.1:27017 master-key.bin
//! ```

use std::error::Error;

use bson::{Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, LocalKey};

const KEY_VAULT: &str = "encryption.__keyVault";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(uri), Some(master_key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: explicit_encryption URI MASTER_KEY_FILE".into());
    };
    let providers = LocalKey::from_file(master_key)?.to_kms_providers();
    let keys = ClientEncryption::builder(mongodb::Client::with_uri_str(&uri).await?)
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers.clone())
        .build()?;
    if keys.get_key_by_alt_name("explicit").await?.is_none() {
        keys.create_data_key("local").key_alt_names(["explicit"]).await?;
    }

    // This client encrypts nothing by itself, and still decrypts what it reads.
    let client = EncryptedClient::builder(uri.as_str())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers)
        .bypass_auto_encryption(true)
        .build()
        .await?;
    let patients = client.database("clinic").collection::<Document>("explicit");

    let number = keys.encrypt("123-12-1234", "explicit", Algorithm::Deterministic).await?;
    let note = keys.encrypt("likes cats", "explicit", Algorithm::Random).await?;
    patients.insert_one(doc! { "ssn": number.clone(), "note": note }).await?;

    // The same value gives the same ciphertext, so it can be found by it.
    let found = patients.find_one(doc! { "ssn": number }).await?;
    println!("{}", found.ok_or("nothing found")?);
    Ok(())
}
