//! Sizes: what `collStats` and `dbStats` are made of.

use redb::ReadableTableMetadata;

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::namespace::{Namespace, check_database};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::tables::View;

/// The size of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionStats {
    /// How many documents there are.
    pub documents: u64,
    /// Bytes of all documents.
    pub data_bytes: u64,
    /// Bytes of the pages that hold them.
    pub storage_bytes: u64,
    /// Each index by name with the bytes of its pages.
    pub indexes: Vec<(String, u64)>,
    /// Size and number of documents that a capped collection is limited to.
    pub capped: Option<(u64, Option<u64>)>,
}

/// The size of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStats {
    /// How many collections there are.
    pub collections: u64,
    /// How many views there are.
    pub views: u64,
    /// How many documents there are.
    pub documents: u64,
    /// Bytes of all documents.
    pub data_bytes: u64,
    /// Bytes of the pages that hold them.
    pub storage_bytes: u64,
    /// How many indexes there are.
    pub indexes: u64,
    /// Bytes of their pages.
    pub index_bytes: u64,
}

impl Store {
    /// The size of a collection; zero if there is none.
    ///
    /// # Errors
    /// `CommandNotSupportedOnView`.
    pub fn collection_stats(&self, namespace: &Namespace) -> Result<CollectionStats> {
        let snapshot = self.snapshot();
        let Some(collection) = snapshot.collection(namespace) else {
            return Ok(CollectionStats::default());
        };
        if collection.data().is_none() {
            return Err(StoreError::new(
                Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
                format!("Namespace {namespace} is a view, not a collection"),
            ));
        }
        stats(&snapshot, namespace)
    }

    /// The size of a database.
    ///
    /// # Errors
    /// `InvalidNamespace` for a bad name.
    pub fn database_stats(&self, database: &str) -> Result<DatabaseStats> {
        check_database(database)?;
        let snapshot = self.snapshot();
        let mut sum = DatabaseStats::default();
        for collection in snapshot.catalog().collections(database) {
            if collection.data().is_none() {
                sum.views += 1;
                continue;
            }
            let one = stats(&snapshot, &collection.namespace)?;
            sum.collections += 1;
            sum.documents += one.documents;
            sum.data_bytes += one.data_bytes;
            sum.storage_bytes += one.storage_bytes;
            sum.indexes += u64::try_from(one.indexes.len()).unwrap_or(0);
            sum.index_bytes += one.indexes.iter().map(|(_, bytes)| bytes).sum::<u64>();
        }
        Ok(sum)
    }
}

fn stats(snapshot: &std::sync::Arc<Snapshot>, namespace: &Namespace) -> Result<CollectionStats> {
    let Some(data) = snapshot.collection(namespace).and_then(|found| found.data()) else {
        return Ok(CollectionStats::default());
    };
    let tables = snapshot.tables();
    let mut indexes = Vec::with_capacity(data.indexes.len());
    for index in &data.indexes {
        let bytes = page_bytes(&*tables.index(index.id)?)?;
        indexes.push((index.spec.name.clone(), bytes));
    }
    Ok(CollectionStats {
        documents: snapshot.view(data)?.record_count()?,
        data_bytes: tables.data_bytes(data.id)?,
        storage_bytes: page_bytes(&*tables.records(data.id)?)?,
        indexes,
        capped: data.capped.map(|capped| (capped.max_bytes, capped.max_documents)),
    })
}

fn page_bytes(table: &impl ReadableTableMetadata) -> Result<u64> {
    let stats = table.stats()?;
    Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
}
