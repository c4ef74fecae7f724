//! Care of collections, and what administrators' tools ask.

use std::time::Instant;

use bson::{RawArrayBuf, RawBson, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::{FindOptions, Namespace};

use crate::{
    auth::permission::not_authorized,
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    reply::count,
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("top", Access::Monitor, top, "time spent on each collection")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("dataSize", Access::Read, data_size, "bytes of a collection or a part of it")
        .alias(&["datasize"]),
    Command::new("convertToCapped", Access::DatabaseAdmin, convert, "makes a collection capped"),
    Command::new(
        "cloneCollectionAsCapped",
        Access::DatabaseAdmin,
        clone_as_capped,
        "copies a collection to a capped one",
    ),
    Command::new("reIndex", Access::DatabaseAdmin, rebuild, "builds all indexes anew"),
    Command::new("planCacheClear", Access::DatabaseAdmin, no_plans, "nothing: no plan is kept")
        .inline(),
    Command::new("planCacheListFilters", Access::Inspect, no_filters, "index filters: none")
        .inline(),
    Command::new("planCacheClearFilters", Access::DatabaseAdmin, no_plans, "index filters: none")
        .inline(),
    Command::new("getDefaultRWConcern", Access::Authenticated, default_concerns, "the defaults")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("connPoolStats", Access::Monitor, pools, "connections to other servers: none")
        .inline(),
    Command::new("lockInfo", Access::Monitor, locks, "locks that are held: none")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("fsyncUnlock", Access::ServerAdmin, unlock, "refused: fsync never locks")
        .inline()
        .scope(Scope::AdminOnly),
];

fn top(call: &Call<'_>) -> CommandResult {
    call.arguments.present("top");
    call.arguments.finish()?;
    Ok(rawdoc! { "totals": call.shared.usage.totals() })
}

fn data_size(call: &Call<'_>) -> CommandResult {
    let begun = Instant::now();
    let arguments = &call.arguments;
    let name = call.request.name.as_str();
    let namespace = Namespace::parse(arguments.required(name, arguments.string(name))?)?;
    let owned = |document: Option<&RawDocument>| document.map(ToOwned::to_owned);
    let (min, max) = (owned(arguments.document("min")?), owned(arguments.document("max")?));
    let key = owned(arguments.document("keyPattern")?);
    let estimate = arguments.bool("estimate")?.unwrap_or(false);
    arguments.finish()?;
    call.check_read(namespace.database(), namespace.collection())?;
    if !call.may(Access::Read, namespace.database()) {
        return Err(not_authorized(call.request));
    }
    let (bytes, documents) = match (min, max) {
        (None, None) => {
            let stats = call.shared.store.collection_stats(&namespace)?;
            (stats.data_bytes, stats.documents)
        }
        (Some(min), Some(max)) => {
            let hint = RawBson::Document(key.unwrap_or_else(|| pattern(&min)));
            let (min, max, hint) = (Some(min), Some(max), Some(hint));
            let interrupt = call.interrupt();
            let options = FindOptions { min, max, hint, interrupt, ..FindOptions::default() };
            let (mut bytes, mut documents) = (0, 0);
            for document in call.shared.store.find(&namespace, options)? {
                bytes += u64::try_from(document?.as_bytes().len()).unwrap_or(0);
                documents += 1;
            }
            (bytes, documents)
        }
        _ => return Err(CommandError::bad_value("only one of min or max specified")),
    };
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(rawdoc! {
        "estimate": estimate,
        "size": number(bytes),
        "numObjects": number(documents),
        "millis": i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
    })
}

/// The ascending key of an index on the fields of a bound.
fn pattern(bound: &RawDocument) -> RawDocumentBuf {
    let mut key = RawDocumentBuf::new();
    for (name, _) in bound.iter().flatten() {
        key.append(name, 1);
    }
    key
}

fn convert(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let size = capped_size(call)?;
    call.arguments.finish()?;
    call.shared.store.convert_to_capped(&namespace, size, call.interrupt())?;
    call.shared.clock.tick();
    call.shared.cursors.kill_namespace(|open| open == namespace.as_str());
    Ok(rawdoc! {})
}

fn clone_as_capped(call: &Call<'_>) -> CommandResult {
    let from = call.namespace()?;
    let name = call.arguments.required("toCollection", call.arguments.string("toCollection"))?;
    let to = Namespace::new(&call.request.database, name)?;
    let size = capped_size(call)?;
    call.arguments.ignore(&["temp"]);
    call.arguments.finish()?;
    call.shared.store.clone_as_capped(&from, &to, size, call.interrupt())?;
    call.shared.clock.tick();
    Ok(rawdoc! {})
}

fn capped_size(call: &Call<'_>) -> Result<i64, CommandError> {
    let size = call.arguments.required("size", call.arguments.integer("size"))?;
    if size < 1 {
        return Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "Capped collection size must be greater than zero",
        ));
    }
    Ok(size)
}

fn rebuild(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    call.arguments.finish()?;
    if call.shared.options.replica_set.is_some() {
        return Err(CommandError::new(
            codes::ILLEGAL_OPERATION,
            "reIndex is only allowed on a standalone mongod instance.",
        ));
    }
    let specs = call.shared.store.rebuild_indexes(&namespace)?;
    let number = count(u64::try_from(specs.len()).unwrap_or(u64::MAX));
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("nIndexesWas"), number.clone());
    reply.append(cstr!("nIndexes"), number);
    reply.append(cstr!("indexes"), specs.into_iter().collect::<RawArrayBuf>());
    Ok(reply)
}

/// Every query is planned when it runs, so there is nothing to clear.
fn no_plans(call: &Call<'_>) -> CommandResult {
    call.namespace()?;
    for name in ["query", "sort", "projection", "collation"] {
        call.arguments.document(name)?;
    }
    call.arguments.ignore(&["planCacheKey"]);
    call.arguments.finish()?;
    Ok(rawdoc! {})
}

fn no_filters(call: &Call<'_>) -> CommandResult {
    call.namespace()?;
    call.arguments.finish()?;
    Ok(rawdoc! { "filters": [] })
}

fn default_concerns(call: &Call<'_>) -> CommandResult {
    call.arguments.present("getDefaultRWConcern");
    call.arguments.bool("inMemory")?;
    call.arguments.finish()?;
    if call.shared.options.replica_set.is_none() {
        return Err(CommandError::new(
            51300,
            "'getDefaultRWConcern' is not supported on standalone nodes.",
        ));
    }
    Ok(rawdoc! {
        "defaultReadConcern": { "level": "local" },
        "defaultWriteConcern": { "w": "majority", "wtimeout": 0 },
        "defaultWriteConcernSource": "implicit",
        "defaultReadConcernSource": "implicit",
        "localUpdateWallClockTime": bson::DateTime::now(),
    })
}

fn pools(call: &Call<'_>) -> CommandResult {
    call.arguments.present("connPoolStats");
    call.arguments.finish()?;
    Ok(rawdoc! {
        "numClientConnections": 0,
        "numAScopedConnections": 0,
        "totalInUse": 0,
        "totalAvailable": 0,
        "totalLeased": 0,
        "totalCreated": 0,
        "totalRefreshing": 0,
        "pools": {},
        "hosts": {},
    })
}

fn locks(call: &Call<'_>) -> CommandResult {
    call.arguments.present("lockInfo");
    call.arguments.ignore(&["includeStorageEngineDump"]);
    call.arguments.finish()?;
    Ok(rawdoc! { "lockInfo": [] })
}

fn unlock(call: &Call<'_>) -> CommandResult {
    call.arguments.present("fsyncUnlock");
    call.arguments.finish()?;
    Err(CommandError::new(codes::ILLEGAL_OPERATION, "fsyncUnlock called when not locked"))
}
