//! Where a command runs: on the connection's task, on a thread that may wait, or, a short write,
//! without a thread that waits for it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bson::{RawDocumentBuf, raw::cstr};
use tokio::sync::oneshot;

use crate::{
    arguments::integer,
    brief::{is_not_brief, may_be_brief},
    check::{Checked, check},
    commands::cursor,
    error::{CommandError, CommandResult},
    operations::Busy,
    peer::Peer,
    request::Request,
    shared::Shared,
    table::{Access, Command, Placement, Run, WriteHandler},
    write_later,
};

/// The longest that a command waits for a change, whatever its client allows.
pub(crate) const MAX_AWAIT: Duration = Duration::from_secs(60 * 60);

/// Runs a command; a `getMore` that waits for data is run again after each write, until it finds
/// something or its time is over.
pub(crate) async fn place_and_await(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    command: &'static Command,
    request: &Arc<Request>,
) -> CommandResult {
    if command.placement == Placement::Inline {
        return run(shared, peer, command, request, false);
    }
    if may_be_brief(command, request) {
        if let Some(id) = cursor_of(command, request) {
            shared.cursors.settled(id).await;
        }
        let running = AssertUnwindSafe(|| run(shared, peer, command, request, true));
        match catch_unwind(running) {
            Ok(Err(error)) if is_not_brief(&error) => {}
            Ok(result) => {
                if let Some(id) = cursor_of(command, request).filter(|_| result.is_ok()) {
                    read_ahead(shared, id);
                }
                return result;
            }
            Err(_) => return Err(ended_early(command, &"panicked")),
        }
    }
    let busy = Arc::new(shared.operations.begin(peer, command, request));
    if let Some(prepare) = write_later::preparation(command, request) {
        return write(shared, peer, command, prepare, request, busy).await;
    }
    if command.name != "getMore" {
        return run_apart(shared, peer, command, request, busy).await;
    }
    let begun = tokio::time::Instant::now();
    let mut writes = shared.clock.writes();
    loop {
        writes.mark_unchanged();
        let result = run_apart(shared, peer, command, request, Arc::clone(&busy)).await;
        let Some((id, wait)) = cursor::awaited(shared, request, &result) else { return result };
        tokio::select! {
            _ = writes.changed() => {}
            () = tokio::time::sleep_until(begun + wait.min(MAX_AWAIT)) => return result,
            () = shared.shutdown.cancelled() => return result,
            reason = peer.activity.killed() => {
                shared.cursors.close(id);
                return Err(reason.error().into());
            }
        }
    }
}

/// Runs a command on a thread that may wait.
async fn run_apart(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    command: &'static Command,
    request: &Arc<Request>,
    busy: Arc<Busy>,
) -> CommandResult {
    let permit = match command.access {
        Access::Read => Arc::clone(&shared.readers).acquire_owned().await.ok(),
        _ => None,
    };
    let (shared, peer, request) = (Arc::clone(shared), Arc::clone(peer), Arc::clone(request));
    let span = tracing::Span::current();
    let (answer, answered) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let result = span.in_scope(|| run(&shared, &peer, command, &request, false));
        let cursor = cursor_of(command, &request);
        // Whoever waits takes the request back, without copying it if nobody else has it.
        drop((busy, request));
        // The connection may be gone; then nobody waits for the answer.
        let _ = answer.send(result);
        if let Some(id) = cursor {
            shared.cursors.read_ahead(id);
        }
        drop(permit);
    });
    answered.await.unwrap_or_else(|error| Err(ended_early(command, &error)))
}

/// The cursor that a `getMore` names.
fn cursor_of(command: &Command, request: &Request) -> Option<i64> {
    let id = request.body.get(command.name).ok().flatten().filter(|_| command.name == "getMore");
    id.and_then(integer)
}

/// Has the next batch of a cursor made while the client still has the last one to read.
fn read_ahead(shared: &Arc<Shared>, id: i64) {
    if shared.cursors.goes_on(id) {
        let shared = Arc::clone(shared);
        tokio::task::spawn_blocking(move || shared.cursors.read_ahead(id));
    }
}

/// Runs a command that writes, without a thread that waits for it.
async fn write(
    shared: &Shared,
    peer: &Peer,
    command: &Command,
    prepare: WriteHandler,
    request: &Request,
    busy: Arc<Busy>,
) -> CommandResult {
    let checking = AssertUnwindSafe(|| match check(shared, peer, command, request, false)? {
        Checked::Answered(answer) => Ok(Checked::Answered(answer)),
        Checked::Runs(call, concern_error) => {
            shared.counters.command(command.name);
            Ok(Checked::Runs(prepare(&call)?, concern_error))
        }
    });
    match catch_unwind(checking).unwrap_or_else(|_| Err(ended_early(command, &"panicked")))? {
        Checked::Answered(answer) => Ok(answer),
        Checked::Runs(write, concern_error) => {
            with_concern_error(write.later(shared, busy).await, concern_error)
        }
    }
}

fn ended_early(command: &Command, error: &dyn fmt::Display) -> CommandError {
    tracing::error!(name = command.name, %error, "a command ended early");
    CommandError::new(1, "the command ended early; the server's log says why")
}

/// Checks what every command shares, then runs it; briefly if it may not take long.
///
/// # Errors
/// Those of the command.
pub(crate) fn run(
    shared: &Shared,
    peer: &Peer,
    command: &Command,
    request: &Request,
    is_brief: bool,
) -> CommandResult {
    let (call, concern_error) = match check(shared, peer, command, request, is_brief)? {
        Checked::Runs(call, concern_error) => (call, concern_error),
        Checked::Answered(answer) => return Ok(answer),
    };
    let result = match command.run {
        Run::Whole(run) => run(&call),
        Run::Write(prepare) => prepare(&call).and_then(|write| write.now(shared)),
    };
    if !result.as_ref().is_err_and(is_not_brief) {
        shared.counters.command(command.name);
    }
    with_concern_error(result, concern_error)
}

fn with_concern_error(result: CommandResult, error: Option<RawDocumentBuf>) -> CommandResult {
    let mut reply = result?;
    if let Some(error) = error {
        reply.append(cstr!("writeConcernError"), error);
    }
    Ok(reply)
}
