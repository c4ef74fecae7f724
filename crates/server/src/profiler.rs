//! The profiler: slow commands, or all, become documents of `system.profile`.
//!
//! Documents are written by a task of their own, many at a time, so that no command waits for them.
//! When it cannot keep up, some are left out. Whoever reads them waits for those on their way.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::{Namespace, StoreError, WriteOptions, eval::matcher::Matcher};
use tokio::sync::{mpsc, oneshot};

use crate::{error::CommandError, shared::Shared};

mod document;

pub(crate) use document::Ended;

/// The collection of each database that holds them.
pub(crate) const COLLECTION: &str = "system.profile";

/// Its size, as MongoDB makes it.
const COLLECTION_BYTES: i64 = 1024 * 1024;

/// Documents that may wait to be written.
const MAX_WAITING: usize = 1000;

/// Databases that may have settings of their own.
const MAX_DATABASES: usize = 1000;

/// Which commands to write down.
#[derive(Clone)]
pub(crate) struct Settings {
    /// 0 for none, 1 for slow ones, 2 for all.
    pub(crate) level: i32,
    /// From how many milliseconds on a command is slow.
    pub(crate) slow_ms: i64,
    /// Which part of the slow ones.
    pub(crate) sample_rate: f64,
    /// Decides instead of the two before.
    pub(crate) filter: Option<(RawDocumentBuf, Arc<Matcher>)>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: 0, slow_ms: 100, sample_rate: 1.0, filter: None }
    }
}

impl Settings {
    /// Whether what took so long may be written down.
    fn may_want(&self, millis: i64) -> bool {
        match self.level {
            0 => false,
            1 => self.filter.is_some() || millis >= self.slow_ms,
            _ => true,
        }
    }

    /// Whether it is written down, if it may be.
    fn wants(&self, document: &RawDocument) -> bool {
        match &self.filter {
            Some((_, matcher)) => matcher.matches(document).unwrap_or(false),
            None => self.is_sampled(),
        }
    }

    fn is_sampled(&self) -> bool {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        self.sample_rate >= 1.0
            || f64::from(u16::from_be_bytes([high, low])) < self.sample_rate * 65_536.0
    }
}

/// What the task gets that writes.
#[derive(Debug)]
enum Entry {
    /// A database and a document for its collection.
    Document(String, RawDocumentBuf),
    /// Tells that all that came before is written.
    Flush(oneshot::Sender<()>),
}

/// The settings of all databases, and what waits to be written.
#[derive(Debug)]
pub(crate) struct Profiler {
    /// Whether any database has a level above 0, and whether one ever had.
    is_on: AtomicBool,
    was_on: AtomicBool,
    settings: Mutex<HashMap<String, Settings>>,
    waiting: mpsc::Sender<Entry>,
    written: Mutex<Option<mpsc::Receiver<Entry>>>,
}

impl Default for Profiler {
    fn default() -> Self {
        let (waiting, written) = mpsc::channel(MAX_WAITING);
        Self {
            is_on: AtomicBool::new(false),
            was_on: AtomicBool::new(false),
            settings: Mutex::default(),
            waiting,
            written: Mutex::new(Some(written)),
        }
    }
}

impl Profiler {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether there may be something to flush.
    pub(crate) fn was_on(&self) -> bool {
        self.was_on.load(Ordering::Relaxed)
    }

    pub(crate) fn settings(&self, database: &str) -> Settings {
        self.lock().get(database).cloned().unwrap_or_default()
    }

    /// # Errors
    /// When too many databases have settings.
    pub(crate) fn set(&self, database: &str, settings: Settings) -> Result<(), CommandError> {
        let mut all = self.lock();
        if all.len() >= MAX_DATABASES && !all.contains_key(database) {
            return Err(CommandError::bad_value(format!(
                "the profiler has settings for {MAX_DATABASES} databases, which is the limit"
            )));
        }
        all.insert(database.to_owned(), settings);
        let is_on = all.values().any(|settings| settings.level > 0);
        self.is_on.store(is_on, Ordering::Relaxed);
        self.was_on.fetch_or(is_on, Ordering::Relaxed);
        Ok(())
    }

    /// Writes down what a command did, if the settings of its database want that.
    pub(crate) fn add(
        &self,
        database: &str,
        millis: i64,
        describe: impl FnOnce() -> Vec<RawDocumentBuf>,
    ) {
        let settings = self.settings(database);
        if !settings.may_want(millis) {
            return;
        }
        for document in describe() {
            if settings.wants(&document) {
                // A full queue leaves it out.
                let _ = self.waiting.try_send(Entry::Document(database.to_owned(), document));
            }
        }
    }

    /// Waits until all is written, for a command that may look at it.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.waiting.send(Entry::Flush(done)).await.is_ok() {
            // Nobody answers when the server ends.
            let _ = is_done.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Settings>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Writes what the profiler collects, until the server ends.
    pub(crate) async fn write_profiles(self: Arc<Self>) {
        let receiver = self.profiler.written.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        let mut entries = Vec::new();
        loop {
            tokio::select! {
                count = receiver.recv_many(&mut entries, MAX_WAITING) => {
                    if count == 0 {
                        return;
                    }
                }
                () = self.shutdown.cancelled() => return,
            }
            let (shared, batch) = (Arc::clone(&self), std::mem::take(&mut entries));
            let writing = tokio::task::spawn_blocking(move || write(&shared, batch));
            match writing.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot write what was profiled"),
                Err(error) => tracing::error!(%error, "writing what was profiled ended early"),
            }
        }
    }
}

fn write(shared: &Shared, entries: Vec<Entry>) -> Result<(), StoreError> {
    let mut by_database: BTreeMap<String, Vec<RawDocumentBuf>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for entry in entries {
        match entry {
            Entry::Document(database, document) => {
                by_database.entry(database).or_default().push(document);
            }
            Entry::Flush(done) => waiting.push(done),
        }
    }
    for (database, documents) in by_database {
        let namespace = prepare(shared, &database)?;
        shared.store.insert(&namespace, documents, &WriteOptions::default())?;
        shared.clock.tick();
    }
    for done in waiting {
        // Whoever waited may be gone.
        let _ = done.send(());
    }
    Ok(())
}

/// Makes the collection of a database if it is missing.
///
/// # Errors
/// Those of the store; another collection of this name is left as it is.
pub(crate) fn prepare(shared: &Shared, database: &str) -> Result<Namespace, StoreError> {
    let namespace = Namespace::new(database, COLLECTION)?;
    let options = rawdoc! { "capped": true, "size": COLLECTION_BYTES };
    match shared.store.create_collection(&namespace, &options) {
        Err(error) if error.code() != NAMESPACE_EXISTS => Err(error),
        _ => Ok(namespace),
    }
}

const NAMESPACE_EXISTS: i32 = 48;

/// The reply of `profile`: the settings before.
pub(crate) fn reply(was: &Settings) -> RawDocumentBuf {
    let mut reply = rawdoc! {
        "was": was.level,
        "slowms": i32::try_from(was.slow_ms).unwrap_or(i32::MAX),
        "sampleRate": was.sample_rate,
    };
    if let Some((filter, _)) = &was.filter {
        let filter: &RawDocument = filter;
        reply.append(cstr!("filter"), filter.to_owned());
        reply.append(
            cstr!("note"),
            "When a filter expression is set, slowms and sampleRate are not used for profiling \
             and slow-query log lines.",
        );
    }
    reply
}
