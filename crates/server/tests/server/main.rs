//! The server over a real socket, asked by hand-made messages.
#![expect(clippy::unwrap_used, reason = "a test may panic, and its helpers with it")]

mod administration;
mod authentication;
mod client;
mod cursors;
mod explain;
mod handshake;
mod limits;
mod operations;
mod retry;
mod shutdown;
#[cfg(unix)]
mod unix_socket;
mod wire;
mod writes;
