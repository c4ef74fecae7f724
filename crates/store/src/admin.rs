//! Databases, collections and indexes: making, listing and removing them.

pub(crate) mod create;
mod indexes;
mod list;

pub use indexes::{CreateIndexesOutcome, IndexChoice};
pub use list::DatabaseInfo;
