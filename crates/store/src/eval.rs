//! Evaluation of the query language over raw documents.
//!
//! What `fieldveil-query` parsed is compiled once per command and then applied to each document.
//! Nothing here knows storage; where a stage needs another collection, the caller hands in a
//! source.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bson::DateTime;
use bson::raw::{RawBson, RawDocument};
use fieldveil_query::QueryError;
use fieldveil_query::collation::Collation;

use crate::scan::SharedInterrupt;

mod arithmetic;
pub mod describe;
pub mod expression;
pub mod matcher;
pub mod path;
pub mod pipeline;
pub mod projection;
pub mod regex;
pub mod sort;
pub mod update;

/// What a command fixes for all documents it looks at.
#[derive(Clone)]
pub struct Context {
    /// `$$NOW`, one instant for the whole command.
    pub now: DateTime,
    /// The command's `let` variables, without `$$`.
    pub variables: Vec<(String, RawBson)>,
    /// How strings compare.
    pub collation: Option<Arc<Collation>>,
    /// Compiles `$jsonSchema`; without it, the operator is refused.
    pub schema_compiler: Option<SchemaCompiler>,
    /// When to give up in the middle of a document.
    pub(crate) interrupt: Option<SharedInterrupt>,
}

/// Turns a `$jsonSchema` document into a predicate.
pub type SchemaCompiler = fn(&RawDocument) -> Result<SchemaPredicate, QueryError>;

/// Whether a document is valid.
pub type SchemaPredicate = Arc<dyn Fn(&RawDocument) -> bool + Send + Sync>;

impl Context {
    /// A context with the time only.
    pub fn new(now: DateTime) -> Self {
        Self { now, variables: Vec::new(), collation: None, schema_compiler: None, interrupt: None }
    }

    /// A step of a loop whose length the command chose.
    ///
    /// # Errors
    /// When the command's time is over, or it was killed.
    pub(crate) fn step(&self) -> Result<(), QueryError> {
        match &self.interrupt {
            Some(interrupt) => Ok(interrupt.step()?),
            None => Ok(()),
        }
    }
}

/// Between 0 and 1; the standard library seeds each `RandomState` at random.
pub(crate) fn random_fraction() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}
