//! What runs now: `currentOp`, the stage `$currentOp`, `killOp`.

use std::sync::Arc;

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
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
pub(crate) fn kind(command: &str) -> &str {
    match command {
        "find" => "query",
        "getMore" => "getmore",
        "delete" => "remove",
        "insert" | "update" => command,
        _ => "command",
    }
}

/// The database and collection that a command names.
pub(crate) fn namespace(request: &Request) -> String {
    let first = request.body.get(&request.name).ok().flatten();
    let collection = match first {
        Some(RawBsonRef::String(name)) => name,
        _ => request.body.get_str("collection").unwrap_or("$cmd"),
    };
    format!("{}.{collection}", request.database)
}

/// The command without its document sequences. Secrets are left out, and long ones cut short.
pub(crate) fn body(command: &Command, request: &Request, limit: usize) -> RawDocumentBuf {
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
