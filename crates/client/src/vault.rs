//! HashiCorp Vault as the home of a local master key.
//!
//! A data key's document names the provider that wrapped it, and every driver has to know that
//! name: there is none for Vault. So Vault keeps or guards the 96 bytes of the provider `local`:
//!
//! - **KV v2** ([`KvSecret`]): Vault stores the master key, and the application reads it at start.
//! - **Transit** ([`TransitKey`]): Vault stores a key of its own that never leaves it. What the
//!   application is configured with is the master key encrypted under that key, which is no secret,
//!   and Vault decrypts it at start. Whoever has the configuration but not Vault has nothing;
//!   Vault's audit log says who asked, and a policy takes the right away again. The key in Vault
//!   may be rotated: old ciphertexts stay good until `min_decryption_version` says otherwise.
//!
//! In both cases the master key stands in the memory of the application while it runs. Where it may
//! not, use a key service that wraps on its own side: AWS, Azure, GCP, or KMIP with `delegated`,
//! which Vault Enterprise speaks as well.
//!
//! ```no_run
//! use fieldveil::vault::{KvSecret, TransitKey, Vault, VaultAuth};
//!
//! # async fn run(token: String, ciphertext: String) -> Result<(), fieldveil::vault::VaultError> {
//! let vault = Vault::builder("https://vault.example.internal:8200")
//!     .auth(VaultAuth::token(token))
//!     .build()?;
//! let key = vault.read_local_key(&KvSecret::new("secret", "fieldveil", "master_key")).await?;
//!
//! let transit = TransitKey::new("transit", "fieldveil");
//! let key = vault.unwrap_local_key(&transit, &ciphertext).await?;
//! let providers = key.to_kms_providers();
//! # Ok(())
//! # }
//! ```
//!
//! Source: HashiCorp, "KV secrets engine - version 2 (API)", "Transit secrets engine (API)",
//! "AppRole auth method (API)".

mod address;
mod auth;
mod error;
mod json;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mongodb::options::Tls;
use rustls::ClientConfig;
use zeroize::Zeroizing;

use crate::{
    LocalKey,
    kms::{
        self, Connect,
        http::{Request, Response},
    },
};
use address::Address;
use auth::Login;

pub use auth::VaultAuth;
pub use error::VaultError;

/// How long one request may take, if the caller does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A Vault server, and who asks it.
pub struct Vault {
    address: Address,
    tls: Arc<ClientConfig>,
    namespace: Option<String>,
    auth: VaultAuth,
    connect: Connect,
    timeout: Duration,
}

/// The place of a master key in a KV secrets engine, version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvSecret {
    mount: String,
    path: String,
    field: String,
    version: Option<u64>,
}

impl KvSecret {
    /// The field `field` of the secret at `path` in the engine at `mount`; it holds base64.
    pub fn new(
        mount: impl Into<String>,
        path: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        Self { mount: mount.into(), path: path.into(), field: field.into(), version: None }
    }

    /// This version of the secret instead of the current one.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

/// A key of a Transit secrets engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitKey {
    mount: String,
    name: String,
}

impl TransitKey {
    /// The key `name` in the engine at `mount`.
    pub fn new(mount: impl Into<String>, name: impl Into<String>) -> Self {
        Self { mount: mount.into(), name: name.into() }
    }
}

impl Vault {
    /// Begins to configure access to the server at `address`, as `https://host:8200`.
    ///
    /// Plain `http` is taken for this machine only.
    pub fn builder(address: impl Into<String>) -> VaultBuilder {
        VaultBuilder {
            address: address.into(),
            tls: Tls::Enabled(Default::default()),
            namespace: None,
            auth: None,
            connect: Connect::Direct,
            timeout: TIMEOUT,
        }
    }

    /// Reads a local master key from KV v2. The policy needs `read` on `MOUNT/data/PATH`.
    ///
    /// # Errors
    /// If Vault cannot be reached or refuses, or holds something else there.
    pub async fn read_local_key(&self, secret: &KvSecret) -> Result<LocalKey, VaultError> {
        let path = kv_path(secret)?;
        let query = secret.version.map(|version| format!("?version={version}"));
        let target = format!("{path}{}", query.unwrap_or_default());
        let token = self.login().await?;
        let response = self.ask("GET", &target, Some(&token), None).await?;
        let text = json::text_at(&response.body, &["data", "data", &secret.field]);
        let text = text.ok_or_else(|| VaultError::Answer {
            path: path.clone(),
            missing: format!("the field '{}' with a text", secret.field),
        })?;
        self.key(&text, &path)
    }

    /// Stores a local master key in KV v2 where no secret is yet; one that is there is never
    /// overwritten. The policy needs `create` on `MOUNT/data/PATH`.
    ///
    /// # Errors
    /// If Vault cannot be reached or refuses, or has a secret at that path.
    pub async fn write_local_key(
        &self,
        secret: &KvSecret,
        key: &LocalKey,
    ) -> Result<(), VaultError> {
        let path = kv_path(secret)?;
        let field = serde_json::Value::from(secret.field.as_str());
        let encoded = Zeroizing::new(STANDARD.encode(key.expose()));
        // Check-and-set with version 0: only if there is none.
        let body = Zeroizing::new(format!(
            r#"{{"options": {{"cas": 0}}, "data": {{{field}: "{}"}}}}"#,
            *encoded
        ));
        let token = self.login().await?;
        match self.ask("POST", &path, Some(&token), Some(&body)).await {
            Err(VaultError::Refused { status: 400, errors, .. })
                if errors.contains("check-and-set") =>
            {
                Err(VaultError::Exists { path })
            }
            other => other.map(|_| ()),
        }
    }

    /// Decrypts a local master key by Transit. The policy needs `update` on `MOUNT/decrypt/NAME`.
    ///
    /// # Errors
    /// If Vault cannot be reached or refuses, or decrypts to something else.
    pub async fn unwrap_local_key(
        &self,
        key: &TransitKey,
        ciphertext: &str,
    ) -> Result<LocalKey, VaultError> {
        let path = transit_path(key, "decrypt")?;
        let ciphertext = serde_json::Value::from(ciphertext.trim());
        let body = format!(r#"{{"ciphertext": {ciphertext}}}"#);
        let token = self.login().await?;
        let response = self.ask("POST", &path, Some(&token), Some(&body)).await?;
        let text = json::text_at(&response.body, &["data", "plaintext"]);
        let text = text.ok_or_else(|| VaultError::Answer {
            path: path.clone(),
            missing: "data.plaintext".to_owned(),
        })?;
        self.key(&text, &path)
    }

    /// Encrypts a local master key by Transit; what comes out (`vault:v1:..`) is no secret. The
    /// policy needs `update` on `MOUNT/encrypt/NAME`.
    ///
    /// # Errors
    /// If Vault cannot be reached or refuses, or does not encrypt.
    pub async fn wrap_local_key(
        &self,
        key: &TransitKey,
        master_key: &LocalKey,
    ) -> Result<String, VaultError> {
        let path = transit_path(key, "encrypt")?;
        let encoded = Zeroizing::new(STANDARD.encode(master_key.expose()));
        let body = Zeroizing::new(format!(r#"{{"plaintext": "{}"}}"#, *encoded));
        let token = self.login().await?;
        let response = self.ask("POST", &path, Some(&token), Some(&body)).await?;
        let text = json::text_at(&response.body, &["data", "ciphertext"]);
        text.filter(|text| text.starts_with("vault:"))
            .map(|text| text.to_string())
            .ok_or_else(|| VaultError::Answer { path, missing: "data.ciphertext".to_owned() })
    }

    /// A token: the given one, or that of a new login.
    async fn login(&self) -> Result<Zeroizing<String>, VaultError> {
        match self.auth.login()? {
            Login::Token(token) => Ok(Zeroizing::new(token.to_owned())),
            Login::AppRole { path, body } => {
                let response = self.ask("POST", &path, None, Some(&body)).await?;
                json::text_at(&response.body, &["auth", "client_token"]).ok_or_else(|| {
                    VaultError::Answer { path, missing: "auth.client_token".to_owned() }
                })
            }
        }
    }

    async fn ask(
        &self,
        method: &'static str,
        target: &str,
        token: Option<&Zeroizing<String>>,
        body: Option<&str>,
    ) -> Result<Response, VaultError> {
        // Vault's own programs send it; proxies inside a node ask for it.
        let mut headers = vec![("X-Vault-Request", Zeroizing::new("true".to_owned()))];
        if let Some(token) = token {
            headers.push(("X-Vault-Token", token.clone()));
        }
        if let Some(namespace) = &self.namespace {
            headers.push(("X-Vault-Namespace", Zeroizing::new(namespace.clone())));
        }
        let path = format!("{}/v1/{target}", self.address.prefix);
        let request = Request {
            method,
            host: &self.address.host,
            port: self.address.port,
            path: &path,
            headers,
            body,
            connect: &self.connect,
            tls: self.address.is_https.then(|| Arc::clone(&self.tls)),
            timeout: self.timeout,
        };
        let response = request.send().await.map_err(|source| VaultError::Unreachable {
            address: self.address.to_string(),
            source,
        })?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let path = target.split('?').next().unwrap_or_default();
        Err(error::of_status(&self.address, path, response.status, &response.body))
    }

    fn key(&self, text: &str, path: &str) -> Result<LocalKey, VaultError> {
        let source = || format!("{path} in Vault at {}", self.address);
        Ok(LocalKey::decode(text.as_bytes(), source)?)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("address", &self.address.to_string())
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`Vault`].
#[derive(Debug)]
#[must_use]
pub struct VaultBuilder {
    address: String,
    tls: Tls,
    namespace: Option<String>,
    auth: Option<VaultAuth>,
    connect: Connect,
    timeout: Duration,
}

impl VaultBuilder {
    /// Who asks. Required.
    pub fn auth(mut self, auth: VaultAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// TLS options: CA file, client certificate.
    pub fn tls_options(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = tls.into();
        self
    }

    /// The namespace, in Vault Enterprise.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// How connections are made: directly, through a proxy, or by the caller.
    pub fn connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }

    /// How long one request may take; 10 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks the settings; nothing is sent yet.
    ///
    /// # Errors
    /// If one is missing or wrong.
    pub fn build(self) -> Result<Vault, VaultError> {
        let auth = self.auth.ok_or(VaultError::NoAuth)?;
        auth.check()?;
        if self.namespace.as_ref().is_some_and(|name| name.bytes().any(|b| b.is_ascii_control())) {
            return Err(VaultError::Character { what: "namespace" });
        }
        let tls = kms::tls::client_config(&self.tls).map_err(VaultError::Tls)?;
        Ok(Vault {
            address: Address::parse(&self.address)?,
            tls: Arc::new(tls),
            namespace: self.namespace,
            auth,
            connect: self.connect,
            timeout: self.timeout,
        })
    }
}

fn kv_path(secret: &KvSecret) -> Result<String, VaultError> {
    Ok(format!(
        "{}/data/{}",
        address::path("mount", &secret.mount)?,
        address::path("path", &secret.path)?
    ))
}

fn transit_path(key: &TransitKey, verb: &str) -> Result<String, VaultError> {
    Ok(format!(
        "{}/{verb}/{}",
        address::path("mount", &key.mount)?,
        address::path("key name", &key.name)?
    ))
}

#[cfg(test)]
mod tests;
