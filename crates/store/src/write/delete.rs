//! Removing documents.

use super::target::Target;
use super::{DeleteStatement, StatementOutcome, WriteOptions, writable};
use crate::error::Result;
use crate::namespace::Namespace;
use crate::tables::View;
use crate::transaction::Transaction;

/// Runs one statement.
pub(super) fn delete(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    statement: &DeleteStatement,
    options: &WriteOptions,
) -> Result<StatementOutcome> {
    let target = Target::compile(
        transaction,
        namespace,
        &statement.filter,
        None,
        statement.hint.as_ref(),
        statement.collation.as_deref(),
        options,
    )?;
    let Some(collection) = writable(transaction, namespace)? else {
        return Ok(StatementOutcome::Deleted(0));
    };
    let data = collection.writable_data()?;
    transaction.with_collection(&collection, |_, writer| {
        if statement.only_one {
            let Some((record, document)) = target.first(data, writer, options)? else {
                return Ok(StatementOutcome::Deleted(0));
            };
            writer.remove(record, &document)?;
            return Ok(StatementOutcome::Deleted(1));
        }
        let mut deleted = 0;
        for record in target.all(data, writer, options)? {
            options.interrupt.check()?;
            if let Some(document) = writer.record(record)? {
                writer.remove(record, &document)?;
                deleted += 1;
            }
        }
        Ok(StatementOutcome::Deleted(deleted))
    })
}
