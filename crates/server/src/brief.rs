//! Reads that are over in a few microseconds run on the connection's task.
//!
//! Going to a thread for blocking work and back costs more than looking up a document. So a read
//! that may be short is tried where it came in, and is given up as soon as it has looked at more
//! than a few records, or waited for the disk for longer than a millisecond
//! ([`fieldveil_store::Interrupt::briefly`]); then it runs from the beginning on
//! a thread that may wait. How long one record takes is bounded by leaving out expressions, which
//! can loop, and regular expressions, which take long to compile.

use bson::{RawBsonRef, RawDocument};
use fieldveil_store::StoreError;

use crate::{error::CommandError, request::Request, table::Command};

/// Bytes of a command that may be tried.
const MAX_COMMAND_BYTES: usize = 2048;

/// Operators whose time depends on the record and their argument alone.
const OPERATORS: &[&str] = &[
    "$eq",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$ne",
    "$in",
    "$nin",
    "$and",
    "$or",
    "$nor",
    "$not",
    "$exists",
    "$type",
    "$size",
    "$all",
    "$elemMatch",
    "$mod",
];

/// Whether to try `request` on the connection's task.
pub(crate) fn may_be_brief(command: &Command, request: &Request) -> bool {
    let parts: &[&str] = match command.name {
        "find" => &["filter", "projection", "min", "max"],
        "count" => &["query"],
        // A batch that was made ahead, if all of it is wanted.
        "getMore" => return !request.body.get("batchSize").is_ok_and(|size| size.is_some()),
        _ => return false,
    };
    request.body.as_bytes().len() <= MAX_COMMAND_BYTES
        && request.body.iter().all(|field| match field {
            Ok((name, RawBsonRef::Document(part))) if parts.contains(&name.as_str()) => {
                is_simple(part)
            }
            Ok((name, _)) => !matches!(name.as_str(), "let" | "tailable"),
            Err(_) => false,
        })
}

fn is_simple(part: &RawDocument) -> bool {
    part.iter().all(|element| match element {
        Ok((name, value)) => {
            let name = name.as_str();
            (!name.starts_with('$') || OPERATORS.contains(&name)) && is_simple_value(value)
        }
        Err(_) => false,
    })
}

fn is_simple_value(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Document(document) => is_simple(document),
        RawBsonRef::Array(array) => {
            array.into_iter().all(|element| element.is_ok_and(is_simple_value))
        }
        RawBsonRef::RegularExpression(_)
        | RawBsonRef::JavaScriptCode(_)
        | RawBsonRef::JavaScriptCodeWithScope(_) => false,
        _ => true,
    }
}

/// Whether a command failed only because it was to be brief.
pub(crate) fn is_not_brief(error: &CommandError) -> bool {
    error.code == StoreError::NOT_BRIEF.number()
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};
    use fieldveil_wire::{OpMsg, Operation};

    use super::*;
    use crate::table;

    fn brief(body: RawDocumentBuf) -> bool {
        let request = Request::from_operation(Operation::Msg(OpMsg::new(body))).unwrap();
        may_be_brief(table::find(&request.name).unwrap(), &request)
    }

    #[test]
    fn what_cannot_loop_is_tried() {
        for filter in [
            rawdoc! { "_id": 1 },
            rawdoc! { "a": { "$in": [1, { "b": 2 }] }, "$or": [{ "c": 1 }, { "d": { "$gt": 1 } }] },
        ] {
            assert!(brief(rawdoc! { "find": "c", "filter": filter.clone(), "$db": "d" }));
            assert!(brief(rawdoc! { "count": "c", "query": filter, "$db": "d" }));
        }
    }

    #[test]
    fn expressions_patterns_and_long_commands_are_not_tried() {
        let pattern =
            bson::Regex { pattern: "a".try_into().unwrap(), options: "".try_into().unwrap() };
        for filter in [
            rawdoc! { "$expr": true },
            rawdoc! { "$or": [{ "a": 1 }, { "$where": "1" }] },
            rawdoc! { "a": { "$not": { "$regex": "x" } } },
            rawdoc! { "a": { "$in": [pattern] } },
            rawdoc! { "a": "x".repeat(MAX_COMMAND_BYTES) },
        ] {
            assert!(!brief(rawdoc! { "find": "c", "filter": filter.clone(), "$db": "d" }));
            assert!(!brief(rawdoc! { "count": "c", "query": filter, "$db": "d" }));
        }
        let projection = rawdoc! { "a": { "$range": [0, 1_000_000] } };
        assert!(!brief(rawdoc! { "find": "c", "projection": projection, "$db": "d" }));
        assert!(!brief(rawdoc! { "find": "c", "let": { "a": 1 }, "$db": "d" }));
        assert!(brief(rawdoc! { "getMore": 1i64, "collection": "c", "$db": "d" }));
        let sized = rawdoc! { "getMore": 1i64, "collection": "c", "batchSize": 1, "$db": "d" };
        assert!(!brief(sized));
        assert!(!brief(rawdoc! { "aggregate": "c", "pipeline": [], "cursor": {}, "$db": "d" }));
    }
}
