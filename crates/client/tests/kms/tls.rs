//! TLS options that are refused. Those that are used are prose tests 10 and 11.

use fieldveil::{ConfigError, EncryptedClient, Error};
use mongodb::options::{Tls, TlsOptions};

use crate::{Database, services::Services};

fn insecure() -> TlsOptions {
    let mut options = TlsOptions::default();
    options.allow_invalid_certificates = Some(true);
    options
}

#[tokio::test]
async fn insecure_options_are_refused_with_the_documented_message() {
    let (database, services) = (Database::new().await, Services::new().await);
    for provider in ["aws", "azure", "gcp", "kmip"] {
        for (tls, expected) in [
            (Tls::from(insecure()), "Insecure TLS options prohibited"),
            (Tls::Disabled, "TLS is required"),
        ] {
            let builder = services.client_encryption(database.client.clone());
            let error = builder.tls_options(provider, tls.clone()).build().unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::Config(ConfigError::Tls { .. })), "{text}");
            assert!(text.contains(expected) && text.contains(provider), "{text}");

            let builder = EncryptedClient::builder(database.uri.as_str())
                .key_vault_namespace("keyvault.datakeys")
                .kms_providers(services.kms_providers())
                .tls_options(provider, tls);
            let error = builder.build().await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let (database, services) = (Database::new().await, Services::new().await);
    let mut options = services.tls_options();
    options.ca_file_path = Some("no-such-ca.pem".into());
    let builder = services.client_encryption(database.client.clone());
    let error = builder.tls_options("kmip", options).build().unwrap_err();
    assert!(error.to_string().contains("no-such-ca.pem"), "{error}");
}
