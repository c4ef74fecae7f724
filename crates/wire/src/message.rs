//! One message of the protocol, decoded.

use crate::{
    error::WireError,
    header::{self, Header, OpCode},
    limits::HEADER_LEN,
    op_msg::OpMsg,
    op_query::{OpQuery, OpReply},
};

/// Bodies from this length on are sent from where they are.
const LONG_BODY_LEN: usize = 16 * 1024;

/// A message: whom it answers, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Chosen by the sender.
    pub request_id: i32,
    /// The `request_id` that this message answers; 0 in requests.
    pub response_to: i32,
    /// What follows the header.
    pub operation: Operation,
}

/// The operations that are spoken here.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `OP_MSG`, both ways.
    Msg(OpMsg),
    /// `OP_QUERY`, which drivers only send to shake hands.
    Query(OpQuery),
    /// `OP_REPLY`, the answer to `OP_QUERY`.
    Reply(OpReply),
}

impl Message {
    /// Reads the message that `header` announces from its `body` bytes. Compressed messages are
    /// unpacked by the connection before they come here.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes; only `InvalidBson` leaves the connection usable.
    pub fn decode(header: &Header, body: &[u8]) -> Result<Self, WireError> {
        let operation = match header.op_code {
            OpCode::Msg => Operation::Msg(OpMsg::decode(header, body)?),
            OpCode::Query => Operation::Query(OpQuery::decode(header, body)?),
            OpCode::Reply => Operation::Reply(OpReply::decode(header, body)?),
            OpCode::Compressed => {
                return Err(WireError::Malformed { part: "nested compressed message" });
            }
        };
        Ok(Self { request_id: header.request_id, response_to: header.response_to, operation })
    }

    /// Reads a whole message, header included.
    ///
    /// # Errors
    /// As [`Message::decode`]; `Malformed` when `bytes` and the header's length differ.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (head, body) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(WireError::Malformed { part: "header" })?;
        let header = Header::decode(head)?;
        if header.message_len != bytes.len() {
            return Err(WireError::Malformed { part: "message length" });
        }
        Self::decode(&header, body)
    }

    /// Appends all of the message but its body document, and gives that, if it comes last and is
    /// long, so that it need not be copied.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) -> Result<Option<&[u8]>, WireError> {
        let Operation::Msg(message) = &self.operation else { return Ok(None) };
        let body = message.body.as_bytes();
        if body.len() < LONG_BODY_LEN || !message.ends_with_body() {
            return Ok(None);
        }
        header::begin(out, self.request_id, self.response_to, OpCode::Msg);
        message.encode_head(out);
        header::finish_before(out, body.len())?;
        Ok(Some(body))
    }

    /// Appends the message, header included.
    ///
    /// # Errors
    /// `MessageLength` when it is longer than the protocol allows.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let start = out.len();
        let op_code = match &self.operation {
            Operation::Msg(_) => OpCode::Msg,
            Operation::Query(_) => OpCode::Query,
            Operation::Reply(_) => OpCode::Reply,
        };
        header::begin(out, self.request_id, self.response_to, op_code);
        match &self.operation {
            Operation::Msg(message) => return message.encode(out, start),
            Operation::Query(query) => query.encode(out),
            Operation::Reply(reply) => reply.encode(out),
        }
        header::finish(out, start)
    }
}
