//! Commands that run now: for `currentOp`, `killOp`, clients that go, and the end of the server.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::Instant,
};

use bson::RawBsonRef;
use fieldveil_store::{Kill, KillReason};
use tokio::sync::Notify;

use crate::{
    peer::Peer,
    request::Request,
    sessions::{SessionId, parse_id},
    table::{Access, Command},
};

/// The connections of a server, each with the command that it runs.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    last_id: AtomicI32,
    peers: Mutex<BTreeMap<i32, Arc<Peer>>>,
}

impl Operations {
    pub(crate) fn connected(&self, peer: &Arc<Peer>) {
        self.peers().insert(peer.id, Arc::clone(peer));
    }

    pub(crate) fn disconnected(&self, peer: &Peer) {
        self.peers().remove(&peer.id);
    }

    /// Notes that a connection runs a command, until the guard is dropped.
    pub(crate) fn begin(
        &self,
        peer: &Arc<Peer>,
        command: &'static Command,
        request: &Arc<Request>,
    ) -> Busy {
        let operation = Operation {
            id: self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            command,
            request: Arc::clone(request),
            begun: Instant::now(),
        };
        peer.activity.set(Some(operation));
        Busy(Arc::clone(peer))
    }

    /// Every connection in the order of their ids, with what it runs.
    pub(crate) fn list(&self) -> Vec<(Arc<Peer>, Option<Operation>)> {
        let peers: Vec<Arc<Peer>> = self.peers().values().cloned().collect();
        let running = |peer: Arc<Peer>| {
            let operation = peer.activity.running().clone();
            (peer, operation)
        };
        peers.into_iter().map(running).collect()
    }

    /// How many operations run, how many of them read data, and how many write it.
    pub(crate) fn count(&self) -> Running {
        let mut running = Running::default();
        for (_, operation) in self.list() {
            let Some(operation) = operation else { continue };
            running.total += 1;
            running.readers += i64::from(operation.is_read());
            running.writers += i64::from(operation.command.access == Access::Write);
        }
        running
    }

    /// The connection that runs an operation.
    pub(crate) fn find(&self, id: i32) -> Option<Arc<Peer>> {
        let is_it = |operation: &Operation| operation.id == id;
        let peers = self.peers();
        peers.values().find(|peer| peer.activity.running().as_ref().is_some_and(is_it)).cloned()
    }

    /// Makes the operation end at the next document that it looks at.
    pub(crate) fn kill(&self, id: i32) {
        self.kill_those(KillReason::Asked, |operation| operation.id == id);
    }

    /// Makes the operations of a session end.
    pub(crate) fn kill_session(&self, session: SessionId) {
        self.kill_those(KillReason::Asked, |operation| operation.session() == Some(session));
    }

    /// Makes every operation end, since the server does.
    pub(crate) fn kill_all(&self) {
        self.kill_those(KillReason::Shutdown, |_| true);
    }

    fn kill_those(&self, reason: KillReason, is_meant: impl Fn(&Operation) -> bool) {
        for peer in self.peers().values() {
            peer.activity.kill(reason, &is_meant);
        }
    }

    /// A panic elsewhere leaves the map usable: every change is a single step.
    fn peers(&self) -> MutexGuard<'_, BTreeMap<i32, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers of operations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Running {
    pub(crate) total: i64,
    pub(crate) readers: i64,
    pub(crate) writers: i64,
}

/// A command that runs.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: i32,
    pub(crate) command: &'static Command,
    pub(crate) request: Arc<Request>,
    pub(crate) begun: Instant,
}

impl Operation {
    /// Whether it does nothing but find an answer for its client.
    fn is_read(&self) -> bool {
        matches!(self.command.access, Access::Read | Access::Inspect)
    }

    fn session(&self) -> Option<SessionId> {
        match self.request.body.get("lsid") {
            Ok(Some(RawBsonRef::Document(lsid))) => parse_id(lsid).ok(),
            _ => None,
        }
    }
}

/// What one connection runs, which is one command at a time.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    running: Mutex<Option<Operation>>,
    /// Whether the running operation has to end. One switch serves all operations of a connection.
    kill: Arc<Kill>,
    /// Told when that is set.
    killed: Notify,
}

impl Activity {
    /// Set while the running operation has to end.
    pub(crate) fn switch(&self) -> Arc<Kill> {
        Arc::clone(&self.kill)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.kill.reason().is_some()
    }

    /// Waits until the running operation has to end; tells why.
    pub(crate) async fn killed(&self) -> KillReason {
        loop {
            if let Some(reason) = self.kill.reason() {
                return reason;
            }
            self.killed.notified().await;
        }
    }

    /// Ends the running operation if nobody but the client that has gone has use for it. Says
    /// whether there is an operation.
    pub(crate) fn client_left(&self) -> bool {
        self.kill(KillReason::Disconnected, Operation::is_read);
        self.running().is_some()
    }

    fn kill(&self, reason: KillReason, is_meant: impl Fn(&Operation) -> bool) {
        // While the lock is held no other operation can take this one's place.
        let running = self.running();
        if running.as_ref().is_some_and(is_meant) {
            self.kill.set(reason);
            self.killed.notify_one();
        }
    }

    fn set(&self, operation: Option<Operation>) {
        let mut running = self.running();
        *running = operation;
        self.kill.clear();
    }

    fn running(&self) -> MutexGuard<'_, Option<Operation>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection runs a command as long as this exists.
pub(crate) struct Busy(Arc<Peer>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.activity.set(None);
    }
}
