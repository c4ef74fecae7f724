//! Collations that collections and indexes have of their own.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
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
        RawBsonRef::Document(document) => {
            Ok(Collation::parse(document)?.map(|collation| collation.to_document()))
        }
        _ => Err(StoreError::new(
            Code::TYPE_MISMATCH,
            "BSON field 'collation' is the wrong type, expected type 'object'",
        )),
    }
}

/// `owner`, what is stored of a collection or index, with a locale in its collation that this version
/// knows: earlier ones took some that do not exist.
///
/// # Errors
/// If it is malformed.
pub(crate) fn with_known_locale(owner: &RawDocument) -> Result<RawDocumentBuf> {
    let collation = owner.get_document("collation").ok();
    let locale = collation.and_then(|collation| collation.get_str("locale").ok());
    let (Some(collation), Some(locale)) = (collation, locale) else { return Ok(owner.to_owned()) };
    let known = Collation::known_locale(locale);
    if known == locale {
        return Ok(owner.to_owned());
    }
    let mut renamed = RawDocumentBuf::new();
    for option in collation.iter() {
        match option? {
            (name, _) if name == "locale" => renamed.append(name, known),
            (name, value) => renamed.append(name, value),
        }
    }
    let mut changed = RawDocumentBuf::new();
    for field in owner.iter() {
        match field? {
            (name, _) if name == "collation" => changed.append(cstr!("collation"), renamed.clone()),
            (name, value) => changed.append(name, value),
        }
    }
    Ok(changed)
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
