//! The instance that operations run on.

use std::sync::Arc;

use bson::RawDocument;
use fieldveil_kms::{KmsEnv, KmsProviders, RequestHashes, Rs256Signer, TokenCache};

use crate::cache::{CollectionCache, KeyCache};
use crate::env::Env;
use crate::error::CoreError;
use crate::hooked::{HookedHashes, Hooks};
use crate::operation;
use crate::options::{DataKeyOptions, ExplicitOptions};
use crate::schema::SchemaMap;
use crate::step::Step;

mod builder;

pub use builder::{CryptBuilder, QueryAnalysis};

/// Encrypts and decrypts. Cheap to clone, and shared between threads: all clones share the caches of
/// data keys, collection information and tokens.
///
/// Every operation gives a [`Step`]: what it lacks, or its result.
#[derive(Clone)]
pub struct Crypt {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    keys: KeyCache,
    collections: CollectionCache,
    tokens: TokenCache,
}

struct Settings {
    providers: KmsProviders,
    schema_map: SchemaMap,
    encrypted_fields_map: SchemaMap,
    query_analysis: QueryAnalysis,
    bypasses_query_analysis: bool,
    allows_several_collections: bool,
    asks_other_databases: bool,
    retries_kms: bool,
    signer: Option<Arc<dyn Rs256Signer + Send + Sync>>,
    hooks: Option<HookedHashes>,
}

impl Crypt {
    /// Starts to configure an instance.
    pub fn builder() -> CryptBuilder {
        CryptBuilder::default()
    }

    /// Encrypts a command to `database` by the schema of its collection. The result is the command to
    /// send; one that needs no encryption comes back as it is.
    ///
    /// # Errors
    /// A command that is not known or cannot be analysed is refused, never let through.
    pub fn encrypt_command(
        &self,
        database: &str,
        command: &RawDocument,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        operation::encrypt_command(self, database, command, env)
    }

    /// Decrypts every encrypted value of a document, at any depth: of a reply, of the documents in a
    /// cursor's batch, of a single document.
    ///
    /// # Errors
    /// If the document is malformed, or an encrypted value in it is.
    pub fn decrypt(&self, document: &RawDocument, env: &mut Env<'_>) -> Result<Step, CoreError> {
        operation::decrypt(self, document, env)
    }

    /// Encrypts the value of `{v: value}`. The result is `{v: binary of subtype 6}`.
    ///
    /// # Errors
    /// Options that do not go together, and types that may not be encrypted so.
    pub fn encrypt_value(
        &self,
        message: &RawDocument,
        options: &ExplicitOptions,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        operation::encrypt_value(self, message, options, env)
    }

    /// Encrypts the bounds of a range query. `message` is `{v: expression}`; the result is `{v: ..}`
    /// with the same expression, its bounds replaced by payloads.
    ///
    /// # Errors
    /// Options that do not go together, and expressions of another shape.
    pub fn encrypt_expression(
        &self,
        message: &RawDocument,
        options: &ExplicitOptions,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        operation::encrypt_expression(self, message, options, env)
    }

    /// Decrypts `{v: binary of subtype 6}`. The result is `{v: value}`.
    ///
    /// # Errors
    /// If `v` is something else.
    pub fn decrypt_value(
        &self,
        message: &RawDocument,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        operation::decrypt_value(self, message, env)
    }

    /// Makes a data key. The result is the document to insert into the key vault.
    ///
    /// # Errors
    /// Options that are missing or contradict each other.
    pub fn create_data_key(
        &self,
        options: DataKeyOptions,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        operation::create_data_key(self, options, env)
    }

    /// Wraps all data keys that `filter` matches anew: under `master_key` (`{provider: .., ..}`), or
    /// without one each under its own. The result is `{v: [{keyMaterial, masterKey, _id}, ..]}`.
    ///
    /// Every new wrapping is unwrapped once, and compared, before it is handed out.
    ///
    /// # Errors
    /// A master key that is no use.
    pub fn rewrap_many(
        &self,
        filter: &RawDocument,
        master_key: Option<&RawDocument>,
    ) -> Result<Step, CoreError> {
        operation::rewrap_many(self, filter, master_key)
    }

    /// The configured key services.
    pub fn kms_providers(&self) -> &KmsProviders {
        &self.shared.settings.providers
    }

    pub(crate) fn key_cache(&self) -> &KeyCache {
        &self.shared.keys
    }

    pub(crate) fn collection_cache(&self) -> &CollectionCache {
        &self.shared.collections
    }

    pub(crate) fn schema_map(&self) -> &SchemaMap {
        &self.shared.settings.schema_map
    }

    pub(crate) fn encrypted_fields_map(&self) -> &SchemaMap {
        &self.shared.settings.encrypted_fields_map
    }

    pub(crate) fn query_analysis(&self) -> QueryAnalysis {
        self.shared.settings.query_analysis
    }

    pub(crate) fn bypasses_query_analysis(&self) -> bool {
        self.shared.settings.bypasses_query_analysis
    }

    pub(crate) fn allows_several_collections(&self) -> bool {
        self.shared.settings.allows_several_collections
    }

    pub(crate) fn asks_other_databases(&self) -> bool {
        self.shared.settings.asks_other_databases
    }

    /// The application's own primitives, if it brought them along.
    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.shared.settings.hooks.as_ref().map(|hooks| &*hooks.0)
    }

    /// The same, to be kept.
    pub(crate) fn shared_hooks(&self) -> Option<Arc<Hooks>> {
        self.shared.settings.hooks.as_ref().map(|hooks| Arc::clone(&hooks.0))
    }

    /// What the jobs of key services may use.
    pub(crate) fn kms_env<'a>(
        &'a self,
        providers: &'a KmsProviders,
        env: &'a mut Env<'_>,
    ) -> KmsEnv<'a> {
        let settings = &self.shared.settings;
        KmsEnv {
            providers,
            tokens: &self.shared.tokens,
            now: env.now(),
            wall_clock_ms: (env.wall_clock_ms)(),
            random: &mut *env.random,
            retry: settings.retries_kms,
            signer: settings.signer.as_deref().map(|signer| signer as &dyn Rs256Signer),
            hashes: settings.hooks.as_ref().map(|hooks| hooks as &dyn RequestHashes),
        }
    }
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypt").field("kms_providers", self.kms_providers()).finish_non_exhaustive()
    }
}
