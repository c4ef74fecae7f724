//! Adding documents.

use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};

use super::{StatementOutcome, WriteOptions};
use crate::admin::create;
use crate::catalog::{Collection, Data};
use crate::code::Code;
use crate::document;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::transaction::{CollectionWriter, Transaction};

/// Adds `documents` and appends one result for each, or for each up to the first error if ordered.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    documents: Vec<RawDocumentBuf>,
    options: &WriteOptions,
    results: &mut Vec<Result<StatementOutcome>>,
) {
    let wanted = results.len() + documents.len();
    let opened = writable(transaction, namespace).and_then(|collection| {
        let collection = match collection {
            Some(collection) => collection,
            None => create::implicitly(transaction, namespace)?,
        };
        let data = collection.writable_data()?;
        transaction.with_collection(&collection, |transaction, writer| {
            for document in documents {
                let result = options
                    .interrupt
                    .check()
                    .and_then(|()| document::prepare_insert(document, transaction))
                    .and_then(|document| insert_one(writer, data, &document, options));
                let failed = result.is_err();
                results.push(result.map(StatementOutcome::Inserted));
                if failed && options.ordered {
                    break;
                }
            }
            Ok(())
        })
    });
    if let Err(error) = opened {
        // None of the rest can be added either.
        let rest = if options.ordered { results.len() + 1 } else { wanted };
        results.resize(rest.max(results.len()), Err(error));
    }
}

/// Checks and adds one prepared document; answers its `_id`.
pub(super) fn insert_one(
    writer: &mut CollectionWriter<'_>,
    data: &Data,
    document: &RawDocument,
    options: &WriteOptions,
) -> Result<RawBson> {
    if !options.bypass_document_validation {
        data.validation.check_insert(document)?;
    }
    writer.insert(document)?;
    let id = document.get("_id")?.map(RawBson::from);
    id.ok_or_else(|| StoreError::internal("a prepared document has no _id"))
}

/// The collection of that name, if there is one.
///
/// # Errors
/// `CommandNotSupportedOnView`.
pub(crate) fn writable(
    transaction: &Transaction<'_>,
    namespace: &Namespace,
) -> Result<Option<Arc<Collection>>> {
    match transaction.catalog().get(namespace) {
        Some(collection) if collection.data().is_none() => Err(StoreError::new(
            Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
            format!("Namespace {namespace} is a view, not a collection"),
        )),
        other => Ok(other.cloned()),
    }
}
