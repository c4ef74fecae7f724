//! Data keys moved from a local master key to AWS KMS. The data stays as it is.
//!
//! AWS credentials come from where AWS puts them (environment, web identity, container, instance).
//! `AWS_ENDPOINT_URL_KMS` and `AWS_CA_BUNDLE` name another endpoint and whom to trust there, as they
//! do for AWS' own programs. `fieldveil keys rewrap` does the same, with a dry run first.
//!
//! ```text
//! cargo run --example rewrap_to_aws -- URI master-key.bin eu-central-1 arn:aws:kms:..
//! ```

use std::error::Error;

use bson::{Document, doc};
use fieldveil::{ClientEncryption, LocalKey};
use mongodb::options::TlsOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, master_key, region, key] = arguments.as_slice() else {
        return Err("usage: rewrap_to_aws URI MASTER_KEY_FILE REGION KEY_ARN".into());
    };
    let mut providers = LocalKey::from_file(master_key)?.to_kms_providers();
    // Empty: credentials are looked up when they are needed.
    providers.insert("aws", Document::new());
    let mut builder = ClientEncryption::builder(mongodb::Client::with_uri_str(uri).await?)
        .key_vault_namespace("encryption.__keyVault")
        .kms_providers(providers);
    let mut master_key = doc! { "region": region, "key": key };
    if let Ok(endpoint) = std::env::var("AWS_ENDPOINT_URL_KMS") {
        master_key.insert("endpoint", endpoint.trim_start_matches("https://"));
    }
    if let Ok(path) = std::env::var("AWS_CA_BUNDLE") {
        let mut tls = TlsOptions::default();
        tls.ca_file_path = Some(path.into());
        builder = builder.tls_options("aws", tls);
    }
    let keys = builder.build()?;
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
