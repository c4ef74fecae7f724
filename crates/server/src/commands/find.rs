//! `find`.

use bson::{RawBson, RawDocument};
use fieldveil_store::FindOptions;

use crate::{
    arguments::Arguments,
    call::Call,
    codes,
    commands::cursor::first_batch,
    cursors::{DEFAULT_FIRST_BATCH, OpenCursor, Source},
    error::{CommandError, CommandResult},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("find", Access::Read, find, "finds documents").stable()];

/// A `find` command, read.
pub(crate) struct Find {
    pub(crate) options: FindOptions,
    batch_size: u64,
    single_batch: bool,
    no_timeout: bool,
    tailable: bool,
    awaits_data: bool,
}

fn find(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let command = parse(call)?;
    let limit = command.options.limit;
    let store = &call.shared.store;
    let source = if command.tailable {
        Source::Tail(Box::new(store.tail(&namespace, command.options)?))
    } else {
        Source::Store(Box::new(store.find(&namespace, command.options)?))
    };
    let mut cursor = OpenCursor::new(namespace.as_str().to_owned(), source, call.session);
    cursor.no_timeout = command.no_timeout;
    cursor.awaits_data = command.awaits_data;
    cursor.remaining = (limit > 0).then_some(limit);
    first_batch(call, cursor, Some(command.batch_size), command.single_batch)
}

/// Reads the command; shared with `explain`.
pub(crate) fn parse(call: &Call<'_>) -> Result<Find, CommandError> {
    let arguments = &call.arguments;
    arguments.present("find");
    let owned = |document: Option<&RawDocument>| document.map(ToOwned::to_owned);
    let limit = arguments.integer("limit")?.unwrap_or(0);
    // Old clients write a negative limit for a single batch.
    let single_batch = arguments.bool("singleBatch")?.unwrap_or(false) || limit < 0;
    let options = FindOptions {
        filter: owned(arguments.document("filter")?),
        sort: owned(arguments.document("sort")?).filter(|sort| !sort.is_empty()),
        projection: owned(arguments.document("projection")?),
        skip: arguments.unsigned("skip")?.unwrap_or(0),
        limit: limit.unsigned_abs(),
        hint: arguments.value("hint").map(RawBson::from),
        min: owned(arguments.document("min")?),
        max: owned(arguments.document("max")?),
        let_variables: owned(arguments.document("let")?),
        collation: owned(arguments.document("collation")?),
        allow_disk_use: arguments.bool("allowDiskUse")?,
        show_record_id: arguments.bool("showRecordId")?.unwrap_or(false),
        return_key: arguments.bool("returnKey")?.unwrap_or(false),
        interrupt: call.interrupt(),
    };
    let batch_size = arguments.unsigned("batchSize")?.unwrap_or(DEFAULT_FIRST_BATCH);
    let no_timeout = arguments.bool("noCursorTimeout")?.unwrap_or(false);
    let (tailable, awaits_data) = tailable(arguments, single_batch)?;
    if tailable && options.return_key {
        return Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "the option 'returnKey' of find is not supported with a tailable cursor",
        ));
    }
    arguments.ignore(&["allowPartialResults", "oplogReplay", "term", "ntoreturn"]);
    arguments.finish()?;
    Ok(Find { options, batch_size, single_batch, no_timeout, tailable, awaits_data })
}

/// `tailable` and `awaitData`.
fn tailable(arguments: &Arguments<'_>, single_batch: bool) -> Result<(bool, bool), CommandError> {
    let tailable = arguments.bool("tailable")?.unwrap_or(false);
    let awaits_data = arguments.bool("awaitData")?.unwrap_or(false);
    if awaits_data && !tailable {
        return Err(CommandError::failed_to_parse(
            "Cannot set 'awaitData' without also setting 'tailable'",
        ));
    }
    if tailable && single_batch {
        return Err(CommandError::bad_value(
            "cannot use tailable option with the 'singleBatch' option",
        ));
    }
    Ok((tailable, awaits_data))
}
