//! What the server knows of one connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bson::RawDocumentBuf;
use fieldveil_wire::PeerAddress;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: i32,
    pub(crate) address: PeerAddress,
    state: Mutex<PeerState>,
}

/// What a client has told so far.
#[derive(Debug, Default)]
pub(crate) struct PeerState {
    /// The `client` document of the handshake.
    pub(crate) metadata: Option<RawDocumentBuf>,
    /// `client.application.name`.
    pub(crate) app_name: Option<String>,
}

impl Peer {
    pub(crate) fn new(id: i32, address: PeerAddress) -> Self {
        Self { id, address, state: Mutex::default() }
    }

    /// The mutable part. A panic elsewhere leaves it usable: every change is a single assignment.
    pub(crate) fn state(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
