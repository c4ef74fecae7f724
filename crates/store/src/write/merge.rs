//! One document of `$merge`.

use bson::raw::{RawDocument, RawDocumentBuf};

use super::{WriteOptions, insert, writable};
use crate::admin::create;
use crate::aggregate::record_with_key;
use crate::document;
use crate::error::Result;
use crate::eval::Context;
use crate::namespace::Namespace;
use crate::transaction::Transaction;

/// Puts `document` in the place of the one with `key`, which has to be as `before` says. Answers
/// whether it was.
pub(crate) fn put_merged(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    key: &RawDocument,
    before: Option<&RawDocument>,
    document: RawDocumentBuf,
    options: &WriteOptions,
) -> Result<bool> {
    let collection = match writable(transaction, namespace)? {
        Some(collection) => collection,
        None => create::implicitly(transaction, namespace)?,
    };
    let data = collection.writable_data()?;
    let context = Context::new(bson::DateTime::from_millis(transaction.now_ms()));
    transaction.with_collection(&collection, |transaction, writer| {
        let found = record_with_key(data, writer, key, &context)?;
        match (found, before) {
            (None, None) => {
                let document = document::prepare_insert(document, transaction)?;
                insert::insert_one(writer, data, &document, options)?;
                Ok(true)
            }
            (Some((record, old)), Some(before)) if old.as_bytes() == before.as_bytes() => {
                document::check_updated(&document)?;
                if !options.bypass_document_validation {
                    data.validation.check_update(&old, &document)?;
                }
                writer.replace(record, &old, &document)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    })
}
