//! MongoDB commands over the embedded store; and mongocryptd.
//!
//! [`Server`] answers MongoDB's drivers from a [`Store`](fieldveil_store::Store): it is what
//! `fieldveil serve` runs, and what a test starts for itself. A connection is one task that reads,
//! dispatches through the table of commands, and writes. [`cryptd`] is query analysis over the
//! same wire.
#![forbid(unsafe_code)]

mod api;
mod arguments;
mod auth;
mod batch;
mod brief;
mod call;
mod check;
mod clock;
mod codes;
mod commands;
mod concern;
mod counters;
pub mod cryptd;
mod cursors;
mod dispatch;
mod error;
mod fail_points;
mod finish;
mod leader;
mod operations;
mod options;
mod peer;
mod profiler;
mod reply;
mod request;
mod retry;
mod run;
pub mod serve;
mod server;
mod service;
mod sessions;
mod shared;
pub mod signals;
mod table;
mod tls;
mod usage;
mod write_later;

pub use server::{Server, ServerBuilder, StartError};
pub use tls::{TlsError, TlsFiles};

/// The MongoDB version whose behaviour is followed.
pub(crate) const SERVER_VERSION: [i32; 3] = [8, 0, 0];

/// The feature compatibility version of [`SERVER_VERSION`].
pub(crate) const FEATURE_VERSION: &str = "8.0";
