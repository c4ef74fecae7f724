//! Looking at data keys, naming and deleting them.

use bson::{Binary, Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::{IndexModel, options::IndexOptions, results::DeleteResult};

use super::{ClientEncryption, check_key_id};
use crate::error::Result;

impl ClientEncryption {
    /// The key document with this id.
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be read.
    pub async fn get_key(&self, id: &Binary) -> Result<Option<Document>> {
        check_key_id(id)?;
        self.find_one(doc! { "_id": id.clone() }).await
    }

    /// The key document with this alternate name.
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub async fn get_key_by_alt_name(&self, name: &str) -> Result<Option<Document>> {
        self.find_one(doc! { "keyAltNames": name }).await
    }

    /// All key documents.
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub async fn get_keys(&self) -> Result<Vec<Document>> {
        self.find_keys(doc! {}).await
    }

    /// The key documents that match a filter.
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub async fn find_keys(&self, filter: Document) -> Result<Vec<Document>> {
        let vault = self.engine.vault().clone_with_type::<Document>();
        let cursor = vault.find(filter).await.map_err(|e| self.engine.vault_error(e))?;
        cursor.try_collect().await.map_err(|e| self.engine.vault_error(e))
    }

    /// Deletes a data key. **Everything encrypted under it is lost for good**, unless a copy of
    /// the key document is kept elsewhere.
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be written.
    pub async fn delete_key(&self, id: &Binary) -> Result<DeleteResult> {
        check_key_id(id)?;
        let deleted = self.engine.vault().delete_one(doc! { "_id": id.clone() }).await;
        deleted.map_err(|e| self.engine.vault_error(e))
    }

    /// Adds an alternate name to a data key. Returns the key document as it was before.
    ///
    /// # Errors
    /// If the id is no UUID or the key vault refuses, for instance because another key has the
    /// name already.
    pub async fn add_key_alt_name(&self, id: &Binary, name: &str) -> Result<Option<Document>> {
        check_key_id(id)?;
        let update = doc! { "$addToSet": { "keyAltNames": name } };
        self.find_one_and_update(id, update).await
    }

    /// Removes an alternate name from a data key. Returns the key document as it was before.
    ///
    /// The last name takes the array with it, as the key vault's index expects.
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be written.
    pub async fn remove_key_alt_name(&self, id: &Binary, name: &str) -> Result<Option<Document>> {
        check_key_id(id)?;
        let update = vec![doc! { "$set": { "keyAltNames": { "$cond": [
            { "$eq": ["$keyAltNames", [name]] },
            "$$REMOVE",
            { "$filter": { "input": "$keyAltNames", "cond": { "$ne": ["$$this", name] } } },
        ] } } }];
        self.find_one_and_update(id, update).await
    }

    /// Makes the key vault refuse an alternate name that another key has: a unique index on
    /// `keyAltNames`, over the keys that have any. Without it two keys may share a name by
    /// accident. Does nothing if the index is there.
    ///
    /// # Errors
    /// If the key vault cannot be written, or two keys share a name already.
    pub async fn create_alt_name_index(&self) -> Result<()> {
        let options = IndexOptions::builder()
            .unique(true)
            .partial_filter_expression(doc! { "keyAltNames": { "$exists": true } })
            .build();
        let index = IndexModel::builder().keys(doc! { "keyAltNames": 1 }).options(options).build();
        let created = self.engine.vault().create_index(index).await;
        created.map(|_| ()).map_err(|e| self.engine.vault_error(e))
    }

    /// Inserts key documents as they are, for instance from a backup.
    ///
    /// # Errors
    /// If the key vault refuses, for instance because a key is there already.
    pub async fn insert_keys(&self, keys: Vec<RawDocumentBuf>) -> Result<usize> {
        let inserted = self.engine.vault().insert_many(keys).await;
        Ok(inserted.map_err(|e| self.engine.vault_error(e))?.inserted_ids.len())
    }

    async fn find_one(&self, filter: Document) -> Result<Option<Document>> {
        let vault = self.engine.vault().clone_with_type::<Document>();
        vault.find_one(filter).await.map_err(|e| self.engine.vault_error(e))
    }

    async fn find_one_and_update(
        &self,
        id: &Binary,
        update: impl Into<mongodb::options::UpdateModifications>,
    ) -> Result<Option<Document>> {
        let vault = self.engine.vault().clone_with_type::<Document>();
        let updated = vault.find_one_and_update(doc! { "_id": id.clone() }, update).await;
        updated.map_err(|e| self.engine.vault_error(e))
    }
}
