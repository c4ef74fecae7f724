//! KMS providers as the configuration file names them. Secrets do not stand in it: it says which
//! file or environment variable holds them.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use bson::{Document, doc};
use fieldveil::LocalKey;
use mongodb::options::TlsOptions;
use serde::{Deserialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Environment,
    vault::{VaultKey, VaultTable},
};

/// The fields of one provider for the client, and how TLS is spoken with it.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) fields: Document,
    pub(super) tls: Option<TlsOptions>,
    /// Where the fields of a local provider are to be had, if not from here.
    pub(super) vault: Option<VaultKey>,
}

impl Provider {
    fn new(fields: Document, tls: Option<TlsOptions>) -> Self {
        Self { fields, tls, vault: None }
    }
}

/// Reads the table `[providers.NAME]`.
pub(super) fn read(
    name: &str,
    table: &toml::Table,
    env: Environment<'_>,
) -> anyhow::Result<Provider> {
    let kind = name.split_once(':').map_or(name, |(kind, _)| kind);
    let provider = match kind {
        "local" => parse::<Local>(table)?.provider(env),
        "aws" => parse::<Aws>(table)?.provider(env),
        "azure" => parse::<Azure>(table)?.provider(env),
        "gcp" => parse::<Gcp>(table)?.provider(env),
        "kmip" => parse::<Kmip>(table).map(Kmip::provider),
        _ => bail!(
            "no such KMS provider: aws, azure, gcp, kmip and local are known, each also with a name, as aws:eu"
        ),
    };
    provider.with_context(|| format!("[providers.{name}]"))
}

fn parse<T: DeserializeOwned>(table: &toml::Table) -> anyhow::Result<T> {
    Ok(T::deserialize(table.clone())?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Local {
    key: KeySource,
}

/// Where a local master key comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySource {
    file: Option<PathBuf>,
    #[serde(default)]
    allow_shared: bool,
    env: Option<String>,
    #[serde(default)]
    stdin: bool,
    vault: Option<VaultTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aws {
    access_key_id: Option<String>,
    secret_access_key: Option<Source>,
    session_token: Option<Source>,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Azure {
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Source>,
    identity_platform_endpoint: Option<String>,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gcp {
    email: Option<String>,
    private_key: Option<Source>,
    endpoint: Option<String>,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kmip {
    endpoint: String,
    tls: Option<Tls>,
}

/// Where a secret stands.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    Env(String),
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    ca_file: Option<PathBuf>,
    certificate_key_file: Option<PathBuf>,
}

impl Local {
    fn provider(self, env: Environment<'_>) -> anyhow::Result<Provider> {
        let key = match self.key {
            KeySource { file: Some(file), allow_shared, env: None, stdin: false, vault: None } => {
                super::key_file(&file, allow_shared)?
            }
            KeySource { file: None, env: Some(variable), stdin: false, vault: None, .. } => {
                let value = Source::Env(variable.clone()).read(env)?;
                LocalKey::decode(value.as_bytes(), || {
                    format!("the environment variable {variable}")
                })?
            }
            KeySource { file: None, env: None, stdin: true, vault: None, .. } => {
                LocalKey::from_stdin()?
            }
            KeySource { file: None, env: None, stdin: false, vault: Some(table), .. } => {
                let vault = Some(table.key(env).context("key.vault")?);
                return Ok(Provider { fields: Document::new(), tls: None, vault });
            }
            _ => bail!(
                "say where the key is with one of file = \"..\", env = \"..\", stdin = true and vault"
            ),
        };
        Ok(Provider::new(key.to_provider(), None))
    }
}

impl Aws {
    fn provider(self, env: Environment<'_>) -> anyhow::Result<Provider> {
        let tls = self.tls.map(Tls::options);
        let fields = match (self.access_key_id, self.secret_access_key) {
            (None, None) => Document::new(),
            (Some(id), Some(secret)) => {
                let mut fields = doc! { "accessKeyId": id };
                fields.insert("secretAccessKey", secret.read(env)?.as_str());
                if let Some(token) = self.session_token {
                    fields.insert("sessionToken", token.read(env)?.as_str());
                }
                fields
            }
            _ => bail!(
                "access_key_id and secret_access_key go together; without both, credentials are looked up when they are needed"
            ),
        };
        Ok(Provider::new(fields, tls))
    }
}

impl Azure {
    fn provider(self, env: Environment<'_>) -> anyhow::Result<Provider> {
        let tls = self.tls.map(Tls::options);
        let fields = match (self.tenant_id, self.client_id, self.client_secret) {
            (None, None, None) => Document::new(),
            (Some(tenant), Some(client), Some(secret)) => {
                let mut fields = doc! { "tenantId": tenant, "clientId": client };
                fields.insert("clientSecret", secret.read(env)?.as_str());
                if let Some(endpoint) = self.identity_platform_endpoint {
                    fields.insert("identityPlatformEndpoint", endpoint);
                }
                fields
            }
            _ => bail!(
                "tenant_id, client_id and client_secret go together; without them, the token of the machine is used"
            ),
        };
        Ok(Provider::new(fields, tls))
    }
}

impl Gcp {
    fn provider(self, env: Environment<'_>) -> anyhow::Result<Provider> {
        let tls = self.tls.map(Tls::options);
        let fields = match (self.email, self.private_key) {
            (None, None) => Document::new(),
            (Some(email), Some(key)) => {
                let mut fields = doc! { "email": email };
                fields.insert("privateKey", pem_body(&key.read(env)?).as_str());
                if let Some(endpoint) = self.endpoint {
                    fields.insert("endpoint", endpoint);
                }
                fields
            }
            _ => bail!(
                "email and private_key go together; without them, the token of the machine is used"
            ),
        };
        Ok(Provider::new(fields, tls))
    }
}

impl Kmip {
    fn provider(self) -> Provider {
        Provider::new(doc! { "endpoint": self.endpoint }, self.tls.map(Tls::options))
    }
}

impl Source {
    /// The secret, without the line end of a file.
    pub(super) fn read(&self, env: Environment<'_>) -> anyhow::Result<Zeroizing<String>> {
        match self {
            Self::Env(variable) => env(variable)
                .map(Zeroizing::new)
                .with_context(|| format!("the environment variable {variable} is not set")),
            Self::File(path) => {
                let text = fs::read_to_string(path).map(Zeroizing::new);
                let text = text.with_context(|| format!("the file {}", path.display()))?;
                Ok(Zeroizing::new(text.trim_end().to_owned()))
            }
        }
    }
}

impl Tls {
    fn options(self) -> TlsOptions {
        let mut options = TlsOptions::default();
        options.ca_file_path = self.ca_file;
        options.cert_key_file_path = self.certificate_key_file;
        options
    }
}

/// The base64 of a PEM file, or the text as it is if it is no PEM.
fn pem_body(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.lines().filter(|line| !line.starts_with("-----")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, toml: &str) -> anyhow::Result<Provider> {
        let env = |variable: &str| (variable == "SECRET").then(|| "hidden".to_owned());
        super::read(name, &toml.parse().unwrap(), &env)
    }

    #[test]
    fn an_empty_table_asks_for_credentials_on_demand() {
        for name in ["aws", "azure", "gcp"] {
            assert_eq!(read(name, "").unwrap().fields, doc! {});
        }
    }

    #[test]
    fn secrets_are_read_from_where_the_file_says() {
        let aws = read("aws:eu", "access_key_id = 'A'\nsecret_access_key.env = 'SECRET'").unwrap();
        assert_eq!(aws.fields, doc! { "accessKeyId": "A", "secretAccessKey": "hidden" });
        let error = read("aws", "access_key_id = 'A'\nsecret_access_key.env = 'NONE'").unwrap_err();
        assert!(format!("{error:#}").contains("NONE is not set"), "{error:#}");
    }

    #[test]
    fn a_secret_in_the_file_itself_is_refused() {
        let error = read("aws", "access_key_id = 'A'\nsecret_access_key = 'hidden'").unwrap_err();
        assert!(!format!("{error:#}").contains("'hidden'"), "{error:#}");
    }

    #[test]
    fn halves_and_unknown_names_are_errors() {
        assert!(read("aws", "access_key_id = 'A'").is_err());
        assert!(read("azure", "tenant_id = 'A'").is_err());
        assert!(read("local", "key = {}").is_err());
        assert!(read("vault", "").is_err());
        assert!(read("kmip", "endpoint = 'h:1'\nport = 1").is_err());
    }

    #[test]
    fn a_pem_file_gives_its_body() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----";
        assert_eq!(pem_body(pem).as_str(), "AAAABBBB");
    }
}
