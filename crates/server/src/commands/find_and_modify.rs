//! `findAndModify`.

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr};
use fieldveil_store::{Change, FindAndModify, FindAndModifyOutcome, WriteOptions};

use crate::{
    call::Call,
    codes,
    commands::write::array_filters,
    error::{CommandError, CommandResult},
    reply::count,
    retry,
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    "findAndModify",
    Access::Write,
    find_and_modify,
    "changes or removes one document and returns it",
)
.alias(&["findandmodify"])
.stable()];

fn find_and_modify(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let (command, options) = parse(call)?;
    let is_removal = matches!(command.change, Change::Remove);
    let outcome = call.shared.store.find_and_modify(&namespace, command, &options)?;
    call.shared.clock.tick();
    Ok(reply(outcome, is_removal))
}

/// Reads the command; shared with `explain`.
pub(crate) fn parse(call: &Call<'_>) -> Result<(FindAndModify, WriteOptions), CommandError> {
    let arguments = &call.arguments;
    let owned = |document: Option<&RawDocument>| document.map(ToOwned::to_owned);
    let remove = arguments.bool("remove")?.unwrap_or(false);
    let upsert = arguments.bool("upsert")?.unwrap_or(false);
    let return_new = arguments.bool("new")?.unwrap_or(false);
    let update = match arguments.value("update") {
        None => None,
        Some(RawBsonRef::Document(update)) => Some(RawBson::Document(update.to_owned())),
        Some(RawBsonRef::Array(pipeline)) => Some(RawBson::Array(pipeline.to_owned())),
        Some(_) => {
            return Err(CommandError::failed_to_parse(
                "Update argument must be either an object or an array",
            ));
        }
    };
    let refuse = |message: &str| Err(CommandError::failed_to_parse(message));
    let change = match (remove, update) {
        (true, Some(_)) => return refuse("Cannot specify both an update and remove=true"),
        (true, None) if upsert => {
            return refuse("Cannot specify both upsert=true and remove=true");
        }
        (true, None) if return_new => {
            return refuse(
                "Cannot specify both new=true and remove=true; 'remove' always returns the \
                 deleted document",
            );
        }
        (true, None) => Change::Remove,
        (false, None) => {
            return refuse("Either an update or remove=true must be specified");
        }
        (false, Some(update)) => {
            Change::Update { update, upsert, return_new, array_filters: array_filters(arguments)? }
        }
    };
    let command = FindAndModify {
        filter: owned(arguments.document("query")?).unwrap_or_default(),
        sort: owned(arguments.document("sort")?).filter(|sort| !sort.is_empty()),
        change,
        projection: owned(arguments.document("fields")?),
        hint: arguments.value("hint").map(RawBson::from),
        collation: owned(arguments.document("collation")?),
    };
    if arguments.has("encryptionInformation") {
        return Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "Queryable Encryption is not supported by this server",
        ));
    }
    let options = WriteOptions {
        ordered: true,
        bypass_document_validation: arguments.bool("bypassDocumentValidation")?.unwrap_or(false),
        let_variables: owned(arguments.document("let")?),
        interrupt: call.interrupt(),
        retry: retry::key(call, 1)?,
    };
    arguments.ignore(&["sampleId"]);
    arguments.finish()?;
    Ok((command, options))
}

fn reply(outcome: FindAndModifyOutcome, is_removal: bool) -> RawDocumentBuf {
    let mut last = RawDocumentBuf::new();
    last.append(cstr!("n"), count(outcome.n));
    if !is_removal {
        last.append(cstr!("updatedExisting"), outcome.updated_existing);
    }
    if let Some(id) = outcome.upserted {
        last.append(cstr!("upserted"), id);
    }
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("lastErrorObject"), last);
    match outcome.value {
        Some(value) => reply.append(cstr!("value"), value),
        None => reply.append(cstr!("value"), RawBson::Null),
    }
    if let Some(statement) = outcome.repeated {
        reply.append(cstr!("retriedStmtId"), statement);
    }
    reply
}
