//! Whole databases.

use bson::{RawArrayBuf, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_query::filter::Filter;
use fieldveil_store::{
    DatabaseInfo,
    eval::{Context, matcher::Matcher},
};

use crate::{
    call::Call,
    error::{CommandError, CommandResult},
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("listDatabases", Access::Authenticated, list, "names and sizes of databases")
        .scope(Scope::AdminOnly)
        .stable(),
    Command::new("dropDatabase", Access::DatabaseAdmin, drop_database, "drops a database").stable(),
];

fn list(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    arguments.present("listDatabases");
    let name_only = arguments.bool("nameOnly")?.unwrap_or(false);
    let filter = arguments.document("filter")?;
    arguments.ignore(&["authorizedDatabases"]);
    arguments.finish()?;
    let matcher = filter.map(matcher).transpose()?;
    let mut databases = RawArrayBuf::new();
    let mut total = 0u64;
    let mut found = call.shared.store.list_databases()?;
    // It is there from the start, as on MongoDB, whether something is in it or not.
    if found.iter().all(|database| database.name != "admin") {
        found.push(DatabaseInfo { name: "admin".to_owned(), size_bytes: 0 });
        found.sort_by(|left, right| left.name.cmp(&right.name));
    }
    for database in found {
        if !call.may(Access::Inspect, &database.name) {
            continue;
        }
        let size = i64::try_from(database.size_bytes).unwrap_or(i64::MAX);
        let entry = rawdoc! {
            "name": database.name.as_str(),
            "sizeOnDisk": size,
            "empty": database.size_bytes == 0,
        };
        if let Some(matcher) = &matcher
            && !matcher.matches(&entry)?
        {
            continue;
        }
        total += database.size_bytes;
        if name_only {
            databases.push(rawdoc! { "name": database.name });
        } else {
            databases.push(entry);
        }
    }
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("databases"), databases);
    if !name_only {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        reply.append(cstr!("totalSize"), total);
        reply.append(cstr!("totalSizeMb"), total / (1024 * 1024));
    }
    Ok(reply)
}

fn drop_database(call: &Call<'_>) -> CommandResult {
    call.arguments.present("dropDatabase");
    call.arguments.finish()?;
    let database = &call.request.database;
    let existed = call.shared.store.drop_database(database)?;
    call.shared.clock.tick();
    let prefix = format!("{database}.");
    call.shared.cursors.kill_namespace(|namespace| namespace.starts_with(&prefix));
    call.shared.usage.forget_database(database);
    Ok(if existed {
        rawdoc! { "dropped": database.as_str() }
    } else {
        rawdoc! {}
    })
}

/// Compiles the `filter` of a command that lists things.
pub(crate) fn matcher(filter: &RawDocument) -> Result<Matcher, CommandError> {
    let filter = Filter::parse(filter)?;
    Ok(Matcher::compile(&filter, &Context::new(bson::DateTime::now()))?)
}
