//! The server over a real socket, asked by hand-made messages.

mod client;
mod cursors;
mod handshake;
mod shutdown;
mod wire;
mod writes;
