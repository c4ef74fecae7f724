//! Inserts, updates and deletes: what callers hand in and get back.

use bson::raw::{RawBson, RawDocumentBuf};

use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::retry::{Record, RetryKey};
use crate::store::{Lead, Store};
use crate::transaction::Transaction;

mod delete;
mod find_and_modify;
mod insert;
mod merge;
mod target;
mod update;

pub use find_and_modify::{Change, FindAndModify, FindAndModifyOutcome};
pub(crate) use insert::writable;
pub(crate) use merge::merge;

/// What holds for all statements of one write command.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Whether the first error ends the command.
    pub ordered: bool,
    /// Whether validators are left out.
    pub bypass_document_validation: bool,
    /// The command's `let`.
    pub let_variables: Option<RawDocumentBuf>,
    /// When to give up.
    pub interrupt: Interrupt,
    /// Makes the command one that may be repeated: its statements are not done twice.
    pub retry: Option<RetryKey>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            ordered: true,
            bypass_document_validation: false,
            let_variables: None,
            interrupt: Interrupt::never(),
            retry: None,
        }
    }
}

/// One statement of an `update` command.
#[derive(Clone, Debug)]
pub struct UpdateStatement {
    /// `q`
    pub filter: RawDocumentBuf,
    /// `u`: operators or a replacement in a document, or a pipeline in an array.
    pub update: RawBson,
    /// Whether to update all matching documents.
    pub multi: bool,
    /// Whether to insert if none matches.
    pub upsert: bool,
    /// `arrayFilters`
    pub array_filters: Vec<RawDocumentBuf>,
    /// Which of the matching documents comes first.
    pub sort: Option<RawDocumentBuf>,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
}

impl UpdateStatement {
    /// Updates the first document that matches.
    #[must_use]
    pub fn one(filter: RawDocumentBuf, update: impl Into<RawBson>) -> Self {
        Self {
            filter,
            update: update.into(),
            multi: false,
            upsert: false,
            array_filters: Vec::new(),
            sort: None,
            hint: None,
            collation: None,
        }
    }

    /// Updates all documents that match.
    #[must_use]
    pub fn many(filter: RawDocumentBuf, update: impl Into<RawBson>) -> Self {
        Self { multi: true, ..Self::one(filter, update) }
    }
}

/// One statement of a `delete` command.
#[derive(Clone, Debug)]
pub struct DeleteStatement {
    /// `q`
    pub filter: RawDocumentBuf,
    /// Whether to delete only the first document that matches (`limit: 1`).
    pub only_one: bool,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
}

/// One write, on any collection.
#[derive(Clone, Debug)]
pub enum WriteStatement {
    /// Adds a document.
    Insert(RawDocumentBuf),
    /// Changes documents.
    Update(Box<UpdateStatement>),
    /// Removes documents.
    Delete(Box<DeleteStatement>),
}

/// What one statement did.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementOutcome {
    /// A document was added; its `_id`.
    Inserted(RawBson),
    /// Documents were changed, or one was added.
    Updated {
        /// How many matched.
        matched: u64,
        /// How many are different now.
        modified: u64,
        /// The `_id` of the document that an upsert added.
        upserted: Option<RawBson>,
    },
    /// How many documents were removed.
    Deleted(u64),
}

/// A statement that failed.
#[derive(Clone, Debug)]
pub struct WriteError {
    /// Its place in the command.
    pub index: usize,
    /// Why.
    pub error: StoreError,
}

/// What a `bulkWrite` command did.
#[derive(Clone, Debug, Default)]
pub struct BulkOutcome {
    /// One for each statement that was run.
    pub results: Vec<Result<StatementOutcome>>,
    /// The statements that had been done before and were only answered, by their `stmtId`.
    pub repeated: Vec<i32>,
}

/// What an `insert` command did.
#[derive(Clone, Debug, Default)]
pub struct InsertOutcome {
    /// How many documents were added.
    pub inserted: u64,
    /// The statements that failed.
    pub errors: Vec<WriteError>,
    /// As in [`BulkOutcome::repeated`].
    pub repeated: Vec<i32>,
}

/// What an `update` command did.
#[derive(Clone, Debug, Default)]
pub struct UpdateOutcome {
    /// How many documents matched.
    pub matched: u64,
    /// How many are different now.
    pub modified: u64,
    /// Place in the command and `_id` of each document that an upsert added.
    pub upserted: Vec<(usize, RawBson)>,
    /// The statements that failed.
    pub errors: Vec<WriteError>,
    /// As in [`BulkOutcome::repeated`].
    pub repeated: Vec<i32>,
}

/// What a `delete` command did.
#[derive(Clone, Debug, Default)]
pub struct DeleteOutcome {
    /// How many documents were removed.
    pub deleted: u64,
    /// The statements that failed.
    pub errors: Vec<WriteError>,
    /// As in [`BulkOutcome::repeated`].
    pub repeated: Vec<i32>,
}

impl From<BulkOutcome> for InsertOutcome {
    fn from(BulkOutcome { results, repeated }: BulkOutcome) -> Self {
        let mut outcome = Self { repeated, ..Self::default() };
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(_) => outcome.inserted += 1,
                Err(error) => outcome.errors.push(WriteError { index, error }),
            }
        }
        outcome
    }
}

impl From<BulkOutcome> for UpdateOutcome {
    fn from(BulkOutcome { results, repeated }: BulkOutcome) -> Self {
        let mut outcome = Self { repeated, ..Self::default() };
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(StatementOutcome::Updated { matched, modified, upserted }) => {
                    outcome.matched += matched;
                    outcome.modified += modified;
                    outcome.upserted.extend(upserted.map(|id| (index, id)));
                }
                Ok(_) => {}
                Err(error) => outcome.errors.push(WriteError { index, error }),
            }
        }
        outcome
    }
}

impl From<BulkOutcome> for DeleteOutcome {
    fn from(BulkOutcome { results, repeated }: BulkOutcome) -> Self {
        let mut outcome = Self { repeated, ..Self::default() };
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(StatementOutcome::Deleted(deleted)) => outcome.deleted += deleted,
                Ok(_) => {}
                Err(error) => outcome.errors.push(WriteError { index, error }),
            }
        }
        outcome
    }
}

impl Store {
    /// Runs statements one after the other and commits them together (`bulkWrite`).
    ///
    /// Each statement has its own result; in an ordered run, those after the first error are not
    /// run and have none. The effects of a statement that fails stay as far as it got, whole
    /// documents only, as MongoDB has it.
    ///
    /// # Errors
    /// If nothing could be committed; `TransactionTooOld` for a repetition that comes too late.
    pub fn bulk(
        &self,
        statements: Vec<(Namespace, WriteStatement)>,
        options: &WriteOptions,
    ) -> Result<BulkOutcome> {
        let options = options.clone();
        self.write(move |transaction| run(transaction, statements, &options))
    }

    /// As [`Store::bulk`], without waiting: `done` is called with the outcome when everything is on
    /// disk, or could not be put there. Whoever calls it has other commits to do.
    ///
    /// If nobody commits at the moment, `appoint` is called: at once, or later by any thread.
    pub fn bulk_later(
        &self,
        statements: Vec<(Namespace, WriteStatement)>,
        options: WriteOptions,
        done: impl FnOnce(Result<BulkOutcome>) + Send + 'static,
        appoint: impl Fn(Lead) + Send + Sync + 'static,
    ) {
        self.write_later(move |transaction| run(transaction, statements, &options), done, appoint);
    }

    /// Adds documents. Those without an `_id` get an ObjectId.
    ///
    /// # Errors
    /// Only if nothing could be committed; faults of single documents stand in the outcome.
    pub fn insert(
        &self,
        namespace: &Namespace,
        documents: Vec<RawDocumentBuf>,
        options: &WriteOptions,
    ) -> Result<InsertOutcome> {
        let statements = documents.into_iter().map(WriteStatement::Insert);
        self.on_one(namespace, statements, options).map(InsertOutcome::from)
    }

    /// Changes documents.
    ///
    /// # Errors
    /// Only if nothing could be committed; faults of single statements stand in the outcome.
    pub fn update(
        &self,
        namespace: &Namespace,
        statements: Vec<UpdateStatement>,
        options: &WriteOptions,
    ) -> Result<UpdateOutcome> {
        let statements =
            statements.into_iter().map(|update| WriteStatement::Update(Box::new(update)));
        self.on_one(namespace, statements, options).map(UpdateOutcome::from)
    }

    /// Removes documents.
    ///
    /// # Errors
    /// Only if nothing could be committed; faults of single statements stand in the outcome.
    pub fn delete(
        &self,
        namespace: &Namespace,
        statements: Vec<DeleteStatement>,
        options: &WriteOptions,
    ) -> Result<DeleteOutcome> {
        let statements =
            statements.into_iter().map(|delete| WriteStatement::Delete(Box::new(delete)));
        self.on_one(namespace, statements, options).map(DeleteOutcome::from)
    }

    fn on_one(
        &self,
        namespace: &Namespace,
        statements: impl Iterator<Item = WriteStatement>,
        options: &WriteOptions,
    ) -> Result<BulkOutcome> {
        let statements = statements.map(|statement| (namespace.clone(), statement)).collect();
        self.bulk(statements, options)
    }
}

fn run(
    transaction: &mut Transaction<'_>,
    statements: Vec<(Namespace, WriteStatement)>,
    options: &WriteOptions,
) -> Result<BulkOutcome> {
    let mut record =
        options.retry.as_ref().map(|key| Record::open(transaction, key)).transpose()?;
    let mut results: Vec<Result<StatementOutcome>> = Vec::with_capacity(statements.len());
    let mut statements = statements.into_iter().peekable();
    while let Some((namespace, statement)) = statements.next() {
        let before = results.len();
        let answer = match &mut record {
            Some(record) => record.repetition(before, &statement),
            None => Ok(None),
        };
        match (answer, statement) {
            (Ok(Some(outcome)), _) => {
                results.push(Ok(outcome));
                continue;
            }
            (Err(error), _) => results.push(Err(error)),
            (Ok(None), WriteStatement::Insert(document)) => {
                let mut documents = vec![document];
                // Neighbouring inserts into one collection share opened tables.
                while let Some((_, WriteStatement::Insert(document))) =
                    statements.next_if(|(next, statement)| {
                        let index = before + documents.len();
                        *next == namespace
                            && matches!(statement, WriteStatement::Insert(_))
                            && record.as_ref().is_none_or(|record| record.is_new(index))
                    })
                {
                    documents.push(document);
                }
                insert::insert(transaction, &namespace, documents, options, &mut results);
            }
            (Ok(None), WriteStatement::Update(statement)) => {
                results.push(update::update(transaction, &namespace, &statement, options));
            }
            (Ok(None), WriteStatement::Delete(statement)) => {
                results.push(delete::delete(transaction, &namespace, &statement, options));
            }
        }
        let mut failed = false;
        for (index, result) in results.iter().enumerate().skip(before) {
            match (result, &mut record) {
                (Ok(outcome), Some(record)) => record.note(index, outcome)?,
                (Ok(_), None) => {}
                (Err(_), _) => failed = true,
            }
        }
        if failed && options.ordered {
            break;
        }
    }
    let repeated = record.map(|record| record.close(transaction)).transpose()?;
    Ok(BulkOutcome { results, repeated: repeated.unwrap_or_default() })
}
