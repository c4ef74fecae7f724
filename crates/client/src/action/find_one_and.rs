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
    awaitable, opaque_debug, option_setters, session_setter,
    update::{from_bson, to_bson},
};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::{Error, Result},
};

/// The options that all three have, and those of one.
macro_rules! find_one_and_setters {
    ($options:ident: $($name:ident: $type:ty),* $(,)?) => {
        option_setters! { $options:
            collation: Collation,
            comment: Bson,
            hint: Hint,
            let_vars: Document,
            max_time: Duration,
            projection: Document,
            sort: Document,
            write_concern: WriteConcern,
            $($name: $type,)*
        }
    };
}

/// A pending `find_one_and_update`, made by [`EncryptedCollection::find_one_and_update`].
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

    find_one_and_setters! { FindOneAndUpdateOptions:
        array_filters: Vec<Document>,
        bypass_document_validation: bool,
        return_document: ReturnDocument,
        upsert: bool,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, mut update, mut options, session } = self;
        if !collection.is_bypassed() {
            let encrypted = Parts {
                filter: &mut filter,
                change: Change::Update(to_bson(&update), options.upsert),
                projection: &mut options.projection,
                sort: &mut options.sort,
                array_filters: &mut options.array_filters,
                let_vars: &mut options.let_vars,
                collation: options.collation.as_ref(),
            };
            update = from_bson(encrypted.encrypt(collection).await?, "update")?;
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let action = raw.find_one_and_update(filter, update).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndUpdate<'a, T> => Option<T>);
opaque_debug!([T: Send + Sync] FindOneAndUpdate<'_, T>);

/// A pending `find_one_and_replace`, made by [`EncryptedCollection::find_one_and_replace`].
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

    find_one_and_setters! { FindOneAndReplaceOptions:
        bypass_document_validation: bool,
        return_document: ReturnDocument,
        upsert: bool,
    }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, replacement, mut options, session } = self;
        let mut replacement = replacement?;
        if !collection.is_bypassed() {
            let encrypted = Parts {
                filter: &mut filter,
                change: Change::Update(Bson::Document(replacement), options.upsert),
                projection: &mut options.projection,
                sort: &mut options.sort,
                array_filters: &mut None,
                let_vars: &mut options.let_vars,
                collation: options.collation.as_ref(),
            };
            replacement = match encrypted.encrypt(collection).await? {
                Bson::Document(replacement) => replacement,
                _ => return Err(Error::Shape { field: "update" }),
            };
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let replacement = RawDocumentBuf::try_from(&replacement)?;
        let action = raw.find_one_and_replace(filter, replacement).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndReplace<'a, T> => Option<T>);
opaque_debug!([T: Send + Sync] FindOneAndReplace<'_, T>);

/// A pending `find_one_and_delete`, made by [`EncryptedCollection::find_one_and_delete`].
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

    find_one_and_setters! { FindOneAndDeleteOptions: }

    async fn execute(self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let Self { collection, mut filter, mut options, session } = self;
        if !collection.is_bypassed() {
            let encrypted = Parts {
                filter: &mut filter,
                change: Change::Remove,
                projection: &mut options.projection,
                sort: &mut options.sort,
                array_filters: &mut None,
                let_vars: &mut options.let_vars,
                collation: options.collation.as_ref(),
            };
            encrypted.encrypt(collection).await?;
        }
        let raw = collection.inner().clone_with_type::<RawDocumentBuf>();
        let action = raw.find_one_and_delete(filter).with_options(options);
        let found = action.optional(session, |action, s| action.session(s)).await?;
        decrypt(collection, found).await
    }
}

awaitable!(['a, T: DeserializeOwned + Send + Sync + 'a] FindOneAndDelete<'a, T> => Option<T>);
opaque_debug!([T: Send + Sync] FindOneAndDelete<'_, T>);

/// What a `findAndModify` does with the document it finds.
enum Change {
    /// Changes or replaces it, and may insert one.
    Update(Bson, Option<bool>),
    Remove,
}

/// The parts of a `findAndModify` that analysis reads, and most of which it may rewrite.
struct Parts<'o> {
    filter: &'o mut Document,
    change: Change,
    projection: &'o mut Option<Document>,
    sort: &'o mut Option<Document>,
    array_filters: &'o mut Option<Vec<Document>>,
    let_vars: &'o mut Option<Document>,
    collation: Option<&'o Collation>,
}

impl Parts<'_> {
    /// Encrypts all parts in place. The result is the update, null if there is none.
    async fn encrypt<T: Send + Sync>(self, collection: &EncryptedCollection<T>) -> Result<Bson> {
        let is_update = matches!(self.change, Change::Update(..));
        let command = Command::new("findAndModify", collection.name())
            .set("query", std::mem::take(self.filter));
        let command = match self.change {
            Change::Update(update, upsert) => {
                command.set("update", update).option("upsert", upsert.as_ref())?
            }
            Change::Remove => command.set("remove", true),
        };
        let command = command
            .option("fields", self.projection.as_ref())?
            .option("sort", self.sort.as_ref())?
            .option("collation", self.collation)?
            .option("arrayFilters", self.array_filters.as_ref())?
            .option("let", self.let_vars.as_ref())?;
        let command = collection.encrypt(&command).await?;
        let mut encrypted = Encrypted::new(&command, "findAndModify")?;
        *self.filter = encrypted.document("query")?;
        encrypted.replace("fields", self.projection)?;
        encrypted.replace("sort", self.sort)?;
        encrypted.replace_all("arrayFilters", self.array_filters)?;
        encrypted.replace("let", self.let_vars)?;
        if is_update { encrypted.value("update") } else { Ok(Bson::Null) }
    }
}

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
