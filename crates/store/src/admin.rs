//! Databases, collections and indexes: making, listing and removing them.

mod capped;
mod check;
pub(crate) mod create;
mod expire;
mod indexes;
mod list;
mod modify;
mod renew;
mod stats;

pub use check::CheckReport;
pub use indexes::{CreateIndexesOutcome, IndexChoice};
pub use list::DatabaseInfo;
pub use stats::{CollectionStats, DatabaseStats};
