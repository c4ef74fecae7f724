//! `returnKey` of `find`: index entries in the place of documents.

use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::catalog::Index;
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::index_key::extract;
use crate::plan::Access;

/// The index whose entries are answered; without one, answers are empty.
pub(crate) struct ReturnKey(Option<Arc<Index>>);

impl ReturnKey {
    /// # Errors
    /// Where a document has several entries, of which the scan does not say which one it met.
    pub(crate) fn of(access: &Access) -> Result<Self> {
        let index = match access {
            Access::Nothing | Access::Collection { .. } => return Ok(Self(None)),
            Access::Id { index, .. } => index,
            Access::Index(scan) => &scan.index,
            Access::Union(_) => return Err(unknown("several indexes")),
        };
        if index.multikey.contains(&true) {
            return Err(unknown("an index over arrays"));
        }
        Ok(Self(Some(Arc::clone(index))))
    }

    /// The fields of the index with their values.
    pub(crate) fn in_place_of(&self, document: &RawDocument) -> Result<RawDocumentBuf> {
        let mut out = RawDocumentBuf::new();
        let Some(index) = &self.0 else { return Ok(out) };
        let spec = &index.spec;
        let collation = spec.collation.as_deref();
        let keys = extract::keys(&spec.fields, false, collation, document)?.keys;
        let Some((key, _)) = keys.first_key_value() else { return Ok(out) };
        let values = extract::values_of_key(&spec.fields, collation, document, key)?;
        for (field, value) in spec.key.iter().zip(values) {
            out.append(field?.0, value);
        }
        Ok(out)
    }
}

fn unknown(what: &str) -> StoreError {
    StoreError::new(
        Code::COMMAND_NOT_SUPPORTED,
        format!("the option 'returnKey' of find is not supported with {what}"),
    )
}
