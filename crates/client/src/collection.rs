//! A collection whose documents are encrypted on the way out and decrypted on the way in.

use std::{borrow::Borrow, fmt, sync::Arc};

use bson::{Document, RawDocument, RawDocumentBuf};
use mongodb::{Collection, Namespace, options::UpdateModifications};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    action::{
        Aggregate, BulkWrite, CountDocuments, Delete, Distinct, Find, FindOne, FindOneAndDelete,
        FindOneAndReplace, FindOneAndUpdate, InsertMany, InsertOne, ReplaceOne, Update, WriteModel,
    },
    command::Command,
    engine::Engine,
    error::Result,
};

/// A handle to a collection, used like the driver's [`Collection`].
///
/// Cheap to clone. `T` is the type of the documents, as in the driver.
pub struct EncryptedCollection<T: Send + Sync> {
    inner: Collection<T>,
    engine: Arc<Engine>,
    bypass: bool,
}

impl<T: Send + Sync> EncryptedCollection<T> {
    pub(crate) fn new(inner: Collection<T>, engine: Arc<Engine>, bypass: bool) -> Self {
        Self { inner, engine, bypass }
    }

    /// The collection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// The collection's name with its database.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    /// The same collection with documents of another type.
    #[must_use]
    pub fn clone_with_type<U: Send + Sync>(&self) -> EncryptedCollection<U> {
        EncryptedCollection {
            inner: self.inner.clone_with_type(),
            engine: Arc::clone(&self.engine),
            bypass: self.bypass,
        }
    }

    /// The driver's own collection, which encrypts and decrypts **nothing**: for indexes, change
    /// streams and the like, and to look at what is stored.
    #[must_use]
    pub fn without_encryption(&self) -> &Collection<T> {
        &self.inner
    }

    /// Finds the documents that match a filter.
    pub fn find(&self, filter: Document) -> Find<'_, T> {
        Find::new(self, filter)
    }

    /// Finds one document that matches a filter.
    pub fn find_one(&self, filter: Document) -> FindOne<'_, T> {
        FindOne::new(self, filter)
    }

    /// Updates the first document that matches a filter.
    pub fn update_one(
        &self,
        query: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_> {
        Update::new(self.raw(), query, update.into(), false)
    }

    /// Updates every document that matches a filter.
    pub fn update_many(
        &self,
        query: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_> {
        Update::new(self.raw(), query, update.into(), true)
    }

    /// Deletes the first document that matches a filter.
    pub fn delete_one(&self, query: Document) -> Delete<'_> {
        Delete::new(self.raw(), query, false)
    }

    /// Deletes every document that matches a filter.
    pub fn delete_many(&self, query: Document) -> Delete<'_> {
        Delete::new(self.raw(), query, true)
    }

    /// Deletes one document and returns it.
    pub fn find_one_and_delete(&self, filter: Document) -> FindOneAndDelete<'_, T> {
        FindOneAndDelete::new(self, filter)
    }

    /// Updates one document and returns it, as it was before unless told otherwise.
    pub fn find_one_and_update(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> FindOneAndUpdate<'_, T> {
        FindOneAndUpdate::new(self, filter, update.into())
    }

    /// Runs an aggregation; its documents come back as [`Document`] unless
    /// [`with_type`](Aggregate::with_type) says otherwise.
    pub fn aggregate(&self, pipeline: impl IntoIterator<Item = Document>) -> Aggregate<'_> {
        Aggregate::new(self.raw(), pipeline.into_iter().collect())
    }

    /// Counts the documents that match a filter.
    pub fn count_documents(&self, filter: Document) -> CountDocuments<'_> {
        CountDocuments::new(self.raw(), filter)
    }

    /// Counts the documents by the collection's metadata, without a filter.
    pub fn estimated_document_count(&self) -> mongodb::action::EstimatedDocumentCount<'_> {
        self.inner.estimated_document_count()
    }

    /// The distinct values of a field among the documents that match a filter.
    pub fn distinct(&self, field: impl AsRef<str>, filter: Document) -> Distinct<'_> {
        Distinct::new(self.raw(), field.as_ref().to_owned(), filter)
    }

    /// Runs many writes, in order unless told otherwise.
    ///
    /// All of them are encrypted before the first is sent.
    pub fn bulk_write(&self, models: impl IntoIterator<Item = WriteModel>) -> BulkWrite<'_> {
        BulkWrite::new(self.raw(), models.into_iter().collect())
    }

    /// Drops the collection.
    pub fn drop(&self) -> mongodb::action::DropCollection<'_> {
        self.inner.drop()
    }

    pub(crate) fn raw(&self) -> EncryptedCollection<RawDocumentBuf> {
        self.clone_with_type()
    }

    pub(crate) fn inner(&self) -> &Collection<T> {
        &self.inner
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn is_bypassed(&self) -> bool {
        self.bypass
    }

    pub(crate) async fn encrypt(&self, command: &Command) -> Result<RawDocumentBuf> {
        self.engine.encrypt(&self.inner.namespace().db, command).await
    }

    pub(crate) async fn encrypt_raw(&self, command: &RawDocument) -> Result<RawDocumentBuf> {
        self.engine.encrypt_raw(&self.inner.namespace().db, command).await
    }
}

impl<T: Serialize + Send + Sync> EncryptedCollection<T> {
    /// Inserts one document.
    pub fn insert_one(&self, document: impl Borrow<T>) -> InsertOne<'_> {
        InsertOne::new(self.raw(), bson::serialize_to_raw_document_buf(document.borrow()))
    }

    /// Inserts many documents. They are split into batches of 2 MiB before encryption.
    pub fn insert_many(
        &self,
        documents: impl IntoIterator<Item = impl Borrow<T>>,
    ) -> InsertMany<'_> {
        let documents = documents
            .into_iter()
            .map(|document| bson::serialize_to_raw_document_buf(document.borrow()))
            .collect();
        InsertMany::new(self.raw(), documents)
    }

    /// Replaces one document.
    pub fn replace_one(&self, query: Document, replacement: impl Borrow<T>) -> ReplaceOne<'_> {
        let replacement = bson::serialize_to_document(replacement.borrow());
        ReplaceOne::new(self.raw(), query, replacement)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> EncryptedCollection<T> {
    /// Replaces one document and returns it, as it was before unless told otherwise.
    pub fn find_one_and_replace(
        &self,
        filter: Document,
        replacement: impl Borrow<T>,
    ) -> FindOneAndReplace<'_, T> {
        let replacement = bson::serialize_to_document(replacement.borrow());
        FindOneAndReplace::new(self, filter, replacement)
    }
}

impl<T: Send + Sync> Clone for EncryptedCollection<T> {
    fn clone(&self) -> Self {
        self.clone_with_type()
    }
}

impl<T: Send + Sync> fmt::Debug for EncryptedCollection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedCollection")
            .field("namespace", &self.namespace().to_string())
            .field("bypass", &self.bypass)
            .finish_non_exhaustive()
    }
}
