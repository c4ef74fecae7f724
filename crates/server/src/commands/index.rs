//! Indexes.

use bson::{RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::IndexChoice;

use crate::{
    call::Call,
    commands::cursor::first_batch,
    cursors::{OpenCursor, Source},
    error::{CommandError, CommandResult},
    reply::count,
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("createIndexes", Access::Index, create, "builds indexes").stable(),
    Command::new("dropIndexes", Access::Index, drop_indexes, "drops indexes")
        .alias(&["deleteIndexes"])
        .stable(),
    Command::new("createSearchIndexes", Access::Index, search, "refused: Atlas only"),
    Command::new("updateSearchIndex", Access::Index, search, "refused: Atlas only"),
    Command::new("dropSearchIndex", Access::Index, search, "refused: Atlas only"),
    Command::new("listIndexes", Access::Inspect, list, "the indexes of a collection").stable(),
];

fn create(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let specs = call.documents("indexes")?;
    call.arguments.ignore(&["commitQuorum", "ignoreUnknownIndexOptions"]);
    call.arguments.finish()?;
    if specs.is_empty() {
        return Err(CommandError::bad_value("Must specify at least one index to create"));
    }
    let outcome = call.shared.store.create_indexes(&namespace, &specs, &call.interrupt())?;
    call.shared.clock.tick();
    let number = |value: usize| count(u64::try_from(value).unwrap_or(u64::MAX));
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("numIndexesBefore"), number(outcome.before));
    reply.append(cstr!("numIndexesAfter"), number(outcome.after));
    reply.append(cstr!("createdCollectionAutomatically"), outcome.created_collection);
    if outcome.before == outcome.after {
        reply.append(cstr!("note"), "all indexes already exist");
    }
    Ok(reply)
}

fn search(_: &Call<'_>) -> CommandResult {
    Err(search_not_enabled())
}

/// What a server without Atlas Search says to commands and stages about its indexes.
pub(crate) fn search_not_enabled() -> CommandError {
    CommandError::new(31082, "search indexes need Atlas Search, which this server has not")
}

fn drop_indexes(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let choice = match call.arguments.present("index") {
        Some(RawBsonRef::String("*")) => IndexChoice::All,
        Some(RawBsonRef::String(name)) => IndexChoice::Names(vec![name.to_owned()]),
        Some(RawBsonRef::Document(key)) => IndexChoice::Key(key.to_owned()),
        Some(RawBsonRef::Array(names)) => IndexChoice::Names(
            names
                .into_iter()
                .flatten()
                .map(|name| {
                    name.as_str().map(str::to_owned).ok_or_else(|| {
                        CommandError::type_mismatch(
                            "dropIndexes 'index' must be a string, an object or an array of \
                             strings",
                        )
                    })
                })
                .collect::<Result<_, _>>()?,
        ),
        Some(_) => {
            return Err(CommandError::type_mismatch(
                "dropIndexes 'index' must be a string, an object or an array of strings",
            ));
        }
        None => return Err(call.arguments.missing("index")),
    };
    call.arguments.finish()?;
    let before = call.shared.store.drop_indexes(&namespace, &choice)?;
    call.shared.clock.tick();
    let mut reply = rawdoc! { "nIndexesWas": count(u64::try_from(before).unwrap_or(u64::MAX)) };
    if matches!(choice, IndexChoice::All) {
        reply.append(cstr!("msg"), "non-_id indexes dropped for collection");
    }
    Ok(reply)
}

fn list(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let batch_size = super::collection::batch_size(call)?;
    call.arguments.ignore(&["includeBuildUUIDs", "includeIndexBuildInfo"]);
    call.arguments.finish()?;
    let indexes = call.shared.store.list_indexes(&namespace)?;
    let cursor = OpenCursor::new(
        namespace.as_str().to_owned(),
        Source::List(indexes.into_iter()),
        call.session,
    );
    first_batch(call, cursor, batch_size, false)
}
