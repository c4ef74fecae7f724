//! `findAndModify`: change or remove one document and answer with it.

use bson::raw::{RawBson, RawDocumentBuf};

use super::WriteOptions;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::store::Store;

/// A `findAndModify` command.
#[derive(Clone, Debug)]
pub struct FindAndModify {
    /// `query`
    pub filter: RawDocumentBuf,
    /// Which of the matching documents comes first.
    pub sort: Option<RawDocumentBuf>,
    /// What to do with it.
    pub change: Change,
    /// `fields`: a projection of the answer.
    pub projection: Option<RawDocumentBuf>,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// Only the simple collation is supported.
    pub collation: Option<RawDocumentBuf>,
}

/// What [`FindAndModify`] does with the document.
#[derive(Clone, Debug)]
pub enum Change {
    /// Removes it.
    Remove,
    /// Changes it.
    Update {
        /// Operators or a replacement in a document, or a pipeline in an array.
        update: RawBson,
        /// Whether to insert if none matches.
        upsert: bool,
        /// Whether to answer with the document as it is afterwards.
        return_new: bool,
        /// `arrayFilters`
        array_filters: Vec<RawDocumentBuf>,
    },
}

/// What `findAndModify` found and did.
#[derive(Clone, Debug, Default)]
pub struct FindAndModifyOutcome {
    /// `value`: the document before or after, if there is one.
    pub value: Option<RawDocumentBuf>,
    /// `lastErrorObject.updatedExisting`
    pub updated_existing: bool,
    /// `lastErrorObject.n`: 1 if a document was changed, removed or added.
    pub n: u64,
    /// `lastErrorObject.upserted`
    pub upserted: Option<RawBson>,
}

impl Store {
    /// Changes or removes the first document that matches, and answers with it.
    ///
    /// # Errors
    /// As for updates and deletes of one document.
    pub fn find_and_modify(
        &self,
        namespace: &Namespace,
        command: FindAndModify,
        options: &WriteOptions,
    ) -> Result<FindAndModifyOutcome> {
        let _ = (namespace, command, options);
        Err(StoreError::internal("findAndModify is to come"))
    }
}
