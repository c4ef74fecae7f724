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
//! that serves one; if it took all, nobody would prepare anything while they are committed. So it
//! works for half of the writers at a time: while these are committed, the other half prepare.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Result, StoreError};
use crate::transaction::Transaction;

/// The longest that a leader waits for more writes; no longer than the last commit took, either.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// A leader that works for many does not leave the rest for later if it is no more than this.
const SHARE_MIN: usize = 16;

const PANICKED: &str = "a write of this commit panicked";

/// A write in the queue.
trait Job: Send {
    /// Does the work; the result is kept until the commit is known.
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// Hands the result out, or the error that kept it from being committed.
    fn finish(self: Box<Self>, committed: Result<()>);
    /// Whether a thread waits for the result.
    fn is_waited_for(&self) -> bool;
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
            drop(self.round(store, usize::MAX));
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

    /// Works on everything that is queued until nothing is, unless somebody else does. The answers
    /// of each commit are given to `deliver`, but for those that a thread waits for.
    pub(crate) fn lead(&self, store: &dyn Commit, deliver: &mut dyn FnMut(Answers)) {
        if std::mem::replace(&mut self.lock().leader, Leader::Working) == Leader::Working {
            return;
        }
        let _hand_over = HandOver(self);
        let mut pace = Pace::default();
        while self.gather(&pace) {
            let begun = Instant::now();
            let mut answers = self.round(store, pace.share());
            pace.note(answers.jobs.len(), self.lock().jobs.len(), begun.elapsed());
            answers.give_waiting();
            deliver(answers);
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

    /// Waits until enough jobs are queued, or for long enough; says whether there are any.
    fn gather(&self, pace: &Pace) -> bool {
        let mut state = self.lock();
        let wanted = pace.writers.div_ceil(2);
        if wanted > 1 && state.jobs.len() < wanted {
            state.wanted = Some(wanted);
            let waiting = self
                .gathered
                .wait_timeout_while(state, pace.patience, |state| state.wanted.is_some());
            state = waiting.unwrap_or_else(PoisonError::into_inner).0;
            state.wanted = None;
        }
        !state.jobs.is_empty()
    }

    /// Works on the oldest jobs of the queue, so many at most.
    fn round(&self, store: &dyn Commit, max: usize) -> Answers {
        let jobs = self.take(max);
        let mut answers = Answers { jobs, committed: Err(StoreError::internal(PANICKED)) };
        answers.committed = store.commit(&mut |transaction| {
            for job in &mut answers.jobs {
                // A panic must not unwind through the storage engine, which would have to
                // repair its file; nothing of this commit is kept.
                let run = AssertUnwindSafe(|| job.run(transaction));
                if catch_unwind(run).is_err() {
                    transaction.fail(StoreError::internal(PANICKED));
                    return;
                }
            }
        });
        answers
    }

    /// Takes the oldest jobs of the queue, so many at most.
    fn take(&self, max: usize) -> Vec<Box<dyn Job>> {
        let jobs = &mut self.lock().jobs;
        if jobs.len() <= max {
            return std::mem::take(jobs);
        }
        let rest = jobs.split_off(max);
        std::mem::replace(jobs, rest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a leader shares the writers out among its commits.
#[derive(Default)]
struct Pace {
    /// How many there seem to be.
    writers: usize,
    last: usize,
    patience: Duration,
}

impl Pace {
    fn share(&self) -> usize {
        self.writers.div_ceil(2).max(SHARE_MIN)
    }

    fn note(&mut self, count: usize, queued: usize, took: Duration) {
        self.writers = count + queued.max(self.last);
        self.last = count;
        self.patience = took.min(GATHER_MAX);
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

/// The answers to the writes of one commit. To drop it is to give them: whatever happens to the
/// leader, they are given.
pub struct Answers {
    jobs: Vec<Box<dyn Job>>,
    committed: Result<()>,
}

impl Answers {
    /// Gives those that a thread waits for.
    fn give_waiting(&mut self) {
        for job in self.jobs.extract_if(.., |job| job.is_waited_for()) {
            job.finish(self.committed.clone());
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            job.finish(self.committed.clone());
        }
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("count", &self.jobs.len()).finish_non_exhaustive()
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

    fn is_waited_for(&self) -> bool {
        true
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

    fn is_waited_for(&self) -> bool {
        false
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
