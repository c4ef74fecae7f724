//! `aggregate`.

use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_store::{AggregateOptions, Namespace};

use crate::{
    arguments::{Arguments, integer, type_name},
    auth::permission::not_authorized,
    call::Call,
    codes,
    commands::{cursor::first_batch, explain, index, operation},
    cursors::{DEFAULT_FIRST_BATCH, OpenCursor, Source},
    error::{CommandError, CommandResult},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("aggregate", Access::Read, aggregate, "runs a pipeline").stable()];

/// What a pipeline runs on: a collection, or the database alone.
pub(crate) enum Target {
    Collection(Namespace),
    Database,
}

impl Target {
    pub(crate) fn collection(&self) -> Option<&str> {
        match self {
            Self::Collection(namespace) => Some(namespace.collection()),
            Self::Database => None,
        }
    }
}

fn aggregate(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let target = target(call)?;
    let pipeline = pipeline(arguments)?;
    if arguments.bool("explain")?.unwrap_or(false) {
        return explain::aggregate(call, &target, pipeline);
    }
    let batch_size = match arguments.value("cursor") {
        Some(RawBsonRef::Document(cursor)) => {
            let options = Arguments::new("cursor", cursor)?;
            let size = options.unsigned("batchSize")?;
            options.finish()?;
            size.unwrap_or(DEFAULT_FIRST_BATCH)
        }
        Some(_) => {
            return Err(CommandError::type_mismatch("cursor field must be missing or an object"));
        }
        None => {
            return Err(CommandError::failed_to_parse(
                "The 'cursor' option is required, except for aggregate with the explain argument",
            ));
        }
    };
    let mut options = options(call)?;
    options.latency_stats = latency_stats(call, &target, pipeline);
    arguments.finish()?;
    refuse_stages(pipeline)?;
    check_read_concern(arguments, pipeline)?;
    call.check_pipeline(pipeline)?;
    let with_documents = with_own_documents(call, &target, pipeline)?;
    let pipeline = with_documents.as_deref().unwrap_or(pipeline);

    let database = &call.request.database;
    let found = call.shared.store.aggregate(database, target.collection(), pipeline, options)?;
    if writes(pipeline) {
        call.shared.clock.tick();
    }
    let namespace = match &target {
        Target::Collection(namespace) => namespace.as_str().to_owned(),
        Target::Database => format!("{database}.$cmd.aggregate"),
    };
    let cursor = OpenCursor::new(namespace, Source::Store(Box::new(found)), call.session);
    first_batch(call, cursor, Some(batch_size), false)
}

pub(crate) fn target(call: &Call<'_>) -> Result<Target, CommandError> {
    match call.arguments.present("aggregate") {
        Some(RawBsonRef::String(_)) => call.namespace().map(Target::Collection),
        Some(value) if integer(value) == Some(1) => Ok(Target::Database),
        Some(value) if integer(value).is_some() => Err(CommandError::failed_to_parse(
            "Invalid command format: the 'aggregate' field must specify a collection name or 1",
        )),
        Some(value) => Err(CommandError::type_mismatch(format!(
            "collection name has invalid type {}",
            type_name(value)
        ))),
        None => Err(call.arguments.missing("aggregate")),
    }
}

pub(crate) fn pipeline<'a>(arguments: &Arguments<'a>) -> Result<&'a RawArray, CommandError> {
    let pipeline = match arguments.present("pipeline") {
        Some(RawBsonRef::Array(pipeline)) => pipeline,
        Some(_) => {
            return Err(CommandError::type_mismatch(
                "'pipeline' option must be specified as an array",
            ));
        }
        None => return Err(arguments.missing("pipeline")),
    };
    for stage in pipeline.into_iter().flatten() {
        if stage.as_document().is_none() {
            return Err(CommandError::type_mismatch(
                "Each element of the 'pipeline' array must be an object",
            ));
        }
    }
    Ok(pipeline)
}

pub(crate) fn options(call: &Call<'_>) -> Result<AggregateOptions, CommandError> {
    let arguments = &call.arguments;
    if arguments.has("encryptionInformation") {
        return Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "Queryable Encryption is not supported by this server",
        ));
    }
    let options = AggregateOptions {
        hint: arguments.value("hint").map(RawBson::from),
        let_variables: arguments.document("let")?.map(ToOwned::to_owned),
        collation: arguments.document("collation")?.map(ToOwned::to_owned),
        allow_disk_use: arguments.bool("allowDiskUse")?,
        bypass_document_validation: arguments.bool("bypassDocumentValidation")?.unwrap_or(false),
        interrupt: call.interrupt(),
        latency_stats: None,
    };
    arguments.ignore(&["fromMongos", "needsMerge", "querySettings"]);
    Ok(options)
}

/// Refuses first stages that need another kind of server.
fn refuse_stages(pipeline: &RawArray) -> Result<(), CommandError> {
    match first_stage(pipeline, 0) {
        Some("$changeStream") => Err(CommandError::new(
            40573,
            "The $changeStream stage is only supported on replica sets",
        )),
        Some("$listSearchIndexes") => Err(index::search_not_enabled()),
        _ => Ok(()),
    }
}

/// The pipeline with the documents that a first stage about the server itself stands for.
fn with_own_documents(
    call: &Call<'_>,
    target: &Target,
    pipeline: &RawArray,
) -> Result<Option<RawArrayBuf>, CommandError> {
    let documents = match first_stage(pipeline, 0) {
        Some("$listLocalSessions") => sessions(call, target)?,
        Some("$currentOp") => operation::stage(call, target, stage_options(pipeline)?)?,
        _ => return Ok(None),
    };
    let mut stages = RawArrayBuf::new();
    stages.push(rawdoc! { "$documents": { "$literal": documents } });
    for stage in pipeline.into_iter().flatten().skip(1) {
        stages.push(stage);
    }
    Ok(Some(stages))
}

/// What a first stage `$collStats` tells of the time that commands took.
fn latency_stats(call: &Call<'_>, target: &Target, pipeline: &RawArray) -> Option<RawDocumentBuf> {
    let collection = target.collection()?;
    let stage = pipeline.get(0).ok().flatten()?.as_document()?;
    let asked = stage.get_document("$collStats").ok()?.get_document("latencyStats").ok()?;
    let with_histogram = asked.get_bool("histograms").unwrap_or(false);
    Some(call.shared.usage.latency(&call.request.database, collection, with_histogram))
}

/// The options of the first stage.
fn stage_options(pipeline: &RawArray) -> Result<&RawDocument, CommandError> {
    let stage = pipeline.get(0).ok().flatten().and_then(RawBsonRef::as_document);
    match stage.and_then(|stage| stage.iter().next()?.ok()) {
        Some((_, RawBsonRef::Document(options))) => Ok(options),
        _ => {
            Err(CommandError::failed_to_parse("$currentOp options must be specified in an object"))
        }
    }
}

/// What `$listLocalSessions` stands for.
fn sessions(call: &Call<'_>, target: &Target) -> Result<RawArrayBuf, CommandError> {
    if target.collection().is_some() {
        return Err(CommandError::new(
            codes::INVALID_NAMESPACE,
            "$listLocalSessions must be run against the database with {aggregate: 1}",
        ));
    }
    if !call.may(Access::Monitor, "admin") {
        return Err(not_authorized(call.request));
    }
    let now = bson::DateTime::now().timestamp_millis();
    let mut sessions = RawArrayBuf::new();
    for (id, used) in call.shared.sessions.list() {
        let ago = i64::try_from(used.elapsed().as_millis()).unwrap_or(i64::MAX);
        sessions.push(rawdoc! {
            "_id": { "id": bson::Binary::from(bson::Uuid::from_bytes(id)) },
            "lastUse": bson::DateTime::from_millis(now.saturating_sub(ago)),
        });
    }
    Ok(sessions)
}

/// A linearizable read would have to confirm what the pipeline itself writes.
fn check_read_concern(arguments: &Arguments<'_>, pipeline: &RawArray) -> Result<(), CommandError> {
    let level =
        arguments.document("readConcern")?.and_then(|concern| concern.get_str("level").ok());
    if level == Some("linearizable") && writes(pipeline) {
        return Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "$out and $merge cannot be used with the read concern level 'linearizable'",
        ));
    }
    Ok(())
}

fn writes(pipeline: &RawArray) -> bool {
    let last = pipeline.into_iter().count().saturating_sub(1);
    matches!(first_stage(pipeline, last), Some("$out" | "$merge"))
}

fn first_stage(pipeline: &RawArray, index: usize) -> Option<&str> {
    let stage = pipeline.get(index).ok().flatten()?.as_document()?;
    stage.iter().next()?.ok().map(|(name, _)| name.as_str())
}
