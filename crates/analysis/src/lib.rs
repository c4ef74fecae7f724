//! Query analysis for client-side field level encryption: encryption schemas, and rewriting of
//! commands by them.
//!
//! Analysis takes a command and the schemas of the collections it touches, and answers with the
//! same command in which every value to encrypt is an *intent-to-encrypt marking*; or it refuses.
//! It is a pure function: it sees no key and does no I/O. What it does not understand on a
//! collection with encrypted fields is an error, never a pass-through; a command on collections
//! without encrypted fields leaves byte for byte as it came.
#![forbid(unsafe_code)]

mod command;
mod document;
mod error;
mod explain;
mod expression;
mod filter;
mod marking;
mod pipeline;
mod pointer;
mod projection;
mod raw;
mod request;
mod schema;
mod shape;
mod types;
mod update;

pub use command::{Analysis, analyze};
pub use error::{AnalyzeError, RequestError};
pub use explain::{Explanation, Refusal, explain};
pub use marking::{EncryptedValue, Purpose};
pub use pointer::{JsonPointer, PointerError};
pub use request::{Analyzer, analyze_request, error_reply};
pub use schema::{
    EncryptionSchema, SchemaError, SchemaOrigin, SchemaProblem, SchemaReport, SchemaSet,
    SchemaWarning, check_schema,
};
pub use shape::{Algorithm, EncryptedField, FieldKey};
pub use types::TypeSet;
