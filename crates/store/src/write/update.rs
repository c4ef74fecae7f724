//! Changing documents.

use bson::raw::{RawArrayBuf, RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::update::{Update, parse_array_filters};

use super::target::Target;
use super::{StatementOutcome, UpdateStatement, WriteOptions, insert, writable};
use crate::admin::create;
use crate::catalog::Data;
use crate::code::Code;
use crate::document;
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::eval::update::Updater;
use crate::namespace::Namespace;
use crate::tables::View;
use crate::transaction::{CollectionWriter, Transaction};

/// An update that is ready to be applied.
pub(super) struct Compiled {
    updater: Updater,
}

/// What applying it to one document did.
pub(super) struct Applied {
    pub(super) document: RawDocumentBuf,
    pub(super) modified: bool,
}

impl Compiled {
    pub(super) fn new(
        update: &RawBson,
        array_filters: &[RawDocumentBuf],
        multi: bool,
        context: &Context,
    ) -> Result<Self> {
        let update = Update::parse(update.as_raw_bson_ref())?;
        if multi && matches!(update, Update::Replacement(_)) {
            return Err(StoreError::new(
                Code::FAILED_TO_PARSE,
                "multi update is not supported for replacement-style update",
            ));
        }
        let filters: RawArrayBuf = array_filters.iter().cloned().collect();
        let filters = parse_array_filters(Some(&filters), &update)?;
        Ok(Self { updater: Updater::compile(&update, &filters, context)? })
    }

    /// What a stored document becomes; checked, and not yet written.
    pub(super) fn compute(
        &self,
        target: &Target,
        data: &Data,
        old: &RawDocument,
        options: &WriteOptions,
    ) -> Result<Applied> {
        let position = target.position(old)?;
        let outcome = self.updater.apply(old, position)?;
        if outcome.modified {
            document::check_updated(&outcome.document)?;
            if !options.bypass_document_validation {
                data.validation.check_update(old, &outcome.document)?;
            }
        }
        Ok(Applied { document: outcome.document, modified: outcome.modified })
    }

    /// Computes and writes.
    fn apply(
        &self,
        target: &Target,
        data: &Data,
        writer: &mut CollectionWriter<'_>,
        (record, old): (u64, &RawDocument),
        options: &WriteOptions,
    ) -> Result<bool> {
        let applied = self.compute(target, data, old, options)?;
        if applied.modified {
            writer.replace(record, old, &applied.document)?;
        }
        Ok(applied.modified)
    }

    /// The document that an upsert is to add, with all checks but those of unique indexes.
    pub(super) fn compute_upsert(
        &self,
        target: &Target,
        transaction: &Transaction<'_>,
    ) -> Result<RawDocumentBuf> {
        let make_id = || RawBson::ObjectId(transaction.new_object_id());
        let document = self.updater.insert(target.selector.filter(), make_id)?;
        document::prepare_insert(document, transaction)
    }
}

/// Runs one statement.
pub(super) fn update(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    statement: &UpdateStatement,
    options: &WriteOptions,
) -> Result<StatementOutcome> {
    let target = Target::compile(
        transaction,
        namespace,
        &statement.filter,
        statement.sort.as_deref(),
        statement.hint.as_ref(),
        statement.collation.as_deref(),
        options,
    )?;
    let compiled = Compiled::new(
        &statement.update,
        &statement.array_filters,
        statement.multi,
        &target.context,
    )?;
    let collection = match writable(transaction, namespace)? {
        Some(collection) => collection,
        None if statement.upsert => create::implicitly(transaction, namespace)?,
        None => return Ok(StatementOutcome::Updated { matched: 0, modified: 0, upserted: None }),
    };
    let data = collection.writable_data()?;
    transaction.with_collection(&collection, |transaction, writer| {
        let (mut matched, mut modified) = (0, 0);
        if statement.multi {
            for record in target.all(data, writer, options)? {
                options.interrupt.check()?;
                let Some(old) = writer.record(record)? else { continue };
                let is_new = compiled.apply(&target, data, writer, (record, &old), options)?;
                matched += 1;
                modified += u64::from(is_new);
            }
        } else if let Some((record, old)) = target.first(data, writer, options)? {
            let is_new = compiled.apply(&target, data, writer, (record, &old), options)?;
            matched = 1;
            modified = u64::from(is_new);
        }
        let mut upserted = None;
        if matched == 0 && statement.upsert {
            let document = compiled.compute_upsert(&target, transaction)?;
            upserted = Some(insert::insert_one(writer, data, &document, options)?);
        }
        Ok(StatementOutcome::Updated { matched, modified, upserted })
    })
}
