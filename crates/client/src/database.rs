//! A database whose collections are encrypted.

use std::{fmt, sync::Arc};

use bson::{Document, RawDocumentBuf};
use mongodb::{Database, options::CollectionOptions};

use crate::{
    action::{CreateCollection, RunCommand, RunCursorCommand},
    collection::EncryptedCollection,
    engine::Engine,
};

/// A handle to a database, used like the driver's [`Database`]. Cheap to clone.
#[derive(Clone)]
pub struct EncryptedDatabase {
    inner: Database,
    engine: Arc<Engine>,
    bypass: bool,
}

impl EncryptedDatabase {
    pub(crate) fn new(inner: Database, engine: Arc<Engine>, bypass: bool) -> Self {
        Self { inner, engine, bypass }
    }

    /// The database's name.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// assert_eq!(client.database("clinic").name(), "clinic");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// A collection of this database, with documents of type `T`.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let patients = client.database("clinic").collection::<Document>("patients");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn collection<T: Send + Sync>(&self, name: &str) -> EncryptedCollection<T> {
        EncryptedCollection::new(self.inner.collection(name), Arc::clone(&self.engine), self.bypass)
    }

    /// A collection with read preference and concerns of its own.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// use mongodb::options::{CollectionOptions, ReadConcern};
    /// let options = CollectionOptions::builder().read_concern(ReadConcern::majority()).build();
    /// let database = client.database("clinic");
    /// let patients = database.collection_with_options::<Document>("patients", options);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn collection_with_options<T: Send + Sync>(
        &self,
        name: &str,
        options: CollectionOptions,
    ) -> EncryptedCollection<T> {
        EncryptedCollection::new(
            self.inner.collection_with_options(name, options),
            Arc::clone(&self.engine),
            self.bypass,
        )
    }

    /// Runs a command: it is encrypted as a whole, its reply decrypted.
    ///
    /// A command that encryption does not know is refused.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let insert = doc! { "insert": "patients", "documents": [{ "ssn": "123-12-1234" }] };
    /// let reply = client.database("clinic").run_command(insert).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_command(&self, command: Document) -> RunCommand<'_> {
        RunCommand::new(self, RawDocumentBuf::try_from(&command))
    }

    /// As [`run_command`](Self::run_command), for a command that is BSON already.
    pub fn run_raw_command(&self, command: RawDocumentBuf) -> RunCommand<'_> {
        RunCommand::new(self, Ok(command))
    }

    /// Runs a command that is answered with a cursor: it is encrypted as a whole, the documents of
    /// the cursor are decrypted.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let find = doc! { "find": "patients", "filter": { "ssn": "123-12-1234" } };
    /// let cursor = client.database("clinic").run_cursor_command(find).batch_size(10).await?;
    /// let found: Vec<Document> = cursor.try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_cursor_command(&self, command: Document) -> RunCursorCommand<'_> {
        RunCursorCommand::new(self, RawDocumentBuf::try_from(&command))
    }

    /// As [`run_cursor_command`](Self::run_cursor_command), for a command that is BSON already.
    pub fn run_raw_cursor_command(&self, command: RawDocumentBuf) -> RunCursorCommand<'_> {
        RunCursorCommand::new(self, Ok(command))
    }

    /// Creates a collection; give its schema as `validator` to have the server enforce it, and to
    /// have clients that lack it find it there.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient, schema: Document) -> fieldveil::Result<()> {
    /// let validator = doc! { "$jsonSchema": schema };
    /// client.database("clinic").create_collection("patients").validator(validator).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_collection(&self, name: impl Into<String>) -> CreateCollection<'_> {
        CreateCollection::new(self, name.into())
    }

    /// Lists the collections' names.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let names = client.database("clinic").list_collection_names().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_collection_names(
        &self,
    ) -> mongodb::action::ListCollections<'_, mongodb::action::ListNames> {
        self.inner.list_collection_names()
    }

    /// Drops the database.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// client.database("clinic").drop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop(&self) -> mongodb::action::DropDatabase<'_> {
        self.inner.drop()
    }

    /// The driver's own database, which encrypts and decrypts **nothing**.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let database = client.database("clinic");
    /// let driver: &mongodb::Database = database.without_encryption();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_encryption(&self) -> &Database {
        &self.inner
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn is_bypassed(&self) -> bool {
        self.bypass
    }
}

impl fmt::Debug for EncryptedDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedDatabase")
            .field("name", &self.inner.name())
            .field("bypass", &self.bypass)
            .finish_non_exhaustive()
    }
}
