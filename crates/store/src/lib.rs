//! The embedded document database: storage, indexes, evaluation.
//!
//! [`Store`] is the way in. Documents live in one redb file in a data directory, one table for each
//! collection and one for each index; see `ARCHITECTURE.md`.
#![forbid(unsafe_code)]

mod admin;
mod aggregate;
mod catalog;
mod code;
mod collation;
mod cursor;
mod distinct;
mod document;
mod dump;
mod entry;
mod environment;
mod error;
pub mod eval;
mod explain;
mod find;
mod index_key;
mod json_schema;
mod namespace;
mod order;
mod partial;
mod plan;
mod projector;
mod read;
mod render;
mod retry;
mod return_key;
mod scan;
mod selector;
mod snapshot;
mod storage;
mod store;
mod tables;
mod tail;
mod transaction;
mod validation;
mod write;
mod writer;

pub use admin::{
    CheckReport, CollectionStats, CreateIndexesOutcome, DatabaseInfo, DatabaseStats, IndexChoice,
};
pub use aggregate::AggregateOptions;
pub use code::Code;
pub use cursor::{Cursor, Take};
pub use document::{DOCUMENT_MAX_BYTES, NESTING_MAX};
pub use dump::{CopyError, CopyReport};
pub use environment::{Environment, Interrupt, Kill, KillReason, SystemEnvironment};
pub use error::{Result, StoreError};
pub use explain::{ExplainTarget, Verbosity};
pub use find::{CountOptions, DistinctOptions, FindOptions};
pub use namespace::{DATABASE_MAX_BYTES, NAMESPACE_MAX_BYTES, Namespace, check_database};
pub use retry::{RetryKey, StatementIds};
pub use storage::{CompactReport, FORMAT_VERSION, OpenError, compact, is_data_directory};
pub use store::{Lead, Store, StoreOptions};
pub use tail::Tail;
pub use write::{
    BulkOutcome, Change, DeleteOutcome, DeleteStatement, FindAndModify, FindAndModifyOutcome,
    InsertOutcome, StatementOutcome, UpdateOutcome, UpdateStatement, WriteError, WriteOptions,
    WriteStatement,
};
