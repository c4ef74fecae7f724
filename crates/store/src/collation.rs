//! Collations that collections and indexes have of their own.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;

use crate::catalog::{Catalog, Collection};
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::snapshot::Snapshot;

/// Reads the option `collation` of a collection or index: complete, or nothing for the simple one.
///
/// # Errors
/// As [`Collation::parse`]; `TypeMismatch` for what is no document.
pub(crate) fn read(collation: RawBsonRef<'_>) -> Result<Option<RawDocumentBuf>> {
    match collation {
        RawBsonRef::Null => Ok(None),
        RawBsonRef::Document(document) if document.is_empty() => Ok(None),
        RawBsonRef::Document(document) => match Collation::parse(document)? {
            Some(_) => Ok(Some(Collation::complete(document)?)),
            None => Ok(None),
        },
        _ => Err(StoreError::new(
            Code::TYPE_MISMATCH,
            "BSON field 'collation' is the wrong type, expected type 'object'",
        )),
    }
}

impl Collection {
    /// What its commands and indexes use that name no other.
    pub(crate) fn collation(&self) -> Option<&RawDocument> {
        self.options.get_document("collation").ok()
    }
}

impl Catalog {
    /// The collation of a command: its own, else that of the collection or view it is about.
    pub(crate) fn collation<'a>(
        &'a self,
        namespace: &Namespace,
        own: Option<&'a RawDocument>,
    ) -> Option<&'a RawDocument> {
        own.filter(|own| !own.is_empty()).or_else(|| self.get(namespace)?.collation())
    }
}

impl Snapshot {
    /// Puts the collection's collation in the place of one that a command does not give.
    pub(crate) fn inherit_collation(
        &self,
        namespace: &Namespace,
        collation: &mut Option<RawDocumentBuf>,
    ) {
        let inherited = self.catalog().collation(namespace, collation.as_deref());
        *collation = inherited.map(ToOwned::to_owned);
    }
}
