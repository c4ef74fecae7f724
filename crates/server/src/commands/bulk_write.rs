//! `bulkWrite`: inserts, updates and deletes on several collections in one command.

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::{
    BulkOutcome, DeleteStatement, Namespace, StatementOutcome, StoreError, UpdateStatement,
    WriteStatement,
};

use crate::{
    arguments::{Arguments, type_name},
    auth::permission::not_authorized,
    call::Call,
    codes,
    commands::{
        cursor::first_batch,
        write::{self, array_filters},
    },
    cursors::{DEFAULT_FIRST_BATCH, OpenCursor, Source},
    error::{CommandError, CommandResult},
    reply::{append_all, count},
    retry,
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    "bulkWrite",
    Access::Authenticated,
    bulk_write,
    "writes to several collections",
)
.scope(Scope::AdminOnly)
.stable()];

/// Results are paged out under this name.
const NAMESPACE: &str = "admin.$cmd.bulkWrite";

fn bulk_write(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    arguments.present("bulkWrite");
    let namespaces = namespaces(call)?;
    let operations = write::statements(call, "ops")?;
    let options = write::options(call, operations.len())?;
    let errors_only = arguments.bool("errorsOnly")?.unwrap_or(false);
    let batch_size = super::collection::batch_size(call)?.unwrap_or(DEFAULT_FIRST_BATCH);
    arguments.finish()?;
    let statements: Vec<(Namespace, WriteStatement)> = operations
        .iter()
        .map(|operation| statement(operation, &namespaces))
        .collect::<Result<_, _>>()?;
    let kinds: Vec<Kind> = statements.iter().map(|(_, statement)| Kind::of(statement)).collect();
    let BulkOutcome { results, repeated } = call.shared.store.bulk(statements, &options)?;
    call.shared.clock.tick();
    write::check_interrupted(results.iter().filter_map(|result| result.as_ref().err()))?;
    let mut totals = Totals::default();
    let mut entries = Vec::new();
    for (index, (result, kind)) in results.into_iter().zip(kinds).enumerate() {
        let failed = result.is_err();
        totals.add(&result);
        if failed || !errors_only {
            entries.push(entry(index, result, kind));
        }
    }
    let cursor =
        OpenCursor::new(NAMESPACE.to_owned(), Source::List(entries.into_iter()), call.session);
    let mut reply = first_batch(call, cursor, Some(batch_size), false)?;
    totals.append_to(&mut reply);
    retry::append_repeated(&mut reply, &repeated);
    Ok(reply)
}

/// `nsInfo`: the namespaces that operations name by number.
fn namespaces(call: &Call<'_>) -> Result<Vec<Namespace>, CommandError> {
    let mut namespaces = Vec::new();
    for entry in call.documents("nsInfo")? {
        let arguments = Arguments::new("bulkWrite.nsInfo", &entry)?;
        if arguments.has("encryptionInformation") {
            return Err(CommandError::new(
                codes::COMMAND_NOT_SUPPORTED,
                "Queryable Encryption is not supported by this server",
            ));
        }
        let namespace = Namespace::parse(arguments.required("ns", arguments.string("ns"))?)?;
        arguments.ignore(&["collectionUUID"]);
        arguments.finish()?;
        if !call.may(Access::Write, namespace.database()) {
            return Err(not_authorized(call.request));
        }
        call.check_write(namespace.database(), namespace.collection())?;
        namespaces.push(namespace);
    }
    Ok(namespaces)
}

fn statement(
    operation: &RawDocument,
    namespaces: &[Namespace],
) -> Result<(Namespace, WriteStatement), CommandError> {
    let kind = match operation.iter().next() {
        Some(Ok((name, _))) => name.as_str(),
        _ => "",
    };
    let owned = |document: Option<&RawDocument>| document.map(ToOwned::to_owned);
    let arguments = Arguments::new("bulkWrite.ops", operation)?;
    let statement = match kind {
        "insert" => {
            let document = arguments.required("document", arguments.document("document"))?;
            WriteStatement::Insert(document.to_owned())
        }
        "update" => {
            let update = match arguments.present("updateMods") {
                Some(RawBsonRef::Document(update)) => RawBson::Document(update.to_owned()),
                Some(RawBsonRef::Array(pipeline)) => RawBson::Array(pipeline.to_owned()),
                Some(value) => {
                    return Err(CommandError::failed_to_parse(format!(
                        "Update argument must be either an object or an array, not {}",
                        type_name(value)
                    )));
                }
                None => return Err(arguments.missing("updateMods")),
            };
            WriteStatement::Update(Box::new(UpdateStatement {
                filter: arguments.required("filter", arguments.document("filter"))?.to_owned(),
                update,
                multi: arguments.bool("multi")?.unwrap_or(false),
                upsert: arguments.bool("upsert")?.unwrap_or(false),
                array_filters: array_filters(&arguments)?,
                sort: owned(arguments.document("sort")?),
                hint: arguments.value("hint").map(RawBson::from),
                collation: owned(arguments.document("collation")?),
            }))
        }
        "delete" => WriteStatement::Delete(Box::new(DeleteStatement {
            filter: arguments.required("filter", arguments.document("filter"))?.to_owned(),
            only_one: !arguments.bool("multi")?.unwrap_or(false),
            hint: arguments.value("hint").map(RawBson::from),
            collation: owned(arguments.document("collation")?),
        })),
        other => {
            return Err(CommandError::failed_to_parse(format!(
                "Unrecognized bulkWrite operation: {other}"
            )));
        }
    };
    let number = arguments.required(kind, arguments.integer(kind))?;
    arguments.ignore(&["upsertSupplied", "sampleId", "constants"]);
    arguments.finish()?;
    let namespace = usize::try_from(number).ok().and_then(|number| namespaces.get(number));
    match namespace {
        Some(namespace) => Ok((namespace.clone(), statement)),
        None => Err(CommandError::bad_value(format!(
            "BulkWrite ops entry {kind} has an invalid nsInfo index: {number}"
        ))),
    }
}

/// What an operation does, which decides the fields of its result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
    Delete,
}

impl Kind {
    fn of(statement: &WriteStatement) -> Self {
        match statement {
            WriteStatement::Insert(_) => Self::Insert,
            WriteStatement::Update(_) => Self::Update,
            WriteStatement::Delete(_) => Self::Delete,
        }
    }
}

fn entry(index: usize, result: Result<StatementOutcome, StoreError>, kind: Kind) -> RawDocumentBuf {
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    let mut entry = rawdoc! { "ok": if result.is_ok() { 1.0 } else { 0.0 }, "idx": index };
    match result {
        Ok(StatementOutcome::Inserted(_)) => entry.append(cstr!("n"), 1),
        Ok(StatementOutcome::Updated { matched, modified, upserted }) => {
            entry.append(cstr!("n"), count(matched + u64::from(upserted.is_some())));
            entry.append(cstr!("nModified"), count(modified));
            if let Some(id) = upserted {
                entry.append(cstr!("upserted"), rawdoc! { "_id": id });
            }
        }
        Ok(StatementOutcome::Deleted(deleted)) => entry.append(cstr!("n"), count(deleted)),
        Err(error) => {
            entry.append(cstr!("code"), error.code());
            entry.append(cstr!("errmsg"), error.message());
            if let Some(info) = error.err_info() {
                entry.append(cstr!("errInfo"), info);
            }
            if let Some(extra) = error.extra() {
                append_all(&mut entry, extra);
            }
            entry.append(cstr!("n"), 0);
            if kind == Kind::Update {
                entry.append(cstr!("nModified"), 0);
            }
        }
    }
    entry
}

/// The sums of a reply.
#[derive(Default)]
struct Totals {
    errors: u64,
    inserted: u64,
    matched: u64,
    modified: u64,
    upserted: u64,
    deleted: u64,
}

impl Totals {
    fn add(&mut self, result: &Result<StatementOutcome, StoreError>) {
        match result {
            Ok(StatementOutcome::Inserted(_)) => self.inserted += 1,
            Ok(StatementOutcome::Updated { matched, modified, upserted }) => {
                self.matched += matched;
                self.modified += modified;
                self.upserted += u64::from(upserted.is_some());
            }
            Ok(StatementOutcome::Deleted(deleted)) => self.deleted += deleted,
            Err(_) => self.errors += 1,
        }
    }

    fn append_to(&self, reply: &mut RawDocumentBuf) {
        reply.append(cstr!("nErrors"), count(self.errors));
        reply.append(cstr!("nInserted"), count(self.inserted));
        reply.append(cstr!("nMatched"), count(self.matched));
        reply.append(cstr!("nModified"), count(self.modified));
        reply.append(cstr!("nUpserted"), count(self.upserted));
        reply.append(cstr!("nDeleted"), count(self.deleted));
    }
}
