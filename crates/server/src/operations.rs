//! Commands that run now: for `currentOp`, `killOp`, and the end of the server.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Instant,
};

use bson::RawBsonRef;

use crate::{
    peer::Peer,
    request::Request,
    sessions::{SessionId, parse_id},
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
    pub(crate) fn begin<'a>(
        &self,
        peer: &'a Peer,
        command: &'static str,
        request: &Arc<Request>,
    ) -> Busy<'a> {
        let operation = Operation {
            id: self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            command,
            request: Arc::clone(request),
            begun: Instant::now(),
        };
        peer.activity.set(Some(operation));
        Busy(&peer.activity)
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

    /// The connection that runs an operation.
    pub(crate) fn find(&self, id: i32) -> Option<Arc<Peer>> {
        let is_it = |operation: &Operation| operation.id == id;
        let peers = self.peers();
        peers.values().find(|peer| peer.activity.running().as_ref().is_some_and(is_it)).cloned()
    }

    /// Makes the operation end at the next document that it looks at.
    pub(crate) fn kill(&self, id: i32) {
        self.kill_those(|operation| operation.id == id);
    }

    /// Makes the operations of a session end.
    pub(crate) fn kill_session(&self, session: SessionId) {
        self.kill_those(|operation| operation.session() == Some(session));
    }

    /// Makes every operation end.
    pub(crate) fn kill_all(&self) {
        self.kill_those(|_| true);
    }

    fn kill_those(&self, is_meant: impl Fn(&Operation) -> bool) {
        for peer in self.peers().values() {
            // While the lock is held no other operation can take this one's place.
            let running = peer.activity.running();
            if running.as_ref().is_some_and(&is_meant) {
                peer.activity.killed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// A panic elsewhere leaves the map usable: every change is a single step.
    fn peers(&self) -> MutexGuard<'_, BTreeMap<i32, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that runs.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: i32,
    pub(crate) command: &'static str,
    pub(crate) request: Arc<Request>,
    pub(crate) begun: Instant,
}

impl Operation {
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
    /// Whether the running operation has to end. One flag serves all operations of a connection.
    killed: Arc<AtomicBool>,
}

impl Activity {
    /// Set while the running operation has to end.
    pub(crate) fn killed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.killed)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    fn set(&self, operation: Option<Operation>) {
        let mut running = self.running();
        *running = operation;
        self.killed.store(false, Ordering::Relaxed);
    }

    fn running(&self) -> MutexGuard<'_, Option<Operation>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection runs a command as long as this exists.
pub(crate) struct Busy<'a>(&'a Activity);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
