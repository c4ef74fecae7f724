//! 7. Custom Endpoint.
//!
//! The clouds' own names lead to the services of the test, by a connect function of the caller.

use std::io;

use bson::{Document, doc};
use fieldveil::{
    Algorithm, ClientEncryption, EncryptKey, Error, Part,
    kms::{Connect, Socket},
};
use tokio::net::TcpStream;

use crate::{
    services::{ARN, Services},
    setup::{Deployment, KEY_VAULT},
};

/// The hosts that exist. Nothing but these names is resolved.
const HOSTS: [&str; 6] = [
    "kms.us-east-1.amazonaws.com",
    "kms.us-east-2.amazonaws.com",
    "login.microsoftonline.com",
    "test.vault.azure.net",
    "oauth2.googleapis.com",
    "cloudkms.googleapis.com",
];

struct Setup {
    deployment: Deployment,
    services: Services,
}

impl Setup {
    async fn new() -> Self {
        Self { deployment: Deployment::new().await, services: Services::new().await }
    }

    /// Leads the known hosts at the ports of their protocols to the services.
    fn connect(&self) -> Connect {
        let (http, kmip) = (self.services.http.port, self.services.kmip.port);
        Connect::callback(move |host, port| async move {
            let here = match (host.as_str(), port) {
                (host, 443) if HOSTS.contains(&host) => http,
                ("localhost", 5698) => kmip,
                ("localhost", _) => port,
                _ => {
                    let text = format!("failed to resolve {host}");
                    return Err(io::Error::new(io::ErrorKind::NotFound, text));
                }
            };
            let stream = TcpStream::connect(("127.0.0.1", here)).await?;
            Ok(Box::new(stream) as Box<dyn Socket>)
        })
    }

    fn client_encryption(&self, identity: &str, tokens: &str, kmip: &str) -> ClientEncryption {
        let mut providers = self.services.kms_providers();
        let mut set = |provider: &str, field: &str, value: &str| {
            providers.get_document_mut(provider).unwrap().insert(field, value);
        };
        set("azure", "identityPlatformEndpoint", identity);
        set("gcp", "endpoint", tokens);
        set("kmip", "endpoint", kmip);
        let mut builder = ClientEncryption::builder(self.deployment.client.clone())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(providers)
            .kms_connect(self.connect());
        for provider in ["aws", "azure", "gcp", "kmip"] {
            builder = builder.tls_options(provider, self.services.tls_options());
        }
        builder.build().unwrap()
    }

    fn valid(&self) -> ClientEncryption {
        self.client_encryption(
            "login.microsoftonline.com:443",
            "oauth2.googleapis.com:443",
            "localhost:5698",
        )
    }

    fn invalid(&self) -> ClientEncryption {
        self.client_encryption(
            "doesnotexist.invalid:443",
            "doesnotexist.invalid:443",
            "doesnotexist.invalid:5698",
        )
    }

    async fn succeeds(&self, provider: &str, master_key: Document) {
        let keys = self.valid();
        let id = keys.create_data_key(provider).master_key(master_key.clone()).await;
        let id = id.unwrap_or_else(|error| panic!("{provider} {master_key}: {error}"));
        let stored = self.deployment.key_vault().find_one(doc! { "_id": id.clone() }).await;
        let stored = stored.unwrap().unwrap().get_document("masterKey").unwrap().clone();
        assert_eq!(stored.get("endpoint"), master_key.get("endpoint"), "{provider}");
        let key = EncryptKey::Id(id);
        let ciphertext = keys.encrypt("test", key, Algorithm::Deterministic).await.unwrap();
        assert_eq!(self.valid().decrypt(&ciphertext).await.unwrap(), "test".into());
    }

    async fn fails(keys: &ClientEncryption, provider: &str, master_key: Document) -> Error {
        keys.create_data_key(provider).master_key(master_key).await.unwrap_err()
    }
}

fn aws(endpoint: Option<&str>) -> Document {
    let mut key = doc! { "region": "us-east-1", "key": ARN };
    if let Some(endpoint) = endpoint {
        key.insert("endpoint", endpoint);
    }
    key
}

fn gcp(endpoint: Option<&str>) -> Document {
    let mut key = doc! {
        "projectId": "test", "location": "global", "keyRing": "ring", "keyName": "name",
    };
    if let Some(endpoint) = endpoint {
        key.insert("endpoint", endpoint);
    }
    key
}

fn kmip(endpoint: Option<&str>) -> Document {
    let mut key = doc! { "keyId": "1" };
    if let Some(endpoint) = endpoint {
        key.insert("endpoint", endpoint);
    }
    key
}

fn assert_unresolved(error: &Error) {
    assert_eq!(error.part(), Part::Kms, "{error}");
    assert!(error.to_string().contains("failed to resolve doesnotexist.invalid"), "{error}");
}

#[tokio::test]
async fn cases_1_to_3_aws_with_its_own_endpoint_or_none() {
    let setup = Setup::new().await;
    for endpoint in
        [None, Some("kms.us-east-1.amazonaws.com"), Some("kms.us-east-1.amazonaws.com:443")]
    {
        setup.succeeds("aws", aws(endpoint)).await;
    }
}

#[tokio::test]
async fn case_4_kmip_where_nobody_listens() {
    let setup = Setup::new().await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let key = kmip(Some(&format!("localhost:{closed}")));
    let error = Setup::fails(&setup.valid(), "kmip", key).await;
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn case_5_aws_in_another_region() {
    let setup = Setup::new().await;
    setup.services.fail([crate::services::Fault::Reply(
        400,
        r#"{"__type": "NotFoundException", "message": "Invalid arn us-east-1"}"#,
    )]);
    let key = aws(Some("kms.us-east-2.amazonaws.com"));
    let error = Setup::fails(&setup.valid(), "aws", key).await;
    assert!(error.to_string().contains("us-east-1"), "{error}");
    let request = setup.services.take_requests().remove(0);
    assert_eq!(request.header("Host"), Some("kms.us-east-2.amazonaws.com"));
}

#[tokio::test]
async fn case_6_aws_at_a_host_that_does_not_exist() {
    let setup = Setup::new().await;
    let key = aws(Some("doesnotexist.invalid"));
    assert_unresolved(&Setup::fails(&setup.valid(), "aws", key).await);
}

#[tokio::test]
async fn case_7_azure_and_its_identity_platform() {
    let setup = Setup::new().await;
    let key = doc! { "keyVaultEndpoint": "test.vault.azure.net", "keyName": "name" };
    setup.succeeds("azure", key.clone()).await;
    assert_unresolved(&Setup::fails(&setup.invalid(), "azure", key).await);
}

#[tokio::test]
async fn case_8_gcp_and_its_token_service() {
    let setup = Setup::new().await;
    let key = gcp(Some("cloudkms.googleapis.com:443"));
    setup.succeeds("gcp", key.clone()).await;
    assert_unresolved(&Setup::fails(&setup.invalid(), "gcp", key).await);
}

#[tokio::test]
async fn case_9_gcp_refuses_a_token_for_another_endpoint() {
    let setup = Setup::new().await;
    // What Google answers when the scope of the assertion is none of its own.
    setup.services.fail([crate::services::Fault::Reply(200, "{}")]);
    let key = gcp(Some("doesnotexist.invalid:443"));
    let error = Setup::fails(&setup.valid(), "gcp", key).await;
    assert!(error.to_string().contains("Invalid KMS response"), "{error}");
}

#[tokio::test]
async fn case_10_kmip_at_the_endpoint_of_the_provider() {
    let setup = Setup::new().await;
    setup.succeeds("kmip", kmip(None)).await;
    assert_unresolved(&Setup::fails(&setup.invalid(), "kmip", kmip(None)).await);
}

#[tokio::test]
async fn cases_11_and_12_kmip_at_an_endpoint_of_the_key() {
    let setup = Setup::new().await;
    setup.succeeds("kmip", kmip(Some("localhost:5698"))).await;
    let key = kmip(Some("doesnotexist.invalid:5698"));
    assert_unresolved(&Setup::fails(&setup.valid(), "kmip", key).await);
}
