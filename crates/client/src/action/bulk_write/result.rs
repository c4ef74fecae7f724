//! What a bulk write did.

use std::collections::BTreeMap;

use bson::Bson;
use mongodb::{error::ErrorKind, results::UpdateResult};

use crate::error::Error;

/// What a [`bulk_write`](crate::EncryptedCollection::bulk_write) did. Indexes count the models from 0.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BulkWriteResult {
    /// Documents inserted.
    pub inserted_count: u64,
    /// Documents that updates and replacements matched.
    pub matched_count: u64,
    /// Documents that updates and replacements changed.
    pub modified_count: u64,
    /// Documents deleted.
    pub deleted_count: u64,
    /// The ids of inserted documents.
    pub inserted_ids: BTreeMap<usize, Bson>,
    /// The ids of upserted documents.
    pub upserted_ids: BTreeMap<usize, Bson>,
}

/// What was done so far.
#[derive(Default)]
pub(super) struct Done {
    pub(super) result: BulkWriteResult,
    pub(super) errors: BTreeMap<usize, Error>,
}

impl Done {
    pub(super) fn updated(&mut self, updated: UpdateResult, index: usize) {
        self.result.matched_count += updated.matched_count;
        self.result.modified_count += updated.modified_count;
        if let Some(id) = updated.upserted_id {
            self.result.upserted_ids.insert(index, id);
        }
    }

    pub(super) fn inserted(
        &mut self,
        ids: Vec<Bson>,
        outcome: Result<(), mongodb::error::Error>,
        index: usize,
        ordered: bool,
    ) {
        let (failed, end) = match outcome {
            Ok(()) => (Vec::new(), ids.len()),
            Err(error) => {
                let failed: Vec<usize> = match &*error.kind {
                    ErrorKind::InsertMany(failure) => {
                        failure.write_errors.iter().flatten().map(|error| error.index).collect()
                    }
                    _ => Vec::new(),
                };
                let first = failed.iter().min().copied();
                self.errors.insert(index + first.unwrap_or_default(), error.into());
                // Without an index nothing is known to be inserted.
                let end = match first {
                    None => 0,
                    Some(first) if ordered => first,
                    Some(_) => ids.len(),
                };
                (failed, end)
            }
        };
        for (position, id) in ids.into_iter().enumerate().take(end) {
            if !failed.contains(&position) {
                self.result.inserted_ids.insert(index + position, id);
                self.result.inserted_count += 1;
            }
        }
    }
}
