//! Which other collections a pipeline reads.

use bson::raw::{RawBsonRef, RawDocument};

use crate::{AnalyzeError, RequestError, SchemaSet};

/// Checks that the schema of every collection that an aggregation reads is known, before it is
/// passed on as one without encryption.
///
/// # Errors
/// `MissingSchema`.
pub(crate) fn check_namespaces(
    command: &RawDocument,
    db: &str,
    schemas: &SchemaSet,
) -> Result<(), AnalyzeError> {
    let Ok(Some(RawBsonRef::Array(pipeline))) = command.get("pipeline") else { return Ok(()) };
    // The stages may be nested anywhere; a field of such a name that is none only costs a look.
    let mut open = vec![RawBsonRef::Array(pipeline)];
    while let Some(value) = open.pop() {
        let document = match value {
            RawBsonRef::Document(document) => document,
            RawBsonRef::Array(array) => fieldveil_query::document::as_document(array),
            _ => continue,
        };
        for element in document {
            let Ok((name, value)) = element else {
                return Err(RequestError::Malformed { at: "pipeline".to_owned() }.into());
            };
            if let Some(collection) = foreign(name.as_str(), value) {
                let namespace = format!("{db}.{collection}");
                if schemas.find(&namespace).is_none() {
                    return Err(RequestError::MissingSchema { namespace }.into());
                }
            }
            open.push(value);
        }
    }
    Ok(())
}

/// The collection that a stage reads besides the pipeline's own.
fn foreign<'a>(stage: &str, value: RawBsonRef<'a>) -> Option<&'a str> {
    match (stage, value) {
        ("$unionWith", RawBsonRef::String(collection)) => Some(collection),
        ("$unionWith", RawBsonRef::Document(argument)) => argument.get_str("coll").ok(),
        ("$lookup" | "$graphLookup", RawBsonRef::Document(argument)) => {
            argument.get_str("from").ok()
        }
        _ => None,
    }
}
