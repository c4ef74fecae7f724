//! Whole operations, driven by a scripted outside: a vault and collections in memory, a clock that a
//! test moves, randomness that repeats.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod auto_decrypt;
mod auto_encrypt;
mod data_keys;
mod explicit;
mod hooks;
mod key_services;
mod outside;
mod properties;
mod queryable;
mod rewrap;
