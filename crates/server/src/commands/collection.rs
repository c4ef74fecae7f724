//! Collections and views.

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::Namespace;

use crate::{
    arguments::Arguments,
    auth::permission::not_authorized,
    call::Call,
    codes,
    commands::cursor::first_batch,
    cursors::{OpenCursor, Source},
    error::{CommandError, CommandResult},
    profiler,
    reply::count,
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("create", Access::Index, create, "makes a collection or view").stable(),
    Command::new("drop", Access::Index, drop_collection, "drops a collection or view").stable(),
    Command::new("collMod", Access::DatabaseAdmin, modify, "changes a collection or view").stable(),
    Command::new("renameCollection", Access::Authenticated, rename, "renames a collection")
        .scope(Scope::AdminOnly),
    Command::new("listCollections", Access::Inspect, list, "the collections of a database")
        .stable(),
];

/// Fields of `create` that are the command's and not the collection's.
const COMMAND_FIELDS: &[&str] = &[
    "create",
    "collMod",
    "comment",
    "writeConcern",
    "readConcern",
    "maxTimeMS",
    "lsid",
    "txnNumber",
    "apiVersion",
    "apiStrict",
    "apiDeprecationErrors",
];

fn create(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let options = own_fields(&call.request.body);
    call.check_view(&options)?;
    call.shared.store.create_collection(&namespace, &options)?;
    call.shared.clock.tick();
    Ok(rawdoc! {})
}

fn modify(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let changes = own_fields(&call.request.body);
    call.check_view(&changes)?;
    let reply = call.shared.store.modify_collection(&namespace, &changes)?;
    call.shared.clock.tick();
    Ok(reply)
}

fn rename(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let from = arguments.required("renameCollection", arguments.string("renameCollection"))?;
    let to = arguments.required("to", arguments.string("to"))?;
    let drop_target = arguments.bool("dropTarget")?.unwrap_or(false);
    arguments.ignore(&["stayTemp"]);
    arguments.finish()?;
    let (from, to) = (Namespace::parse(from)?, Namespace::parse(to)?);
    for namespace in [&from, &to] {
        call.check_write(namespace.database(), namespace.collection())?;
        if !call.may(Access::Index, namespace.database())
            || !call.may(Access::Write, namespace.database())
        {
            return Err(not_authorized(call.request));
        }
    }
    call.shared.store.rename_collection(&from, &to, drop_target)?;
    call.shared.clock.tick();
    call.shared.usage.forget(from.database(), from.collection());
    call.shared.cursors.kill_namespace(|open| open == from.as_str() || open == to.as_str());
    Ok(rawdoc! {})
}

fn drop_collection(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    call.arguments.ignore(&["encryptedFields"]);
    call.arguments.finish()?;
    if namespace.collection() == profiler::COLLECTION
        && call.shared.profiler.settings(namespace.database()).level > 0
    {
        return Err(CommandError::new(
            codes::ILLEGAL_OPERATION,
            "turn off profiling before dropping system.profile collection",
        ));
    }
    let dropped = call.shared.store.drop_collection(&namespace)?;
    call.shared.clock.tick();
    call.shared.cursors.kill_namespace(|open| open == namespace.as_str());
    call.shared.usage.forget(namespace.database(), namespace.collection());
    Ok(match dropped {
        Some(indexes) => rawdoc! {
            "nIndexesWas": count(u64::try_from(indexes).unwrap_or(u64::MAX)),
            "ns": namespace.as_str(),
        },
        None => rawdoc! {},
    })
}

fn list(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    arguments.present("listCollections");
    let filter = arguments.document("filter")?;
    let name_only = arguments.bool("nameOnly")?.unwrap_or(false);
    let batch_size = batch_size(call)?;
    arguments.ignore(&["authorizedCollections"]);
    arguments.finish()?;
    let database = &call.request.database;
    let mut found = call.shared.store.list_collections(database);
    if let Some(filter) = filter {
        let matcher = super::database::matcher(filter)?;
        let mut kept = Vec::new();
        for collection in found {
            if matcher.matches(&collection)? {
                kept.push(collection);
            }
        }
        found = kept;
    }
    if name_only {
        found = found.iter().map(|collection| name_and_type(collection)).collect();
    }
    let namespace = format!("{database}.$cmd.listCollections");
    let cursor = OpenCursor::new(namespace, Source::List(found.into_iter()), call.session);
    first_batch(call, cursor, batch_size, false)
}

/// `cursor.batchSize` of commands that answer with a cursor over a list.
pub(crate) fn batch_size(call: &Call<'_>) -> Result<Option<u64>, CommandError> {
    let Some(cursor) = call.arguments.document("cursor")? else { return Ok(None) };
    let options = Arguments::new("cursor", cursor)?;
    let size = options.unsigned("batchSize")?;
    options.finish()?;
    Ok(size)
}

fn name_and_type(collection: &RawDocument) -> RawDocumentBuf {
    let mut short = RawDocumentBuf::new();
    for name in [cstr!("name"), cstr!("type")] {
        if let Ok(Some(value)) = collection.get(name.as_str()) {
            short.append(name, value);
        }
    }
    short
}

fn own_fields(body: &RawDocument) -> RawDocumentBuf {
    let mut options = RawDocumentBuf::new();
    for (name, value) in body.iter().flatten().skip(1) {
        if !name.as_str().starts_with('$') && !COMMAND_FIELDS.contains(&name.as_str()) {
            options.append(name, value);
        }
    }
    options
}
