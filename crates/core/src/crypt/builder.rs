//! Configuration of an instance.

use std::sync::Arc;
use std::time::Duration;

use bson::RawDocument;
use fieldveil_kms::{KmsProviders, Rs256Signer};

use super::{Crypt, Settings, Shared};
use crate::cache::{CollectionCache, KeyCache};
use crate::error::CoreError;
use crate::hooked::{CryptoHooks, HookedHashes, Hooks};
use crate::options::OptionsError;
use crate::schema::SchemaMap;

/// How long data keys are kept unless configured otherwise.
const DEFAULT_KEY_EXPIRATION: Duration = Duration::from_secs(60);

/// Who analyses commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryAnalysis {
    /// This library itself.
    #[default]
    BuiltIn,
    /// Another process: [`Step::Markings`](crate::Step::Markings) asks for its reply.
    External,
}

/// Collects the configuration of a [`Crypt`].
///
/// ```
/// use bson::rawdoc;
/// use fieldveil_core::Crypt;
///
/// let key = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![7; 96] };
/// let mut builder = Crypt::builder();
/// builder.kms_providers(&rawdoc! { "local": { "key": key } })?;
/// builder.key_expiration(None);
/// let crypt = builder.build()?;
/// # Ok::<(), fieldveil_core::CoreError>(())
/// ```
pub struct CryptBuilder {
    providers: KmsProviders,
    schema_map: Option<SchemaMap>,
    encrypted_fields_map: Option<SchemaMap>,
    key_expiration: Option<Duration>,
    query_analysis: QueryAnalysis,
    bypasses_query_analysis: bool,
    allows_several_collections: bool,
    asks_other_databases: bool,
    asks_for_credentials: bool,
    retries_kms: bool,
    signer: Option<Arc<dyn Rs256Signer + Send + Sync>>,
    hooks: Option<Arc<Hooks>>,
}

impl Default for CryptBuilder {
    fn default() -> Self {
        Self {
            providers: KmsProviders::default(),
            schema_map: None,
            encrypted_fields_map: None,
            key_expiration: Some(DEFAULT_KEY_EXPIRATION),
            query_analysis: QueryAnalysis::default(),
            bypasses_query_analysis: false,
            allows_several_collections: true,
            asks_other_databases: true,
            asks_for_credentials: true,
            retries_kms: true,
            signer: None,
            hooks: None,
        }
    }
}

impl CryptBuilder {
    /// Adds key services: `{aws: {..}, "local:name": {key: ..}, ..}`. May be called several times.
    ///
    /// # Errors
    /// If the document is no use, or names a service that was added before.
    pub fn kms_providers(&mut self, providers: &RawDocument) -> Result<&mut Self, CoreError> {
        self.providers.merge(KmsProviders::parse(providers)?)?;
        Ok(self)
    }

    /// Sets the client's own schemas: `{"database.collection": JSON schema}`. They win over the
    /// server's.
    ///
    /// # Errors
    /// If it was set before, or is malformed.
    pub fn schema_map(&mut self, map: &RawDocument) -> Result<&mut Self, CoreError> {
        if self.schema_map.is_some() {
            return Err(OptionsError::AlreadySet("schema map").into());
        }
        self.schema_map = Some(SchemaMap::json(map)?);
        Ok(self)
    }

    /// Sets the client's own Queryable Encryption schemas:
    /// `{"database.collection": encryptedFields}`. They win over all others.
    ///
    /// # Errors
    /// If it was set before, or is malformed.
    pub fn encrypted_fields_map(&mut self, map: &RawDocument) -> Result<&mut Self, CoreError> {
        if self.encrypted_fields_map.is_some() {
            return Err(OptionsError::AlreadySet("encrypted_field_config_map").into());
        }
        self.encrypted_fields_map = Some(SchemaMap::encrypted_fields(map)?);
        Ok(self)
    }

    /// How long unwrapped data keys are kept; `None` is for ever. 60 seconds if not set.
    pub fn key_expiration(&mut self, expiration: Option<Duration>) -> &mut Self {
        self.key_expiration = expiration;
        self
    }

    /// Who analyses commands.
    pub fn query_analysis(&mut self, query_analysis: QueryAnalysis) -> &mut Self {
        self.query_analysis = query_analysis;
        self
    }

    /// Whether commands go out without analysis, for applications that encrypt explicitly and decrypt
    /// automatically.
    pub fn bypass_query_analysis(&mut self, bypass: bool) -> &mut Self {
        self.bypasses_query_analysis = bypass;
        self
    }

    /// Whether a command may touch several collections (`$lookup`). Allowed if not set.
    pub fn several_collections(&mut self, allow: bool) -> &mut Self {
        self.allows_several_collections = allow;
        self
    }

    /// Whether the driver of an operation can ask another database than the command's for collection
    /// information (`bulkWrite`). It can if not set.
    pub fn other_databases(&mut self, can_ask: bool) -> &mut Self {
        self.asks_other_databases = can_ask;
        self
    }

    /// Whether the driver of an operation can supply credentials. It can if not set.
    pub fn credentials_on_demand(&mut self, can_supply: bool) -> &mut Self {
        self.asks_for_credentials = can_supply;
        self
    }

    /// Whether busy key services are asked again. They are if not set.
    pub fn retry_kms(&mut self, retry: bool) -> &mut Self {
        self.retries_kms = retry;
        self
    }

    /// Signs for GCP service accounts, instead of the built-in signer.
    pub fn rs256_signer(&mut self, signer: Arc<dyn Rs256Signer + Send + Sync>) -> &mut Self {
        self.signer = Some(signer);
        self
    }

    /// Encrypts, decrypts and derives with primitives of the application instead of the built-in ones,
    /// also when wrapping under local keys. Slower, for every value is handed over on its own.
    pub fn crypto_hooks(&mut self, hooks: Arc<dyn CryptoHooks + Send + Sync>) -> &mut Self {
        self.hooks = Some(hooks);
        self
    }

    /// Makes the instance.
    ///
    /// # Errors
    /// If no key service was added, one needs credentials that nobody can supply, or a collection has
    /// a schema of either kind.
    pub fn build(self) -> Result<Crypt, CoreError> {
        self.providers.validate(self.asks_for_credentials)?;
        let schema_map = self.schema_map.unwrap_or_default();
        let encrypted_fields_map = self.encrypted_fields_map.unwrap_or_default();
        if let Some(namespace) = schema_map.shared_namespace(&encrypted_fields_map) {
            return Err(OptionsError::InBothMaps(namespace.to_owned()).into());
        }
        let settings = Settings {
            providers: self.providers,
            schema_map,
            encrypted_fields_map,
            query_analysis: self.query_analysis,
            bypasses_query_analysis: self.bypasses_query_analysis,
            allows_several_collections: self.allows_several_collections,
            asks_other_databases: self.asks_other_databases,
            retries_kms: self.retries_kms,
            signer: self.signer,
            hooks: self.hooks.map(HookedHashes),
        };
        let shared = Shared {
            settings,
            keys: KeyCache::new(self.key_expiration),
            collections: CollectionCache::default(),
            tokens: fieldveil_kms::TokenCache::default(),
        };
        Ok(Crypt { shared: Arc::new(shared) })
    }
}

impl std::fmt::Debug for CryptBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CryptBuilder")
            .field("kms_providers", &self.providers)
            .finish_non_exhaustive()
    }
}
