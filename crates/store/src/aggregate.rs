//! Aggregation, and explanations of reads.

use bson::raw::{RawArray, RawBson, RawDocumentBuf};

use crate::cursor::Cursor;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::find::{CountOptions, DistinctOptions, FindOptions};
use crate::store::Store;
use crate::write::{DeleteStatement, FindAndModify, UpdateStatement};

/// An `aggregate` command.
#[derive(Clone, Debug, Default)]
pub struct AggregateOptions {
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// The command's `let`.
    pub let_variables: Option<RawDocumentBuf>,
    /// Only the simple collation is supported.
    pub collation: Option<RawDocumentBuf>,
    /// Whether validators are left out of `$out` and `$merge`.
    pub bypass_document_validation: bool,
    /// When to give up.
    pub interrupt: Interrupt,
}

/// How much `explain` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// The plan.
    QueryPlanner,
    /// The plan is run and what it did is counted.
    ExecutionStats,
    /// As `ExecutionStats`, with the plans not chosen.
    AllPlansExecution,
}

/// What `explain` explains.
#[derive(Clone, Debug)]
pub enum ExplainTarget {
    /// A `find`.
    Find(Box<FindOptions>),
    /// A `count`.
    Count(Box<CountOptions>),
    /// A `distinct` of a key.
    Distinct(String, Box<DistinctOptions>),
    /// An `aggregate` with this pipeline.
    Aggregate(bson::RawArrayBuf, Box<AggregateOptions>),
    /// An `update`; nothing is changed.
    Update(Box<UpdateStatement>),
    /// A `delete`; nothing is removed.
    Delete(Box<DeleteStatement>),
    /// A `findAndModify`; nothing is changed.
    FindAndModify(Box<FindAndModify>),
}

impl Store {
    /// Runs a pipeline on a collection or view of `database`, or on none (`aggregate: 1`).
    ///
    /// # Errors
    /// MongoDB's for a bad pipeline; those of evaluation may come from the cursor.
    pub fn aggregate(
        &self,
        database: &str,
        collection: Option<&str>,
        pipeline: &RawArray,
        options: AggregateOptions,
    ) -> Result<Cursor> {
        let _ = (database, collection, pipeline, options);
        Err(StoreError::internal("aggregate is to come"))
    }
}
