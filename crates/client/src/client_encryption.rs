//! Explicit encryption, and the life of data keys.

mod check;
mod data_key;
mod manage;
mod rewrap;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use bson::{Binary, Bson, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use fieldveil_core::{ExplicitOptions, KeyId};
use mongodb::{Client, options::Tls};

pub use check::ProviderCheck;
pub use data_key::CreateDataKey;
pub use rewrap::{RewrapManyDataKey, RewrapResult};

use crate::{
    client::crypt_builder,
    engine::{Engine, key_vault},
    error::{ConfigError, Error, Result},
    kms::{Connect, CredentialsCallback, KmsSettings},
};

/// Makes and manages data keys, and encrypts and decrypts single values. Cheap to clone.
///
/// ```no_run
/// use bson::doc;
/// use fieldveil::{Algorithm, ClientEncryption, EncryptKey};
///
/// # async fn run(master_key: bson::Binary) -> fieldveil::Result<()> {
/// let client = mongodb::Client::with_uri_str("mongodb://localhost:27017").await?;
/// let keys = ClientEncryption::builder(client)
///     .key_vault_namespace("encryption.__keyVault")
///     .kms_providers(doc! { "local": { "key": master_key } })
///     .build()?;
/// keys.create_data_key("local").key_alt_names(["example"]).await?;
///
/// let key = EncryptKey::AltName("example".to_owned());
/// let secret = keys.encrypt("123-12-1234", key, Algorithm::Deterministic).await?;
/// assert_eq!(keys.decrypt(&secret).await?, "123-12-1234".into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientEncryption {
    engine: Arc<Engine>,
}

impl ClientEncryption {
    /// Begins to configure explicit encryption; `key_vault_client` reaches the key vault.
    pub fn builder(key_vault_client: Client) -> ClientEncryptionBuilder {
        ClientEncryptionBuilder {
            client: key_vault_client,
            namespace: None,
            providers: None,
            key_expiration: None,
            kms: KmsSettings::default(),
        }
    }

    /// Encrypts one value to a BSON binary of subtype 6.
    ///
    /// # Errors
    /// If the key is unknown or cannot be unwrapped, or the value's type cannot be encrypted with
    /// this algorithm.
    pub async fn encrypt(
        &self,
        value: impl Into<Bson>,
        key: EncryptKey,
        algorithm: Algorithm,
    ) -> Result<Binary> {
        let value = RawDocumentBuf::try_from(&doc! { "v": value.into() })?;
        let options = explicit_options(key, algorithm)?;
        let encrypted =
            self.engine.run(|crypt, env| crypt.encrypt_value(&value, &options, env)).await?;
        match Document::try_from(encrypted.as_ref())?.remove("v") {
            Some(Bson::Binary(binary)) => Ok(binary),
            _ => Err(Error::Shape { field: "v" }),
        }
    }

    /// Decrypts a BSON binary of subtype 6. The key and the algorithm are named inside.
    ///
    /// # Errors
    /// If the key is unknown or cannot be unwrapped, or the ciphertext was changed.
    pub async fn decrypt(&self, value: &Binary) -> Result<Bson> {
        let value = RawDocumentBuf::try_from(&doc! { "v": value.clone() })?;
        let decrypted = self.engine.run(|crypt, env| crypt.decrypt_value(&value, env)).await?;
        Document::try_from(decrypted.as_ref())?.remove("v").ok_or(Error::Shape { field: "v" })
    }
}

impl fmt::Debug for ClientEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEncryption")
            .field("key_vault", &self.engine.vault().namespace().to_string())
            .finish_non_exhaustive()
    }
}

/// Which data key encrypts a value.
#[derive(Debug, Clone, PartialEq)]
pub enum EncryptKey {
    /// The key with this `_id`, a UUID.
    Id(Binary),
    /// The key with this alternate name.
    AltName(String),
}

impl From<Binary> for EncryptKey {
    fn from(id: Binary) -> Self {
        Self::Id(id)
    }
}

/// How a value is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Equal values give equal ciphertexts, so that they can be found by equality. Shows which
    /// documents share a value.
    Deterministic,
    /// Equal values give different ciphertexts, which cannot be queried.
    Random,
}

impl Algorithm {
    /// The algorithm's full name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deterministic => "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
            Self::Random => "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        [Self::Deterministic, Self::Random]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| ConfigError::Algorithm { given: name.to_owned() })
    }
}

/// The settings of a [`ClientEncryption`].
#[must_use]
pub struct ClientEncryptionBuilder {
    client: Client,
    namespace: Option<String>,
    providers: Option<Document>,
    key_expiration: Option<Duration>,
    kms: KmsSettings,
}

impl ClientEncryptionBuilder {
    /// The collection of data keys, as `database.collection`. Required.
    pub fn key_vault_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The key services that wrap the data keys; see
    /// [`EncryptedClientBuilder::kms_providers`](crate::EncryptedClientBuilder::kms_providers).
    /// Required.
    pub fn kms_providers(mut self, providers: Document) -> Self {
        self.providers = Some(providers);
        self
    }

    /// How long an unwrapped data key may be used without asking the key service again. The
    /// default is 60 seconds; zero means for ever.
    pub fn key_expiration(mut self, expiration: Duration) -> Self {
        self.key_expiration = Some(expiration);
        self
    }

    /// TLS options for connections to one KMS provider: CA file, client certificate.
    pub fn tls_options(mut self, provider: impl Into<String>, tls: impl Into<Tls>) -> Self {
        self.kms.tls.insert(provider.into(), tls.into());
        self
    }

    /// How connections to key services are made: directly, through a proxy, or by the caller.
    pub fn kms_connect(mut self, connect: Connect) -> Self {
        self.kms.connect = connect;
        self
    }

    /// Where credentials of a provider with an empty document come from.
    pub fn credentials(
        mut self,
        provider: impl Into<String>,
        callback: CredentialsCallback,
    ) -> Self {
        self.kms.credentials.insert(provider.into(), callback);
        self
    }

    /// How long one exchange with a key service may take; 10 seconds by default.
    pub fn kms_timeout(mut self, timeout: Duration) -> Self {
        self.kms.timeout = timeout;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If one is missing or wrong.
    pub fn build(self) -> Result<ClientEncryption> {
        let namespace = self.namespace.ok_or(ConfigError::NoKeyVault)?;
        let providers = self.providers.ok_or(ConfigError::NoProviders)?;
        let crypt = crypt_builder(&providers, self.key_expiration)?.build()?;
        let vault = key_vault(&self.client, &namespace)?;
        Ok(ClientEncryption { engine: Engine::new(crypt, vault, None, self.kms.open()?) })
    }
}

impl fmt::Debug for ClientEncryptionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEncryptionBuilder")
            .field("key_vault_namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

fn explicit_options(key: EncryptKey, algorithm: Algorithm) -> Result<ExplicitOptions, ConfigError> {
    let algorithm = match algorithm {
        Algorithm::Deterministic => fieldveil_core::Algorithm::Deterministic,
        Algorithm::Random => fieldveil_core::Algorithm::Random,
    };
    let mut options = ExplicitOptions { algorithm: Some(algorithm), ..ExplicitOptions::default() };
    match key {
        EncryptKey::Id(id) => {
            check_key_id(&id)?;
            options.key_id = KeyId::from_slice(&id.bytes);
        }
        EncryptKey::AltName(name) => options.key_alt_names.push(name),
    }
    Ok(options)
}

/// Refuses an id that no data key can have.
fn check_key_id(id: &Binary) -> Result<(), ConfigError> {
    if id.subtype == BinarySubtype::Uuid && id.bytes.len() == 16 {
        return Ok(());
    }
    let given =
        format!("a binary of subtype {} with {} bytes", u8::from(id.subtype), id.bytes.len());
    Err(ConfigError::KeyId { given })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_known_by_their_full_names() {
        for algorithm in [Algorithm::Deterministic, Algorithm::Random] {
            assert_eq!(algorithm.as_str().parse::<Algorithm>().unwrap(), algorithm);
        }
        let error = "AES-128".parse::<Algorithm>().unwrap_err();
        assert!(error.to_string().contains("unknown algorithm 'AES-128'"));
    }

    #[test]
    fn only_a_uuid_is_a_key_id() {
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0; 16] };
        assert!(check_key_id(&uuid).is_ok());
        assert!(check_key_id(&Binary { bytes: vec![0; 15], ..uuid.clone() }).is_err());
        assert!(check_key_id(&Binary { subtype: BinarySubtype::Generic, ..uuid }).is_err());
    }
}
