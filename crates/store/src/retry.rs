//! Retryable writes: what the statements of a session's newest write did, so that a repeated one
//! is answered and not done again.
//!
//! A session has one row, written in the same commit as the effects it speaks of. It holds the
//! write's number and a result for each statement that succeeded; a write with a greater number
//! takes its place. A command that changes nothing leaves no row: doing it again is as good.

use std::collections::BTreeMap;

use bson::raw::RawBson;

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::store::Store;
use crate::tables::RETRIES;
use crate::transaction::Transaction;
use crate::write::{FindAndModifyOutcome, StatementOutcome, WriteStatement};

mod row;

/// How many sessions one call of [`Store::expire_retries`] looks at.
const SESSIONS_PER_EXPIRY: usize = 50_000;

/// The code by which MongoDB refuses a repetition that differs from what it repeats.
const INCOMPATIBLE: Code = Code::location(40606);

/// What tells a write from others, so that a repetition is known as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryKey {
    /// The session and whose it is, as 32 bytes that no other session has.
    pub session: [u8; 32],
    /// `txnNumber`: greater for each new write of the session.
    pub number: i64,
    /// What each statement of the command is called.
    pub statements: StatementIds,
}

/// The `stmtId` of each statement of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementIds {
    /// One after the other from here.
    From(i32),
    /// Each by itself.
    Listed(Vec<i32>),
}

impl StatementIds {
    fn of(&self, index: usize) -> Result<i32> {
        let id = match self {
            Self::From(first) => i32::try_from(index).ok().and_then(|it| first.checked_add(it)),
            Self::Listed(ids) => ids.get(index).copied(),
        };
        id.ok_or_else(|| StoreError::new(Code::INVALID_OPTIONS, "a statement has no 'stmtId'"))
    }
}

impl Store {
    /// Forgets the retryable writes of sessions whose last one was at `before_ms` (milliseconds
    /// since the Unix epoch) or earlier; answers how many. One call looks at a part of the sessions,
    /// and the next one goes on from there.
    ///
    /// # Errors
    /// Only if nothing could be committed.
    pub fn expire_retries(&self, before_ms: i64) -> Result<usize> {
        let after = self.retry_position().clone();
        let mut found = Vec::new();
        let last = self.snapshot().tables().retries_until(
            before_ms,
            after.as_deref(),
            SESSIONS_PER_EXPIRY,
            &mut found,
        )?;
        *self.retry_position() = last;
        if found.is_empty() {
            return Ok(0);
        }
        self.write(move |transaction| transaction.forget_retries(&found, before_ms))
    }
}

/// What is known of one retryable write while it runs.
pub(crate) struct Record<'k> {
    key: &'k RetryKey,
    done: BTreeMap<i32, Done>,
    has_news: bool,
    /// The statements that were answered and not run.
    repeated: Vec<i32>,
}

/// What one statement did.
#[derive(Clone, Debug, PartialEq)]
enum Done {
    Inserted,
    Updated { matched: u64, modified: u64, upserted: Option<RawBson> },
    Deleted(u64),
    FindAndModify(Box<FindAndModifyOutcome>),
}

impl<'k> Record<'k> {
    /// Reads what is known of the write with `key`.
    ///
    /// # Errors
    /// `TransactionTooOld` if the session has begun a newer one.
    pub(crate) fn open(transaction: &Transaction<'_>, key: &'k RetryKey) -> Result<Self> {
        let mut done = BTreeMap::new();
        let retries = transaction.open_plain(RETRIES)?;
        if let Some(row) = redb::ReadableTable::get(&retries, key.session.as_slice())? {
            let (number, _, bytes) = row.value();
            if number > key.number {
                return Err(StoreError::new(
                    Code::TRANSACTION_TOO_OLD,
                    format!(
                        "Retryable write with txnNumber {} is prohibited on its session because a \
                         newer retryable write with txnNumber {number} has already started.",
                        key.number
                    ),
                ));
            }
            if number == key.number {
                done = row::read(bytes)?;
            }
        }
        Ok(Self { key, done, has_news: false, repeated: Vec::new() })
    }

    /// What the statement at `index` did before, if it ran before.
    ///
    /// # Errors
    /// `InvalidOptions` for a statement that may touch many documents, which has no one result;
    /// or if what ran under its id was something else.
    pub(crate) fn repetition(
        &mut self,
        index: usize,
        statement: &WriteStatement,
    ) -> Result<Option<StatementOutcome>> {
        let refuse = |what| {
            Err(StoreError::new(
                Code::INVALID_OPTIONS,
                format!("Cannot use (or request) retryable writes with {what}"),
            ))
        };
        match statement {
            WriteStatement::Update(update) if update.multi => return refuse("multi=true"),
            WriteStatement::Delete(delete) if !delete.only_one => return refuse("limit=0"),
            _ => {}
        }
        let id = self.key.statements.of(index)?;
        let outcome = match (self.done.get(&id), statement) {
            (None, _) => return Ok(None),
            (Some(Done::Inserted), WriteStatement::Insert(document)) => {
                let id = document.get("_id")?.map_or(RawBson::Null, RawBson::from);
                StatementOutcome::Inserted(id)
            }
            (Some(Done::Updated { matched, modified, upserted }), WriteStatement::Update(_)) => {
                StatementOutcome::Updated {
                    matched: *matched,
                    modified: *modified,
                    upserted: upserted.clone(),
                }
            }
            (Some(Done::Deleted(count)), WriteStatement::Delete(_)) => {
                StatementOutcome::Deleted(*count)
            }
            _ => return Err(incompatible(id)),
        };
        self.repeated.push(id);
        Ok(Some(outcome))
    }

    /// Whether the statement at `index` did not run before.
    pub(crate) fn is_new(&self, index: usize) -> bool {
        self.key.statements.of(index).is_ok_and(|id| !self.done.contains_key(&id))
    }

    /// What the `findAndModify` did before, if it ran before.
    pub(crate) fn find_and_modify(&self) -> Result<Option<FindAndModifyOutcome>> {
        let id = self.key.statements.of(0)?;
        match self.done.get(&id) {
            None => Ok(None),
            Some(Done::FindAndModify(outcome)) => {
                Ok(Some(FindAndModifyOutcome { repeated: Some(id), ..(**outcome).clone() }))
            }
            Some(_) => Err(incompatible(id)),
        }
    }

    /// Notes what the statement at `index` did.
    pub(crate) fn note(&mut self, index: usize, outcome: &StatementOutcome) -> Result<()> {
        let (done, is_change) = match outcome {
            StatementOutcome::Inserted(_) => (Done::Inserted, true),
            StatementOutcome::Updated { matched, modified, upserted } => {
                let upserted = upserted.clone();
                let is_change = *modified > 0 || upserted.is_some();
                (Done::Updated { matched: *matched, modified: *modified, upserted }, is_change)
            }
            StatementOutcome::Deleted(count) => (Done::Deleted(*count), *count > 0),
        };
        self.has_news |= is_change;
        self.done.insert(self.key.statements.of(index)?, done);
        Ok(())
    }

    /// Notes what a `findAndModify` did.
    pub(crate) fn note_find_and_modify(&mut self, outcome: &FindAndModifyOutcome) -> Result<()> {
        self.has_news |= outcome.n > 0;
        let done = Done::FindAndModify(Box::new(outcome.clone()));
        self.done.insert(self.key.statements.of(0)?, done);
        Ok(())
    }

    /// Writes down what is new; answers the statements that were repeated.
    pub(crate) fn close(self, transaction: &mut Transaction<'_>) -> Result<Vec<i32>> {
        if self.has_news {
            let (key, now_ms) = (self.key, transaction.now_ms());
            let row = row::write(&self.done);
            transaction.put_retries(&key.session, (key.number, now_ms, row.as_bytes()))?;
        }
        Ok(self.repeated)
    }
}

fn incompatible(id: i32) -> StoreError {
    StoreError::new(
        INCOMPATIBLE,
        format!("the write with stmtId {id} is not compatible with what it would repeat"),
    )
}

#[cfg(test)]
mod tests;
