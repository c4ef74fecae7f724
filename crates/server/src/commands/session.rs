//! Logical sessions.

use bson::{RawArray, RawDocument, rawdoc};

use crate::{
    call::Call,
    error::{CommandError, CommandResult},
    sessions::{self, SessionId},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("startSession", Access::Authenticated, start, "makes a session").inline(),
    Command::new("endSessions", Access::Authenticated, end, "ends sessions").inline().stable(),
    Command::new("refreshSessions", Access::Authenticated, refresh, "keeps sessions alive")
        .inline()
        .stable(),
    Command::new("killSessions", Access::Authenticated, end, "kills sessions").inline(),
    Command::new("killAllSessions", Access::ServerAdmin, kill_all, "kills sessions of users")
        .inline(),
    Command::new(
        "killAllSessionsByPattern",
        Access::ServerAdmin,
        kill_all,
        "kills sessions by a pattern",
    )
    .inline(),
];

fn start(call: &Call<'_>) -> CommandResult {
    call.arguments.present("startSession");
    call.arguments.finish()?;
    let id = uuid::Uuid::new_v4().into_bytes();
    call.shared.sessions.touch(id, std::time::Instant::now())?;
    let minutes = call.shared.options.session_timeout.as_secs() / 60;
    Ok(rawdoc! {
        "id": { "id": bson::Binary::from(bson::Uuid::from_bytes(id)) },
        "timeoutMinutes": i32::try_from(minutes).unwrap_or(i32::MAX),
    })
}

fn end(call: &Call<'_>) -> CommandResult {
    for id in ids(call)? {
        call.shared.end_session(id);
    }
    Ok(rawdoc! {})
}

fn refresh(call: &Call<'_>) -> CommandResult {
    let now = std::time::Instant::now();
    for id in ids(call)? {
        call.shared.sessions.touch(id, now)?;
    }
    Ok(rawdoc! {})
}

fn kill_all(call: &Call<'_>) -> CommandResult {
    let patterns = call.arguments.array(&call.request.name)?;
    let patterns: Vec<&RawDocument> = documents(patterns)?;
    let named: Vec<SessionId> = patterns
        .iter()
        .filter_map(|pattern| pattern.get_document("lsid").ok())
        .map(sessions::parse_id)
        .collect::<Result<_, _>>()?;
    let ids = if named.is_empty() { call.shared.sessions.end_all() } else { named };
    for id in ids {
        call.shared.end_session(id);
    }
    Ok(rawdoc! {})
}

fn ids(call: &Call<'_>) -> Result<Vec<SessionId>, CommandError> {
    let list = call.arguments.array(&call.request.name)?;
    call.arguments.finish()?;
    documents(list)?.into_iter().map(sessions::parse_id).collect()
}

fn documents(list: Option<&RawArray>) -> Result<Vec<&RawDocument>, CommandError> {
    list.into_iter()
        .flat_map(|list| list.into_iter().flatten())
        .map(|value| {
            value.as_document().ok_or_else(|| CommandError::type_mismatch("expected an object"))
        })
        .collect()
}
