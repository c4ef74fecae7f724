//! Settings that cannot work.

/// A setting of the client that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No key vault namespace was given.
    #[error(
        "no key vault: name the collection of data keys with key_vault_namespace(\"database.collection\")"
    )]
    NoKeyVault,

    /// The key vault namespace has no dot, or an empty half.
    #[error(
        "'{namespace}' is no namespace: write \"database.collection\", for instance \"encryption.__keyVault\""
    )]
    Namespace {
        /// What was given.
        namespace: String,
    },

    /// No KMS provider was given.
    #[error(
        "no KMS provider: give one with kms_providers, for instance {{\"local\": {{\"key\": <96 bytes>}}}}"
    )]
    NoProviders,

    /// A callback for credentials that would never be asked.
    #[error(
        "credentials for KMS provider '{provider}' would not be asked for: give it an empty document in kms_providers"
    )]
    UnusedCredentials {
        /// The provider's name.
        provider: String,
    },

    /// A master key document lacks something.
    #[error("the master key of KMS provider '{provider}': {reason}{}", master_key_fields(provider))]
    MasterKey {
        /// The provider's name.
        provider: String,
        /// What is wrong.
        reason: fieldveil_kms::ConfigError,
    },

    /// Key material of the wrong length.
    #[error("keyMaterial should have length 96, but has length {len}")]
    KeyMaterial {
        /// How many bytes were given.
        len: usize,
    },

    /// A schema cannot be encoded.
    #[error("the schema of {namespace} cannot be encoded as BSON: {source}")]
    Schema {
        /// Whose schema.
        namespace: String,
        /// Why.
        source: bson::error::Error,
    },

    /// A data key's id is not a UUID.
    #[error("a data key's id is a UUID (BSON binary, subtype 4, 16 bytes), not {given}")]
    KeyId {
        /// What was given.
        given: String,
    },

    /// No algorithm of this name.
    #[error(
        "unknown algorithm '{given}': use AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic (can be queried for equality) or AEAD_AES_256_CBC_HMAC_SHA_512-Random; for Queryable Encryption Indexed, Unindexed, Range or String"
    )]
    Algorithm {
        /// What was given.
        given: String,
    },

    /// A master key for a rewrap without a provider.
    #[error("rewrap with a new master key needs the provider that holds it: call provider(..)")]
    MasterKeyWithoutProvider,

    /// The TLS options of a KMS provider are not usable.
    #[error("TLS options for KMS provider '{provider}': {reason}")]
    Tls {
        /// The provider's name.
        provider: String,
        /// Why.
        reason: crate::kms::TlsError,
    },
}

/// What a provider's master key consists of.
fn master_key_fields(provider: &str) -> &'static str {
    match provider.split(':').next() {
        Some("aws") => "; it needs the fields region and key, and may have endpoint",
        Some("azure") => "; it needs keyVaultEndpoint and keyName, and may have keyVersion",
        Some("gcp") => {
            "; it needs projectId, location, keyRing and keyName, and may have keyVersion and endpoint"
        }
        Some("kmip") => "; it may have keyId, endpoint and delegated",
        _ => "",
    }
}
