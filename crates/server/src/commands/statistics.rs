//! Sizes, checks and what an administrator looks at.

use bson::{RawArrayBuf, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::Namespace;

use crate::{
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    reply::{append_named, count},
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("collStats", Access::Inspect, coll_stats, "the size of a collection")
        .alias(&["collstats"]),
    Command::new("dbStats", Access::Inspect, db_stats, "the size of a database")
        .alias(&["dbstats"]),
    Command::new("validate", Access::DatabaseAdmin, validate, "checks a collection"),
    Command::new("fsync", Access::ServerAdmin, fsync, "nothing: every write is on disk already")
        .inline()
        .scope(Scope::AdminOnly),
];

fn coll_stats(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let scale = scale(call)?;
    call.arguments.finish()?;
    let stats = call.shared.store.collection_stats(&namespace)?;
    let average = stats.data_bytes.checked_div(stats.documents);
    let index_bytes = stats.indexes.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let mut sizes = RawDocumentBuf::new();
    for (name, bytes) in &stats.indexes {
        append_named(&mut sizes, name, count(bytes / scale).as_raw_bson_ref());
    }
    let mut reply = rawdoc! { "ns": namespace.as_str() };
    reply.append(cstr!("size"), count(stats.data_bytes / scale));
    reply.append(cstr!("count"), count(stats.documents));
    if let Some(average) = average {
        reply.append(cstr!("avgObjSize"), count(average));
    }
    reply.append(cstr!("numOrphanDocs"), 0);
    reply.append(cstr!("storageSize"), count(stats.storage_bytes / scale));
    reply.append(cstr!("freeStorageSize"), 0);
    reply.append(cstr!("nindexes"), count(u64::try_from(stats.indexes.len()).unwrap_or(0)));
    reply.append(cstr!("totalIndexSize"), count(index_bytes / scale));
    reply.append(cstr!("totalSize"), count((index_bytes + stats.storage_bytes) / scale));
    reply.append(cstr!("indexSizes"), sizes);
    reply.append(cstr!("capped"), stats.capped.is_some());
    if let Some((bytes, documents)) = stats.capped {
        reply.append(cstr!("maxSize"), count(bytes / scale));
        reply.append(cstr!("max"), count(documents.unwrap_or(0)));
    }
    reply.append(cstr!("scaleFactor"), count(scale));
    Ok(reply)
}

fn db_stats(call: &Call<'_>) -> CommandResult {
    call.arguments.present(&call.request.name);
    let scale = scale(call)?;
    call.arguments.ignore(&["freeStorage"]);
    call.arguments.finish()?;
    let stats = call.shared.store.database_stats(&call.request.database)?;
    let as_double = |value: u64| value as f64;
    let average = stats.data_bytes.checked_div(stats.documents).unwrap_or(0);
    Ok(rawdoc! {
        "db": call.request.database.as_str(),
        "collections": i64::try_from(stats.collections).unwrap_or(i64::MAX),
        "views": i64::try_from(stats.views).unwrap_or(i64::MAX),
        "objects": i64::try_from(stats.documents).unwrap_or(i64::MAX),
        "avgObjSize": as_double(average),
        "dataSize": as_double(stats.data_bytes / scale),
        "storageSize": as_double(stats.storage_bytes / scale),
        "indexes": i64::try_from(stats.indexes).unwrap_or(i64::MAX),
        "indexSize": as_double(stats.index_bytes / scale),
        "totalSize": as_double((stats.storage_bytes + stats.index_bytes) / scale),
        "scaleFactor": i64::try_from(scale).unwrap_or(i64::MAX),
    })
}

fn scale(call: &Call<'_>) -> Result<u64, CommandError> {
    match call.arguments.integer("scale")? {
        None => Ok(1),
        Some(scale) if scale >= 1 => Ok(u64::try_from(scale).unwrap_or(1)),
        Some(scale) => Err(CommandError::new(
            51024,
            format!("BSON field 'scale' value must be >= 1, actual value '{scale}'"),
        )),
    }
}

fn validate(call: &Call<'_>) -> CommandResult {
    let namespace: Namespace = call.namespace()?;
    let flag = |name| call.arguments.bool(name).map(Option::unwrap_or_default);
    if flag("background")? && flag("full")? {
        return Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "Running the validate command with both { background: true } and { full: true } is \
             not supported.",
        ));
    }
    call.arguments.ignore(&[
        "background",
        "full",
        "scandata",
        "repair",
        "checkBSONConformance",
        "enforceFastCount",
        "metadata",
    ]);
    call.arguments.finish()?;
    let report = call.shared.store.check_collection(&namespace, &call.interrupt())?;
    let mut keys = RawDocumentBuf::new();
    let mut details = RawDocumentBuf::new();
    for (name, entries) in &report.indexes {
        append_named(&mut keys, name, count(*entries).as_raw_bson_ref());
        append_named(&mut details, name, &*rawdoc! { "valid": report.is_sound() });
    }
    let faults: RawArrayBuf = report.faults.iter().map(String::as_str).collect();
    Ok(rawdoc! {
        "ns": namespace.as_str(),
        "nInvalidDocuments": 0,
        "nNonCompliantDocuments": count(report.noncompliant),
        "nrecords": count(report.documents),
        "nIndexes": count(u64::try_from(report.indexes.len()).unwrap_or(0)),
        "keysPerIndex": keys,
        "indexDetails": details,
        "valid": report.is_sound(),
        "repaired": false,
        "warnings": [],
        "errors": faults,
        "extraIndexEntries": [],
        "missingIndexEntries": [],
        "corruptRecords": [],
    })
}

fn fsync(call: &Call<'_>) -> CommandResult {
    if call.arguments.bool("lock")?.unwrap_or(false) {
        return Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "fsync with lock: true is not supported",
        ));
    }
    Ok(rawdoc! { "numFiles": 1 })
}
