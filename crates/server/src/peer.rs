//! What the server knows of one connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::RawDocumentBuf;
use fieldveil_wire::PeerAddress;

use crate::{
    auth::{
        scram::Challenge,
        user::{User, UserName},
    },
    operations::Activity,
    shared::Shared,
};

/// A connected client.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: i32,
    pub(crate) address: PeerAddress,
    pub(crate) activity: Activity,
    state: Mutex<PeerState>,
}

/// What a client has told so far.
#[derive(Debug, Default)]
pub(crate) struct PeerState {
    /// The `client` document of the handshake.
    pub(crate) metadata: Option<RawDocumentBuf>,
    /// `client.application.name`.
    pub(crate) app_name: Option<String>,
    /// Who has authenticated, one for each database at most.
    pub(crate) authenticated: Vec<UserName>,
    /// An authentication that has begun.
    pub(crate) conversation: Option<Conversation>,
}

impl Peer {
    pub(crate) fn new(id: i32, address: PeerAddress) -> Self {
        Self { id, address, activity: Activity::default(), state: Mutex::default() }
    }

    /// The mutable part. A panic elsewhere leaves it usable: every change is a single assignment.
    pub(crate) fn state(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The users that have authenticated and still exist, with the roles they have now.
    pub(crate) fn users(&self, shared: &Shared) -> Vec<Arc<User>> {
        let state = self.state();
        state.authenticated.iter().filter_map(|name| shared.users.find(name)).collect()
    }
}

/// An authentication between two of its messages.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) user: UserName,
    pub(crate) step: Step,
    /// The client does not send an empty last message.
    pub(crate) skip_empty_exchange: bool,
}

/// What an authentication waits for.
#[derive(Debug)]
pub(crate) enum Step {
    /// The client's proof.
    Proof(Box<Challenge>),
    /// An empty message; the client has proven itself.
    Empty,
}
