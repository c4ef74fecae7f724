//! Group commit: concurrent writes share one transaction and one flush to disk.
//!
//! A caller puts its write into the queue. If nobody is writing, the caller leads: it runs all
//! queued writes in one transaction, commits, and gives each its result. Whoever comes meanwhile
//! waits; when the leader is done, the first of them leads the next round. No thread is needed,
//! a lone writer pays no hand-over, and the more callers there are, the more share a flush.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Result, StoreError};
use crate::transaction::Transaction;

/// A write in the queue.
trait Job: Send {
    /// Does the work; the result is kept until the commit is known.
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// Hands the result out, or the error that kept it from being committed.
    fn finish(self: Box<Self>, committed: Result<()>);
    /// Makes the owner of this job the next leader.
    fn appoint(&self);
}

/// The queue of writes and who works on it.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    has_leader: bool,
}

/// Runs the given writes in one transaction and commits it.
pub(crate) trait Commit {
    /// Calls `run` with an open transaction, then commits what it did.
    fn commit(&self, run: &mut dyn FnMut(&mut Transaction<'_>)) -> Result<()>;
}

impl Queue {
    /// Runs `work` in a transaction and returns when its effects are on disk.
    ///
    /// # Errors
    /// What `work` answers; or why the commit failed, in which case nothing of it happened.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        store: &dyn Commit,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::new(Slot::default());
        let job = Box::new(Work { work: Some(work), result: None, slot: Arc::clone(&slot) });
        let leads = {
            let mut state = self.lock();
            state.jobs.push(job);
            !std::mem::replace(&mut state.has_leader, true)
        };
        if !leads && let Some(result) = slot.wait() {
            return result;
        }
        self.lead(store);
        slot.take().unwrap_or_else(|| Err(StoreError::internal("a write was lost in a panic")))
    }

    /// Works on everything that is queued now, then hands over.
    fn lead(&self, store: &dyn Commit) {
        // Should a write panic, its callers get an error and the next one leads.
        let _hand_over = HandOver(self);
        let mut jobs = Batch(std::mem::take(&mut self.lock().jobs));
        let committed = store.commit(&mut |transaction| {
            for job in &mut jobs.0 {
                // A panic must not unwind through the storage engine, which would have to repair
                // its file; nothing of this commit is kept.
                let run = AssertUnwindSafe(|| job.run(transaction));
                if catch_unwind(run).is_err() {
                    transaction.fail(StoreError::internal("a write of this commit panicked"));
                    return;
                }
            }
        });
        for job in std::mem::take(&mut jobs.0) {
            job.finish(committed.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs that are answered even if the leader unwinds.
struct Batch(Vec<Box<dyn Job>>);

impl Drop for Batch {
    fn drop(&mut self) {
        for job in std::mem::take(&mut self.0) {
            job.finish(Err(StoreError::internal("another write of the same commit panicked")));
        }
    }
}

struct HandOver<'a>(&'a Queue);

impl Drop for HandOver<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        match state.jobs.first() {
            Some(next) => next.appoint(),
            None => state.has_leader = false,
        }
    }
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    slot: Arc<Slot<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            self.result = Some(work(transaction));
        }
    }

    fn finish(self: Box<Self>, committed: Result<()>) {
        let result = match (committed, self.result) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::internal("a write did not run")),
        };
        self.slot.put(Answer::Done(result));
    }

    fn appoint(&self) {
        self.slot.put(Answer::Lead);
    }
}

/// Where one caller waits.
struct Slot<T> {
    answer: Mutex<Option<Answer<T>>>,
    changed: Condvar,
}

enum Answer<T> {
    Done(Result<T>),
    Lead,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { answer: Mutex::new(None), changed: Condvar::new() }
    }
}

impl<T> Slot<T> {
    fn put(&self, answer: Answer<T>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.changed.notify_one();
    }

    /// The result, or nothing if the caller has to lead.
    fn wait(&self) -> Option<Result<T>> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = self
            .changed
            .wait_while(answer, |answer| answer.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match answer.take() {
            Some(Answer::Done(result)) => Some(result),
            Some(Answer::Lead) | None => None,
        }
    }

    fn take(&self) -> Option<Result<T>> {
        match self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Answer::Done(result)) => Some(result),
            _ => None,
        }
    }
}
