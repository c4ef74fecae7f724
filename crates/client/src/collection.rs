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
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// assert_eq!(patients.name(), "patients");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// The collection's name with its database.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// assert_eq!(patients.namespace().to_string(), "clinic.patients");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    /// The same collection with documents of another type.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Patient {
    ///     name: String,
    ///     ssn: String,
    /// }
    /// let typed = patients.clone_with_type::<Patient>();
    /// let patient = Patient { name: "Sophia".to_owned(), ssn: "123-12-1234".to_owned() };
    /// typed.insert_one(&patient).await?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// // Ciphertext, as the database sees it.
    /// let stored = patients.without_encryption().find_one(doc! {}).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_encryption(&self) -> &Collection<T> {
        &self.inner
    }

    /// Finds the documents that match a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let mut cursor = patients.find(doc! { "ssn": "123-12-1234" }).limit(10).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, filter: Document) -> Find<'_, T> {
        Find::new(self, filter)
    }

    /// Finds one document that matches a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let patient = patients.find_one(doc! { "ssn": "123-12-1234" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_one(&self, filter: Document) -> FindOne<'_, T> {
        FindOne::new(self, filter)
    }

    /// Updates the first document that matches a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let update = doc! { "$set": { "ssn": "457-55-5462" } };
    /// let updated = patients.update_one(doc! { "ssn": "123-12-1234" }, update).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_one(
        &self,
        query: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_> {
        Update::new(self.raw(), query, update.into(), false)
    }

    /// Updates every document that matches a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let update = doc! { "$unset": { "ward": "" } };
    /// let updated = patients.update_many(doc! { "ward": 3 }, update).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_many(
        &self,
        query: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_> {
        Update::new(self.raw(), query, update.into(), true)
    }

    /// Deletes the first document that matches a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let deleted = patients.delete_one(doc! { "ssn": "123-12-1234" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_one(&self, query: Document) -> Delete<'_> {
        Delete::new(self.raw(), query, false)
    }

    /// Deletes every document that matches a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let deleted = patients.delete_many(doc! { "ward": 3 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_many(&self, query: Document) -> Delete<'_> {
        Delete::new(self.raw(), query, true)
    }

    /// Deletes one document and returns it.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let gone = patients.find_one_and_delete(doc! { "ssn": "123-12-1234" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_one_and_delete(&self, filter: Document) -> FindOneAndDelete<'_, T> {
        FindOneAndDelete::new(self, filter)
    }

    /// Updates one document and returns it, as it was before unless told otherwise.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// use mongodb::options::ReturnDocument;
    /// let moved = patients
    ///     .find_one_and_update(doc! { "ssn": "123-12-1234" }, doc! { "$set": { "ward": 3 } })
    ///     .return_document(ReturnDocument::After)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_one_and_update(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> FindOneAndUpdate<'_, T> {
        FindOneAndUpdate::new(self, filter, update.into())
    }

    /// Runs an aggregation; its documents come back as [`Document`] unless
    /// [`with_type`](Aggregate::with_type) says otherwise.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let pipeline = [doc! { "$match": { "ssn": "123-12-1234" } }, doc! { "$limit": 1 }];
    /// let mut cursor = patients.aggregate(pipeline).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn aggregate(&self, pipeline: impl IntoIterator<Item = Document>) -> Aggregate<'_> {
        Aggregate::new(self.raw(), pipeline.into_iter().collect())
    }

    /// Counts the documents that match a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let count = patients.count_documents(doc! { "ssn": "123-12-1234" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn count_documents(&self, filter: Document) -> CountDocuments<'_> {
        CountDocuments::new(self.raw(), filter)
    }

    /// Counts the documents by the collection's metadata, without a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let about = patients.estimated_document_count().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn estimated_document_count(&self) -> mongodb::action::EstimatedDocumentCount<'_> {
        self.inner.estimated_document_count()
    }

    /// The distinct values of a field among the documents that match a filter.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let numbers = patients.distinct("ssn", doc! { "ward": 3 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn distinct(&self, field: impl AsRef<str>, filter: Document) -> Distinct<'_> {
        Distinct::new(self.raw(), field.as_ref().to_owned(), filter)
    }

    /// Runs many writes, in order unless told otherwise.
    ///
    /// All of them are encrypted before the first is sent.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// use fieldveil::action::WriteModel;
    /// let writes = [
    ///     WriteModel::insert_one(doc! { "ssn": "123-12-1234" }),
    ///     WriteModel::delete_many(doc! { "ssn": "457-55-5462" }),
    /// ];
    /// let result = patients.bulk_write(writes).ordered(false).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bulk_write(&self, models: impl IntoIterator<Item = WriteModel>) -> BulkWrite<'_> {
        BulkWrite::new(self.raw(), models.into_iter().collect())
    }

    /// Drops the collection.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// patients.drop().await?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let inserted = patients.insert_one(doc! { "ssn": "123-12-1234" }).await?;
    /// println!("{}", inserted.inserted_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert_one(&self, document: impl Borrow<T>) -> InsertOne<'_> {
        InsertOne::new(self.raw(), bson::serialize_to_raw_document_buf(document.borrow()))
    }

    /// Inserts many documents. They are split into batches of 2 MiB before encryption.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let inserted = patients.insert_many([doc! { "ssn": "1" }, doc! { "ssn": "2" }]).await?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let replacement = doc! { "name": "Sophia", "ssn": "457-55-5462" };
    /// patients.replace_one(doc! { "ssn": "123-12-1234" }, &replacement).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_one(&self, query: Document, replacement: impl Borrow<T>) -> ReplaceOne<'_> {
        let replacement = bson::serialize_to_document(replacement.borrow());
        ReplaceOne::new(self.raw(), query, replacement)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> EncryptedCollection<T> {
    /// Replaces one document and returns it, as it was before unless told otherwise.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
    /// let replacement = doc! { "name": "Sophia", "ssn": "457-55-5462" };
    /// let before = patients.find_one_and_replace(doc! { "_id": 1 }, &replacement).await?;
    /// # Ok(())
    /// # }
    /// ```
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
