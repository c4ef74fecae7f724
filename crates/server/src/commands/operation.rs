//! What runs now: `currentOp`, the stage `$currentOp`, `killOp`.

use std::sync::Arc;

use bson::{
    RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf,
    raw::{CStr, cstr},
    rawdoc,
};
use fieldveil_store::AggregateOptions;

use crate::{
    arguments::{Arguments, GENERIC},
    auth::permission::not_authorized,
    call::Call,
    codes,
    commands::aggregate::Target,
    error::{CommandError, CommandResult},
    operations::Operation,
    peer::Peer,
    request::Request,
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("currentOp", Access::Authenticated, current_op, "running commands")
        .scope(Scope::AdminOnly),
    Command::new("killOp", Access::Authenticated, kill_op, "ends a running command")
        .inline()
        .scope(Scope::AdminOnly),
];

/// Larger commands are not shown whole.
const SHOWN_BYTES: usize = 1024;

/// And so in the profiler's documents.
const PROFILED_BYTES: usize = 50 * 1024;

/// Their arguments may hold a password.
const SECRET: [&str; 5] = ["createUser", "updateUser", "saslStart", "saslContinue", "authenticate"];

/// Which operations to show.
struct Wanted {
    /// Those of other users too.
    all_users: bool,
    /// Connections that run nothing too.
    idle: bool,
    /// Large commands cut short.
    truncated: bool,
}

fn current_op(call: &Call<'_>) -> CommandResult {
    let flag = |name| Ok::<_, CommandError>(call.arguments.bool(name)?.unwrap_or(false));
    let wanted = Wanted {
        all_users: !flag("$ownOps")?,
        idle: flag("$all")?,
        truncated: flag("$truncateOps")?,
    };
    let mut filter = RawDocumentBuf::new();
    for (name, value) in call.request.body.iter().flatten() {
        let is_option = matches!(name.as_str(), "currentOp" | "$ownOps" | "$all" | "$truncateOps");
        if !is_option && !GENERIC.contains(&name.as_str()) {
            filter.append(name, value);
        }
    }
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$documents": { "$literal": operations(call, &wanted)? } });
    pipeline.push(rawdoc! { "$match": filter });
    let options = AggregateOptions { interrupt: call.interrupt(), ..AggregateOptions::default() };
    let mut found = RawArrayBuf::new();
    for operation in call.shared.store.aggregate("admin", None, &pipeline, options)? {
        found.push(operation?);
    }
    Ok(rawdoc! { "inprog": found })
}

/// The documents that a first stage `$currentOp` stands for.
///
/// # Errors
/// Another database than `admin`, unknown options, or other users' operations without a role.
pub(crate) fn stage(
    call: &Call<'_>,
    target: &Target,
    options: &RawDocument,
) -> Result<RawArrayBuf, CommandError> {
    if call.request.database != "admin" || target.collection().is_some() {
        return Err(CommandError::new(
            codes::INVALID_NAMESPACE,
            "$currentOp must be run against the 'admin' database with {aggregate: 1}",
        ));
    }
    let options = Arguments::new("$currentOp", options)?;
    let flag = |name| Ok::<_, CommandError>(options.bool(name)?.unwrap_or(false));
    let wanted = Wanted {
        all_users: flag("allUsers")?,
        idle: flag("idleConnections")?,
        truncated: flag("truncateOps")?,
    };
    options.ignore(&["idleCursors", "idleSessions", "localOps", "backtrace", "targetAllNodes"]);
    options.finish()?;
    operations(call, &wanted)
}

fn operations(call: &Call<'_>, wanted: &Wanted) -> Result<RawArrayBuf, CommandError> {
    if wanted.all_users && !call.may(Access::Monitor, "admin") {
        return Err(not_authorized(call.request));
    }
    let mut shown = RawArrayBuf::new();
    for (peer, operation) in call.shared.operations.list() {
        let is_wanted = operation.is_some() || wanted.idle;
        if is_wanted && (wanted.all_users || has_same_users(call, &peer)) {
            shown.push(describe(call, &peer, operation.as_ref(), wanted.truncated));
        }
    }
    Ok(shown)
}

/// Whether a connection belongs to who asks; without authentication all do.
fn has_same_users(call: &Call<'_>, peer: &Arc<Peer>) -> bool {
    let own = call.peer.state().authenticated.clone();
    !call.shared.options.authentication || peer.state().authenticated == own
}

/// One operation, or a connection that runs none, as MongoDB describes it.
fn describe(
    call: &Call<'_>,
    peer: &Peer,
    operation: Option<&Operation>,
    truncated: bool,
) -> RawDocumentBuf {
    let mut shown = rawdoc! {
        "type": "op",
        "host": call.shared.advertised(),
        "desc": format!("conn{}", peer.id),
        "connectionId": peer.id,
        "client": peer.address.to_string(),
        "active": operation.is_some(),
    };
    let state = peer.state();
    if let Some(name) = &state.app_name {
        shown.append(cstr!("appName"), name.as_str());
    }
    if let Some(metadata) = &state.metadata {
        shown.append(cstr!("clientMetadata"), metadata.clone());
    }
    if !state.authenticated.is_empty() {
        let user = |it: &crate::auth::user::UserName| {
            rawdoc! { "user": it.user.as_str(), "db": it.database.as_str() }
        };
        let users: RawArrayBuf = state.authenticated.iter().map(user).collect();
        shown.append(cstr!("effectiveUsers"), users);
    }
    let Some(operation) = operation else { return shown };
    let elapsed = operation.begun.elapsed();
    shown.append(cstr!("opid"), operation.id);
    shown.append(cstr!("secs_running"), i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX));
    shown
        .append(cstr!("microsecs_running"), i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX));
    shown.append(cstr!("op"), kind(operation.command.name));
    shown.append(cstr!("ns"), namespace(&operation.request));
    let limit = if truncated { SHOWN_BYTES } else { usize::MAX };
    shown.append(cstr!("command"), body(operation.command, &operation.request, limit));
    if peer.activity.is_killed() {
        shown.append(cstr!("killPending"), true);
    }
    shown
}

/// MongoDB's name for the kind of an operation.
fn kind(command: &str) -> &str {
    match command {
        "find" => "query",
        "getMore" => "getmore",
        "delete" => "remove",
        "insert" | "update" => command,
        _ => "command",
    }
}

fn namespace(request: &Request) -> String {
    let first = request.body.get(&request.name).ok().flatten();
    let collection = match first {
        Some(RawBsonRef::String(name)) => name,
        _ => request.body.get_str("collection").unwrap_or("$cmd"),
    };
    format!("{}.{collection}", request.database)
}

/// The command without its document sequences. Secrets are left out, and long ones cut short.
fn body(command: &Command, request: &Request, limit: usize) -> RawDocumentBuf {
    let body = &request.body;
    if SECRET.contains(&command.name) {
        return rawdoc! { "$redacted": command.name };
    }
    let size = body.as_bytes().len();
    if size > limit {
        return rawdoc! { "$truncated": format!("{} of {size} bytes", command.name) };
    }
    body.clone()
}

/// A command that has ended, as documents of the profiler: one for each update or delete of it, as
/// MongoDB does, which share its time.
pub(crate) fn profiled(
    peer: &Peer,
    command: &Command,
    request: &Request,
    result: &CommandResult,
    millis: i64,
) -> Vec<RawDocumentBuf> {
    let statements = match command.name {
        "update" => statements(request, "updates"),
        "delete" => statements(request, "deletes"),
        _ => Vec::new(),
    };
    let entry =
        |shown, counts, millis| entry(peer, command, request, (shown, counts), result, millis);
    if statements.is_empty() {
        return vec![entry(body(command, request, PROFILED_BYTES), true, millis)];
    }
    let count = statements.len();
    let millis = millis / i64::try_from(count).unwrap_or(i64::MAX);
    statements.into_iter().map(|statement| entry(statement, count == 1, millis)).collect()
}

/// The statements of a command that writes, with its comment.
fn statements(request: &Request, name: &str) -> Vec<RawDocumentBuf> {
    let comment = request.body.get("comment").ok().flatten();
    let shown = |statement: &RawDocument| {
        let size = statement.as_bytes().len();
        if size > PROFILED_BYTES {
            return rawdoc! { "$truncated": format!("a statement of {size} bytes") };
        }
        let mut shown = RawDocumentBuf::new();
        for (name, value) in statement.iter().flatten() {
            match value {
                RawBsonRef::String(index) if name == "hint" => {
                    shown.append(name, rawdoc! { "$hint": index });
                }
                value => shown.append(name, value),
            }
        }
        if let Some(comment) = comment {
            shown.append(cstr!("comment"), comment);
        }
        shown
    };
    let sequence = request.sequences.iter().find(|it| it.identifier == name);
    match (sequence, request.body.get_array(name)) {
        (Some(sequence), _) => sequence.documents.iter().map(|it| shown(it)).collect(),
        (None, Ok(array)) => {
            array.into_iter().flatten().filter_map(|it| it.as_document()).map(shown).collect()
        }
        (None, Err(_)) => Vec::new(),
    }
}

/// One document of the profiler: what is shown of the command, and whether all that the reply counts
/// is of it.
fn entry(
    peer: &Peer,
    command: &Command,
    request: &Request,
    (shown, counts): (RawDocumentBuf, bool),
    result: &CommandResult,
    millis: i64,
) -> RawDocumentBuf {
    let mut shown = rawdoc! {
        "op": kind(command.name),
        "ns": namespace(request),
        "command": shown,
    };
    match result {
        Ok(reply) => {
            if counts {
                append_outcome(&mut shown, command, reply);
            }
            let bytes = i32::try_from(reply.as_bytes().len()).unwrap_or(i32::MAX);
            shown.append(cstr!("responseLength"), bytes);
        }
        Err(error) => {
            shown.append(cstr!("ok"), 0);
            shown.append(cstr!("errMsg"), error.message.as_str());
            shown.append(cstr!("errName"), fieldveil_query::code_name(error.code));
            shown.append(cstr!("errCode"), error.code);
        }
    }
    shown.append(cstr!("protocol"), "op_msg");
    shown.append(cstr!("millis"), i32::try_from(millis).unwrap_or(i32::MAX));
    shown.append(cstr!("ts"), bson::DateTime::now());
    shown.append(cstr!("client"), peer.address.to_string());
    let state = peer.state();
    if let Some(name) = &state.app_name {
        shown.append(cstr!("appName"), name.as_str());
    }
    let users: RawArrayBuf = state
        .authenticated
        .iter()
        .map(|name| rawdoc! { "user": name.user.as_str(), "db": name.database.as_str() })
        .collect();
    shown.append(cstr!("allUsers"), users);
    let user = state.authenticated.first();
    let user = user.map_or_else(String::new, |it| format!("{}@{}", it.user, it.database));
    shown.append(cstr!("user"), user);
    shown
}

/// What a reply says about how much was done.
fn append_outcome(shown: &mut RawDocumentBuf, command: &Command, reply: &RawDocument) {
    let fields: &[(&str, &CStr)] = match command.name {
        "insert" => &[("n", cstr!("ninserted"))],
        "delete" => &[("n", cstr!("ndeleted"))],
        "update" => &[("n", cstr!("nMatched")), ("nModified", cstr!("nModified"))],
        _ => &[],
    };
    for (from, to) in fields {
        if let Ok(Some(value)) = reply.get(from) {
            shown.append(*to, value);
        }
    }
    let Ok(cursor) = reply.get_document("cursor") else { return };
    let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch"));
    if let Ok(batch) = batch {
        let count = i32::try_from(batch.into_iter().count()).unwrap_or(i32::MAX);
        shown.append(cstr!("nreturned"), count);
    }
    match cursor.get_i64("id") {
        Ok(0) => shown.append(cstr!("cursorExhausted"), true),
        Ok(id) => shown.append(cstr!("cursorid"), id),
        Err(_) => {}
    }
}

fn kill_op(call: &Call<'_>) -> CommandResult {
    call.arguments.present("killOp");
    let id = call.arguments.required("op", call.arguments.integer("op"))?;
    call.arguments.finish()?;
    let id = i32::try_from(id).map_err(|_| {
        CommandError::bad_value(format!(
            "invalid op : {id}. Op ID cannot be represented with 32 bits"
        ))
    })?;
    let may_kill = match call.shared.operations.find(id) {
        Some(peer) => has_same_users(call, &peer),
        None => false,
    };
    if !may_kill && !call.may(Access::ServerAdmin, "admin") {
        return Err(not_authorized(call.request));
    }
    call.shared.operations.kill(id);
    Ok(rawdoc! { "info": "attempting to kill op" })
}
