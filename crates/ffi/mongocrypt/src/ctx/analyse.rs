//! Markings by a loaded `mongo_crypt_v1` library: the caller is not asked.

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_core::{Env, NeedMarkings, Step};

use super::Refusal;
use crate::crypt_shared::{Library, LibraryUse};
use crate::status::Failure;

/// Answers markings steps, if there is a library to do it.
pub(super) fn by_library(
    used: &LibraryUse,
    mut step: Step,
    env: &mut Env<'_>,
) -> Result<Step, Refusal> {
    let Some(library) = used.library() else { return Ok(step) };
    while let Step::Markings(need) = step {
        let reply = analyse(library, &need)?;
        step = need.answer(&reply, env).map_err(|error| {
            Failure::client(format!("Consuming the generated csfle markings failed: {error}"))
        })?;
    }
    Ok(step)
}

fn analyse(library: &Library, need: &NeedMarkings) -> Result<RawDocumentBuf, Refusal> {
    let command = need.command();
    if matches!(first(command), Some((name, _)) if name.eq_ignore_ascii_case("isMaster")) {
        // The question is for the version of a process; a library has one too.
        return Ok(rawdoc! { "maxWireVersion": wire_version(library.version_number()), "ok": 1 });
    }
    let database = need.database();
    let command = with_database(command, database)?;
    Ok(library.analyze(&command, &namespace(&command, database))?)
}

/// The wire version of the server that a library belongs to.
fn wire_version(version: u64) -> i32 {
    match version {
        0x0008_0002_0000_0000.. => 27,
        0x0008_0001_0000_0000.. => 26,
        _ => 21,
    }
}

/// The command with `$db`; within an `explain`, both have it.
fn with_database(command: &RawDocument, database: &str) -> Result<RawDocumentBuf, Failure> {
    let malformed = |_| Failure::from("invalid BSON cmd");
    let mut out = RawDocumentBuf::new();
    for element in command {
        let (name, value) = element.map_err(malformed)?;
        match (name.as_str(), value) {
            ("explain", RawBsonRef::Document(explained)) => {
                let mut explained = explained.to_owned();
                if explained.get("$db").map_err(malformed)?.is_none() {
                    explained.append(cstr!("$db"), database);
                }
                out.append(name, &explained);
            }
            _ => out.append(name, value),
        }
    }
    if command.get("$db").map_err(malformed)?.is_none() {
        out.append(cstr!("$db"), database);
    }
    Ok(out)
}

/// The namespace that a command is about.
fn namespace(command: &RawDocument, database: &str) -> String {
    match first(command) {
        Some(("explain", RawBsonRef::Document(explained))) => namespace(explained, database),
        Some((_, RawBsonRef::String(collection))) => format!("{database}.{collection}"),
        _ => format!("{database}.$cmd"),
    }
}

fn first(command: &RawDocument) -> Option<(&str, RawBsonRef<'_>)> {
    let (name, value) = command.iter().next()?.ok()?;
    Some((name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_added_where_it_is_missing() {
        let command = with_database(&rawdoc! { "find": "c" }, "db").unwrap();
        assert_eq!(command, rawdoc! { "find": "c", "$db": "db" });
        let command = with_database(&rawdoc! { "find": "c", "$db": "x" }, "db").unwrap();
        assert_eq!(command, rawdoc! { "find": "c", "$db": "x" });
        let command = rawdoc! { "explain": { "find": "c" }, "verbosity": "v" };
        let command = with_database(&command, "db").unwrap();
        assert_eq!(
            command,
            rawdoc! { "explain": { "find": "c", "$db": "db" }, "verbosity": "v", "$db": "db" }
        );
        assert_eq!(namespace(&command, "db"), "db.c");
        assert_eq!(namespace(&rawdoc! { "aggregate": 1 }, "db"), "db.$cmd");
    }
}
