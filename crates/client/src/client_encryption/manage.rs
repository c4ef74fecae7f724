//! Looking at data keys, naming and deleting them.

use bson::{Binary, Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Collection, IndexModel,
    options::{IndexOptions, UpdateModifications},
    results::DeleteResult,
};

use super::{ClientEncryption, algorithm::check_key_id};
use crate::{
    action::Pending,
    error::{Error, Result},
};

impl ClientEncryption {
    /// The key document with this id.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// let id = keys.create_data_key("local").await?;
    /// assert!(keys.get_key(&id).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be read.
    pub fn get_key<'a>(&'a self, id: &'a Binary) -> Pending<'a, Option<Document>> {
        Pending::new(async move {
            check_key_id(id)?;
            self.find_one(doc! { "_id": id.clone() }).await
        })
    }

    /// The key document with this alternate name.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// if keys.get_key_by_alt_name("patients").await?.is_none() {
    ///     keys.create_data_key("local").key_alt_names(["patients"]).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub fn get_key_by_alt_name<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Document>> {
        Pending::new(self.find_one(doc! { "keyAltNames": name }))
    }

    /// All key documents.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// for key in keys.get_keys().await? {
    ///     println!("{:?}", key.get("keyAltNames"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub fn get_keys(&self) -> Pending<'_, Vec<Document>> {
        self.find_keys(doc! {})
    }

    /// The key documents that match a filter.
    ///
    /// ```no_run
    /// # use bson::doc;
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// let local = keys.find_keys(doc! { "masterKey.provider": "local" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key vault cannot be read.
    pub fn find_keys(&self, filter: Document) -> Pending<'_, Vec<Document>> {
        Pending::new(async move {
            let cursor = self.documents().find(filter).await.map_err(|e| self.vault_error(e))?;
            cursor.try_collect().await.map_err(|e| self.vault_error(e))
        })
    }

    /// Deletes a data key. **Everything encrypted under it is lost for good**, unless a copy of
    /// the key document is kept elsewhere.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption, id: bson::Binary) -> fieldveil::Result<()> {
    /// assert_eq!(keys.delete_key(&id).await?.deleted_count, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be written.
    pub fn delete_key<'a>(&'a self, id: &'a Binary) -> Pending<'a, DeleteResult> {
        Pending::new(async move {
            check_key_id(id)?;
            let deleted = self.engine.vault().delete_one(doc! { "_id": id.clone() }).await;
            deleted.map_err(|e| self.vault_error(e))
        })
    }

    /// Adds an alternate name to a data key. Returns the key document as it was before.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption, id: bson::Binary) -> fieldveil::Result<()> {
    /// keys.add_key_alt_name(&id, "patients").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the id is no UUID or the key vault refuses, for instance because another key has the
    /// name already.
    pub fn add_key_alt_name<'a>(
        &'a self,
        id: &'a Binary,
        name: &'a str,
    ) -> Pending<'a, Option<Document>> {
        let update = doc! { "$addToSet": { "keyAltNames": name } };
        self.find_one_and_update(id, update.into())
    }

    /// Removes an alternate name from a data key. Returns the key document as it was before.
    ///
    /// The last name takes the array with it, as the key vault's index expects.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption, id: bson::Binary) -> fieldveil::Result<()> {
    /// keys.remove_key_alt_name(&id, "patients").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the id is no UUID or the key vault cannot be written.
    pub fn remove_key_alt_name<'a>(
        &'a self,
        id: &'a Binary,
        name: &'a str,
    ) -> Pending<'a, Option<Document>> {
        let update = vec![doc! { "$set": { "keyAltNames": { "$cond": [
            { "$eq": ["$keyAltNames", [name]] },
            "$$REMOVE",
            { "$filter": { "input": "$keyAltNames", "cond": { "$ne": ["$$this", name] } } },
        ] } } }];
        self.find_one_and_update(id, update.into())
    }

    /// Makes the key vault refuse an alternate name that another key has: a unique index on
    /// `keyAltNames`, over the keys that have any. Without it two keys may share a name by
    /// accident. The result says whether the index is new.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// keys.create_alt_name_index().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key vault cannot be written, or two keys share a name already.
    pub fn create_alt_name_index(&self) -> Pending<'_, bool> {
        Pending::new(async move {
            if self.has_alt_name_index().await {
                return Ok(false);
            }
            let options = IndexOptions::builder()
                .unique(true)
                .partial_filter_expression(doc! { "keyAltNames": { "$exists": true } })
                .build();
            let index =
                IndexModel::builder().keys(doc! { "keyAltNames": 1 }).options(options).build();
            let created = self.engine.vault().create_index(index).await;
            created.map(|_| true).map_err(|e| self.vault_error(e))
        })
    }

    /// Inserts key documents as they are, for instance from a backup. The result is their number.
    ///
    /// ```no_run
    /// # async fn run(
    /// #     keys: fieldveil::ClientEncryption,
    /// #     backup: Vec<bson::RawDocumentBuf>,
    /// # ) -> fieldveil::Result<()> {
    /// keys.insert_keys(backup).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key vault refuses, for instance because a key is there already.
    pub fn insert_keys(&self, keys: Vec<RawDocumentBuf>) -> Pending<'_, usize> {
        Pending::new(async move {
            let inserted = self.engine.vault().insert_many(keys).await;
            Ok(inserted.map_err(|e| self.vault_error(e))?.inserted_ids.len())
        })
    }

    /// A missing collection has no indexes and may be an error; then the index is to be made.
    async fn has_alt_name_index(&self) -> bool {
        let Ok(cursor) = self.engine.vault().list_indexes().await else { return false };
        let indexes: Result<Vec<IndexModel>, _> = cursor.try_collect().await;
        indexes.unwrap_or_default().iter().any(|index| {
            index.keys == doc! { "keyAltNames": 1 }
                && index.options.as_ref().and_then(|options| options.unique) == Some(true)
        })
    }

    async fn find_one(&self, filter: Document) -> Result<Option<Document>> {
        self.documents().find_one(filter).await.map_err(|e| self.vault_error(e))
    }

    fn find_one_and_update<'a>(
        &'a self,
        id: &'a Binary,
        update: UpdateModifications,
    ) -> Pending<'a, Option<Document>> {
        Pending::new(async move {
            check_key_id(id)?;
            let filter = doc! { "_id": id.clone() };
            let updated = self.documents().find_one_and_update(filter, update).await;
            updated.map_err(|e| self.vault_error(e))
        })
    }

    fn documents(&self) -> Collection<Document> {
        self.engine.vault().clone_with_type()
    }

    fn vault_error(&self, error: mongodb::error::Error) -> Error {
        self.engine.vault_error(error)
    }
}
