//! The store: an opened data directory.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::expression::Expression;
use redb::{ReadableDatabase, ReadableTable};

use crate::catalog::{Catalog, persist};
use crate::code::Code;
use crate::environment::{Environment, ObjectIds, SystemEnvironment};
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::eval::expression::Compiled;
use crate::json_schema;
use crate::order::Budget;
use crate::scan::SharedInterrupt;
use crate::snapshot::Snapshot;
use crate::storage::{Medium, OpenError, Opened};
use crate::tables::{CATALOG, META, NEXT_ID_ROW, Tables};
use crate::transaction::{Outcome, Transaction};
use crate::writer::{Commit, Queue};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How much of the data file is kept in memory, in bytes.
    pub cache_bytes: usize,
    /// How much memory one sort or group may take, in bytes. A sort goes on on the disk beyond
    /// that, if the store is on one and the command does not forbid it.
    pub operation_memory_bytes: usize,
    /// The clock and source of randomness.
    pub environment: Arc<dyn Environment>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 * 1024 * 1024,
            // What MongoDB allows a blocking stage.
            operation_memory_bytes: 100 * 1024 * 1024,
            environment: Arc::new(SystemEnvironment),
        }
    }
}

/// The embedded database. Clones share it; the last one to go closes it.
///
/// All methods block, but [`Store::bulk_later`]. A write returns when it is on disk; concurrent
/// writes share one flush. Reads see the last committed state and never wait for writes.
///
/// ```
/// use bson::rawdoc;
/// use fieldveil_store::{FindOptions, WriteOptions, Namespace, Store};
///
/// let store = Store::in_memory()?;
/// let people = Namespace::new("app", "people")?;
/// store.insert(&people, vec![rawdoc! {"_id": 1, "name": "Sophia"}], &WriteOptions::default())?;
/// let found: Vec<_> =
///     store.find(&people, FindOptions::default())?.collect::<Result<_, _>>()?;
/// assert_eq!(found, [rawdoc! {"_id": 1, "name": "Sophia"}]);
/// # Ok::<(), fieldveil_store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    options: StoreOptions,
    object_ids: ObjectIds,
    queue: Queue,
    published: RwLock<Arc<Snapshot>>,
    /// The session after which the next search for old retryable writes begins.
    retry_position: Mutex<Option<Vec<u8>>>,
    /// Taken by the leader of a commit only.
    database: Mutex<Option<Opened>>,
    /// After the database, so that the directory stays locked until that is closed.
    medium: Medium,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.medium).finish()
    }
}

impl Store {
    /// Opens the data directory at `directory`, making it if it does not exist. What a crash left
    /// half written is rolled back.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing in the directory is changed then.
    pub fn open(directory: impl AsRef<Path>, options: StoreOptions) -> Result<Self, OpenError> {
        Self::on(Medium::directory(directory.as_ref())?, options)
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// None that is expected; the signature is that of [`Store::open`].
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_with(StoreOptions::default())
    }

    /// [`Store::in_memory`] with options.
    ///
    /// # Errors
    /// As [`Store::in_memory`].
    pub fn in_memory_with(options: StoreOptions) -> Result<Self> {
        Self::on(Medium::Memory, options).map_err(|error| StoreError::internal(error.to_string()))
    }

    pub(crate) fn on(medium: Medium, options: StoreOptions) -> Result<Self, OpenError> {
        let opened = medium.open(options.cache_bytes)?;
        let snapshot = load(&opened).map_err(|error| medium.damaged(error.message()))?;
        let store = Self(Arc::new(Inner {
            object_ids: ObjectIds::new(&*options.environment),
            options,
            queue: Queue::default(),
            published: RwLock::new(Arc::new(snapshot)),
            retry_position: Mutex::default(),
            database: Mutex::new(Some(opened)),
            medium,
        }));
        let damaged = |error: StoreError| store.0.medium.damaged(error.message());
        store.renew_collated_indexes().map_err(damaged)?;
        store.remove_unfinished().map_err(damaged)?;
        Ok(store)
    }

    /// How much of the data file is in memory, in bytes, and how much may be at most. Waits for a
    /// commit that is under way.
    #[must_use]
    pub fn cache(&self) -> (usize, usize) {
        let database = self.0.database.lock().unwrap_or_else(PoisonError::into_inner);
        let used = database.as_ref().map_or(0, |opened| opened.database.cache_stats().used_bytes());
        (used, self.0.options.cache_bytes)
    }

    /// What one sort of a command may use that has said so about the disk (allowed if not).
    pub(crate) fn sort_budget(&self, allow_disk_use: Option<bool>) -> Budget {
        let spill = self.0.medium.temporary_directory().filter(|_| allow_disk_use != Some(false));
        Budget { memory_bytes: self.0.options.operation_memory_bytes, spill: spill.map(Arc::from) }
    }

    /// What the filters and expressions of one command are compiled with.
    pub(crate) fn context(
        &self,
        variables: Option<&RawDocument>,
        collation: Option<&RawDocument>,
        interrupt: &SharedInterrupt,
    ) -> Result<Context> {
        context(self.now_ms(), variables, collation, interrupt)
    }

    pub(crate) fn retry_position(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.0.retry_position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.options.environment.now_ms()
    }

    /// The last committed state.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` in a transaction that other writes may share, and waits until it is on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.queue.submit(&*self.0, work)
    }

    /// As [`Self::write`], without waiting: `done` is called when it is on disk. `appoint` may be
    /// given a [`Lead`].
    pub(crate) fn write_later<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
        appoint: impl Fn(Lead) + Send + Sync + 'static,
    ) {
        let store = self.clone();
        self.0.queue.post(work, done, Arc::new(move || appoint(Lead(store.clone()))));
    }
}

/// The duty to commit what is queued, if nobody else has done it by then.
///
/// Writes may wait for whoever has it. So it has to get to a thread that may wait, and be dropped
/// there, which does the work.
#[derive(Debug)]
#[must_use = "drop it on a thread that may wait"]
pub struct Lead(Store);

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.0.queue.lead(&*self.0.0);
    }
}

/// See [`Store::context`].
pub(crate) fn context(
    now_ms: i64,
    variables: Option<&RawDocument>,
    collation: Option<&RawDocument>,
    interrupt: &SharedInterrupt,
) -> Result<Context> {
    let mut context = Context::new(bson::DateTime::from_millis(now_ms));
    context.interrupt = Some(interrupt.clone());
    for variable in variables.into_iter().flat_map(RawDocument::iter) {
        let (name, value) = variable?;
        let value = constant(value, &context)?;
        context.variables.push((name.as_str().to_owned(), value));
    }
    if let Some(collation) = collation.filter(|collation| !collation.is_empty()) {
        context.collation = Collation::parse(collation)?.map(Arc::new);
    }
    context.schema_compiler = Some(json_schema::compile);
    Ok(context)
}

/// The value of a `let` variable: an expression of its own, evaluated before any document is seen.
fn constant(value: RawBsonRef<'_>, context: &Context) -> Result<RawBson> {
    let expression = Compiled::compile(&Expression::parse(value)?, context)?;
    expression.evaluate(&RawDocumentBuf::new(), context)?.ok_or_else(|| {
        StoreError::new(
            Code::location(4_890_500),
            "Command let Expression tried to access a field, but this is not allowed because \
             Command let Expressions run before the query examines any documents.",
        )
    })
}

impl Inner {
    fn publish(&self, snapshot: Snapshot) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    fn catalog(&self) -> Arc<Catalog> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(published.catalog())
    }

    fn try_commit(&self, opened: &Opened, run: &mut dyn FnMut(&mut Transaction<'_>)) -> Result<()> {
        let writing = opened.database.begin_write()?;
        let environment = &*self.options.environment;
        let mut transaction =
            Transaction::new(&writing, self.catalog(), environment, &self.object_ids);
        run(&mut transaction);
        match transaction.outcome() {
            Outcome::Unchanged => {
                writing.abort()?;
                Ok(())
            }
            Outcome::Failed(error) => {
                writing.abort()?;
                Err(error)
            }
            Outcome::Changed(catalog) => {
                writing.commit()?;
                let tables = Tables::new(opened.database.begin_read()?);
                self.publish(Snapshot::new(catalog, tables));
                Ok(())
            }
        }
    }
}

impl Commit for Inner {
    fn commit(&self, run: &mut dyn FnMut(&mut Transaction<'_>)) -> Result<()> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            self.reopen(&mut database)?;
        }
        let Some(opened) = database.as_ref() else {
            return Err(StoreError::internal("the data file is closed"));
        };
        let result = self.try_commit(opened, run);
        // After a failure of the storage the database refuses all further work until it is opened
        // anew; what was committed before is in the file.
        if result.is_err() && opened.database.begin_write().and_then(has_failed).is_err() {
            opened.switch.turn_off();
            *database = None;
            if let Err(error) = self.reopen(&mut database) {
                tracing::error!(%error, "the data file could not be opened again");
            }
        }
        result
    }
}

/// A transaction on storage that has failed before fails as well.
fn has_failed(writing: redb::WriteTransaction) -> Result<(), redb::TransactionError> {
    writing.abort().map_err(redb::TransactionError::Storage)
}

impl Inner {
    fn reopen(&self, database: &mut Option<Opened>) -> Result<()> {
        let opened = self
            .medium
            .open(self.options.cache_bytes)
            .map_err(|error| StoreError::internal(error.to_string()))?;
        self.publish(load(&opened)?);
        *database = Some(opened);
        tracing::warn!("the data file was opened again after a storage failure");
        Ok(())
    }
}

/// Reads the catalog.
fn load(opened: &Opened) -> Result<Snapshot> {
    let reading = opened.database.begin_read()?;
    let mut catalog = Catalog::default();
    {
        let meta = reading.open_table(META)?;
        catalog.next_id = meta.get(NEXT_ID_ROW)?.map_or(1, |id| id.value());
        let table = reading.open_table(CATALOG)?;
        for row in table.iter()? {
            let (namespace, row) = row?;
            catalog.insert(persist::from_row(namespace.value(), row.value())?);
        }
    }
    Ok(Snapshot::new(Arc::new(catalog), Tables::new(reading)))
}
