//! From a request to its reply: finds the command, has it checked and run, and counts it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::RawDocumentBuf;
use fieldveil_wire::PeerAddress;
use tracing::Instrument;

use crate::{
    arguments::integer,
    auth::permission::names_profile,
    check::unknown,
    commands::handshake,
    error::{CommandError, CommandResult},
    fail_points::{self, WriteFault},
    finish::finish,
    peer::Peer,
    profiler::Ended,
    request::Request,
    run::{MAX_AWAIT, place_and_await},
    service::{Answer, Service},
    sessions,
    shared::Shared,
    table::{self, Command},
};

impl Service for Shared {
    type Peer = Peer;

    fn connected(&self, id: i32, address: PeerAddress) -> Arc<Peer> {
        self.counters.connected();
        let peer = Arc::new(Peer::new(id, address));
        self.operations.connected(&peer);
        peer
    }

    async fn answer(self: &Arc<Self>, peer: &Arc<Peer>, request: Request) -> Answer {
        let span = tracing::debug_span!("command", connection = peer.id, name = request.name);
        answer(self, peer, request).instrument(span).await
    }

    fn hung_up(&self, peer: &Peer) -> bool {
        peer.activity.client_left()
    }

    fn disconnected(&self, peer: &Peer) {
        self.operations.disconnected(peer);
        self.counters.disconnected();
    }

    fn received(&self, wire_bytes: usize) {
        self.counters.received(wire_bytes);
    }

    fn sent(&self, wire_bytes: usize) {
        self.counters.sent(wire_bytes);
    }

    fn recycle(&self, reply: RawDocumentBuf) {
        self.cursors.recycle(reply.into_bytes());
    }

    fn interrupt(&self) {
        self.operations.kill_all();
        self.cursors.stop_reading();
    }
}

async fn answer(shared: &Arc<Shared>, peer: &Arc<Peer>, request: Request) -> Answer {
    let begun = Instant::now();
    let Some(command) = table::find(&request.name) else {
        let result = Err(unknown(&request));
        shared.counters.failed();
        return finish(shared, request, result, None, begun);
    };
    let fault = fault(shared, peer, command, &request);
    if let Some(fault) = &fault {
        if let Some(block) = fault.block {
            tokio::time::sleep(block).await;
        }
        if fault.close {
            return Answer::Close;
        }
    }
    if matches!(command.name, "hello" | "isMaster") && !await_topology(shared, &request).await {
        return Answer::Close;
    }
    let mut failure = fault.as_ref().and_then(fail_points::error);
    let write_fault = write_fault(shared, command, &request);
    if let Some(WriteFault { before_commit: Some(code), close }) = write_fault {
        if close {
            return Answer::Close;
        }
        failure = Some(CommandError::new(code, "failing before the commit, as asked"));
    }
    if shared.profiler.was_on() && names_profile(&request) {
        shared.profiler.flush().await;
    }
    let request = Arc::new(request);
    let result = match failure {
        Some(error) => Err(error),
        None => place_and_await(shared, peer, command, &request).await,
    };
    if write_fault.is_some_and(|fault| fault.close) {
        return Answer::Close;
    }
    let request = Arc::unwrap_or_clone(request);
    account(shared, peer, command, &request, &result, begun);
    finish(shared, request, result, fault, begun)
}

/// Counts a command that has ended, and writes it down if the profiler is on.
fn account(
    shared: &Shared,
    peer: &Peer,
    command: &'static Command,
    request: &Request,
    result: &CommandResult,
    begun: Instant,
) {
    if result.is_err() {
        shared.counters.failed();
    }
    let elapsed = begun.elapsed();
    shared.usage.add(command, request, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    if shared.profiler.is_on() && command.name != "profile" {
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        shared.profiler.add(&request.database, millis, || {
            Ended { peer, command, request, result, millis }.documents()
        });
    }
}

fn fault(
    shared: &Shared,
    peer: &Peer,
    command: &Command,
    request: &Request,
) -> Option<fail_points::Fault> {
    if !shared.options.test_commands || command.name == "configureFailPoint" {
        return None;
    }
    let collection = request.body.get_str(&request.name).unwrap_or_default();
    let namespace = format!("{}.{collection}", request.database);
    // The first message of a connection, which says who it is, may be meant as well.
    let declared = request.body.get_document("client").ok().and_then(handshake::app_name);
    let app_name = declared.map(str::to_owned).or_else(|| peer.state().app_name.clone());
    shared.fail_points.for_command(command, app_name.as_deref(), &namespace)
}

/// What a test wants to happen to a write that a driver may send again.
fn write_fault(shared: &Shared, command: &Command, request: &Request) -> Option<WriteFault> {
    if !shared.options.test_commands {
        return None;
    }
    let statements = match command.name {
        "insert" => "documents",
        "update" => "updates",
        "delete" => "deletes",
        "bulkWrite" => "ops",
        "findAndModify" => "",
        _ => return None,
    };
    let number = request.body.get("txnNumber").ok().flatten().and_then(integer)?;
    let session = sessions::parse_id(request.body.get_document("lsid").ok()?).ok()?;
    let count = request.elements(statements).map_or(1, Iterator::count);
    shared.fail_points.for_retryable_write(session, number, count)
}

/// Waits as long as a monitoring client allows, since the topology does not change.
///
/// Says whether to answer; not when the server ends meanwhile.
async fn await_topology(shared: &Shared, request: &Request) -> bool {
    let known = request
        .body
        .get_document("topologyVersion")
        .and_then(|version| version.get_object_id("processId"));
    let wait = request.body.get("maxAwaitTimeMS").ok().flatten().and_then(integer);
    let (Ok(known), Some(wait)) = (known, wait) else { return true };
    if known != shared.process_id {
        return true;
    }
    let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0)).min(MAX_AWAIT);
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = shared.shutdown.cancelled() => false,
    }
}
