//! The embedded document database: storage, indexes, evaluation.
#![forbid(unsafe_code)]

pub mod eval;
