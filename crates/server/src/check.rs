//! What is checked before any command runs.

use std::time::{Duration, Instant};

use bson::{RawDocumentBuf, rawdoc};

use crate::{
    api,
    arguments::Arguments,
    auth::permission::authorize,
    call::Call,
    clock, codes, concern,
    error::CommandError,
    peer::Peer,
    request::Request,
    retry, sessions,
    shared::Shared,
    table::{Access, Command, Scope},
};

/// What the checks of a command come to.
pub(crate) enum Checked<T> {
    /// It may run, with this; and what is wrong with its write concern, which does not keep it from
    /// running.
    Runs(T, Option<RawDocumentBuf>),
    /// It is answered already.
    Answered(RawDocumentBuf),
}

/// Checks what every command shares.
///
/// # Errors
/// What keeps the command from running.
pub(crate) fn check<'a>(
    shared: &'a Shared,
    peer: &'a Peer,
    command: &Command,
    request: &'a Request,
    is_brief: bool,
) -> Result<Checked<Call<'a>>, CommandError> {
    let arguments = Arguments::new(command.name, &request.body)?;
    api::check(&arguments, command)?;
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
    if replica_set {
        clock::check_gossip(&arguments)?;
    }
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

/// The error of a command that is not there.
pub(crate) fn unknown(request: &Request) -> CommandError {
    CommandError::new(codes::COMMAND_NOT_FOUND, format!("no such command: '{}'", request.name))
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
