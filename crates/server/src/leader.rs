//! The thread that commits the writes which nobody waits for on a thread of their own.
//!
//! One, and not any of those for commands that may wait: it frees what a commit needed where that was
//! allocated, so that memory does not gather in the allocator's caches of many threads.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::{Builder, JoinHandle},
};

use fieldveil_store::Lead;

/// Has writes committed, by a thread that is made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Leader(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Running(Sender<Lead>, JoinHandle<()>),
    Ended,
}

impl Leader {
    /// Has the work done that `lead` stands for. Where there is no thread for it, because the server
    /// has ended or the system gives none, it is done here.
    pub(crate) fn call(&self, lead: Lead) {
        let mut state = self.lock();
        if let State::Idle = *state
            && let Some(running) = State::start()
        {
            *state = running;
        }
        let undone = match &*state {
            State::Running(leads, _) => leads.send(lead).err().map(|error| error.0),
            State::Idle | State::Ended => Some(lead),
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
    fn start() -> Option<Self> {
        let (sender, leads) = channel();
        let thread = Builder::new().name("commits".to_owned());
        let thread = thread.spawn(move || leads.into_iter().for_each(drop::<Lead>));
        match thread {
            Ok(thread) => Some(Self::Running(sender, thread)),
            Err(error) => {
                tracing::warn!(%error, "no thread for commits");
                None
            }
        }
    }
}
