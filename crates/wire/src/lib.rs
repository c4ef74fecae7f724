//! MongoDB wire protocol framing and an async listener.
//!
//! [`Message`] turns bytes into an `OP_MSG` or `OP_QUERY` and back; [`Connection`] does so over a
//! byte stream, undoing and applying `OP_COMPRESSED`; [`Listener`] accepts such streams. Nothing
//! here knows a command: a message is a body document, document sequences and flags.
//!
//! Every length that a peer sends is checked against what was received before it is used, and
//! every document is walked once ([`check_document`]), so what leaves this crate may be trusted
//! as BSON by whoever reads it next.
//!
//! Source: MongoDB wire protocol and `OP_MSG` specifications; `OP_COMPRESSED` specification.
#![forbid(unsafe_code)]

mod bson_check;
mod compression;
mod connection;
mod crc32c;
mod error;
mod header;
mod limits;
mod listener;
mod message;
mod op_msg;
mod op_query;
mod reader;
mod stream;

pub use bson_check::{BsonFault, check_document};
pub use compression::Compressor;
pub use connection::{Connection, Received};
pub use error::WireError;
pub use header::{Header, OpCode};
pub use limits::{HEADER_LEN, MAX_BSON_DEPTH, MAX_DOCUMENT_LEN, MAX_MESSAGE_LEN};
pub use listener::{Accepted, BindAddress, Listener, PeerAddress};
pub use message::{Message, Operation};
pub use op_msg::{MsgFlags, OpMsg, Sequence};
pub use op_query::{OpQuery, OpReply};
pub use stream::Stream;
