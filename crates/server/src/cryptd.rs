//! `mongocryptd`: query analysis as a daemon that drivers start for themselves.
//!
//! It speaks the wire protocol and knows the commands that analysis knows, the handshake and a few
//! harmless ones. It holds no keys and keeps nothing between two requests.

mod args;
mod fork;
mod handler;
mod idle;
mod run;

pub use args::{Args, LISTEN_PORT};
pub use run::{Cryptd, CryptdOptions, main};
