//! The thread that commits the writes which nobody waits for on a thread of their own.
//!
//! One, and not any of those for commands that may wait: it frees what a commit needed where that was
//! allocated, so that memory does not gather in the allocator's caches of many threads. The answers of
//! a commit are given by a task: to wake many tasks from a task costs less than from outside, and the
//! next commit need not wait for it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::{Builder, JoinHandle},
};

use fieldveil_store::{Answers, Lead};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Has writes committed, by a thread that is made when it is first needed.
#[derive(Debug)]
pub(crate) struct Leader(Mutex<State>);

#[derive(Debug)]
enum State {
    /// What takes the answers, once there are some.
    Idle(UnboundedSender<Answers>),
    Running(Sender<Lead>, JoinHandle<()>),
    Ended,
}

impl Leader {
    /// The receiver is for [`give`].
    pub(crate) fn new() -> (Self, UnboundedReceiver<Answers>) {
        let (sender, receiver) = unbounded_channel();
        (Self(Mutex::new(State::Idle(sender))), receiver)
    }

    /// Has the work done that `lead` stands for. Where there is no thread for it, because the server
    /// has ended or the system gives none, it is done here.
    pub(crate) fn call(&self, lead: Lead) {
        let mut state = self.lock();
        if let State::Idle(answers) = &*state
            && let Some(running) = State::start(answers.clone())
        {
            *state = running;
        }
        let undone = match &*state {
            State::Running(leads, _) => leads.send(lead).err().map(|error| error.0),
            State::Idle(_) | State::Ended => Some(lead),
        };
        drop(state);
        drop(undone);
    }

    /// Lets the thread finish what it has begun, and waits for it.
    pub(crate) fn end(&self) {
        if let State::Running(leads, thread) = std::mem::replace(&mut *self.lock(), State::Ended) {
            drop(leads);
            // It cannot have panicked, and would have said so in the log.
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn start(answers: UnboundedSender<Answers>) -> Option<Self> {
        let (sender, leads) = channel::<Lead>();
        // Answers that nobody takes are given here, for they are dropped.
        let work = move |lead: Lead| lead.work(|committed| drop(answers.send(committed)));
        let thread = Builder::new().name("commits".to_owned());
        let thread = thread.spawn(move || leads.into_iter().for_each(work));
        match thread {
            Ok(thread) => Some(Self::Running(sender, thread)),
            Err(error) => {
                tracing::warn!(%error, "no thread for commits");
                None
            }
        }
    }
}

/// Gives the answers until there is no leader any more.
pub(crate) async fn give(mut answers: UnboundedReceiver<Answers>) {
    while answers.recv().await.is_some() {}
}
