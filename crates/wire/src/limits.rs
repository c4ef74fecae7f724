//! Limits that the protocol fixes.

/// Bytes of a message header: four little-endian 32-bit integers.
pub const HEADER_LEN: usize = 16;

/// Longest message, header included (`maxMessageSizeBytes` of the handshake).
pub const MAX_MESSAGE_LEN: usize = 48_000_000;

/// Longest document that a client may store (`maxBsonObjectSize` of the handshake).
pub const MAX_DOCUMENT_LEN: usize = 16 * 1024 * 1024;

/// Deepest nesting that is read from the wire; stored documents have a lower limit of their own.
pub const MAX_BSON_DEPTH: usize = 200;
