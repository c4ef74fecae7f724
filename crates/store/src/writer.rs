//! Group commit: concurrent writes share one transaction and one flush to disk.
//!
//! A caller puts its write into the queue. If nobody is writing, the caller leads: it runs all
//! queued writes in one transaction, commits, and gives each its result. Whoever comes meanwhile
//! waits; when the leader is done, the first of them leads the next round. No thread is needed,
//! a lone writer pays no hand-over, and the more callers there are, the more share a flush.
//!
//! A caller that may not wait leaves a function for the result ([`Queue::post`]), and another that
//! calls a thread to lead. That thread goes on until the queue is empty. It may be long in coming,
//! for all threads may be busy, some of them with waiting for their own writes. So whoever can wait
//! leads in its place, and nobody waits for anybody but a leader at work.
//!
//! Those whose writes were committed together come back with their next writes together too, a
//! moment later. If the thread took the first of them at once, the others would wait for a flush
//! that serves one. So it lets half of them come before it goes on: while these are committed, the
//! other half prepare theirs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Result, StoreError};
use crate::transaction::Transaction;

/// The longest that a leader waits for more writes; no longer than the last commit took, either.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// How often a leader takes what has come, before it commits.
const TAKES: usize = 3;

/// A write in the queue.
trait Job: Send {
    /// Does the work; the result is kept until the commit is known.
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// Hands the result out, or the error that kept it from being committed.
    fn finish(self: Box<Self>, committed: Result<()>);
    /// Who leads if the owner of this job is to see to it.
    fn successor(&self) -> Successor;
}

/// Who leads the next round. To be called when the queue is not locked.
enum Successor {
    /// The thread that waits for the job; this wakes it.
    Waiting(Box<dyn FnOnce() + Send>),
    /// A thread that this calls.
    Called(Arc<dyn Fn() + Send + Sync>),
}

/// The queue of writes and who works on it.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Told when as many jobs have come as the leader waits for.
    gathered: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    leader: Leader,
    /// How many jobs the leader waits for, if it does.
    wanted: Option<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Leader {
    /// There is none, and nothing to do.
    #[default]
    Absent,
    /// It was called and is to come.
    Called,
    /// It works, and hands over before it goes.
    Working,
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
            let mut state = self.push(job);
            std::mem::replace(&mut state.leader, Leader::Working) != Leader::Working
        };
        if !leads && let Some(result) = slot.wait() {
            return result;
        }
        {
            // Should a write panic, its callers get an error and the next one leads.
            let _hand_over = HandOver(self);
            self.round(store);
        }
        slot.take().unwrap_or_else(|| Err(StoreError::internal("a write was lost in a panic")))
    }

    /// Has `work` run in a transaction and, when its effects are on disk, `done` called with what
    /// [`Self::submit`] would answer. `call` may be called, by any thread, to have [`Self::lead`]
    /// called by a thread that may wait.
    pub(crate) fn post<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
        call: Arc<dyn Fn() + Send + Sync>,
    ) {
        let job = Posted { work: Some(work), result: None, done, call: Arc::clone(&call) };
        let is_first = {
            let mut state = self.push(Box::new(job));
            let is_first = state.leader == Leader::Absent;
            if is_first {
                state.leader = Leader::Called;
            }
            is_first
        };
        if is_first {
            call();
        }
    }

    /// Works on everything that is queued until nothing is, unless somebody else does.
    pub(crate) fn lead(&self, store: &dyn Commit) {
        if std::mem::replace(&mut self.lock().leader, Leader::Working) == Leader::Working {
            return;
        }
        let _hand_over = HandOver(self);
        let mut wanted = 1;
        let mut limit = Duration::ZERO;
        while self.gather(wanted, limit) {
            let begun = Instant::now();
            wanted = self.round(store).div_ceil(2);
            limit = begun.elapsed().min(GATHER_MAX);
        }
    }

    fn push(&self, job: Box<dyn Job>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.jobs.push(job);
        if state.wanted.is_some_and(|wanted| state.jobs.len() >= wanted) {
            state.wanted = None;
            self.gathered.notify_one();
        }
        state
    }

    /// Waits until that many jobs are queued, or for that long; says whether there are any. One job
    /// alone is not waited for.
    fn gather(&self, wanted: usize, limit: Duration) -> bool {
        let mut state = self.lock();
        if wanted > 1 && state.jobs.len() < wanted {
            state.wanted = Some(wanted);
            let waiting =
                self.gathered.wait_timeout_while(state, limit, |state| state.wanted.is_some());
            state = waiting.unwrap_or_else(PoisonError::into_inner).0;
            state.wanted = None;
        }
        !state.jobs.is_empty()
    }

    /// Works on everything that is queued now, and on what comes while it does; says how many jobs
    /// that were.
    fn round(&self, store: &dyn Commit) -> usize {
        let mut jobs = Batch(std::mem::take(&mut self.lock().jobs));
        let committed = store.commit(&mut |transaction| {
            let mut begin = 0;
            for take in 0..TAKES {
                if take > 0 {
                    begin = jobs.0.len();
                    jobs.0.append(&mut self.lock().jobs);
                }
                for job in jobs.0.iter_mut().skip(begin) {
                    // A panic must not unwind through the storage engine, which would have to
                    // repair its file; nothing of this commit is kept.
                    let run = AssertUnwindSafe(|| job.run(transaction));
                    if catch_unwind(run).is_err() {
                        transaction.fail(StoreError::internal("a write of this commit panicked"));
                        return;
                    }
                }
            }
        });
        let count = jobs.0.len();
        for job in std::mem::take(&mut jobs.0) {
            job.finish(committed.clone());
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who leads after a leader that has done its part: rather somebody who waits than somebody who
    /// has to be called.
    fn next_leader(&mut self) -> Option<Successor> {
        let mut successors = self.jobs.iter().map(|job| job.successor());
        let first = successors.next();
        let next = match first {
            Some(Successor::Called(_)) => {
                successors.find(|it| matches!(it, Successor::Waiting(_))).or(first)
            }
            other => other,
        };
        self.leader = match next {
            None => Leader::Absent,
            Some(Successor::Called(_)) => Leader::Called,
            Some(Successor::Waiting(_)) => Leader::Working,
        };
        next
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
        let next = self.0.lock().next_leader();
        match next {
            Some(Successor::Waiting(wake)) => wake(),
            Some(Successor::Called(call)) => call(),
            None => {}
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
    T: Send + 'static,
    F: FnOnce(&mut Transaction<'_>) -> Result<T> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            self.result = Some(work(transaction));
        }
    }

    fn finish(self: Box<Self>, committed: Result<()>) {
        self.slot.put(Answer::Done(outcome(committed, self.result)));
    }

    fn successor(&self) -> Successor {
        let slot = Arc::clone(&self.slot);
        Successor::Waiting(Box::new(move || slot.put(Answer::Lead)))
    }
}

/// A write that nobody waits for.
struct Posted<T, F, D> {
    work: Option<F>,
    result: Option<Result<T>>,
    done: D,
    call: Arc<dyn Fn() + Send + Sync>,
}

impl<T, F, D> Job for Posted<T, F, D>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T> + Send,
    D: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            self.result = Some(work(transaction));
        }
    }

    fn finish(self: Box<Self>, committed: Result<()>) {
        (self.done)(outcome(committed, self.result));
    }

    fn successor(&self) -> Successor {
        Successor::Called(Arc::clone(&self.call))
    }
}

/// What a caller is told.
fn outcome<T>(committed: Result<()>, result: Option<Result<T>>) -> Result<T> {
    committed?;
    result.unwrap_or_else(|| Err(StoreError::internal("a write did not run")))
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
