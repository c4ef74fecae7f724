//! The rows of the `catalog` table.
//!
//! ```text
//! { uuid: Binary, options: {..},
//!   id: i64, indexes: [ { id: i64, spec: {..}, multikey: [bool, ..], order: i64 }, .. ] }   collections
//! { uuid: Binary, options: { viewOn: "..", pipeline: [..] } }                   views
//! ```
//!
//! `order` is there if the index has a collation, and not in files of format 2 or before.

use std::sync::Arc;

use bson::raw::{RawArrayBuf, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;

use crate::collation::with_known_locale;

use super::{Collection, Data, Index, IndexSpec, Kind, ViewDefinition};
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::validation::Validation;

/// The row of `collection`.
pub(crate) fn to_row(collection: &Collection) -> RawDocumentBuf {
    let mut row = rawdoc! {
        "uuid": bson::Binary::from(collection.uuid),
        "options": collection.options.clone(),
    };
    if let Kind::Data(data) = &collection.kind {
        row.append(cstr!("id"), id_to_bson(data.id));
        let indexes: RawArrayBuf = data.indexes.iter().map(|index| index_to_bson(index)).collect();
        row.append(cstr!("indexes"), indexes);
    }
    row
}

/// Reads the row of `namespace`.
pub(crate) fn from_row(namespace: &str, bytes: &[u8]) -> Result<Collection> {
    read(namespace, bytes)
        .map_err(|error| StoreError::damaged(format_args!("catalog row {namespace}: {error}")))
}

fn read(namespace: &str, bytes: &[u8]) -> Result<Collection> {
    let row = RawDocument::from_bytes(bytes)?;
    let options = with_known_locale(row.get_document("options").map_err(invalid)?)?;
    let uuid = match row.get("uuid")? {
        Some(bson::RawBsonRef::Binary(binary)) => binary.to_binary().to_uuid()?,
        _ => return Err(StoreError::damaged("no uuid")),
    };
    let kind = match row.get("id")? {
        Some(_) => {
            let mut indexes = Vec::new();
            for index in row.get_array("indexes").map_err(invalid)? {
                let index = index?.as_document().ok_or_else(|| StoreError::damaged("an index"))?;
                indexes.push(Arc::new(index_from_bson(index)?));
            }
            let validation = Validation::of_stored(&options);
            Kind::Data(Data::new(id_from_bson(row)?, indexes, validation, &options)?)
        }
        None => Kind::View(ViewDefinition::from_options(&options)?),
    };
    Ok(Collection { namespace: Namespace::parse(namespace)?, uuid, options, kind })
}

impl ViewDefinition {
    /// `viewOn` and `pipeline` of a view's options.
    pub(crate) fn from_options(options: &RawDocument) -> Result<Self> {
        Ok(Self {
            view_on: options.get_str("viewOn").map_err(invalid)?.to_owned(),
            pipeline: match options.get("pipeline")? {
                Some(pipeline) => pipeline
                    .as_array()
                    .ok_or_else(|| StoreError::bad_value("'pipeline' must be an array"))?
                    .to_owned(),
                None => RawArrayBuf::new(),
            },
        })
    }
}

fn index_to_bson(index: &Index) -> RawDocumentBuf {
    let multikey: RawArrayBuf = index.multikey.iter().copied().collect();
    let mut row = rawdoc! {
        "id": id_to_bson(index.id),
        "spec": index.spec.document.clone(),
        "multikey": multikey,
    };
    if index.spec.collation.is_some() {
        row.append(cstr!("order"), index.order);
    }
    row
}

fn index_from_bson(index: &RawDocument) -> Result<Index> {
    let spec = with_known_locale(index.get_document("spec").map_err(invalid)?)?;
    let spec = IndexSpec::parse(&spec)?;
    let mut multikey = Vec::new();
    for flag in index.get_array("multikey").map_err(invalid)? {
        multikey.push(flag?.as_bool().unwrap_or(true));
    }
    multikey.resize(spec.fields.len(), true);
    let order = index.get_i64("order").unwrap_or(0);
    Ok(Index { id: id_from_bson(index)?, spec, multikey, order })
}

/// Ids count up from one and do not reach the sign bit.
fn id_to_bson(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn id_from_bson(document: &RawDocument) -> Result<u64> {
    let id = document.get_i64("id").map_err(invalid)?;
    u64::try_from(id).map_err(|_| StoreError::damaged("a negative table id"))
}

fn invalid(error: impl std::fmt::Display) -> StoreError {
    StoreError::bad_value(error.to_string())
}
