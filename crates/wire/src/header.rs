//! The header that every message begins with.

use crate::{
    error::WireError,
    limits::{HEADER_LEN, MAX_MESSAGE_LEN},
    reader::Reader,
};

/// Operation codes that are read or written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum OpCode {
    /// `OP_REPLY`, answer to `OP_QUERY`.
    Reply = 1,
    /// `OP_QUERY`, only for the handshake.
    Query = 2004,
    /// `OP_COMPRESSED`, another message packed.
    Compressed = 2012,
    /// `OP_MSG`.
    Msg = 2013,
}

impl OpCode {
    pub(crate) fn from_i32(value: i32) -> Result<Self, WireError> {
        match value {
            1 => Ok(Self::Reply),
            2004 => Ok(Self::Query),
            2012 => Ok(Self::Compressed),
            2013 => Ok(Self::Msg),
            other => Err(WireError::UnknownOpCode(other)),
        }
    }
}

/// Message header: length, request id, id being answered, operation code; 32 bits each,
/// little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the message, header included; between 16 and 48 000 000.
    pub message_len: usize,
    /// Chosen by the sender.
    pub request_id: i32,
    /// The `request_id` that this message answers; 0 in requests.
    pub response_to: i32,
    /// What follows.
    pub op_code: OpCode,
}

impl Header {
    /// Reads a header and checks its length.
    ///
    /// # Errors
    /// `MessageLength` outside the limits, `UnknownOpCode`.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let length = reader.i32("header")?;
        let request_id = reader.i32("header")?;
        let response_to = reader.i32("header")?;
        let op_code = reader.i32("header")?;
        let message_len = usize::try_from(length)
            .ok()
            .filter(|length| (HEADER_LEN..=MAX_MESSAGE_LEN).contains(length))
            .ok_or(WireError::MessageLength { length, limit: MAX_MESSAGE_LEN })?;
        Ok(Self { message_len, request_id, response_to, op_code: OpCode::from_i32(op_code)? })
    }

    /// Bytes after the header.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.message_len - HEADER_LEN
    }
}

/// Appends a header whose length is filled in by [`finish`].
pub(crate) fn begin(out: &mut Vec<u8>, request_id: i32, response_to: i32, op_code: OpCode) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&request_id.to_le_bytes());
    out.extend_from_slice(&response_to.to_le_bytes());
    out.extend_from_slice(&(op_code as i32).to_le_bytes());
}

/// Writes the length of the message that [`begin`] started at `start`.
///
/// # Errors
/// `MessageLength` when it has outgrown the limit.
pub(crate) fn finish(out: &mut [u8], start: usize) -> Result<(), WireError> {
    write_length(out, start, out.len() - start)
}

/// As [`finish`], for a message that is all of `out`, and `following` bytes that are elsewhere.
///
/// # Errors
/// As [`finish`].
pub(crate) fn finish_before(out: &mut [u8], following: usize) -> Result<(), WireError> {
    write_length(out, 0, out.len().saturating_add(following))
}

fn write_length(out: &mut [u8], start: usize, len: usize) -> Result<(), WireError> {
    let length = i32::try_from(len).unwrap_or(i32::MAX);
    if len > MAX_MESSAGE_LEN {
        return Err(WireError::MessageLength { length, limit: MAX_MESSAGE_LEN });
    }
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: i32, op_code: i32) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&7i32.to_le_bytes());
        bytes[12..].copy_from_slice(&op_code.to_le_bytes());
        bytes
    }

    #[test]
    fn lengths_at_the_edges() {
        assert_eq!(Header::decode(&header(16, 2013)).unwrap().body_len(), 0);
        assert!(Header::decode(&header(48_000_000, 2013)).is_ok());
        for length in [i32::MIN, -1, 0, 15, 48_000_001, i32::MAX] {
            let error = Header::decode(&header(length, 2013)).unwrap_err();
            assert!(matches!(error, WireError::MessageLength { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn retired_operation_codes_are_refused() {
        for op_code in [0, 2001, 2002, 2005, 2006, 2007, 2010] {
            let error = Header::decode(&header(16, op_code)).unwrap_err();
            assert!(matches!(error, WireError::UnknownOpCode(found) if found == op_code));
        }
    }
}
