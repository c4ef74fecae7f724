//! The credentials of one provider.

use std::fmt;

use bson::RawDocument;
use fieldveil_crypto::{DataKey, Secret};

use crate::document::Options;
use crate::{ConfigError, Endpoint, ProviderKind, SecretBytes, SecretText};

/// What a key service asks its users for.
#[non_exhaustive]
pub enum Credentials {
    /// AWS KMS.
    Aws(AwsCredentials),
    /// Azure Key Vault.
    Azure(AzureCredentials),
    /// Google Cloud KMS.
    Gcp(GcpCredentials),
    /// A KMIP server; its credentials are the client certificate of the TLS connection.
    Kmip {
        /// Where it listens, unless a master key says otherwise.
        endpoint: Endpoint,
    },
    /// The master key itself.
    Local(Box<DataKey>),
}

/// Keys of an AWS user or session.
pub struct AwsCredentials {
    /// Names the secret key.
    pub access_key_id: SecretText,
    /// Signs requests.
    pub secret_access_key: SecretText,
    /// Belongs to temporary credentials.
    pub session_token: Option<SecretText>,
}

/// How to come to an access token of Azure.
pub enum AzureCredentials {
    /// The caller has one.
    Token(SecretText),
    /// It is asked for with a client secret.
    Client(AzureSecret),
}

/// A client secret of Azure.
pub struct AzureSecret {
    /// The tenant's id, part of the path.
    pub tenant_id: String,
    /// The application's id.
    pub client_id: SecretText,
    /// The application's secret.
    pub client_secret: SecretText,
    /// Where to ask, instead of `login.microsoftonline.com`.
    pub identity_platform_endpoint: Option<Endpoint>,
}

/// How to come to an access token of Google Cloud.
pub enum GcpCredentials {
    /// The caller has one.
    Token(SecretText),
    /// It is asked for with a signed assertion.
    ServiceAccount(GcpServiceAccount),
}

/// A service account of Google Cloud.
pub struct GcpServiceAccount {
    /// Its address.
    pub email: String,
    /// RSA key, PKCS#8 in DER.
    pub private_key: SecretBytes,
    /// Where to ask, instead of `oauth2.googleapis.com`.
    pub endpoint: Option<Endpoint>,
}

impl Credentials {
    /// The credentials of a local provider.
    pub fn local(key: Secret<96>) -> Self {
        Self::Local(Box::new(DataKey::new(key)))
    }

    /// Reads the options of one provider.
    ///
    /// # Errors
    /// Missing, mistyped and unknown fields.
    pub fn parse(kind: ProviderKind, document: &RawDocument) -> Result<Self, ConfigError> {
        let options = Options::new(document);
        match kind {
            ProviderKind::Aws => parse_aws(&options).map(Self::Aws),
            ProviderKind::Azure => parse_azure(&options).map(Self::Azure),
            ProviderKind::Gcp => parse_gcp(&options).map(Self::Gcp),
            ProviderKind::Kmip => {
                let endpoint =
                    options.optional_text("endpoint")?.map(Endpoint::parse_any_host).transpose()?;
                let endpoint = endpoint.ok_or(ConfigError::ExpectedEndpoint("endpoint"))?;
                options.allow_only(&["endpoint"])?;
                Ok(Self::Kmip { endpoint })
            }
            ProviderKind::Local => {
                let bytes = options.secret_bytes("key")?;
                let key =
                    Secret::try_from(bytes.expose()).map_err(|_| ConfigError::LocalKeyLength)?;
                options.allow_only(&["key"])?;
                Ok(Self::local(key))
            }
        }
    }
}

fn parse_aws(options: &Options<'_>) -> Result<AwsCredentials, ConfigError> {
    let credentials = AwsCredentials {
        access_key_id: options.secret("accessKeyId")?,
        secret_access_key: options.secret("secretAccessKey")?,
        session_token: options.optional_secret("sessionToken")?,
    };
    options.allow_only(&["accessKeyId", "secretAccessKey", "sessionToken"])?;
    Ok(credentials)
}

fn parse_azure(options: &Options<'_>) -> Result<AzureCredentials, ConfigError> {
    if let Some(token) = options.optional_secret("accessToken")? {
        options.allow_only(&["accessToken"])?;
        return Ok(AzureCredentials::Token(token));
    }
    let secret = AzureSecret {
        tenant_id: options.text("tenantId")?.to_owned(),
        client_id: options.secret("clientId")?,
        client_secret: options.secret("clientSecret")?,
        identity_platform_endpoint: options.optional_endpoint("identityPlatformEndpoint")?,
    };
    options.allow_only(&["tenantId", "clientId", "clientSecret", "identityPlatformEndpoint"])?;
    Ok(AzureCredentials::Client(secret))
}

fn parse_gcp(options: &Options<'_>) -> Result<GcpCredentials, ConfigError> {
    if let Some(token) = options.optional_secret("accessToken")? {
        options.allow_only(&["accessToken"])?;
        return Ok(GcpCredentials::Token(token));
    }
    let account = GcpServiceAccount {
        email: options.text("email")?.to_owned(),
        private_key: options.secret_bytes("privateKey")?,
        endpoint: options.optional_endpoint("endpoint")?,
    };
    options.allow_only(&["email", "privateKey", "endpoint"])?;
    Ok(GcpCredentials::ServiceAccount(account))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws(_) => "Aws([redacted])",
            Self::Azure(_) => "Azure([redacted])",
            Self::Gcp(_) => "Gcp([redacted])",
            Self::Kmip { .. } => "Kmip",
            Self::Local(_) => "Local([redacted])",
        })
    }
}
