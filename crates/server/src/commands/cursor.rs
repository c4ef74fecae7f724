//! `getMore` and `killCursors`, and how a command answers with a cursor.

use std::time::Duration;

use bson::{RawArray, RawArrayBuf, RawBsonRef, rawdoc};

use crate::{
    arguments::{integer, type_name},
    batch::BatchName,
    call::Call,
    codes,
    cursors::OpenCursor,
    error::{CommandError, CommandResult},
    request::Request,
    shared::Shared,
    table::{Access, Command},
};

/// How long a `getMore` waits for data when the client does not say, as MongoDB does.
const DEFAULT_AWAIT: Duration = Duration::from_secs(1);

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("getMore", Access::Read, get_more, "the next batch of a cursor").stable(),
    Command::new("killCursors", Access::Read, kill_cursors, "closes cursors").inline().stable(),
];

/// Fills the first batch and keeps the cursor open when there is more.
pub(crate) fn first_batch(
    call: &Call<'_>,
    mut cursor: OpenCursor,
    batch_size: Option<u64>,
    single_batch: bool,
) -> CommandResult {
    cursor.time_left =
        call.deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
    let batch = cursor.batch(BatchName::First, batch_size)?;
    let namespace = cursor.namespace.clone();
    let is_last = batch.is_last || single_batch;
    let id = if is_last { 0 } else { call.shared.cursors.open(cursor)? };
    Ok(batch.reply.finish(id, &namespace))
}

fn get_more(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let id = match arguments.present("getMore") {
        Some(RawBsonRef::Int64(id)) => id,
        Some(value) => match integer(value) {
            Some(id) => id,
            None => {
                return Err(CommandError::type_mismatch(format!(
                    "BSON field 'getMore.getMore' is the wrong type '{}', expected type 'long'",
                    type_name(value)
                )));
            }
        },
        None => return Err(CommandError::bad_value("getMore needs a cursor id")),
    };
    let collection = arguments.required("collection", arguments.string("collection"))?;
    let batch_size = arguments.unsigned("batchSize")?.filter(|&size| size > 0);
    arguments.ignore(&["term", "lastKnownCommittedOpTime"]);
    arguments.finish()?;
    if collection.is_empty() {
        return Err(CommandError::new(
            codes::INVALID_NAMESPACE,
            format!("Invalid namespace specified '{}.'", call.request.database),
        ));
    }
    let namespace = format!("{}.{collection}", call.request.database);
    let cursors = &call.shared.cursors;
    let mut cursor = cursors.check_out(id, &namespace, call.session, call.is_brief)?;
    if call.shared.options.test_commands
        && let Some(data) = call.shared.fail_points.named("failGetMoreAfterCursorCheckout")
    {
        let code = data.get_i32("errorCode").unwrap_or(codes::INTERRUPTED);
        cursors.check_in(cursor);
        return Err(CommandError::new(code, "Hit the 'failGetMoreAfterCursorCheckout' failpoint"));
    }
    if let Err(error) = check_time(call, &cursor) {
        cursors.check_in(cursor);
        return Err(error);
    }
    cursor.resume(call.peer.activity.switch());
    let batch = match cursor.next_batch(batch_size) {
        Ok(batch) => batch,
        Err(error) => {
            cursors.close(id);
            return Err(error);
        }
    };
    let id = if batch.is_last {
        cursors.close(id);
        0
    } else {
        cursors.check_in(cursor);
        id
    };
    Ok(batch.reply.finish(id, &namespace))
}

/// A time limit belongs to the command that made the cursor; here it says how long to wait for data,
/// and even zero is refused where nobody waits.
fn check_time(call: &Call<'_>, cursor: &OpenCursor) -> Result<(), CommandError> {
    if call.arguments.value("maxTimeMS").is_some() && !cursor.awaits_data {
        return Err(CommandError::bad_value(
            "cannot set maxTimeMS on getMore command for a non-awaitData cursor",
        ));
    }
    if cursor.time_left.is_some() && call.shared.always_times_out() {
        return Err(CommandError::new(codes::MAX_TIME_MS_EXPIRED, "operation exceeded time limit"));
    }
    Ok(())
}

/// The cursor of a `getMore`, and how long its client waits for documents, if its reply has none and
/// they may come.
pub(crate) fn awaited(
    shared: &Shared,
    request: &Request,
    result: &CommandResult,
) -> Option<(i64, Duration)> {
    let cursor = result.as_ref().ok()?.get_document("cursor").ok()?;
    let id = cursor.get_i64("id").ok().filter(|&id| id != 0)?;
    if !cursor.get_array("nextBatch").is_ok_and(RawArray::is_empty)
        || !shared.cursors.awaits_data(id)
    {
        return None;
    }
    let asked = request.body.get("maxTimeMS").ok().flatten().and_then(integer);
    let asked = asked.and_then(|millis| u64::try_from(millis).ok()).filter(|&millis| millis > 0);
    Some((id, asked.map_or(DEFAULT_AWAIT, Duration::from_millis)))
}

fn kill_cursors(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let namespace = match arguments.string("killCursors")? {
        Some(collection) => format!("{}.{collection}", call.request.database),
        None => return Err(CommandError::bad_value("killCursors needs a collection name")),
    };
    let ids = arguments.required("cursors", arguments.array("cursors"))?;
    arguments.finish()?;
    let (mut killed, mut missing) = (RawArrayBuf::new(), RawArrayBuf::new());
    for id in ids.into_iter().flatten() {
        let Some(id) = integer(id) else {
            return Err(CommandError::type_mismatch(format!(
                "BSON field 'killCursors.cursors' holds the wrong type '{}', expected type 'long'",
                type_name(id)
            )));
        };
        let cursors = &call.shared.cursors;
        let is_ours = cursors.namespace(id).is_some_and(|its| its == namespace);
        if is_ours && cursors.close(id) {
            killed.push(id);
        } else {
            missing.push(id);
        }
    }
    Ok(rawdoc! {
        "cursorsKilled": killed,
        "cursorsNotFound": missing,
        "cursorsAlive": [],
        "cursorsUnknown": [],
    })
}
