//! Read and write concern, as far as they mean something on one node.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_query::code_name;

use crate::{
    arguments::{Arguments, integer, type_name},
    codes,
    error::CommandError,
};

/// Checks a command's write concern.
///
/// Gives the `writeConcernError` of a concern that a set of one member cannot satisfy.
///
/// # Errors
/// A concern that cannot be read, or that a standalone server refuses.
pub(crate) fn check_write(
    arguments: &Arguments<'_>,
    replica_set: bool,
) -> Result<Option<RawDocumentBuf>, CommandError> {
    let Some(concern) = arguments.document("writeConcern")? else { return Ok(None) };
    for (name, value) in concern.iter().flatten() {
        match name.as_str() {
            "w" => {}
            "j" | "fsync" => {
                if integer(value).is_none() && value.as_bool().is_none() {
                    return Err(CommandError::type_mismatch(format!(
                        "BSON field 'writeConcern.{}' is the wrong type '{}', expected types \
                         '[bool, long, int, decimal, double]'",
                        name.as_str(),
                        type_name(value)
                    )));
                }
            }
            "wtimeout" | "provenance" | "getLastError" => {}
            other => {
                return Err(CommandError::new(
                    codes::UNKNOWN_FIELD,
                    format!("BSON field 'writeConcern.{other}' is an unknown field."),
                ));
            }
        }
    }
    let unsatisfiable = match concern.get("w") {
        Ok(None) | Err(_) => None,
        Ok(Some(RawBsonRef::String("majority"))) => None,
        Ok(Some(RawBsonRef::String(mode))) if replica_set => Some((
            79,
            format!("No write concern mode named '{mode}' found in replica set configuration"),
        )),
        Ok(Some(RawBsonRef::String(mode))) => {
            return Err(CommandError::bad_value(format!(
                "cannot use non-majority 'w' mode {mode} when a host is not a member of a replica \
                 set"
            )));
        }
        Ok(Some(RawBsonRef::Document(_))) => {
            return Err(CommandError::failed_to_parse("write concern tags are not supported"));
        }
        Ok(Some(value)) => match integer(value) {
            Some(0 | 1) => None,
            Some(2..=50) if replica_set => Some((
                codes::UNSATISFIABLE_WRITE_CONCERN,
                "Not enough data-bearing nodes".to_owned(),
            )),
            Some(2..=50) => {
                return Err(CommandError::bad_value(
                    "cannot use 'w' > 1 when a host is not replicated",
                ));
            }
            Some(_) => {
                return Err(CommandError::failed_to_parse(
                    "w has to be a non-negative number and not greater than 50",
                ));
            }
            None => {
                return Err(CommandError::failed_to_parse(
                    "w has to be a number, string, or object",
                ));
            }
        },
    };
    Ok(unsatisfiable.map(|(code, message)| {
        rawdoc! { "code": code, "codeName": code_name(code), "errmsg": message }
    }))
}

/// Checks a command's read concern: on one node every level but `snapshot` is the newest data.
///
/// # Errors
/// An unknown level, or one that needs what this server is not.
pub(crate) fn check_read(arguments: &Arguments<'_>, replica_set: bool) -> Result<(), CommandError> {
    let Some(concern) = arguments.document("readConcern")? else { return Ok(()) };
    for (name, value) in concern.iter().flatten() {
        check_read_field(name.as_str(), value, replica_set, concern)?;
    }
    Ok(())
}

fn check_read_field(
    name: &str,
    value: RawBsonRef<'_>,
    replica_set: bool,
    concern: &RawDocument,
) -> Result<(), CommandError> {
    match (name, value) {
        ("level", RawBsonRef::String("local" | "available" | "majority")) => Ok(()),
        ("level", RawBsonRef::String("linearizable")) if replica_set => Ok(()),
        ("level", RawBsonRef::String(level @ ("linearizable" | "snapshot"))) if !replica_set => {
            Err(CommandError::new(
                codes::NOT_A_REPLICA_SET,
                format!("node needs to be a replica set member to use readConcern: {level}"),
            ))
        }
        ("level", RawBsonRef::String("snapshot")) => Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "readConcern level 'snapshot' is not supported on this server",
        )),
        ("level", RawBsonRef::String(level)) => Err(CommandError::bad_value(format!(
            "Enumeration value '{level}' for field 'readConcern.level' is not a valid value."
        ))),
        ("afterClusterTime", RawBsonRef::Timestamp(_)) if replica_set => Ok(()),
        ("afterClusterTime" | "atClusterTime" | "afterOpTime", _) if !replica_set => {
            Err(CommandError::new(
                codes::ILLEGAL_OPERATION,
                format!("Cannot specify {name} readConcern without replication enabled"),
            ))
        }
        ("provenance", _) => Ok(()),
        ("level" | "afterClusterTime", value) => Err(CommandError::type_mismatch(format!(
            "BSON field 'readConcern.{name}' is the wrong type '{}'",
            type_name(value)
        ))),
        _ => Err(CommandError::new(
            codes::UNKNOWN_FIELD,
            format!(
                "BSON field 'readConcern.{name}' is an unknown field among {} given.",
                concern.iter().count()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(concern: RawDocumentBuf, replica_set: bool) -> Result<Option<RawDocumentBuf>, i32> {
        let body = rawdoc! { "insert": "c", "writeConcern": concern };
        let arguments = Arguments::new("insert", &body).unwrap();
        check_write(&arguments, replica_set).map_err(|error| error.code)
    }

    #[test]
    fn one_node_satisfies_itself_and_the_majority() {
        for concern in [
            rawdoc! {},
            rawdoc! { "w": 0 },
            rawdoc! { "w": 1, "j": true },
            rawdoc! { "w": "majority", "wtimeout": 5 },
        ] {
            assert_eq!(write(concern, false), Ok(None));
        }
    }

    #[test]
    fn two_nodes_are_too_many() {
        assert_eq!(write(rawdoc! { "w": 2 }, false), Err(2));
        let error = write(rawdoc! { "w": 2 }, true).unwrap().unwrap();
        assert_eq!(error.get_i32("code").unwrap(), 100);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert_eq!(write(rawdoc! { "x": 2 }, true), Err(40415));
    }
}
