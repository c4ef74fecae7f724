//! What all connections of a server share.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bson::{RawDocumentBuf, oid::ObjectId, rawdoc};
use fieldveil_store::{Interrupt, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::users::Users,
    clock::Clock,
    counters::Counters,
    cursors::Cursors,
    fail_points::FailPoints,
    leader::Leader,
    operations::Operations,
    options::Options,
    profiler::Profiler,
    serve::BLOCKING_THREADS,
    sessions::{SessionId, Sessions},
    usage::Usage,
};

/// How often cursors and sessions are looked over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Most reads at once on threads that may wait. The others are for writes.
const READERS: usize = BLOCKING_THREADS * 3 / 4;

/// A running server's state.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) users: Users,
    pub(crate) options: Options,
    pub(crate) cursors: Cursors,
    pub(crate) sessions: Sessions,
    pub(crate) fail_points: FailPoints,
    pub(crate) counters: Counters,
    pub(crate) operations: Operations,
    pub(crate) usage: Usage,
    pub(crate) profiler: Profiler,
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
    /// Names this run of the server in `topologyVersion`.
    pub(crate) process_id: ObjectId,
    pub(crate) shutdown: CancellationToken,
    /// For reads on threads that may wait, so that some threads are left for writes.
    pub(crate) readers: Arc<Semaphore>,
    /// Commits short writes.
    pub(crate) leader: Arc<Leader>,
    address: OnceLock<SocketAddr>,
}

impl Shared {
    /// # Errors
    /// When the store's users cannot be read.
    pub(crate) fn new(
        store: Store,
        options: Options,
        shutdown: CancellationToken,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            users: Users::load(&store)?,
            store,
            options,
            cursors: Cursors::default(),
            sessions: Sessions::default(),
            fail_points: FailPoints::default(),
            counters: Counters::default(),
            operations: Operations::default(),
            usage: Usage::default(),
            profiler: Profiler::default(),
            clock: Clock::new(),
            started: Instant::now(),
            process_id: ObjectId::new(),
            shutdown,
            readers: Arc::new(Semaphore::new(READERS)),
            leader: Arc::default(),
            address: OnceLock::new(),
        })
    }

    /// Says where the server listens, once that is known.
    pub(crate) fn set_address(&self, address: SocketAddr) {
        // Only the first address is advertised, so a second call changes nothing.
        let _ = self.address.set(address);
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.get().map_or(0, SocketAddr::port)
    }

    pub(crate) fn bind_ip(&self) -> String {
        self.address.get().map_or_else(String::new, |address| address.ip().to_string())
    }

    /// The address under which members of a replica set would know this server.
    pub(crate) fn advertised(&self) -> String {
        match self.address.get() {
            Some(address) if address.ip().is_unspecified() => {
                format!("{}:{}", self.host_name(), address.port())
            }
            // Clients of a loopback server write this name, and find the server under it.
            Some(address) if address.ip().is_loopback() => format!("localhost:{}", address.port()),
            Some(address) => address.to_string(),
            None => self.host_name(),
        }
    }

    pub(crate) fn host_name(&self) -> String {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map(|name| name.trim().to_owned())
            .unwrap_or_else(|_| "localhost".to_owned())
    }

    pub(crate) fn topology_version(&self) -> RawDocumentBuf {
        rawdoc! { "processId": self.process_id, "counter": 0i64 }
    }

    /// The id of the only election that a set of one member holds.
    pub(crate) fn election_id(&self) -> ObjectId {
        ObjectId::from_bytes([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    /// Whether a test wants every operation with a time limit to exceed it.
    pub(crate) fn always_times_out(&self) -> bool {
        self.options.test_commands && self.fail_points.named("maxTimeAlwaysTimeOut").is_some()
    }

    /// Forgets a session, ends what runs in it and closes its cursors.
    pub(crate) fn end_session(&self, id: SessionId) {
        self.sessions.end(id);
        self.operations.kill_session(id);
        self.cursors.kill_session(id);
    }

    /// Closes what nobody has used for long, until the server ends.
    pub(crate) async fn sweep(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
                () = self.shutdown.cancelled() => return,
            }
            let now = Instant::now();
            self.cursors.expire(now, self.options.cursor_timeout);
            for id in self.sessions.expire(now, self.options.session_timeout) {
                self.cursors.kill_session(id);
            }
            self.expire_records().await;
        }
    }

    /// Removes the documents whose time in a TTL index is over, and what is known of the
    /// retryable writes of sessions that are gone.
    async fn expire_records(&self) {
        let store = self.store.clone();
        let now_ms = bson::DateTime::now().timestamp_millis();
        let timeout = i64::try_from(self.options.session_timeout.as_millis()).unwrap_or(i64::MAX);
        let removing = tokio::task::spawn_blocking(move || {
            let documents = store.expire(now_ms, &Interrupt::never())?;
            Ok::<_, StoreError>((documents, store.expire_retries(now_ms.saturating_sub(timeout))?))
        });
        match removing.await {
            Ok(Ok((0, 0))) => {}
            Ok(Ok((documents, retries))) => {
                tracing::debug!(documents, retries, "removed what had expired");
            }
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove what has expired"),
            Err(error) => tracing::error!(%error, "removing what had expired ended early"),
        }
    }
}
