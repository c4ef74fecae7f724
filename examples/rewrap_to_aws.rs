//! Data keys moved from a local master key to AWS KMS. The data stays as it is.
//!
//! AWS credentials come from where AWS puts them (environment, web identity, container, instance).
//! `fieldveil keys rewrap` does the same, with a dry run first.
//!
//! ```text
//! cargo run --example rewrap_to_aws -- URI master-key.bin eu-central-1 arn:aws:kms:..
//! ```

use std::error::Error;

use bson::{Document, doc};
use fieldveil::{ClientEncryption, LocalKey};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, master_key, region, key] = arguments.as_slice() else {
        return Err("usage: rewrap_to_aws URI MASTER_KEY_FILE REGION KEY_ARN".into());
    };
    let mut providers = LocalKey::from_file(master_key)?.to_kms_providers();
    // Empty: credentials are looked up when they are needed.
    providers.insert("aws", Document::new());
    let keys = ClientEncryption::builder(mongodb::Client::with_uri_str(uri).await?)
        .key_vault_namespace("encryption.__keyVault")
        .kms_providers(providers)
        .build()?;
    let master_key = doc! { "region": region, "key": key };
    keys.check_provider("aws", master_key.clone()).await?;

    // Each new wrapping is unwrapped and compared before it replaces the old one.
    let result = keys
        .rewrap_many_data_key(doc! { "masterKey.provider": "local" })
        .provider("aws")
        .master_key(master_key)
        .await?;
    println!("{} of {} keys rewrapped", result.modified, result.matched);
    Ok(())
}
