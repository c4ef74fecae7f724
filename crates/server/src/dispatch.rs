//! From a request to its reply: checks that belong to every command, then the command.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_wire::PeerAddress;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::{
    arguments::{Arguments, integer},
    auth,
    brief::{is_not_brief, may_be_brief},
    call::Call,
    codes,
    commands::{cursor, operation},
    concern,
    error::{CommandError, CommandResult},
    fail_points::{self, WriteFault},
    operations::Busy,
    peer::Peer,
    profiler,
    request::Request,
    retry,
    service::{Answer, Service},
    sessions,
    shared::Shared,
    table::{self, Access, Command, Placement, Run, Scope, WriteHandler},
    write_later,
};

/// The longest that `hello` waits for a change that cannot come.
const MAX_AWAIT: Duration = Duration::from_secs(60 * 60);

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

    fn sent(&self, reply: RawDocumentBuf) {
        self.cursors.recycle(reply.into_bytes());
    }

    fn interrupt(&self) {
        self.operations.kill_all();
        self.cursors.stop_reading();
    }
}

async fn answer(shared: &Arc<Shared>, peer: &Arc<Peer>, request: Request) -> Answer {
    let begun = Instant::now();
    let (result, request) = match table::find(&request.name) {
        None => (Err(unknown(&request)), request),
        Some(command) => {
            let fault = fault(shared, peer, &request);
            if let Some(fault) = &fault {
                if let Some(block) = fault.block {
                    tokio::time::sleep(block).await;
                }
                if fault.close {
                    return Answer::Close;
                }
            }
            if matches!(command.name, "hello" | "isMaster")
                && !await_topology(shared, &request).await
            {
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
            return finish(shared, request, result, fault, begun);
        }
    };
    finish(shared, request, result, None, begun)
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
    let elapsed = begun.elapsed();
    shared.usage.add(command, request, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    if shared.profiler.is_on() && command.name != "profile" {
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        shared.profiler.add(&request.database, millis, || {
            operation::profiled(peer, command, request, result, millis)
        });
    }
}

/// Turns a result into bytes to send, and decides whether more follow unasked.
fn finish(
    shared: &Shared,
    request: Request,
    result: CommandResult,
    fault: Option<fail_points::Fault>,
    begun: Instant,
) -> Answer {
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let fault = fault.unwrap_or_default();
    let mut reply = match result {
        Ok(mut reply) => {
            tracing::debug!(micros, "done");
            if let Some(error) = fault.write_concern_error {
                reply.append(cstr!("writeConcernError"), error);
            }
            reply
        }
        Err(error) => {
            tracing::debug!(micros, code = error.code, "failed");
            error.to_reply()
        }
    };
    append_labels(shared, &request, &mut reply, fault.error_labels);
    if reply.get("ok").is_ok_and(|ok| ok.is_none()) {
        reply.append(cstr!("ok"), 1.0);
    }
    if shared.options.replica_set.is_some() {
        append_times(shared, &mut reply);
    }
    if request.exhaust_allowed && has_more(&request, &reply) {
        return Answer::ReplyThen(reply, Box::new(request));
    }
    Answer::Reply(reply)
}

/// Labels that a test asks for, or else the one that tells a driver to try a write again.
fn append_labels(
    shared: &Shared,
    request: &Request,
    reply: &mut RawDocumentBuf,
    asked_for: Option<Vec<String>>,
) {
    let labels = asked_for.unwrap_or_else(|| {
        let is_retryable_write = shared.options.replica_set.is_some()
            && request.body.get("txnNumber").is_ok_and(|number| number.is_some());
        let code = reply.get_i32("code").or_else(|_| {
            reply.get_document("writeConcernError").and_then(|error| error.get_i32("code"))
        });
        match code {
            Ok(code) if is_retryable_write && codes::RETRYABLE.contains(&code) => {
                vec!["RetryableWriteError".to_owned()]
            }
            _ => Vec::new(),
        }
    });
    if !labels.is_empty() {
        let labels: bson::RawArrayBuf = labels.iter().map(String::as_str).collect();
        reply.append(cstr!("errorLabels"), labels);
    }
}

/// Whether a client that allows it gets another reply without asking.
fn has_more(request: &Request, reply: &RawDocumentBuf) -> bool {
    if !matches!(reply.get("ok"), Ok(Some(RawBsonRef::Double(1.0)))) {
        return false;
    }
    match request.name.as_str() {
        "hello" | "isMaster" | "ismaster" => {
            request.body.get("topologyVersion").is_ok_and(|it| it.is_some())
        }
        "getMore" => {
            let cursor = reply.get_document("cursor");
            cursor.and_then(|cursor| cursor.get_i64("id")).is_ok_and(|id| id != 0)
        }
        _ => false,
    }
}

fn append_times(shared: &Shared, reply: &mut RawDocumentBuf) {
    let time = shared.clock.last_write();
    let hash = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0; 20] };
    reply.append(
        cstr!("$clusterTime"),
        rawdoc! { "clusterTime": time, "signature": { "hash": hash, "keyId": 0i64 } },
    );
    reply.append(cstr!("operationTime"), time);
}

fn fault(shared: &Shared, peer: &Peer, request: &Request) -> Option<fail_points::Fault> {
    if !shared.options.test_commands || request.name == "configureFailPoint" {
        return None;
    }
    let collection = request.body.get_str(&request.name).unwrap_or_default();
    let namespace = format!("{}.{collection}", request.database);
    let app_name = peer.state().app_name.clone();
    shared.fail_points.for_command(&request.name, app_name.as_deref(), &namespace)
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
    let sequence = request.sequences.iter().find(|it| it.identifier == statements);
    let count = match (sequence, request.body.get_array(statements)) {
        (Some(sequence), _) => sequence.documents.len(),
        (None, Ok(array)) => array.into_iter().count(),
        (None, Err(_)) => 1,
    };
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

/// Runs a command; a `getMore` that waits for data is run again after each write, until it finds
/// something or its time is over.
async fn place_and_await(
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
fn run(
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

/// What the checks of a command come to.
enum Checked<T> {
    /// It may run, with this; and what is wrong with its write concern, which does not keep it from
    /// running.
    Runs(T, Option<RawDocumentBuf>),
    /// It is answered already.
    Answered(RawDocumentBuf),
}

/// Checks what every command shares.
fn check<'a>(
    shared: &'a Shared,
    peer: &'a Peer,
    command: &Command,
    request: &'a Request,
    is_brief: bool,
) -> Result<Checked<Call<'a>>, CommandError> {
    let arguments = Arguments::new(command.name, &request.body)?;
    check_api(&arguments, command)?;
    check_scope(shared, command, request)?;
    authorize(shared, peer, command, request)?;
    if let Some(help) = help(&arguments, command)? {
        return Ok(Checked::Answered(help));
    }
    let replica_set = shared.options.replica_set.is_some();
    let session = match arguments.document("lsid")? {
        Some(lsid) => {
            let id = sessions::parse_id(lsid)?;
            if command.access != Access::Public {
                shared.sessions.touch(id, Instant::now())?;
            }
            Some(id)
        }
        None => None,
    };
    check_transaction(&arguments, command.name, session.is_some(), replica_set)?;
    let deadline = deadline(&arguments)?;
    let mut write_concern_error = None;
    if command.access != Access::Public {
        concern::check_read(&arguments, replica_set)?;
        write_concern_error = concern::check_write(&arguments, replica_set)?;
    }
    if deadline.is_some() && shared.always_times_out() {
        return Err(CommandError::new(codes::MAX_TIME_MS_EXPIRED, "operation exceeded time limit"));
    }
    let call = Call { shared, peer, request, arguments, session, deadline, is_brief };
    Ok(Checked::Runs(call, write_concern_error))
}

/// The answer to `help: true`, which any command takes.
fn help(
    arguments: &Arguments<'_>,
    command: &Command,
) -> Result<Option<RawDocumentBuf>, CommandError> {
    if !arguments.has("help") || !arguments.bool("help")?.unwrap_or(false) {
        return Ok(None);
    }
    let text = format!("help for: {} {}", command.name, command.help);
    Ok(Some(rawdoc! { "help": text }))
}

fn unknown(request: &Request) -> CommandError {
    CommandError::new(codes::COMMAND_NOT_FOUND, format!("no such command: '{}'", request.name))
}

/// Refuses what the client's users may not do.
fn authorize(
    shared: &Shared,
    peer: &Peer,
    command: &Command,
    request: &Request,
) -> Result<(), CommandError> {
    if !shared.options.authentication || command.access == Access::Public {
        return Ok(());
    }
    let users = peer.users(shared);
    if users.is_empty() {
        // The first user is made by whoever sits at this machine.
        let is_first = command.name == "createUser"
            && request.database == "admin"
            && peer.address.is_loopback()
            && shared.users.is_empty();
        return if is_first {
            Ok(())
        } else {
            Err(CommandError::new(
                codes::UNAUTHORIZED,
                format!("Command {} requires authentication", request.name),
            ))
        };
    }
    let database = request.database.as_str();
    let (users_database, users_collection) = auth::users::NAMESPACE;
    if database == users_database
        && request.body.get_str(&request.name).is_ok_and(|name| name == users_collection)
    {
        let may_read = users.iter().any(|user| {
            user.may(Access::ServerAdmin, database) && user.may(Access::UserAdmin, database)
        });
        let is_read = matches!(command.access, Access::Read | Access::Inspect);
        return if is_read && may_read { Ok(()) } else { Err(not_authorized(request)) };
    }
    if names_profile(request) && !users.iter().any(|user| user.may(Access::DatabaseAdmin, database))
    {
        return Err(not_authorized(request));
    }
    if command.access == Access::Authenticated
        || users.iter().any(|user| user.may(command.access, database))
    {
        return Ok(());
    }
    Err(not_authorized(request))
}

/// Whether a command is on the collection that the profiler writes to.
fn names_profile(request: &Request) -> bool {
    let body = &request.body;
    let name = body.get_str(&request.name).or_else(|_| body.get_str("collection"));
    name.is_ok_and(|name| name == profiler::COLLECTION)
}

pub(crate) fn not_authorized(request: &Request) -> CommandError {
    CommandError::new(
        codes::UNAUTHORIZED,
        format!(
            "not authorized on {} to execute command {{ {}: ... }}",
            request.database, request.name
        ),
    )
}

fn check_api(arguments: &Arguments<'_>, command: &Command) -> Result<(), CommandError> {
    let Some(version) = arguments.string("apiVersion")? else {
        if arguments.has("apiStrict") || arguments.has("apiDeprecationErrors") {
            return Err(CommandError::new(
                4_886_600,
                "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion",
            ));
        }
        return Ok(());
    };
    if version != "1" {
        return Err(CommandError::new(codes::API_VERSION_ERROR, "API version must be \"1\""));
    }
    if arguments.bool("apiStrict")?.unwrap_or(false) && !command.is_stable {
        return Err(CommandError::new(
            codes::API_STRICT_ERROR,
            format!(
                "Provided apiStrict:true, but the command {} is not in API Version 1",
                command.name
            ),
        ));
    }
    Ok(())
}

fn check_scope(shared: &Shared, command: &Command, request: &Request) -> Result<(), CommandError> {
    match command.scope {
        Scope::AdminOnly if request.database != "admin" => Err(CommandError::new(
            codes::UNAUTHORIZED,
            format!("{} may only be run against the admin database.", command.name),
        )),
        Scope::TestOnly if !shared.options.test_commands => Err(unknown(request)),
        _ => Ok(()),
    }
}

fn check_transaction(
    arguments: &Arguments<'_>,
    command: &str,
    has_session: bool,
    replica_set: bool,
) -> Result<(), CommandError> {
    let number = arguments.integer("txnNumber")?;
    if number.is_some() && !has_session {
        return Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "Transaction number requires a session ID to also be specified",
        ));
    }
    let in_transaction = arguments.has("autocommit") || arguments.has("startTransaction");
    if in_transaction || (number.is_some() && !replica_set) {
        return Err(CommandError::new(
            codes::ILLEGAL_OPERATION,
            "Transaction numbers are only allowed on a replica set member or mongos",
        ));
    }
    if number.is_some_and(|number| number < 0) {
        return Err(CommandError::bad_value(
            "BSON field 'txnNumber' value must be >= 0, actual value is negative",
        ));
    }
    if number.is_some() && !retry::COMMANDS.contains(&command) {
        return Err(CommandError::new(
            codes::NOT_A_RETRYABLE_WRITE_COMMAND,
            format!(
                "txnNumber may only be provided for multi-document transactions and retryable \
                 write commands. autocommit:false was not provided, and {command} is not a \
                 retryable write command."
            ),
        ));
    }
    Ok(())
}

fn deadline(arguments: &Arguments<'_>) -> Result<Option<Instant>, CommandError> {
    let millis = arguments.integer("maxTimeMS")?.unwrap_or(0);
    if millis < 0 || millis > i64::from(i32::MAX) {
        return Err(CommandError::bad_value(format!(
            "{millis} value for maxTimeMS is out of range [0, {}]",
            i32::MAX
        )));
    }
    let millis = u64::try_from(millis).unwrap_or(0);
    Ok((millis > 0).then(|| Instant::now() + Duration::from_millis(millis)))
}
