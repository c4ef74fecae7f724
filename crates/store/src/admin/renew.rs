//! Indexes whose strings an earlier version ordered otherwise are built anew at opening.

use std::sync::Arc;

use bson::raw::RawDocumentBuf;

use super::indexes::index_all;
use crate::catalog::{Collection, Data, Index, IndexSpec, Kind};
use crate::code::Code;
use crate::environment::Interrupt;
use crate::error::Result;
use crate::namespace::Namespace;
use crate::store::Store;
use crate::transaction::Transaction;

impl Store {
    /// Builds anew what is ordered otherwise than this version orders it, a collection at a time.
    ///
    /// # Errors
    /// Of the storage; a collection is left as it was then.
    pub(crate) fn renew_collated_indexes(&self) -> Result<()> {
        for namespace in self.namespaces() {
            let snapshot = self.snapshot();
            let data = snapshot.collection(&namespace).and_then(|collection| collection.data());
            if data.is_some_and(|data| data.indexes.iter().any(|index| index.is_outdated())) {
                tracing::info!(%namespace, "building the indexes with a collation anew");
                self.write(move |transaction| renew(transaction, &namespace))?;
            }
        }
        Ok(())
    }
}

fn renew(transaction: &mut Transaction<'_>, namespace: &Namespace) -> Result<()> {
    let Some(collection) = transaction.catalog().get(namespace).cloned() else { return Ok(()) };
    let renewed = renewed(transaction, &collection);
    if let Err(error) = &renewed {
        transaction.fail(error.clone());
    }
    transaction.save(renewed?)
}

/// The collection with its outdated indexes built anew.
fn renewed(transaction: &mut Transaction<'_>, collection: &Arc<Collection>) -> Result<Collection> {
    let mut data = collection.writable_data()?.clone();
    for index in &mut data.indexes {
        if index.is_outdated() {
            transaction.delete_index(index)?;
            *index = Arc::new(built(transaction, collection, index)?);
        }
    }
    Ok(Collection { kind: Kind::Data(data), ..(**collection).clone() })
}

/// The index built anew. Values may have become equal that were not: rather than refuse to open
/// what is stored, a unique index gives up its claim then.
fn built(
    transaction: &mut Transaction<'_>,
    collection: &Arc<Collection>,
    index: &Index,
) -> Result<Index> {
    match build(transaction, collection, index.spec.clone()) {
        Err(error) if error.is(Code::DUPLICATE_KEY) => {
            let namespace = &collection.namespace;
            let spec = if index.spec.is_id_index() {
                tracing::warn!(
                    %namespace,
                    "two ids are equal in the order of the collection's collation now; the index \
                     on _id tells them apart by their bytes and has no collation any more"
                );
                IndexSpec::id_index(None)?
            } else {
                tracing::warn!(
                    %namespace,
                    index = index.spec.name,
                    "two documents are equal in the order of this unique index now, so it is \
                     unique no more; change one of them, then drop the index and create it again"
                );
                not_unique(&index.spec)?
            };
            build(transaction, collection, spec)
        }
        other => other,
    }
}

fn build(
    transaction: &mut Transaction<'_>,
    collection: &Arc<Collection>,
    spec: IndexSpec,
) -> Result<Index> {
    let mut index = transaction.new_index(spec)?;
    let alone =
        Data { indexes: vec![Arc::new(index.clone())], ..collection.writable_data()?.clone() };
    let alone = Arc::new(Collection { kind: Kind::Data(alone), ..(**collection).clone() });
    let multikey = transaction.with_collection(&alone, |_, writer| {
        // Not to be interrupted: nothing can be done with the collection before.
        index_all(writer, &Interrupt::never())?;
        Ok(writer.books().multikey.last().cloned())
    });
    match multikey {
        Ok(multikey) => {
            index.multikey = multikey.unwrap_or(index.multikey);
            Ok(index)
        }
        Err(error) => {
            transaction.delete_index(&index)?;
            Err(error)
        }
    }
}

/// The same index without being unique.
fn not_unique(spec: &IndexSpec) -> Result<IndexSpec> {
    let mut document = RawDocumentBuf::new();
    for option in spec.document.iter() {
        let (name, value) = option?;
        if name != "unique" {
            document.append(name, value);
        }
    }
    IndexSpec::parse(&document)
}
