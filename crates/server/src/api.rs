//! The stable API: what a client that declares version 1, and that strictly, may ask.
//!
//! Source: MongoDB manual, "Stable API".

use bson::{RawArray, RawBson, RawBsonRef, RawDocument};
use fieldveil_query::pipeline::{Pipeline, Stage};

use crate::{arguments::Arguments, codes, error::CommandError, table::Command};

/// Stages that may change between versions.
const UNSTABLE_STAGES: &[&str] = &[
    "$currentOp",
    "$indexStats",
    "$listCatalog",
    "$listLocalSessions",
    "$listSampledQueries",
    "$listSearchIndexes",
    "$listSessions",
    "$planCacheStats",
    "$queryStats",
    "$search",
    "$searchMeta",
    "$vectorSearch",
];

/// Fields of stable commands that may change between versions.
const UNSTABLE_FIELDS: &[(&str, &[&str])] = &[
    ("aggregate", &["explain"]),
    ("create", &["autoIndexId", "capped", "indexOptionDefaults", "max", "size", "storageEngine"]),
    (
        "find",
        &[
            "awaitData",
            "max",
            "min",
            "noCursorTimeout",
            "oplogReplay",
            "returnKey",
            "showRecordId",
            "tailable",
        ],
    ),
];

/// The same of the specifications that `createIndexes` takes.
const UNSTABLE_INDEX_FIELDS: &[&str] = &["background", "bucketSize", "sparse", "storageEngine"];

/// Checks what a command says of the API that its client was written for.
///
/// # Errors
/// `APIVersionError` for a version that is not 1, `APIStrictError` for what a strict client may not
/// use, and a complaint about options without a version.
pub(crate) fn check(arguments: &Arguments<'_>, command: &Command) -> Result<(), CommandError> {
    let Some(version) = arguments.string("apiVersion")? else {
        if arguments.has("apiStrict") || arguments.has("apiDeprecationErrors") {
            return Err(CommandError::new(
                4_886_600,
                "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion",
            ));
        }
        return Ok(());
    };
    if version != "1" {
        return Err(CommandError::new(codes::API_VERSION_ERROR, "API version must be \"1\""));
    }
    if !arguments.bool("apiStrict")?.unwrap_or(false) {
        return Ok(());
    }
    if !command.is_stable {
        return Err(strict(format!(
            "Provided apiStrict:true, but the command {} is not in API Version 1",
            command.name
        )));
    }
    let fields = UNSTABLE_FIELDS.iter().find(|(name, _)| *name == command.name);
    let field = fields.and_then(|(_, fields)| fields.iter().find(|field| arguments.has(field)));
    if let Some(field) = field {
        return Err(not_allowed(command.name, field));
    }
    match command.name {
        "aggregate" | "create" | "collMod" => check_pipeline(arguments.present("pipeline")),
        "createIndexes" => check_indexes(arguments.present("indexes")),
        _ => Ok(()),
    }
}

/// Checks the stages of a pipeline and of those in it. What is no pipeline is refused elsewhere.
fn check_pipeline(pipeline: Option<RawBsonRef<'_>>) -> Result<(), CommandError> {
    let stages = pipeline.and_then(RawBsonRef::as_array);
    let Some(Ok(pipeline)) = stages.map(Pipeline::parse) else { return Ok(()) };
    for stage in pipeline.all_stages() {
        let name = stage.name();
        if UNSTABLE_STAGES.contains(&name) {
            return Err(strict(format!(
                "stage {name} is not allowed with 'apiStrict: true' in API Version 1"
            )));
        }
        if let Stage::Other { name: "$collStats", value: RawBson::Document(options) } = stage {
            check_statistics(options)?;
        }
    }
    Ok(())
}

/// Of a collection's statistics only the number of documents is stable.
fn check_statistics(options: &RawDocument) -> Result<(), CommandError> {
    match options.iter().flatten().find(|(name, _)| name.as_str() != "count") {
        None => Ok(()),
        Some((name, _)) => Err(strict(format!(
            "the option '{}' of stage $collStats is not allowed with 'apiStrict: true' in API \
             Version 1",
            name.as_str()
        ))),
    }
}

fn check_indexes(indexes: Option<RawBsonRef<'_>>) -> Result<(), CommandError> {
    let fields = documents(indexes).flat_map(|index| index.iter().flatten());
    for (name, _) in fields {
        if UNSTABLE_INDEX_FIELDS.contains(&name.as_str()) {
            return Err(not_allowed("createIndexes.indexes", name.as_str()));
        }
    }
    Ok(())
}

fn documents<'a>(array: Option<RawBsonRef<'a>>) -> impl Iterator<Item = &'a RawDocument> {
    let array: Option<&'a RawArray> = array.and_then(RawBsonRef::as_array);
    let elements = array.into_iter().flat_map(|array| array.into_iter().flatten());
    elements.filter_map(RawBsonRef::as_document)
}

fn not_allowed(command: &str, field: &str) -> CommandError {
    strict(format!("BSON field '{command}.{field}' is not allowed with apiStrict:true."))
}

fn strict(message: String) -> CommandError {
    CommandError::new(codes::API_STRICT_ERROR, message)
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;
    use crate::table;

    fn code(mut body: RawDocumentBuf, is_strict: bool) -> Option<i32> {
        body.append(bson::raw::cstr!("apiVersion"), "1");
        body.append(bson::raw::cstr!("apiStrict"), is_strict);
        let name = body.iter().next().unwrap().unwrap().0.as_str().to_owned();
        let arguments = Arguments::new(&name, &body).unwrap();
        check(&arguments, table::find(&name).unwrap()).err().map(|error| error.code)
    }

    #[test]
    fn a_strict_client_gets_what_will_not_change() {
        for body in [
            rawdoc! { "find": "c", "filter": { "tailable": 1 } },
            rawdoc! { "aggregate": "c", "pipeline": [{ "$match": {} }, { "$out": "d" }] },
            rawdoc! { "aggregate": "c", "pipeline": [{ "$collStats": { "count": {} } }] },
            rawdoc! { "create": "c", "validator": {} },
            rawdoc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1 }, "unique": true }] },
        ] {
            assert_eq!(code(body.clone(), true), None, "{body:?}");
        }
    }

    #[test]
    fn a_strict_client_gets_nothing_else() {
        for body in [
            rawdoc! { "distinct": "c", "key": "a" },
            rawdoc! { "serverStatus": 1 },
            rawdoc! { "find": "c", "tailable": true },
            rawdoc! { "aggregate": 1, "pipeline": [{ "$listLocalSessions": {} }] },
            rawdoc! { "aggregate": "c", "pipeline": [], "explain": true },
            rawdoc! { "aggregate": "c", "pipeline": [{ "$collStats": { "storageStats": {} } }] },
            rawdoc! { "aggregate": "c", "pipeline": [{ "$facet": { "a": [
                { "$unionWith": { "coll": "d", "pipeline": [{ "$indexStats": {} }] } },
            ] } }] },
            rawdoc! { "aggregate": "c", "pipeline": [{ "$listCatalog": {} }] },
            rawdoc! { "aggregate": "c", "pipeline": [
                { "$unionWith": { "coll": "d", "pipeline": [{ "$indexStats": {} }] } },
            ] },
            rawdoc! { "aggregate": "c", "pipeline": [
                { "$lookup": { "from": "d", "pipeline": [{ "$indexStats": {} }], "as": "e" } },
            ] },
            rawdoc! { "aggregate": "c", "pipeline": [
                { "$merge": { "into": "d", "whenMatched": [{ "$indexStats": {} }] } },
            ] },
            rawdoc! { "create": "v", "viewOn": "c", "pipeline": [{ "$indexStats": {} }] },
            rawdoc! { "collMod": "v", "viewOn": "c", "pipeline": [{ "$indexStats": {} }] },
            rawdoc! { "create": "c", "capped": true, "size": 512 },
            rawdoc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1 }, "sparse": true }] },
        ] {
            assert_eq!(code(body.clone(), true), Some(323), "{body:?}");
            assert_eq!(code(body.clone(), false), None, "{body:?}");
        }
    }
}
