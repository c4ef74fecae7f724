//! Key services that the tests play themselves, over sockets with TLS: AWS, Azure and Google Cloud
//! at one port, KMIP at another. Wrapping is no encryption here, but a key that one provider
//! wrapped is unwrapped by that provider only.

#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "services/authority.rs"]
pub(crate) mod authority;
#[path = "services/front.rs"]
pub(crate) mod front;
#[path = "services/kmip.rs"]
mod kmip;
#[path = "services/process.rs"]
pub(crate) mod process;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, OnceLock},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use bson::{Binary, Document, doc, spec::BinarySubtype};
use fieldveil::{ClientEncryption, ClientEncryptionBuilder};
use mongodb::{Client, options::TlsOptions};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use authority::Authority;
use front::{Front, Request};

/// Every provider, in the order of [`Services::kms_providers`].
pub(crate) const PROVIDERS: [&str; 5] = ["aws", "azure", "gcp", "kmip", "local"];

pub(crate) const ACCESS_KEY_ID: &str = "AKIAEXAMPLEOFATEST";
pub(crate) const SECRET_ACCESS_KEY: &str = "secret/access+key of the AWS account";
pub(crate) const CLIENT_SECRET: &str = "client~secret.of the Azure application";
pub(crate) const TOKEN: &str = "token-that-azure-and-google-gave-out";

/// What happens to a request instead of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status and body.
    Reply(u16, &'static str),
    /// The connection is closed without a word.
    Drop,
    /// Half of the answer, then the end of the connection.
    Truncate,
    /// The answer, byte by byte.
    Dribble,
    /// Nothing, until the client hangs up.
    Stall,
}

/// All key services, and the authority that vouches for them.
pub(crate) struct Services {
    pub(crate) authority: Authority,
    pub(crate) http: Front,
    pub(crate) kmip: Front,
    clouds: Arc<Clouds>,
    objects: Arc<kmip::Objects>,
}

impl Services {
    pub(crate) async fn new() -> Self {
        let authority = Authority::new();
        let clouds = Arc::new(Clouds::default());
        let objects = Arc::new(kmip::Objects::new());
        let http = {
            let clouds = Arc::clone(&clouds);
            Front::tls(authority.server(), None, move |stream| {
                let clouds = Arc::clone(&clouds);
                async move { clouds.serve(stream).await }
            })
            .await
        };
        let kmip = {
            let objects = Arc::clone(&objects);
            Front::tls(authority.server(), Some(&authority), move |stream| {
                let objects = Arc::clone(&objects);
                async move { objects.serve(stream).await }
            })
            .await
        };
        Self { authority, http, kmip, clouds, objects }
    }

    /// Credentials for all providers, and where they are.
    pub(crate) fn kms_providers(&self) -> Document {
        let endpoint = self.http.endpoint();
        let local = Binary { subtype: BinarySubtype::Generic, bytes: (100..196).collect() };
        doc! {
            "aws": { "accessKeyId": ACCESS_KEY_ID, "secretAccessKey": SECRET_ACCESS_KEY },
            "azure": {
                "tenantId": "tenant",
                "clientId": "client",
                "clientSecret": CLIENT_SECRET,
                "identityPlatformEndpoint": &endpoint,
            },
            "gcp": {
                "email": "app@test.iam.gserviceaccount.com",
                "privateKey": private_key(),
                "endpoint": endpoint,
            },
            "kmip": { "endpoint": self.kmip.endpoint() },
            "local": { "key": local },
        }
    }

    /// A master key of the provider, named or not.
    pub(crate) fn master_key(&self, provider: &str) -> Option<Document> {
        master_key(provider, &self.http.endpoint())
    }

    /// TLS options that trust the authority, with a client certificate.
    pub(crate) fn tls_options(&self) -> TlsOptions {
        let mut options = self.tls_without_certificate();
        options.cert_key_file_path = Some(self.authority.client_file());
        options
    }

    /// TLS options that only trust the authority.
    pub(crate) fn tls_without_certificate(&self) -> TlsOptions {
        let mut options = TlsOptions::default();
        options.ca_file_path = Some(self.authority.file());
        options
    }

    /// A builder of explicit encryption with all providers.
    pub(crate) fn client_encryption(&self, client: Client) -> ClientEncryptionBuilder {
        self.client_encryption_with(client, self.kms_providers())
    }

    /// As [`client_encryption`](Self::client_encryption), with these providers.
    pub(crate) fn client_encryption_with(
        &self,
        client: Client,
        providers: Document,
    ) -> ClientEncryptionBuilder {
        let mut builder =
            ClientEncryption::builder(client).key_vault_namespace("keyvault.datakeys");
        for provider in providers.keys().filter(|name| !name.starts_with("local")) {
            builder = builder.tls_options(provider, self.tls_options());
        }
        builder.kms_providers(providers)
    }

    /// What happens to the next requests to AWS, Azure and Google Cloud, one each.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.clouds.faults.lock().unwrap().extend(faults);
    }

    /// Tokens are good for so many seconds from now on.
    pub(crate) fn set_token_lifetime(&self, seconds: u64) {
        *self.clouds.lifetime.lock().unwrap() = seconds;
    }

    /// The requests to AWS, Azure and Google Cloud since the last call, answered or not.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.clouds.requests.lock().unwrap())
    }

    /// Everything secret that the services were given or gave out.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets = self.clouds.data_keys.lock().unwrap().clone();
        secrets.extend(self.objects.secrets());
        secrets.extend([SECRET_ACCESS_KEY, CLIENT_SECRET, TOKEN].map(|text| text.into()));
        secrets.push(STANDARD.decode(private_key()).unwrap());
        secrets.push((100..196).collect());
        secrets
    }
}

/// Where the tests are run with a log, the search of it has to know what is secret.
impl Drop for Services {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("FIELDVEIL_TEST_SECRETS") else { return };
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let lines = self.secrets().into_iter().map(|secret| STANDARD.encode(secret) + "\n");
        let text: String = lines.collect();
        io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
    }
}

/// A master key of the provider, at this endpoint.
pub(crate) fn master_key(provider: &str, endpoint: &str) -> Option<Document> {
    match provider.split(':').next().unwrap_or_default() {
        "aws" => Some(doc! { "region": "us-east-1", "key": ARN, "endpoint": endpoint }),
        "azure" => Some(doc! { "keyVaultEndpoint": endpoint, "keyName": "foo" }),
        "gcp" => Some(doc! {
            "projectId": "foo", "location": "bar", "keyRing": "baz", "keyName": "qux",
            "endpoint": endpoint,
        }),
        "kmip" => Some(doc! {}),
        _ => None,
    }
}

pub(crate) const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/of-a-test";

/// The private key of a service account; one for all tests, since making it takes a while.
fn private_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        STANDARD.encode(KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_der())
    })
}

struct Clouds {
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<Request>>,
    data_keys: Mutex<Vec<Vec<u8>>>,
    lifetime: Mutex<u64>,
}

impl Default for Clouds {
    fn default() -> Self {
        Self {
            faults: Mutex::default(),
            requests: Mutex::default(),
            data_keys: Mutex::default(),
            lifetime: Mutex::new(3600),
        }
    }
}

impl Clouds {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let request = Request::read(&mut stream).await?;
        self.requests.lock().unwrap().push(request.clone());
        let fault = self.faults.lock().unwrap().pop_front();
        let answer = || {
            let (status, body) = self.answer(&request);
            front::reply_bytes(status, &body)
        };
        match fault {
            None => stream.write_all(answer().as_bytes()).await?,
            Some(Fault::Reply(status, body)) => front::reply(&mut stream, status, body).await?,
            Some(Fault::Drop) => return Ok(()),
            Some(Fault::Truncate) => {
                let answer = answer();
                stream.write_all(&answer.as_bytes()[..answer.len() / 2]).await?;
            }
            Some(Fault::Dribble) => {
                for byte in answer().as_bytes() {
                    stream.write_all(&[*byte]).await?;
                    stream.flush().await?;
                }
            }
            Some(Fault::Stall) => {
                // Nothing more comes: this waits for the client to hang up.
                let _ = stream.read_u8().await?;
            }
        }
        stream.flush().await
    }

    fn answer(&self, request: &Request) -> (u16, String) {
        let target = request.target().split('?').next().unwrap_or_default();
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match request.header("X-Amz-Target") {
            Some("TrentService.Encrypt") => {
                let wrapped = self.wrap("aws", &STANDARD.decode(field("Plaintext")).unwrap());
                return ok("CiphertextBlob", &STANDARD.encode(wrapped));
            }
            Some(_) => {
                let wrapped = STANDARD.decode(field("CiphertextBlob")).unwrap();
                return self.unwrapped("aws", &wrapped, "Plaintext", |key| STANDARD.encode(key));
            }
            None => {}
        }
        if target.ends_with("/token") {
            let lifetime = *self.lifetime.lock().unwrap();
            let token = format!(
                r#"{{"access_token": "{TOKEN}", "expires_in": {lifetime}, "token_type": "Bearer"}}"#
            );
            return (200, token);
        }
        if request.header("Authorization") != Some(&format!("Bearer {TOKEN}")) {
            return (401, r#"{"error": {"code": "Unauthorized"}}"#.to_owned());
        }
        if target.ends_with("/wrapkey") {
            let wrapped = self.wrap("azure", &URL_SAFE.decode(field("value")).unwrap());
            ok("value", &URL_SAFE.encode(wrapped))
        } else if target.ends_with("/unwrapkey") {
            let wrapped = URL_SAFE.decode(field("value")).unwrap();
            self.unwrapped("azure", &wrapped, "value", |key| URL_SAFE.encode(key))
        } else if target.ends_with(":encrypt") {
            let wrapped = self.wrap("gcp", &STANDARD.decode(field("plaintext")).unwrap());
            ok("ciphertext", &STANDARD.encode(wrapped))
        } else if target.ends_with(":decrypt") {
            let wrapped = STANDARD.decode(field("ciphertext")).unwrap();
            self.unwrapped("gcp", &wrapped, "plaintext", |key| STANDARD.encode(key))
        } else {
            (404, r#"{"error": "nothing here"}"#.to_owned())
        }
    }

    fn wrap(&self, provider: &str, data_key: &[u8]) -> Vec<u8> {
        assert_eq!(data_key.len(), 96, "the length of a data key");
        self.data_keys.lock().unwrap().push(data_key.to_vec());
        [provider.as_bytes(), &data_key.iter().map(|byte| byte ^ 0xA5).collect::<Vec<_>>()].concat()
    }

    fn unwrapped(
        &self,
        provider: &str,
        wrapped: &[u8],
        field: &str,
        encode: impl Fn(&[u8]) -> String,
    ) -> (u16, String) {
        match wrapped.strip_prefix(provider.as_bytes()) {
            Some(masked) => {
                let key: Vec<u8> = masked.iter().map(|byte| byte ^ 0xA5).collect();
                ok(field, &encode(&key))
            }
            None => (400, r#"{"__type": "InvalidCiphertextException"}"#.to_owned()),
        }
    }
}

fn ok(field: &str, value: &str) -> (u16, String) {
    (200, format!(r#"{{"{field}": "{value}"}}"#))
}
