//! Encryption schemas, and rewriting of commands by them.
#![forbid(unsafe_code)]
