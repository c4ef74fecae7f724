//! What can be wrong with received bytes.

use std::io;

use crate::bson_check::BsonFault;

/// A message that could not be read, or a connection that ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Reading or writing failed.
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
    /// The header names a length below the header's own or above the limit.
    #[error("message length {length} is outside 16 to {limit}")]
    MessageLength {
        /// The length in the header.
        length: i32,
        /// The longest message allowed.
        limit: usize,
    },
    /// An operation code that is not spoken here.
    #[error("operation code {0} is not supported")]
    UnknownOpCode(i32),
    /// A length or terminator inside the message does not fit its bytes.
    #[error("message is truncated or malformed at {part}")]
    Malformed {
        /// The part being read.
        part: &'static str,
    },
    /// Flag bits that must be understood, but are not.
    #[error("required flag bits {bits:#x} are not known")]
    UnknownFlags {
        /// The offending bits.
        bits: u32,
    },
    /// The checksum at the end does not match the message.
    #[error("checksum is {found:#010x}, message gives {expected:#010x}")]
    Checksum {
        /// What the message gives.
        expected: u32,
        /// What the peer sent.
        found: u32,
    },
    /// A section kind beside body (0) and document sequence (1).
    #[error("section kind {0} is not known")]
    UnknownSection(u8),
    /// A message without a body, or with two.
    #[error("message has {0} body sections, expected one")]
    BodySections(usize),
    /// The same sequence identifier twice, or one that the body already has.
    #[error("document sequence '{0}' is given twice")]
    DuplicateSequence(String),
    /// A compressor that was not negotiated or is not known.
    #[error("compressor id {0} is not supported")]
    UnknownCompressor(u8),
    /// Compressed bytes that do not unpack to what was announced.
    #[error("compressed message does not unpack to the {announced} bytes it announces")]
    Decompression {
        /// The length that the peer announced.
        announced: usize,
    },
    /// A document that is not valid BSON. The frame around it is sound, so the connection can go
    /// on; `request_id` and `reply_expected` say whom to answer.
    #[error("invalid BSON: {fault}")]
    InvalidBson {
        /// What is wrong.
        fault: BsonFault,
        /// The id of the message.
        request_id: i32,
        /// Whether the sender waits for a reply.
        reply_expected: bool,
    },
}

impl WireError {
    /// Whether the bytes after this message can still be read as messages.
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::InvalidBson { .. })
    }
}
