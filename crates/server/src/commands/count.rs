//! `count` and `distinct`.

use bson::{RawBson, RawDocument, rawdoc};
use fieldveil_store::{CountOptions, DistinctOptions};

use crate::{
    call::Call,
    error::{CommandError, CommandResult},
    reply,
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("count", Access::Read, count, "counts documents").stable(),
    Command::new("distinct", Access::Read, distinct, "the distinct values of a field"),
];

fn count(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let options = count_options(call)?;
    let count = call.shared.store.count(&namespace, options)?;
    Ok(rawdoc! { "n": reply::count(count) })
}

/// Reads `count`; shared with `explain`.
pub(crate) fn count_options(call: &Call<'_>) -> Result<CountOptions, CommandError> {
    let arguments = &call.arguments;
    let owned = |document: Option<&RawDocument>| document.map(ToOwned::to_owned);
    let skip = match arguments.integer("skip")? {
        Some(skip) => u64::try_from(skip)
            .map_err(|_| CommandError::bad_value("Skip value must be non-negative"))?,
        None => 0,
    };
    let options = CountOptions {
        filter: owned(arguments.document("query")?),
        skip,
        limit: arguments.integer("limit")?.unwrap_or(0).unsigned_abs(),
        hint: arguments.value("hint").map(RawBson::from),
        collation: owned(arguments.document("collation")?),
        interrupt: call.interrupt(),
    };
    arguments.ignore(&["fields", "encryptionInformation"]);
    arguments.finish()?;
    Ok(options)
}

fn distinct(call: &Call<'_>) -> CommandResult {
    let namespace = call.namespace()?;
    let (key, options) = distinct_options(call)?;
    let values = call.shared.store.distinct(&namespace, &key, options)?;
    Ok(rawdoc! { "values": values })
}

/// Reads `distinct`; shared with `explain`.
pub(crate) fn distinct_options(call: &Call<'_>) -> Result<(String, DistinctOptions), CommandError> {
    let arguments = &call.arguments;
    let key = arguments.required("key", arguments.string("key"))?.to_owned();
    let options = DistinctOptions {
        filter: arguments.document("query")?.map(ToOwned::to_owned),
        hint: arguments.value("hint").map(RawBson::from),
        collation: arguments.document("collation")?.map(ToOwned::to_owned),
        interrupt: call.interrupt(),
    };
    arguments.finish()?;
    Ok((key, options))
}
