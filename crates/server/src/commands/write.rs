//! `insert`, `update`, `delete`.

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::{
    BulkOutcome, DeleteOutcome, DeleteStatement, InsertOutcome, Namespace, StoreError,
    UpdateOutcome, UpdateStatement, WriteError, WriteOptions, WriteStatement,
};

use crate::{
    arguments::Arguments,
    call::Call,
    codes,
    commands::handshake::MAX_WRITE_BATCH,
    error::{CommandError, CommandResult},
    reply::{append_all, count},
    retry,
    table::Command,
    write_later::Write,
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::write("insert", insert, "adds documents").stable(),
    Command::write("update", update, "changes documents").stable(),
    Command::write("delete", delete, "removes documents").stable(),
];

fn insert(call: &Call<'_>) -> Result<Write, CommandError> {
    let namespace = call.namespace()?;
    let documents = statements(call, "documents")?;
    let options = options(call, documents.len())?;
    let statements = documents.into_iter().map(WriteStatement::Insert);
    write(call, &namespace, statements, options, |outcome| {
        let outcome = InsertOutcome::from(outcome);
        reply(outcome.inserted, &outcome.errors, &outcome.repeated)
    })
}

fn update(call: &Call<'_>) -> Result<Write, CommandError> {
    let namespace = call.namespace()?;
    let statements = statements(call, "updates")?;
    let updates: Vec<_> =
        statements.iter().map(|it| update_statement(it)).collect::<Result<_, _>>()?;
    let options = options(call, statements.len())?;
    let updates = updates.into_iter().map(|update| WriteStatement::Update(Box::new(update)));
    write(call, &namespace, updates, options, |outcome| update_reply(outcome.into()))
}

fn delete(call: &Call<'_>) -> Result<Write, CommandError> {
    let namespace = call.namespace()?;
    let statements = statements(call, "deletes")?;
    let deletes: Vec<_> =
        statements.iter().map(|it| delete_statement(it)).collect::<Result<_, _>>()?;
    let options = options(call, statements.len())?;
    let deletes = deletes.into_iter().map(|delete| WriteStatement::Delete(Box::new(delete)));
    write(call, &namespace, deletes, options, |outcome| {
        let outcome = DeleteOutcome::from(outcome);
        reply(outcome.deleted, &outcome.errors, &outcome.repeated)
    })
}

/// A write whose statements are all for one collection; the last arguments were taken for it.
fn write(
    call: &Call<'_>,
    namespace: &Namespace,
    statements: impl Iterator<Item = WriteStatement>,
    options: WriteOptions,
    reply: fn(BulkOutcome) -> CommandResult,
) -> Result<Write, CommandError> {
    call.arguments.finish()?;
    let statements = statements.map(|statement| (namespace.clone(), statement)).collect();
    Ok(Write { statements, options, reply })
}

/// Fails a command as a whole if one of its statements was interrupted, as MongoDB does.
pub(crate) fn check_interrupted<'a>(
    mut errors: impl Iterator<Item = &'a StoreError>,
) -> Result<(), CommandError> {
    match errors.find(|error| codes::INTERRUPTIONS.contains(&error.code())) {
        Some(error) => Err(error.clone().into()),
        None => Ok(()),
    }
}

/// The statements of a command, as many as one command may have.
pub(crate) fn statements(call: &Call<'_>, name: &str) -> Result<Vec<RawDocumentBuf>, CommandError> {
    let statements = call.documents(name)?;
    let limit = usize::try_from(MAX_WRITE_BATCH).unwrap_or(usize::MAX);
    if statements.is_empty() || statements.len() > limit {
        return Err(CommandError::new(
            16,
            format!(
                "Write batch sizes must be between 1 and {limit}. Got {} operations.",
                statements.len()
            ),
        ));
    }
    Ok(statements)
}

/// The update of an `explain`, which may have one.
pub(crate) fn only_update(call: &Call<'_>) -> Result<UpdateStatement, CommandError> {
    let statements = statements(call, "updates")?;
    options(call, statements.len())?;
    match statements.as_slice() {
        [statement] => update_statement(statement),
        _ => Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "explained write batches must be of size 1",
        )),
    }
}

/// The deletion of an `explain`, which may have one.
pub(crate) fn only_delete(call: &Call<'_>) -> Result<DeleteStatement, CommandError> {
    let statements = statements(call, "deletes")?;
    options(call, statements.len())?;
    match statements.as_slice() {
        [statement] => delete_statement(statement),
        _ => Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "explained write batches must be of size 1",
        )),
    }
}

/// What holds for all `count` statements of a write command.
pub(crate) fn options(call: &Call<'_>, count: usize) -> Result<WriteOptions, CommandError> {
    let arguments = &call.arguments;
    if arguments.has("encryptionInformation") {
        return Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "Queryable Encryption is not supported by this server",
        ));
    }
    Ok(WriteOptions {
        ordered: arguments.bool("ordered")?.unwrap_or(true),
        bypass_document_validation: arguments.bool("bypassDocumentValidation")?.unwrap_or(false),
        let_variables: arguments.document("let")?.map(ToOwned::to_owned),
        interrupt: call.interrupt(),
        retry: retry::key(call, count)?,
    })
}

fn update_statement(statement: &RawDocument) -> Result<UpdateStatement, CommandError> {
    let arguments = Arguments::new("update.updates", statement)?;
    let filter = arguments.required("q", arguments.document("q"))?.to_owned();
    let update = match arguments.present("u") {
        Some(RawBsonRef::Document(update)) => RawBson::Document(update.to_owned()),
        Some(RawBsonRef::Array(pipeline)) => RawBson::Array(pipeline.to_owned()),
        Some(_) => {
            return Err(CommandError::failed_to_parse(
                "Update argument must be either an object or an array",
            ));
        }
        None => return Err(arguments.missing("u")),
    };
    let statement = UpdateStatement {
        filter,
        update,
        multi: arguments.bool("multi")?.unwrap_or(false),
        upsert: arguments.bool("upsert")?.unwrap_or(false),
        array_filters: array_filters(&arguments)?,
        sort: arguments.document("sort")?.map(ToOwned::to_owned),
        hint: arguments.value("hint").map(RawBson::from),
        collation: arguments.document("collation")?.map(ToOwned::to_owned),
    };
    arguments.ignore(&["c", "upsertSupplied", "sampleId"]);
    arguments.finish()?;
    Ok(statement)
}

/// `arrayFilters`, a list of documents.
pub(crate) fn array_filters(
    arguments: &Arguments<'_>,
) -> Result<Vec<RawDocumentBuf>, CommandError> {
    let Some(list) = arguments.array("arrayFilters")? else { return Ok(Vec::new()) };
    list.into_iter()
        .flatten()
        .map(|filter| {
            filter.as_document().map(ToOwned::to_owned).ok_or_else(|| {
                CommandError::type_mismatch("each element of 'arrayFilters' must be an object")
            })
        })
        .collect()
}

fn delete_statement(statement: &RawDocument) -> Result<DeleteStatement, CommandError> {
    let arguments = Arguments::new("delete.deletes", statement)?;
    let filter = arguments.required("q", arguments.document("q"))?.to_owned();
    let only_one = match arguments.required("limit", arguments.integer("limit"))? {
        0 => false,
        1 => true,
        other => {
            return Err(CommandError::failed_to_parse(format!(
                "The limit field in delete objects must be 0 or 1. Got {other}"
            )));
        }
    };
    let statement = DeleteStatement {
        filter,
        only_one,
        hint: arguments.value("hint").map(RawBson::from),
        collation: arguments.document("collation")?.map(ToOwned::to_owned),
    };
    arguments.ignore(&["sampleId"]);
    arguments.finish()?;
    Ok(statement)
}

fn reply(done: u64, errors: &[WriteError], repeated: &[i32]) -> CommandResult {
    check_interrupted(errors.iter().map(|failed| &failed.error))?;
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), count(done));
    append_errors(&mut reply, errors);
    retry::append_repeated(&mut reply, repeated);
    Ok(reply)
}

fn update_reply(outcome: UpdateOutcome) -> CommandResult {
    check_interrupted(outcome.errors.iter().map(|failed| &failed.error))?;
    let upserted = u64::try_from(outcome.upserted.len()).unwrap_or(u64::MAX);
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), count(outcome.matched + upserted));
    if !outcome.upserted.is_empty() {
        let list: RawArrayBuf =
            outcome.upserted.into_iter().map(|(index, id)| upserted_entry(index, id)).collect();
        reply.append(cstr!("upserted"), list);
    }
    reply.append(cstr!("nModified"), count(outcome.modified));
    append_errors(&mut reply, &outcome.errors);
    retry::append_repeated(&mut reply, &outcome.repeated);
    Ok(reply)
}

fn upserted_entry(index: usize, id: RawBson) -> RawDocumentBuf {
    rawdoc! { "index": i32::try_from(index).unwrap_or(i32::MAX), "_id": id }
}

fn append_errors(reply: &mut RawDocumentBuf, errors: &[WriteError]) {
    if errors.is_empty() {
        return;
    }
    let list: RawArrayBuf = errors
        .iter()
        .map(|WriteError { index, error }| {
            let mut entry = rawdoc! {
                "index": i32::try_from(*index).unwrap_or(i32::MAX),
                "code": error.code(),
            };
            if let Some(extra) = error.extra() {
                append_all(&mut entry, extra);
            }
            if let Some(info) = error.err_info() {
                entry.append(cstr!("errInfo"), info);
            }
            entry.append(cstr!("errmsg"), error.message());
            entry
        })
        .collect();
    reply.append(cstr!("writeErrors"), list);
}
