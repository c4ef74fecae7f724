//! MongoDB's query language parsed: filters, updates, expressions, pipelines; BSON comparison.
#![forbid(unsafe_code)]
