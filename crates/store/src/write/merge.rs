//! A batch of `$merge`: one commit for many documents.

use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use bson::rawdoc;
use fieldveil_query::collation::Collation;

use super::{WriteOptions, insert, writable};
use crate::admin::create;
use crate::catalog::Data;
use crate::code::Code;
use crate::document;
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::eval::pipeline::{DecideFn, Merging, Write};
use crate::namespace::Namespace;
use crate::plan::{Execution, Plan, Wish};
use crate::selector::Selector;
use crate::tables::View;
use crate::transaction::{CollectionWriter, Transaction};

/// Does with each document of the batch what `decide` says. Those before one that fails stay, as
/// MongoDB has it.
pub(crate) fn merge(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    batch: Vec<Merging>,
    decide: &DecideFn,
    collation: Option<Arc<Collation>>,
    options: &WriteOptions,
) -> Result<()> {
    let mut batch = batch.into_iter().peekable();
    let collection = match writable(transaction, namespace)? {
        Some(collection) => collection,
        None => {
            // Only a document makes a collection.
            while let Some(Write::Nothing) =
                batch.peek().map(|merging| decide(merging, None)).transpose()?
            {
                batch.next();
            }
            if batch.peek().is_none() {
                return Ok(());
            }
            create::implicitly(transaction, namespace)?
        }
    };
    let data = collection.writable_data()?;
    let now = bson::DateTime::from_millis(transaction.now_ms());
    let context = Context { collation, ..Context::new(now) };
    transaction.with_collection(&collection, |transaction, writer| {
        for merging in batch {
            let found = record_with_key(data, writer, &merging.key, &context)?;
            match (decide(&merging, found.as_ref().map(|(_, document)| &**document))?, found) {
                (Write::Nothing, _) => {}
                (Write::Replace(document), Some((record, old))) => {
                    document::check_updated(&document)?;
                    if !options.bypass_document_validation {
                        data.validation.check_update(&old, &document)?;
                    }
                    writer.replace(record, &old, &document)?;
                }
                (Write::Insert(document) | Write::Replace(document), _) => {
                    let document = document::prepare_insert(document, transaction)?;
                    insert::insert_one(writer, data, &document, options)?;
                }
            }
        }
        Ok(())
    })
}

/// The record whose fields equal those of `key`; none for a document without `_id`, which is new.
fn record_with_key(
    data: &Data,
    writer: &CollectionWriter<'_>,
    key: &RawDocument,
    context: &Context,
) -> Result<Option<(u64, RawDocumentBuf)>> {
    if key.is_empty() {
        return Ok(None);
    }
    check_unique_cover(data, key, context)?;
    let selector = Selector::compile(&key_filter(key)?, context)?;
    let wish = Wish {
        filter: selector.filter(),
        sort: None,
        hint: None,
        min: None,
        max: None,
        collation: context.collation.as_deref(),
        needs: None,
    };
    let view: &dyn View = writer;
    let mut execution = Execution::new(&Plan::choose(data, wish)?.access);
    while let Some((record, document)) = execution.next(view)? {
        if selector.matches(&document)? {
            return Ok(Some((record, document)));
        }
    }
    Ok(None)
}

/// `{a: x, b: y}` as equalities.
fn key_filter(key: &RawDocument) -> Result<RawDocumentBuf> {
    let mut filter = RawDocumentBuf::new();
    for field in key.iter() {
        let (name, value) = field?;
        let value = RawBson::from(value);
        filter.append(name, rawdoc! {"$eq": value});
    }
    Ok(filter)
}

/// Two documents must not have the same key.
fn check_unique_cover(data: &Data, key: &RawDocument, context: &Context) -> Result<()> {
    let mut names = Vec::new();
    for field in key.iter() {
        names.push(field?.0.as_str());
    }
    let covers = data.indexes.iter().map(|index| &index.spec).any(|spec| {
        spec.unique
            && spec.partial.is_none()
            && spec.collation == context.collation
            && spec.fields.len() == names.len()
            && spec.fields.iter().all(|field| names.contains(&field.path.as_str()))
    });
    if covers {
        return Ok(());
    }
    Err(StoreError::new(
        Code::location(51183),
        "Cannot find index to verify that join fields will be unique",
    ))
}
