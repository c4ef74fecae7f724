//! `bulkWrite`, which MongoDB does not encrypt by JSON schemas.

use bson::raw::RawDocument;

use super::{Spec, nothing};
use crate::{AnalyzeError, RequestError, SchemaSet};

pub(super) const SPEC: Spec = Spec {
    name: "bulkWrite",
    aliases: &[],
    fields: &[],
    joins_collections: false,
    is_explainable: false,
    finish: nothing,
};

/// Checks that none of the collections has an encrypted field.
///
/// # Errors
/// `BulkWrite` if one has, `MissingSchema` if that is not known.
pub(super) fn check(command: &RawDocument, schemas: &SchemaSet) -> Result<(), AnalyzeError> {
    let missing = || RequestError::MissingField { field: "bulkWrite.nsInfo".to_owned() };
    for info in command.get_array("nsInfo").map_err(|_| missing())? {
        let info = info.ok().and_then(|info| info.as_document()).ok_or_else(missing)?;
        let namespace = info
            .get_str("ns")
            .map_err(|_| RequestError::MissingField { field: "bulkWrite.nsInfo.ns".to_owned() })?
            .to_owned();
        match schemas.find(&namespace) {
            Some(schema) if !schema.requires_encryption() => {}
            Some(_) => return Err(AnalyzeError::BulkWrite { namespace }),
            None => return Err(RequestError::MissingSchema { namespace }.into()),
        }
    }
    Ok(())
}
