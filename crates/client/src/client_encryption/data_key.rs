//! New data keys.

use bson::{Binary, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use fieldveil_core::DataKeyOptions;
use fieldveil_crypto::Secret;
use fieldveil_kms::MasterKey;
use zeroize::Zeroizing;

use super::ClientEncryption;
use crate::{
    action::awaitable,
    error::{ConfigError, Error, Result},
};

impl ClientEncryption {
    /// Makes a data key wrapped by this KMS provider and stores it in the key vault. The result is
    /// the key's id.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// use bson::doc;
    /// let id = keys
    ///     .create_data_key("aws")
    ///     .master_key(doc! {
    ///         "region": "eu-central-1",
    ///         "key": "arn:aws:kms:eu-central-1:111122223333:alias/patients",
    ///     })
    ///     .key_alt_names(["patients"])
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_data_key(&self, provider: impl Into<String>) -> CreateDataKey<'_> {
        CreateDataKey {
            keys: self,
            provider: provider.into(),
            master_key: None,
            alt_names: Vec::new(),
            material: None,
        }
    }
}

/// A pending new data key, made by [`ClientEncryption::create_data_key`].
#[must_use]
pub struct CreateDataKey<'a> {
    keys: &'a ClientEncryption,
    provider: String,
    master_key: Option<Document>,
    alt_names: Vec<String>,
    material: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> CreateDataKey<'a> {
    /// The key of the KMS that wraps the data key. Required for all providers but `local`.
    ///
    /// | provider | fields |
    /// | --- | --- |
    /// | `aws` | `region`, `key` (ARN), optional `endpoint` |
    /// | `azure` | `keyVaultEndpoint`, `keyName`, optional `keyVersion` |
    /// | `gcp` | `projectId`, `location`, `keyRing`, `keyName`, optional `keyVersion`, `endpoint` |
    /// | `kmip` | optional `keyId`, `endpoint`, `delegated` |
    pub fn master_key(mut self, master_key: Document) -> Self {
        self.master_key = Some(master_key);
        self
    }

    /// Names by which the data key can be referred to.
    pub fn key_alt_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.alt_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The 96 bytes of the data key itself, instead of random ones.
    pub fn key_material(mut self, material: impl Into<Vec<u8>>) -> Self {
        self.material = Some(Zeroizing::new(material.into()));
        self
    }

    fn options(&self) -> Result<DataKeyOptions> {
        let mut master_key = doc! { "provider": self.provider.as_str() };
        master_key.extend(self.master_key.clone().unwrap_or_default());
        let master_key = RawDocumentBuf::try_from(&master_key)?;
        MasterKey::parse(&master_key)
            .map_err(|reason| ConfigError::MasterKey { provider: self.provider.clone(), reason })?;
        let mut options = DataKeyOptions {
            master_key: Some(master_key),
            key_alt_names: self.alt_names.clone(),
            key_material: None,
        };
        if let Some(material) = &self.material {
            let bytes = <&[u8; 96]>::try_from(material.as_slice())
                .map_err(|_| ConfigError::KeyMaterial { len: material.len() })?;
            options.key_material = Some(Secret::copy_from(bytes));
        }
        Ok(options)
    }

    async fn execute(self) -> Result<Binary> {
        let engine = &self.keys.engine;
        let options = self.options()?;
        let key = engine.run(|crypt, env| crypt.create_data_key(options, env)).await?;
        let id = key.get_binary("_id").map_err(|_| Error::Shape { field: "_id" })?.bytes.to_vec();
        engine.vault().insert_one(key).await.map_err(|e| engine.vault_error(e))?;
        Ok(Binary { subtype: BinarySubtype::Uuid, bytes: id })
    }
}

awaitable!(['a] CreateDataKey<'a> => Binary);

impl std::fmt::Debug for CreateDataKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateDataKey")
            .field("provider", &self.provider)
            .field("alt_names", &self.alt_names)
            .finish_non_exhaustive()
    }
}
