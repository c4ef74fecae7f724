//! Commands as automatic encryption sees them: which are analysed, which pass, which are refused.

use crate::raw::{Element, Elements, MalformedBson, find};

/// What automatic encryption does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// It is analysed and encrypted; it names a collection.
    Encrypt,
    /// It passes as it is.
    Bypass,
}

/// Every command that is known, and its treatment, the most frequent first. All others are refused.
///
/// Source: MongoDB specification "Client Side Encryption", libMongoCrypt: Auto Encryption Allow-List.
const COMMANDS: &[(&str, Treatment)] = &[
    ("insert", Treatment::Encrypt),
    ("find", Treatment::Encrypt),
    ("getMore", Treatment::Bypass),
    ("update", Treatment::Encrypt),
    ("delete", Treatment::Encrypt),
    ("aggregate", Treatment::Encrypt),
    ("bulkWrite", Treatment::Encrypt),
    ("cleanupStructuredEncryptionData", Treatment::Encrypt),
    ("collMod", Treatment::Encrypt),
    ("compactStructuredEncryptionData", Treatment::Encrypt),
    ("count", Treatment::Encrypt),
    ("create", Treatment::Encrypt),
    ("createIndexes", Treatment::Encrypt),
    ("distinct", Treatment::Encrypt),
    ("explain", Treatment::Encrypt),
    ("findAndModify", Treatment::Encrypt),
    ("abortTransaction", Treatment::Bypass),
    ("authenticate", Treatment::Bypass),
    ("buildInfo", Treatment::Bypass),
    ("buildinfo", Treatment::Bypass),
    ("commitTransaction", Treatment::Bypass),
    ("createSearchIndexes", Treatment::Bypass),
    ("drop", Treatment::Bypass),
    ("dropDatabase", Treatment::Bypass),
    ("dropIndexes", Treatment::Bypass),
    ("dropSearchIndex", Treatment::Bypass),
    ("endSessions", Treatment::Bypass),
    ("getCmdLineOpts", Treatment::Bypass),
    ("getLog", Treatment::Bypass),
    ("getnonce", Treatment::Bypass),
    ("hello", Treatment::Bypass),
    ("killAllSessions", Treatment::Bypass),
    ("killAllSessionsByPattern", Treatment::Bypass),
    ("killCursors", Treatment::Bypass),
    ("killSessions", Treatment::Bypass),
    ("listCollections", Treatment::Bypass),
    ("listDatabases", Treatment::Bypass),
    ("listIndexes", Treatment::Bypass),
    ("listSearchIndexes", Treatment::Bypass),
    ("logout", Treatment::Bypass),
    ("ping", Treatment::Bypass),
    ("refreshSessions", Treatment::Bypass),
    ("renameCollection", Treatment::Bypass),
    ("saslContinue", Treatment::Bypass),
    ("saslStart", Treatment::Bypass),
    ("serverStatus", Treatment::Bypass),
    ("startSession", Treatment::Bypass),
    ("updateSearchIndex", Treatment::Bypass),
];

/// Drivers write it in more than one way.
const IS_MASTER: (&str, Treatment) = ("isMaster", Treatment::Bypass);

/// A command that is to be encrypted, or one that passes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Classified<'a> {
    /// It passes as it is.
    Bypass,
    /// It is analysed against the schema of this collection.
    Encrypt(Target<'a>),
}

/// What a command is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// First name in the command.
    pub(crate) command: &'static str,
    /// The database that the command names itself, if it does (`bulkWrite`).
    pub(crate) database: Option<&'a str>,
    /// The collection.
    pub(crate) collection: &'a str,
}

/// Why a command cannot be encrypted automatically.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The database has no name.
    #[error("invalid db")]
    Database,
    /// The command is malformed.
    #[error("invalid BSON")]
    Malformed(#[from] MalformedBson),
    /// No command at all.
    #[error("invalid empty BSON")]
    Empty,
    /// `explain` of something else than a command.
    #[error("explain value is not a document")]
    Explain,
    /// A command that is not known.
    #[error("command not supported for auto encryption: {0}")]
    Unsupported(String),
    /// A command on a database that needs a collection to be encrypted.
    #[error("non-collection command not supported for auto encryption: {0}")]
    NoCollection(String),
    /// A collection without a name.
    #[error("empty collection name on command: {0}")]
    EmptyCollection(String),
    /// `bulkWrite` without `nsInfo`.
    #[error("failed to find namespace in `bulkWrite` command")]
    BulkWriteNamespace,
    /// `bulkWrite` with something else than a namespace.
    #[error("expected namespace to be UTF8, got: {0}")]
    BulkWriteNamespaceType(&'static str),
    /// `bulkWrite` with a namespace that names no collection.
    #[error("expected namespace to contain dot, got: {0}")]
    BulkWriteNamespaceDot(String),
    /// `bulkWrite` on several collections.
    #[error(
        "expected one namespace in `bulkWrite`, but found more than one. Only one namespace is \
         supported."
    )]
    BulkWriteNamespaces,
    /// `bulkWrite` with what is only added here.
    #[error("unexpected `encryptionInformation` present in input `nsInfo`.")]
    BulkWriteInformation,
    /// A pipeline that is no array, or a stage that is no document.
    #[error("failed to recurse {what} at path: {path}")]
    Pipeline {
        /// What it should have been.
        what: &'static str,
        /// Where in the command.
        path: String,
    },
    /// A collection's name in a stage that is no string.
    #[error("expected string, but got '{actual}' for '{field}' field at path: {path}")]
    StageCollection {
        /// The field of the stage.
        field: &'static str,
        /// The type that it has.
        actual: &'static str,
        /// Where in the command.
        path: String,
    },
    /// Several collections where only one was allowed.
    #[error(
        "aggregate includes a $lookup stage, but libmongocrypt is not configured to support \
         encrypting a command with multiple collections"
    )]
    SeveralCollections,
}

/// Looks at the first element of a command.
///
/// # Errors
/// If the command is not known, or lacks the collection that its analysis needs.
pub(crate) fn classify(command: &[u8]) -> Result<Classified<'_>, CommandError> {
    let first = Elements::of(command)?.next().ok_or(CommandError::Empty)??;
    if first.name == b"bulkWrite" {
        return bulk_write_target(command).map(Classified::Encrypt);
    }
    let explained;
    let names_collection = if first.name == b"explain" {
        let document = first.as_document().ok_or(CommandError::Explain)?;
        explained = Elements::of(document)?.next().ok_or(CommandError::Empty)??;
        &explained
    } else {
        &first
    };
    let (name, treatment) = *COMMANDS
        .iter()
        .find(|(known, _)| known.as_bytes() == first.name)
        .or_else(|| first.name.eq_ignore_ascii_case(b"isMaster").then_some(&IS_MASTER))
        .ok_or_else(|| unsupported(first.name))?;
    match treatment {
        Treatment::Bypass => Ok(Classified::Bypass),
        Treatment::Encrypt => match names_collection.as_str() {
            None => Err(CommandError::NoCollection(name.to_owned())),
            Some("") => Err(CommandError::EmptyCollection(name.to_owned())),
            Some(collection) => {
                Ok(Classified::Encrypt(Target { command: name, database: None, collection }))
            }
        },
    }
}

/// Names of commands are known, so any other is looked at only here.
#[cold]
fn unsupported(name: &[u8]) -> CommandError {
    match std::str::from_utf8(name) {
        Ok(name) => CommandError::Unsupported(name.to_owned()),
        Err(_) => MalformedBson.into(),
    }
}

/// The one namespace of a `bulkWrite`.
fn bulk_write_target(command: &[u8]) -> Result<Target<'_>, CommandError> {
    let infos = find(command, "nsInfo")?.and_then(|element| element.as_array());
    let mut infos = Elements::of(infos.ok_or(CommandError::BulkWriteNamespace)?)?;
    let info = infos.next().ok_or(CommandError::BulkWriteNamespace)??;
    let info = info.as_document().ok_or(CommandError::BulkWriteNamespace)?;
    let namespace = find(info, "ns")?.ok_or(CommandError::BulkWriteNamespace)?;
    let wrong_type =
        || CommandError::BulkWriteNamespaceType(crate::raw::kind::name(namespace.kind));
    let namespace = namespace.as_str().ok_or_else(wrong_type)?;
    let (database, collection) = namespace
        .split_once('.')
        .ok_or_else(|| CommandError::BulkWriteNamespaceDot(namespace.to_owned()))?;
    if infos.next().is_some() {
        return Err(CommandError::BulkWriteNamespaces);
    }
    Ok(Target { command: "bulkWrite", database: Some(database), collection })
}

/// The names of further collections that an `aggregate` reads: in `$lookup` and `$unionWith`, also
/// within `$facet` and pipelines of stages.
///
/// # Errors
/// If a pipeline, a stage or a collection's name is something else.
pub(crate) fn collections_of_aggregate(command: &[u8]) -> Result<Vec<&str>, CommandError> {
    let mut found = Vec::new();
    // Without a pipeline the server will say what is wrong.
    if let Some(pipeline) = find(command, "pipeline")? {
        collect_pipeline(&pipeline, "aggregate.pipeline", 0, &mut found)?;
    }
    Ok(found)
}

fn collect_pipeline<'a>(
    pipeline: &Element<'a>,
    path: &str,
    depth: usize,
    found: &mut Vec<&'a str>,
) -> Result<(), CommandError> {
    let malformed = |what, path: &str| CommandError::Pipeline { what, path: path.to_owned() };
    let stages = pipeline.as_array().ok_or_else(|| malformed("pipeline", path))?;
    if depth > crate::raw::MAX_DEPTH {
        return Err(MalformedBson.into());
    }
    for item in Elements::of(stages)? {
        let item = item?;
        let path = format!("{path}.{}", item.name_lossy());
        let stage = item.as_document().ok_or_else(|| malformed("stage", &path))?;
        let stage = Elements::of(stage)?.next().ok_or_else(|| malformed("stage", &path))??;
        let (what, collection_field) = match stage.name {
            b"$lookup" => ("$lookup", "from"),
            b"$unionWith" => ("$unionWith", "coll"),
            b"$facet" => ("$facet", ""),
            _ => continue,
        };
        if what == "$unionWith"
            && let Some(collection) = stage.as_str()
        {
            found.push(collection);
            continue;
        }
        let fields = stage.as_document().ok_or_else(|| malformed(what, &path))?;
        for field in Elements::of(fields)? {
            let field = field?;
            if what == "$facet" {
                let path = format!("{path}.$facet.{}", field.name_lossy());
                collect_pipeline(&field, &path, depth + 1, found)?;
            } else if field.name == collection_field.as_bytes() {
                found.push(field.as_str().ok_or_else(|| CommandError::StageCollection {
                    field: collection_field,
                    actual: crate::raw::kind::name(field.kind),
                    path: path.clone(),
                })?);
            } else if field.name == b"pipeline" {
                let path = format!("{path}.{what}.pipeline");
                collect_pipeline(&field, &path, depth + 1, found)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    fn error_of(command: &RawDocumentBuf) -> String {
        classify(command.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn commands_are_encrypted_bypassed_or_refused() {
        let insert = rawdoc! { "insert": "c" };
        let target = Target { command: "insert", database: None, collection: "c" };
        assert_eq!(classify(insert.as_bytes()), Ok(Classified::Encrypt(target)));
        for name in ["ping", "ISMASTER", "ismaster", "getMore", "buildinfo"] {
            let mut command = rawdoc! {};
            command.append(bson::raw::CString::try_from(name).unwrap(), 1);
            assert_eq!(classify(command.as_bytes()), Ok(Classified::Bypass), "{name}");
        }
        assert_eq!(
            error_of(&rawdoc! { "mapReduce": "c" }),
            "command not supported for auto encryption: mapReduce"
        );
        assert_eq!(
            error_of(&rawdoc! { "aggregate": 1 }),
            "non-collection command not supported for auto encryption: aggregate"
        );
        assert_eq!(error_of(&rawdoc! { "find": "" }), "empty collection name on command: find");
        assert_eq!(error_of(&rawdoc! {}), "invalid empty BSON");
    }

    #[test]
    fn explain_is_aimed_at_the_collection_of_the_explained() {
        let explain = rawdoc! { "explain": { "find": "c" } };
        let target = Target { command: "explain", database: None, collection: "c" };
        assert_eq!(classify(explain.as_bytes()), Ok(Classified::Encrypt(target)));
        assert_eq!(error_of(&rawdoc! { "explain": "c" }), "explain value is not a document");
    }

    #[test]
    fn bulk_write_has_one_namespace() {
        let command = rawdoc! { "bulkWrite": 1, "nsInfo": [ { "ns": "db.c.d" } ] };
        let target = Target { command: "bulkWrite", database: Some("db"), collection: "c.d" };
        assert_eq!(classify(command.as_bytes()), Ok(Classified::Encrypt(target)));
        for (command, text) in [
            (rawdoc! { "bulkWrite": 1 }, "failed to find namespace in `bulkWrite` command"),
            (
                rawdoc! { "bulkWrite": 1, "nsInfo": [ { "ns": 1 } ] },
                "expected namespace to be UTF8, got: INT32",
            ),
            (
                rawdoc! { "bulkWrite": 1, "nsInfo": [ { "ns": "db" } ] },
                "expected namespace to contain dot, got: db",
            ),
            (
                rawdoc! { "bulkWrite": 1, "nsInfo": [ { "ns": "db.a" }, { "ns": "db.b" } ] },
                "expected one namespace in `bulkWrite`, but found more than one. Only one \
                 namespace is supported.",
            ),
        ] {
            assert_eq!(error_of(&command), text);
        }
    }

    #[test]
    fn every_collection_of_a_pipeline_is_found() {
        let command = rawdoc! { "aggregate": "a", "pipeline": [
            { "$match": {} },
            { "$lookup": { "from": "b", "pipeline": [ { "$unionWith": { "coll": "c" } } ] } },
            { "$facet": { "x": [ { "$lookup": { "from": "d" } } ] } },
            { "$unionWith": "e" },
        ] };
        assert_eq!(collections_of_aggregate(command.as_bytes()).unwrap(), ["b", "c", "d", "e"]);
        let command = rawdoc! { "aggregate": "a", "pipeline": [ { "$lookup": { "from": 1 } } ] };
        assert_eq!(
            collections_of_aggregate(command.as_bytes()).unwrap_err().to_string(),
            "expected string, but got 'INT32' for 'from' field at path: aggregate.pipeline.0"
        );
    }
}
