//! Data keys wrapped anew.

use bson::{Binary, Document, RawBsonRef, RawDocumentBuf, doc, spec::BinarySubtype};

use super::ClientEncryption;
use crate::{
    action::awaitable,
    error::{ConfigError, Error, Result},
};

impl ClientEncryption {
    /// Unwraps the data keys that match a filter and wraps them again: with another master key if
    /// one is given, else with the one they have. Data encrypted under them stays as it is.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// use bson::doc;
    /// let result = keys
    ///     .rewrap_many_data_key(doc! { "masterKey.provider": "local" })
    ///     .provider("aws")
    ///     .master_key(doc! {
    ///         "region": "eu-central-1",
    ///         "key": "arn:aws:kms:eu-central-1:111122223333:alias/patients",
    ///     })
    ///     .await?;
    /// println!("{} keys rewrapped", result.modified);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rewrap_many_data_key(&self, filter: Document) -> RewrapManyDataKey<'_> {
        RewrapManyDataKey { keys: self, filter, provider: None, master_key: None }
    }
}

/// What a rewrap did.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RewrapResult {
    /// The keys that matched the filter.
    pub matched: u64,
    /// The keys that were wrapped anew and stored.
    pub modified: u64,
}

/// A pending rewrap, made by [`ClientEncryption::rewrap_many_data_key`].
#[derive(Debug)]
#[must_use]
pub struct RewrapManyDataKey<'a> {
    keys: &'a ClientEncryption,
    filter: Document,
    provider: Option<String>,
    master_key: Option<Document>,
}

impl<'a> RewrapManyDataKey<'a> {
    /// The KMS provider that wraps the keys from now on.
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// The provider's master key, with the fields of
    /// [`CreateDataKey::master_key`](super::CreateDataKey::master_key).
    pub fn master_key(mut self, master_key: Document) -> Self {
        self.master_key = Some(master_key);
        self
    }

    async fn execute(self) -> Result<RewrapResult> {
        let engine = &self.keys.engine;
        let master_key = match (self.provider, self.master_key) {
            (Some(provider), master_key) => {
                let mut with_provider = doc! { "provider": provider };
                with_provider.extend(master_key.unwrap_or_default());
                Some(RawDocumentBuf::try_from(&with_provider)?)
            }
            (None, Some(_)) => return Err(ConfigError::MasterKeyWithoutProvider.into()),
            (None, None) => None,
        };
        let filter = RawDocumentBuf::try_from(&self.filter)?;
        let rewrapped =
            engine.run(|crypt, _| crypt.rewrap_many(&filter, master_key.as_deref())).await?;

        let mut result = RewrapResult::default();
        for key in rewrapped_keys(&rewrapped)? {
            let update = doc! {
                "$set": { "masterKey": key.master_key, "keyMaterial": key.material },
                "$currentDate": { "updateDate": true },
            };
            let updated = engine.vault().update_one(doc! { "_id": key.id }, update).await;
            let updated = updated.map_err(|e| engine.vault_error(e))?;
            result.matched += updated.matched_count;
            result.modified += updated.modified_count;
        }
        Ok(result)
    }
}

awaitable!(['a] RewrapManyDataKey<'a> => RewrapResult);

/// A data key wrapped anew.
struct Rewrapped {
    id: Binary,
    material: Binary,
    master_key: Document,
}

/// Reads `{v: [{_id, masterKey, keyMaterial}, ..]}`; nothing at all if no key matched.
fn rewrapped_keys(document: &RawDocumentBuf) -> Result<Vec<Rewrapped>> {
    let shape = |field| Error::Shape { field };
    if document.is_empty() {
        return Ok(Vec::new());
    }
    let keys = document.get_array("v").map_err(|_| shape("v"))?;
    keys.into_iter()
        .map(|key| {
            let Ok(RawBsonRef::Document(key)) = key else { return Err(shape("v")) };
            let binary = |field, subtype| {
                let value = key.get_binary(field).map_err(|_| shape(field))?;
                Ok::<_, Error>(Binary { subtype, bytes: value.bytes.to_vec() })
            };
            let master_key = key.get_document("masterKey").map_err(|_| shape("masterKey"))?;
            Ok(Rewrapped {
                id: binary("_id", BinarySubtype::Uuid)?,
                material: binary("keyMaterial", BinarySubtype::Generic)?,
                master_key: Document::try_from(master_key)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_match_is_no_key() {
        assert!(rewrapped_keys(&RawDocumentBuf::new()).unwrap().is_empty());
    }

    #[test]
    fn a_key_without_material_is_an_error() {
        let id = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
        let document = doc! { "v": [{ "_id": id, "masterKey": { "provider": "local" } }] };
        let document = RawDocumentBuf::try_from(&document).unwrap();
        assert!(matches!(rewrapped_keys(&document), Err(Error::Shape { field: "keyMaterial" })));
    }
}
