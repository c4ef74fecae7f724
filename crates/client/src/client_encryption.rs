//! Explicit encryption, and the life of data keys.

mod algorithm;
mod check;
mod data_key;
mod encrypt;
mod index_options;
mod manage;
mod rewrap;

use std::{fmt, sync::Arc};

pub use fieldveil_core::QueryType;
use mongodb::Client;

pub use algorithm::{Algorithm, EncryptKey};
pub use check::ProviderCheck;
pub use data_key::CreateDataKey;
pub use encrypt::{Encrypt, EncryptExpression};
pub use index_options::{AffixOptions, RangeOptions, SubstringOptions, TextOptions};
pub use rewrap::{RewrapManyDataKey, RewrapResult};

use crate::{
    engine::Engine,
    error::Result,
    settings::{KeySettings, key_setters},
};

/// Makes and manages data keys, and encrypts and decrypts single values. Cheap to clone.
///
/// ```no_run
/// use bson::doc;
/// use fieldveil::{Algorithm, ClientEncryption};
///
/// # async fn run(master_key: bson::Binary) -> fieldveil::Result<()> {
/// let client = mongodb::Client::with_uri_str("mongodb://localhost:27017").await?;
/// let keys = ClientEncryption::builder(client)
///     .key_vault_namespace("encryption.__keyVault")
///     .kms_providers(doc! { "local": { "key": master_key } })
///     .build()?;
/// keys.create_data_key("local").key_alt_names(["example"]).await?;
///
/// let secret = keys.encrypt("123-12-1234", "example", Algorithm::Deterministic).await?;
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
        ClientEncryptionBuilder { client: key_vault_client, keys: KeySettings::default() }
    }
}

impl fmt::Debug for ClientEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEncryption")
            .field("key_vault", &self.engine.vault().namespace().to_string())
            .finish_non_exhaustive()
    }
}

/// The settings of a [`ClientEncryption`].
#[must_use]
pub struct ClientEncryptionBuilder {
    client: Client,
    keys: KeySettings,
}

impl ClientEncryptionBuilder {
    key_setters!();

    /// Checks the settings.
    ///
    /// # Errors
    /// If one is missing or wrong.
    pub fn build(self) -> Result<ClientEncryption> {
        let crypt = self.keys.crypt()?.build()?;
        Ok(ClientEncryption { engine: self.keys.engine(crypt, &self.client, None)? })
    }
}

impl fmt::Debug for ClientEncryptionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEncryptionBuilder")
            .field("key_vault_namespace", &self.keys.namespace)
            .finish_non_exhaustive()
    }
}
