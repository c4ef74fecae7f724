//! `find_one_and_update`, `find_one_and_replace` and `find_one_and_delete`.

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf};
use mongodb::{
    ClientSession,
    action::Action,
    options::{
        Collation, FindOneAndDeleteOptions, FindOneAndReplaceOptions, FindOneAndUpdateOptions,
        Hint, ReturnDocument, UpdateModifications, WriteConcern,
    },
};
use serde::de::DeserializeOwned;

use super::{
    awaitable, option_setters, session_setter,
    update::{from_bson, to_bson},
};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::Result,
};

/// A pending `find_one_and_update`, made by [`EncryptedCollection::find_one_and_update`].
#[derive(Debug)]
#[must_use]
pub struct FindOneAndUpdate<'a, T: Send + Sync> {
    collection: &'a EncryptedCollection<T>,
    filter: Document,
    update: UpdateModifications,
    options: FindOneAndUpdateOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a, T: Send + Sync> FindOneAndUpdate<'a, T> {
    pub(crate) fn new(
        collection: &'a EncryptedCollection<T>,
        filter: Document,
        update: UpdateModifications,
    ) -> Self {
        let options = FindOneAndUpdateOptions::default();
        Self { collection, filter, update, options, session: None }
    }

    session_setter!();

    option_setters! { FindOneAndUpdateOptions:
        array_filters: Vec<Document>,
        bypass_document_validation: bool,
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        max_time: Duration,
        projection: Document,
        return_document: ReturnDocument,
        sort: Document,
        upsert: bool,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, mut update, mut options, session } = self;
        if !collection.is_bypassed() {
            let command = Command::new("findAndModify", collection.name())
                .set("query", filter)
                .set("update", to_bson(&update))
                .option("upsert", options.upsert.as_ref())?
                .option("fields", options.projection.as_ref())?
                .option("sort", options.sort.as_ref())?
                .option("collation", options.collation.as_ref())?
                .option("arrayFilters", options.array_filters.as_ref())?
                .option("let", options.let_vars.as_ref())?;
            let command = collection.encrypt(&command).await?;
            let mut encrypted = Encrypted::new(&command, "findAndModify")?;
            filter = encrypted.document("query")?;
            update = from_bson(encrypted.value("update")?, "update")?;
            encrypted.replace("fields", &mut options.projection)?;
            encrypted.replace("sort", &mut options.sort)?;
            encrypted.replace_all("arrayFilters", &mut options.array_filters)?;
            encrypted.replace("let", &mut options.let_vars)?;
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let action = raw.find_one_and_update(filter, update).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndUpdate<'a, T> => Option<T>);

/// A pending `find_one_and_replace`, made by [`EncryptedCollection::find_one_and_replace`].
#[derive(Debug)]
#[must_use]
pub struct FindOneAndReplace<'a, T: Send + Sync> {
    collection: &'a EncryptedCollection<T>,
    filter: Document,
    replacement: Result<Document, bson::error::Error>,
    options: FindOneAndReplaceOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a, T: Send + Sync> FindOneAndReplace<'a, T> {
    pub(crate) fn new(
        collection: &'a EncryptedCollection<T>,
        filter: Document,
        replacement: Result<Document, bson::error::Error>,
    ) -> Self {
        let options = FindOneAndReplaceOptions::default();
        Self { collection, filter, replacement, options, session: None }
    }

    session_setter!();

    option_setters! { FindOneAndReplaceOptions:
        bypass_document_validation: bool,
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        max_time: Duration,
        projection: Document,
        return_document: ReturnDocument,
        sort: Document,
        upsert: bool,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, replacement, mut options, session } = self;
        let mut replacement = replacement?;
        if !collection.is_bypassed() {
            let command = Command::new("findAndModify", collection.name())
                .set("query", filter)
                .set("update", replacement)
                .option("upsert", options.upsert.as_ref())?
                .option("fields", options.projection.as_ref())?
                .option("sort", options.sort.as_ref())?
                .option("collation", options.collation.as_ref())?
                .option("let", options.let_vars.as_ref())?;
            let command = collection.encrypt(&command).await?;
            let mut encrypted = Encrypted::new(&command, "findAndModify")?;
            filter = encrypted.document("query")?;
            replacement = encrypted.document("update")?;
            encrypted.replace("fields", &mut options.projection)?;
            encrypted.replace("sort", &mut options.sort)?;
            encrypted.replace("let", &mut options.let_vars)?;
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let replacement = RawDocumentBuf::try_from(&replacement)?;
        let action = raw.find_one_and_replace(filter, replacement).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndReplace<'a, T> => Option<T>);

/// A pending `find_one_and_delete`, made by [`EncryptedCollection::find_one_and_delete`].
#[derive(Debug)]
#[must_use]
pub struct FindOneAndDelete<'a, T: Send + Sync> {
    collection: &'a EncryptedCollection<T>,
    filter: Document,
    options: FindOneAndDeleteOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a, T: Send + Sync> FindOneAndDelete<'a, T> {
    pub(crate) fn new(collection: &'a EncryptedCollection<T>, filter: Document) -> Self {
        Self { collection, filter, options: FindOneAndDeleteOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { FindOneAndDeleteOptions:
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        max_time: Duration,
        projection: Document,
        sort: Document,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, mut options, session } = self;
        if !collection.is_bypassed() {
            let command = Command::new("findAndModify", collection.name())
                .set("query", filter)
                .set("remove", true)
                .option("fields", options.projection.as_ref())?
                .option("sort", options.sort.as_ref())?
                .option("collation", options.collation.as_ref())?
                .option("let", options.let_vars.as_ref())?;
            let command = collection.encrypt(&command).await?;
            let mut encrypted = Encrypted::new(&command, "findAndModify")?;
            filter = encrypted.document("query")?;
            encrypted.replace("fields", &mut options.projection)?;
            encrypted.replace("sort", &mut options.sort)?;
            encrypted.replace("let", &mut options.let_vars)?;
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let action = raw.find_one_and_delete(filter).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndDelete<'a, T> => Option<T>);

async fn decrypt<T: DeserializeOwned + Send + Sync>(
    collection: &EncryptedCollection<T>,
    found: Option<RawDocumentBuf>,
) -> Result<Option<T>> {
    match found {
        Some(found) => {
            let found = collection.engine().decrypt(&found).await?;
            Ok(Some(bson::deserialize_from_slice(found.as_bytes())?))
        }
        None => Ok(None),
    }
}
