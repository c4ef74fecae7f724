//! MongoDB's query language parsed: filters, updates, expressions, pipelines; BSON comparison.
//!
//! Two tenants use what is parsed here. Analysis walks it and replaces constants by markings; the
//! store evaluates it. Both see the same tree, so what analysis lets through and what the store
//! answers cannot drift apart. Constants in a tree are `RawBson`, and printing a tree gives a
//! document that means what was read, in the server's re-serialised form.
//!
//! Unknown operators, stages and options are errors that name them. Errors carry the code, code
//! name and text a MongoDB server answers with.
//!
//! ```
//! use bson::rawdoc;
//! use fieldveil_query::filter::{Filter, Predicate};
//!
//! let mut filter = Filter::parse(&rawdoc! { "ssn": "123", "age": { "$gt": 40 } })?;
//! if let Filter::And(parts) = &mut filter {
//!     if let Filter::Field { path, predicate: Predicate::Eq(value) } = &mut parts[0] {
//!         assert_eq!(path.as_str(), "ssn");
//!         *value = "a marking".into();
//!     }
//! }
//! assert_eq!(
//!     filter.to_raw(),
//!     rawdoc! { "$and": [{ "ssn": { "$eq": "a marking" } }, { "age": { "$gt": 40 } }] }
//! );
//! # Ok::<(), fieldveil_query::QueryError>(())
//! ```
#![forbid(unsafe_code)]

pub mod collation;
pub mod decimal;
pub mod dependencies;
pub mod document;
mod error;
pub mod expression;
pub mod filter;
mod path;
pub mod pipeline;
pub mod projection;
pub mod sort;
pub mod update;
pub mod value;

pub use error::{QueryError, code_name};
pub use path::{FieldPath, Overlap, PathSet, array_index, has_position};

/// How many levels of nested operators a filter, expression or pipeline may have.
///
/// The same bound as the server's for filters; it keeps hostile input off the end of the stack.
pub const MAX_DEPTH: usize = 100;

/// How many levels of nested documents and arrays a command may have (documents: 100 below the top).
pub const MAX_BSON_DEPTH: usize = 200;
