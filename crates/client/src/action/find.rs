//! `find` and `find_one`.

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf};
use futures_util::TryStreamExt;
use mongodb::{
    ClientSession,
    options::{
        Collation, CursorType, FindOneOptions, FindOptions, Hint, ReadConcern, SelectionCriteria,
    },
};
use serde::de::DeserializeOwned;

use super::{
    ExplicitSession, ImplicitSession, awaitable, opaque_debug, option_setters, session_setter,
};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    cursor::{Cursor, SessionCursor},
    error::Result,
};

/// A pending `find`, made by [`EncryptedCollection::find`].
#[must_use]
pub struct Find<'a, T: Send + Sync, S = ImplicitSession> {
    collection: &'a EncryptedCollection<T>,
    filter: Document,
    options: FindOptions,
    session: S,
}

impl<'a, T: Send + Sync> Find<'a, T> {
    pub(crate) fn new(collection: &'a EncryptedCollection<T>, filter: Document) -> Self {
        Self { collection, filter, options: FindOptions::default(), session: ImplicitSession }
    }

    /// Runs the operation in this session; the cursor must be read with the same.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession>,
    ) -> Find<'a, T, ExplicitSession<'a>> {
        Find {
            collection: self.collection,
            filter: self.filter,
            options: self.options,
            session: ExplicitSession(session.into()),
        }
    }

    async fn execute(mut self) -> Result<Cursor<T>> {
        encrypt(self.collection, &mut self.filter, &mut self.options).await?;
        let raw = self.collection.inner().clone_with_type::<RawDocumentBuf>();
        let batches = raw.find(self.filter).with_options(self.options).batch().await?;
        Ok(Cursor::new(batches, self.collection.engine().clone()))
    }
}

impl<T: Send + Sync> Find<'_, T, ExplicitSession<'_>> {
    async fn execute(mut self) -> Result<SessionCursor<T>> {
        encrypt(self.collection, &mut self.filter, &mut self.options).await?;
        let raw = self.collection.inner().clone_with_type::<RawDocumentBuf>();
        let find = raw.find(self.filter).with_options(self.options);
        let batches = find.session(self.session.0).batch().await?;
        Ok(SessionCursor::new(batches, self.collection.engine().clone()))
    }
}

impl<T: Send + Sync, S> Find<'_, T, S> {
    option_setters! { FindOptions:
        allow_disk_use: bool,
        allow_partial_results: bool,
        batch_size: u32,
        collation: Collation,
        comment: Bson,
        cursor_type: CursorType,
        hint: Hint,
        let_vars: Document,
        limit: i64,
        max: Document,
        max_await_time: Duration,
        max_time: Duration,
        min: Document,
        no_cursor_timeout: bool,
        projection: Document,
        read_concern: ReadConcern,
        return_key: bool,
        selection_criteria: SelectionCriteria,
        show_record_id: bool,
        skip: u64,
        sort: Document,
    }
}

awaitable!(
    ['a, T: Send + Sync + 'a] Find<'a, T> => Cursor<T>,
    blocking crate::sync::Cursor<T>
);
awaitable!(
    ['a, T: Send + Sync + 'a] Find<'a, T, ExplicitSession<'a>> => SessionCursor<T>,
    blocking crate::sync::SessionCursor<T>
);
opaque_debug!([T: Send + Sync, S] Find<'_, T, S>);

/// A pending `find` of one document, made by [`EncryptedCollection::find_one`].
#[must_use]
pub struct FindOne<'a, T: Send + Sync> {
    collection: &'a EncryptedCollection<T>,
    filter: Document,
    options: FindOneOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a, T: Send + Sync> FindOne<'a, T> {
    pub(crate) fn new(collection: &'a EncryptedCollection<T>, filter: Document) -> Self {
        Self { collection, filter, options: FindOneOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { FindOneOptions:
        allow_partial_results: bool,
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        max: Document,
        max_time: Duration,
        min: Document,
        projection: Document,
        read_concern: ReadConcern,
        return_key: bool,
        selection_criteria: SelectionCriteria,
        show_record_id: bool,
        skip: u64,
        sort: Document,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, options, session } = self;
        let mut options = FindOptions::from(options);
        encrypt(collection, &mut filter, &mut options).await?;
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let find = raw.find(filter).with_options(options);
        let found = match session {
            Some(session) => {
                let mut cursor = find.session(&mut *session).await?;
                cursor.next(session).await.transpose()?
            }
            None => find.await?.try_next().await?,
        };
        match found {
            Some(found) => {
                let found = collection.engine().decrypt(&found).await?;
                Ok(Some(bson::deserialize_from_slice(found.as_bytes())?))
            }
            None => Ok(None),
        }
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOne<'a, T> => Option<T>);
opaque_debug!([T: Send + Sync] FindOne<'_, T>);

/// Encrypts what a `find` carries, in place.
async fn encrypt<T: Send + Sync>(
    collection: &EncryptedCollection<T>,
    filter: &mut Document,
    options: &mut FindOptions,
) -> Result<()> {
    if collection.is_bypassed() {
        return Ok(());
    }
    let command = Command::new("find", collection.name())
        .set("filter", filter.clone())
        .option("projection", options.projection.as_ref())?
        .option("sort", options.sort.as_ref())?
        .option("min", options.min.as_ref())?
        .option("max", options.max.as_ref())?
        .option("collation", options.collation.as_ref())?
        .option("let", options.let_vars.as_ref())?;
    let command = collection.encrypt(&command).await?;
    let mut encrypted = Encrypted::new(&command, "find")?;
    *filter = encrypted.document("filter")?;
    encrypted.replace("projection", &mut options.projection)?;
    encrypted.replace("sort", &mut options.sort)?;
    encrypted.replace("min", &mut options.min)?;
    encrypted.replace("max", &mut options.max)?;
    encrypted.replace("let", &mut options.let_vars)
}
