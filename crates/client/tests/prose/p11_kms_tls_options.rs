//! 11. KMS TLS Options.
//!
//! Case 5 does not apply: the driver has no option that turns OCSP off, and none is looked up.

use bson::{Document, doc};
use fieldveil::ClientEncryption;
use mongodb::options::TlsOptions;

use crate::{
    services::{
        Services,
        front::{Front, Request, reply},
        master_key,
    },
    setup::{Deployment, KEY_VAULT},
};

/// The services of the cases: each has one fault, or none.
struct Setup {
    deployment: Deployment,
    services: Services,
    expired: Front,
    wrong_host: Front,
    /// Demands client certificates, and has no keys.
    with_clients: Front,
}

impl Setup {
    async fn new() -> Self {
        let services = Services::new().await;
        let authority = &services.authority;
        let with_clients =
            Front::tls(authority.server(), Some(authority), |mut stream| async move {
                let request = Request::read(&mut stream).await?;
                let is_aws = request.header("X-Amz-Target").is_some();
                // No JSON for AWS, and an error in JSON for the others.
                let (status, body) = if is_aws { (200, "parse me") } else { (404, "{}") };
                reply(&mut stream, status, body).await
            })
            .await;
        Self {
            expired: Front::tls(authority.expired(), None, |_| async { Ok(()) }).await,
            wrong_host: Front::tls(authority.wrong_host(), None, |_| async { Ok(()) }).await,
            with_clients,
            deployment: Deployment::new().await,
            services,
        }
    }

    /// All providers at these endpoints, each name with its TLS options.
    fn client_encryption(
        &self,
        endpoint: &str,
        kmip: &str,
        names: &[(&str, TlsOptions)],
    ) -> ClientEncryption {
        let mut providers = Document::new();
        let mut builder = ClientEncryption::builder(self.deployment.client.clone())
            .key_vault_namespace(KEY_VAULT);
        for (name, tls) in names {
            for (provider, credentials) in self.services.kms_providers() {
                let mut credentials = credentials.as_document().unwrap().clone();
                match provider.as_str() {
                    "azure" => credentials.insert("identityPlatformEndpoint", endpoint),
                    "gcp" => credentials.insert("endpoint", endpoint),
                    "kmip" => credentials.insert("endpoint", kmip),
                    _ => None,
                };
                let id = format!("{provider}{name}");
                builder = builder.tls_options(&id, tls.clone());
                providers.insert(id, credentials);
            }
        }
        builder.kms_providers(providers).build().unwrap()
    }

    /// The endpoints of the first two objects of the setup.
    fn with_clients(&self, names: &[(&str, TlsOptions)]) -> ClientEncryption {
        self.client_encryption(&self.with_clients.endpoint(), &self.services.kmip.endpoint(), names)
    }

    fn at(&self, front: &Front) -> ClientEncryption {
        let tls = self.services.tls_without_certificate();
        self.client_encryption(&front.endpoint(), &front.endpoint(), &[("", tls)])
    }

    /// What comes of making a data key: its error, or nothing.
    async fn create(keys: &ClientEncryption, provider: &str, endpoint: &str) -> Option<String> {
        let key = match provider.split(':').next() {
            // Not reached: the token service comes first.
            Some("azure") => doc! { "keyVaultEndpoint": "doesnotexist.invalid", "keyName": "foo" },
            Some("gcp") => {
                doc! { "projectId": "foo", "location": "bar", "keyRing": "baz", "keyName": "foo" }
            }
            _ => master_key(provider, endpoint).unwrap(),
        };
        let created = keys.create_data_key(provider).master_key(key).await;
        created.err().map(|error| error.to_string())
    }

    async fn try_provider(&self, provider: &str, after_handshake: Option<&str>) {
        let without = self.with_clients(&[("", self.services.tls_without_certificate())]);
        let with = self.with_clients(&[("", self.services.tls_options())]);
        self.try_certificates(provider, provider, &without, &with, after_handshake).await;

        for (front, expected) in
            [(&self.expired, "certificate expired"), (&self.wrong_host, "not valid for name")]
        {
            let refused = Self::create(&self.at(front), provider, &front.endpoint()).await;
            assert_contains(refused, expected);
        }
    }

    async fn try_certificates(
        &self,
        name_without: &str,
        name_with: &str,
        without: &ClientEncryption,
        with: &ClientEncryption,
        after_handshake: Option<&str>,
    ) {
        let endpoint = self.with_clients.endpoint();
        let refused = Self::create(without, name_without, &endpoint).await;
        assert_contains(refused, "CertificateRequired");
        let accepted = Self::create(with, name_with, &endpoint).await;
        match after_handshake {
            Some(expected) => assert_contains(accepted, expected),
            None => assert_eq!(accepted, None),
        }
    }
}

fn assert_contains(error: Option<String>, expected: &str) {
    let error = error.unwrap_or_default();
    assert!(error.contains(expected), "{expected}: {error}");
}

#[tokio::test]
async fn case_1_aws() {
    Setup::new().await.try_provider("aws", Some("parse error")).await;
}

#[tokio::test]
async fn case_2_azure() {
    Setup::new().await.try_provider("azure", Some("HTTP status=404")).await;
}

#[tokio::test]
async fn case_3_gcp() {
    Setup::new().await.try_provider("gcp", Some("HTTP status=404")).await;
}

#[tokio::test]
async fn case_4_kmip() {
    Setup::new().await.try_provider("kmip", None).await;
}

#[tokio::test]
async fn case_6_named_providers_have_tls_options_of_their_own() {
    let setup = Setup::new().await;
    let keys = setup.with_clients(&[
        (":no_client_cert", setup.services.tls_without_certificate()),
        (":with_tls", setup.services.tls_options()),
    ]);
    for (provider, expected) in [
        ("aws", Some("parse error")),
        ("azure", Some("HTTP status=404")),
        ("gcp", Some("HTTP status=404")),
        ("kmip", None),
    ] {
        let (without, with) =
            (format!("{provider}:no_client_cert"), format!("{provider}:with_tls"));
        setup.try_certificates(&without, &with, &keys, &keys, expected).await;
    }
}
