//! `bulk_write` on a collection.

mod model;
mod result;

use bson::{Bson, Document, RawDocumentBuf};
use mongodb::{
    ClientSession,
    options::{BulkWriteOptions, InsertManyOptions, WriteConcern},
};

pub use model::WriteModel;
pub use result::BulkWriteResult;

use super::{
    Delete, ReplaceOne, Update, awaitable, insert::Batches, opaque_debug, option_setters,
    session_setter,
};
use crate::{
    collection::EncryptedCollection,
    error::{BulkWriteError, Error, Result},
};
use result::Done;

/// A pending bulk write, made by [`EncryptedCollection::bulk_write`].
///
/// Each write is an operation of the driver of its own (inserts that follow one another are sent
/// together), so each keeps its retries.
#[must_use]
pub struct BulkWrite<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    models: Vec<WriteModel>,
    options: BulkWriteOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> BulkWrite<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        models: Vec<WriteModel>,
    ) -> Self {
        Self { collection, models, options: BulkWriteOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { BulkWriteOptions:
        bypass_document_validation: bool,
        comment: Bson,
        let_vars: Document,
        ordered: bool,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<BulkWriteResult> {
        let Self { collection, models, options, mut session } = self;
        let ordered = options.ordered.unwrap_or(true);
        let writes = prepare(&collection, models, &options).await?;
        let mut done = Done::default();
        let mut index = 0;
        for write in writes {
            let models = write.models();
            write.send(&collection, index, &options, session.as_deref_mut(), &mut done).await;
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

    /// Sends it; `index` is that of its first model.
    async fn send(
        self,
        collection: &EncryptedCollection<RawDocumentBuf>,
        index: usize,
        options: &BulkWriteOptions,
        session: Option<&mut ClientSession>,
        done: &mut Done,
    ) {
        let outcome = match self {
            Self::Insert(batches) => {
                let mut insert = InsertManyOptions::default();
                insert.ordered = options.ordered;
                insert.bypass_document_validation = options.bypass_document_validation;
                insert.comment.clone_from(&options.comment);
                insert.write_concern.clone_from(&options.write_concern);
                let ids = batches.ids.clone();
                let outcome = batches.send(collection, &insert, session).await;
                done.inserted(ids, outcome, index, options.ordered.unwrap_or(true));
                return;
            }
            Self::Update(update) => update.send(session).await.map(|r| done.updated(r, index)),
            Self::Replace(replace) => replace.send(session).await.map(|r| done.updated(r, index)),
            Self::Delete(delete) => delete
                .send(session)
                .await
                .map(|result| done.result.deleted_count += result.deleted_count),
        };
        if let Err(error) = outcome {
            done.errors.insert(index, error);
        }
    }
}

/// Encrypts all writes; inserts that follow one another become one.
async fn prepare(
    collection: &EncryptedCollection<RawDocumentBuf>,
    models: Vec<WriteModel>,
    options: &BulkWriteOptions,
) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let mut inserts = Vec::new();
    for model in models {
        if let WriteModel::InsertOne { document } = model {
            inserts.push(RawDocumentBuf::try_from(&document)?);
            continue;
        }
        flush(collection, &mut inserts, &mut writes).await?;
        writes.push(single(collection, model, options).await?);
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
    options: &BulkWriteOptions,
) -> Result<Write> {
    let collection = collection.clone();
    Ok(match model {
        WriteModel::InsertOne { document } => {
            let document = RawDocumentBuf::try_from(&document)?;
            Write::Insert(Batches::encrypt(&collection, vec![document]).await?)
        }
        WriteModel::Update {
            filter,
            update,
            multi,
            upsert,
            array_filters,
            collation,
            hint,
            sort,
        } => {
            let mut action = Update::new(collection, filter, update, multi);
            action.options.upsert = upsert;
            action.options.array_filters = array_filters;
            action.options.collation = collation;
            action.options.hint = hint;
            action.options.sort = sort;
            action.options.bypass_document_validation = options.bypass_document_validation;
            action.options.comment.clone_from(&options.comment);
            action.options.let_vars.clone_from(&options.let_vars);
            action.options.write_concern.clone_from(&options.write_concern);
            action.encrypt().await?;
            Write::Update(action)
        }
        WriteModel::ReplaceOne { filter, replacement, upsert, collation, hint, sort } => {
            let mut action = ReplaceOne::new(collection, filter, Ok(replacement));
            action.options.upsert = upsert;
            action.options.collation = collation;
            action.options.hint = hint;
            action.options.sort = sort;
            action.options.bypass_document_validation = options.bypass_document_validation;
            action.options.comment.clone_from(&options.comment);
            action.options.let_vars.clone_from(&options.let_vars);
            action.options.write_concern.clone_from(&options.write_concern);
            action.encrypt().await?;
            Write::Replace(action)
        }
        WriteModel::Delete { filter, multi, collation, hint } => {
            let mut action = Delete::new(collection, filter, multi);
            action.options.collation = collation;
            action.options.hint = hint;
            action.options.comment.clone_from(&options.comment);
            action.options.let_vars.clone_from(&options.let_vars);
            action.options.write_concern.clone_from(&options.write_concern);
            action.encrypt().await?;
            Write::Delete(action)
        }
    })
}
