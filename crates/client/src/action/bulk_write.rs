//! `bulk_write` on a collection.

use std::collections::BTreeMap;

use bson::{Bson, Document, RawDocumentBuf};
use mongodb::{
    ClientSession,
    error::ErrorKind,
    options::{Collation, Hint, InsertManyOptions, UpdateModifications},
    results::UpdateResult,
};

use super::{Delete, ReplaceOne, Update, awaitable, insert::Batches, opaque_debug, session_setter};
use crate::{
    collection::EncryptedCollection,
    error::{BulkWriteError, Error, Result},
};

/// One write of a [`bulk_write`](EncryptedCollection::bulk_write).
///
/// ```no_run
/// # use bson::{Document, doc};
/// use fieldveil::action::WriteModel;
/// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
/// let result = patients
///     .bulk_write([
///         WriteModel::insert_one(doc! { "_id": 1, "ssn": "123-12-1234" }),
///         WriteModel::update_one(doc! { "_id": 1 }, doc! { "$set": { "ssn": "457-55-5462" } }),
///         WriteModel::delete_one(doc! { "ssn": "457-55-5462" }),
///     ])
///     .await?;
/// assert_eq!(result.deleted_count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WriteModel {
    /// Inserts a document.
    InsertOne {
        /// The document.
        document: Document,
    },
    /// Updates one document, or all that match.
    Update {
        /// Which documents.
        filter: Document,
        /// What to do with them.
        update: UpdateModifications,
        /// All that match instead of the first.
        multi: bool,
        /// Inserts a document if none matches.
        upsert: Option<bool>,
        /// Which elements of arrays.
        array_filters: Option<Vec<Document>>,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
    },
    /// Replaces one document.
    ReplaceOne {
        /// Which document.
        filter: Document,
        /// What replaces it.
        replacement: Document,
        /// Inserts the replacement if none matches.
        upsert: Option<bool>,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
    },
    /// Deletes one document, or all that match.
    Delete {
        /// Which documents.
        filter: Document,
        /// All that match instead of the first.
        multi: bool,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
    },
}

impl WriteModel {
    /// Inserts a document.
    #[must_use]
    pub fn insert_one(document: Document) -> Self {
        Self::InsertOne { document }
    }

    /// Updates the first document that matches.
    #[must_use]
    pub fn update_one(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), false)
    }

    /// Updates every document that matches.
    #[must_use]
    pub fn update_many(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), true)
    }

    /// Replaces the first document that matches.
    #[must_use]
    pub fn replace_one(filter: Document, replacement: Document) -> Self {
        Self::ReplaceOne { filter, replacement, upsert: None, collation: None, hint: None }
    }

    /// Deletes the first document that matches.
    #[must_use]
    pub fn delete_one(filter: Document) -> Self {
        Self::Delete { filter, multi: false, collation: None, hint: None }
    }

    /// Deletes every document that matches.
    #[must_use]
    pub fn delete_many(filter: Document) -> Self {
        Self::Delete { filter, multi: true, collation: None, hint: None }
    }

    /// Inserts a document if an update or replacement matches none.
    #[must_use]
    pub fn upsert(mut self) -> Self {
        if let Self::Update { upsert, .. } | Self::ReplaceOne { upsert, .. } = &mut self {
            *upsert = Some(true);
        }
        self
    }

    fn update(filter: Document, update: UpdateModifications, multi: bool) -> Self {
        Self::Update {
            filter,
            update,
            multi,
            upsert: None,
            array_filters: None,
            collation: None,
            hint: None,
        }
    }
}

/// What a [`bulk_write`](EncryptedCollection::bulk_write) did. Indexes count the models from 0.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BulkWriteResult {
    /// Documents inserted.
    pub inserted_count: u64,
    /// Documents that updates and replacements matched.
    pub matched_count: u64,
    /// Documents that updates and replacements changed.
    pub modified_count: u64,
    /// Documents deleted.
    pub deleted_count: u64,
    /// The ids of inserted documents.
    pub inserted_ids: BTreeMap<usize, Bson>,
    /// The ids of upserted documents.
    pub upserted_ids: BTreeMap<usize, Bson>,
}

/// A pending bulk write, made by [`EncryptedCollection::bulk_write`].
///
/// Each write is an operation of the driver of its own (inserts that follow one another are sent
/// together), so each keeps its retries.
#[must_use]
pub struct BulkWrite<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    models: Vec<WriteModel>,
    ordered: bool,
    session: Option<&'a mut ClientSession>,
}

impl<'a> BulkWrite<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        models: Vec<WriteModel>,
    ) -> Self {
        Self { collection, models, ordered: true, session: None }
    }

    session_setter!();

    /// Whether the first error ends the bulk write (the default), or the others go on.
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    async fn execute(self) -> Result<BulkWriteResult> {
        let Self { collection, models, ordered, mut session } = self;
        let writes = prepare(&collection, models).await?;
        let mut done = Done::default();
        let mut index = 0;
        for write in writes {
            let models = write.models();
            done.send(&collection, write, index, ordered, session.as_deref_mut()).await;
            index += models;
            if ordered && !done.errors.is_empty() {
                break;
            }
        }
        if done.errors.is_empty() {
            return Ok(done.result);
        }
        Err(Error::BulkWrite(Box::new(BulkWriteError { errors: done.errors, result: done.result })))
    }
}

awaitable!(['a] BulkWrite<'a> => BulkWriteResult);
opaque_debug!([] BulkWrite<'_>);

/// A write that is encrypted already.
enum Write {
    Insert(Batches),
    Update(Update<'static>),
    Replace(ReplaceOne<'static>),
    Delete(Delete<'static>),
}

impl Write {
    /// How many models it carries out.
    fn models(&self) -> usize {
        match self {
            Self::Insert(batches) => batches.ids.len(),
            _ => 1,
        }
    }
}

/// Encrypts all writes; inserts that follow one another become one.
async fn prepare(
    collection: &EncryptedCollection<RawDocumentBuf>,
    models: Vec<WriteModel>,
) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let mut inserts = Vec::new();
    for model in models {
        if let WriteModel::InsertOne { document } = model {
            inserts.push(RawDocumentBuf::try_from(&document)?);
            continue;
        }
        flush(collection, &mut inserts, &mut writes).await?;
        writes.push(single(collection, model).await?);
    }
    flush(collection, &mut inserts, &mut writes).await?;
    Ok(writes)
}

async fn flush(
    collection: &EncryptedCollection<RawDocumentBuf>,
    inserts: &mut Vec<RawDocumentBuf>,
    writes: &mut Vec<Write>,
) -> Result<()> {
    if !inserts.is_empty() {
        let batches = Batches::encrypt(collection, std::mem::take(inserts)).await?;
        writes.push(Write::Insert(batches));
    }
    Ok(())
}

async fn single(
    collection: &EncryptedCollection<RawDocumentBuf>,
    model: WriteModel,
) -> Result<Write> {
    let collection = collection.clone();
    Ok(match model {
        WriteModel::InsertOne { document } => {
            let document = RawDocumentBuf::try_from(&document)?;
            Write::Insert(Batches::encrypt(&collection, vec![document]).await?)
        }
        WriteModel::Update { filter, update, multi, upsert, array_filters, collation, hint } => {
            let mut action = Update::new(collection, filter, update, multi);
            action.options.upsert = upsert;
            action.options.array_filters = array_filters;
            action.options.collation = collation;
            action.options.hint = hint;
            action.encrypt().await?;
            Write::Update(action)
        }
        WriteModel::ReplaceOne { filter, replacement, upsert, collation, hint } => {
            let mut action = ReplaceOne::new(collection, filter, Ok(replacement));
            action.options.upsert = upsert;
            action.options.collation = collation;
            action.options.hint = hint;
            action.encrypt().await?;
            Write::Replace(action)
        }
        WriteModel::Delete { filter, multi, collation, hint } => {
            let mut action = Delete::new(collection, filter, multi);
            action.options.collation = collation;
            action.options.hint = hint;
            action.encrypt().await?;
            Write::Delete(action)
        }
    })
}

/// What was done so far.
#[derive(Default)]
struct Done {
    result: BulkWriteResult,
    errors: BTreeMap<usize, Error>,
}

impl Done {
    async fn send(
        &mut self,
        collection: &EncryptedCollection<RawDocumentBuf>,
        write: Write,
        index: usize,
        ordered: bool,
        session: Option<&mut ClientSession>,
    ) {
        let outcome = match write {
            Write::Insert(batches) => {
                let mut options = InsertManyOptions::default();
                options.ordered = Some(ordered);
                let ids = batches.ids.clone();
                let outcome = batches.send(collection, &options, session).await;
                self.inserted(ids, outcome, index, ordered);
                return;
            }
            Write::Update(update) => update.send(session).await.map(|r| self.updated(r, index)),
            Write::Replace(replace) => replace.send(session).await.map(|r| self.updated(r, index)),
            Write::Delete(delete) => delete
                .send(session)
                .await
                .map(|result| self.result.deleted_count += result.deleted_count),
        };
        if let Err(error) = outcome {
            self.errors.insert(index, error);
        }
    }

    fn updated(&mut self, updated: UpdateResult, index: usize) {
        self.result.matched_count += updated.matched_count;
        self.result.modified_count += updated.modified_count;
        if let Some(id) = updated.upserted_id {
            self.result.upserted_ids.insert(index, id);
        }
    }

    fn inserted(
        &mut self,
        ids: Vec<Bson>,
        outcome: Result<(), mongodb::error::Error>,
        index: usize,
        ordered: bool,
    ) {
        let (failed, end) = match outcome {
            Ok(()) => (Vec::new(), ids.len()),
            Err(error) => {
                let failed: Vec<usize> = match &*error.kind {
                    ErrorKind::InsertMany(failure) => {
                        failure.write_errors.iter().flatten().map(|error| error.index).collect()
                    }
                    _ => Vec::new(),
                };
                let first = failed.iter().min().copied();
                self.errors.insert(index + first.unwrap_or_default(), error.into());
                // Without an index nothing is known to be inserted.
                let end = match first {
                    None => 0,
                    Some(first) if ordered => first,
                    Some(_) => ids.len(),
                };
                (failed, end)
            }
        };
        for (position, id) in ids.into_iter().enumerate().take(end) {
            if !failed.contains(&position) {
                self.result.inserted_ids.insert(index + position, id);
                self.result.inserted_count += 1;
            }
        }
    }
}
