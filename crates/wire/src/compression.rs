//! `OP_COMPRESSED`: the body of another message, packed.
//!
//! After the header: original operation code (i32), length of the unpacked body without header
//! (i32), compressor id (u8), packed bytes. Source: `OP_COMPRESSED` specification.

use std::io::{Read, Write};

use ruzstd::{
    decoding::StreamingDecoder,
    encoding::{CompressionLevel, compress_to_vec},
};

use crate::{
    error::WireError,
    header::{self, Header, OpCode},
    limits::{HEADER_LEN, MAX_MESSAGE_LEN},
    reader::Reader,
};

/// How a message is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Compressor {
    /// Not at all (id 0); legal, but never negotiated.
    Noop = 0,
    /// Snappy block format (id 1).
    Snappy = 1,
    /// Zlib stream (id 2).
    Zlib = 2,
    /// Zstandard frame (id 3).
    Zstd = 3,
}

/// Largest zstd window that is accepted for a message shorter than that: encoders that do not know
/// the length beforehand announce theirs (RFC 8878, section 3.1.1.1.2, asks for 8 MiB at least).
const ZSTD_WINDOW_LEN: usize = 8 * 1024 * 1024;

impl Compressor {
    /// Names that may be negotiated.
    pub const NEGOTIABLE: [&'static str; 3] = ["snappy", "zlib", "zstd"];

    /// The compressor of a name in `compression` of the handshake.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "snappy" => Some(Self::Snappy),
            "zlib" => Some(Self::Zlib),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn from_id(id: u8) -> Result<Self, WireError> {
        match id {
            0 => Ok(Self::Noop),
            1 => Ok(Self::Snappy),
            2 => Ok(Self::Zlib),
            3 => Ok(Self::Zstd),
            other => Err(WireError::UnknownCompressor(other)),
        }
    }

    fn pack(self, bytes: &[u8]) -> Result<Vec<u8>, WireError> {
        let other = |error: snap::Error| WireError::Io(std::io::Error::other(error));
        match self {
            Self::Noop => Ok(bytes.to_vec()),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(bytes).map_err(other),
            Self::Zlib => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes)?;
                Ok(encoder.finish()?)
            }
            Self::Zstd => Ok(compress_to_vec(bytes, CompressionLevel::Fastest)),
        }
    }

    /// Unpacks to exactly `len` bytes; never allocates more than that plus one.
    fn unpack(self, bytes: &[u8], len: usize) -> Result<Vec<u8>, WireError> {
        let failed = || WireError::Decompression { announced: len };
        let unpacked = match self {
            Self::Noop => bytes.to_vec(),
            Self::Snappy => {
                if snap::raw::decompress_len(bytes) != Ok(len) {
                    return Err(failed());
                }
                snap::raw::Decoder::new().decompress_vec(bytes).map_err(|_| failed())?
            }
            Self::Zlib => {
                read_to_end(flate2::read::ZlibDecoder::new(bytes), len).map_err(|_| failed())?
            }
            Self::Zstd => {
                let window = u64::try_from(len.max(ZSTD_WINDOW_LEN)).unwrap_or(u64::MAX);
                let decoder = StreamingDecoder::new_with_max_window_size(bytes, window)
                    .map_err(|_| failed())?;
                read_to_end(decoder, len).map_err(|_| failed())?
            }
        };
        if unpacked.len() == len { Ok(unpacked) } else { Err(failed()) }
    }
}

/// Reads what should be `len` bytes, and at most one more to see that it is not.
fn read_to_end(decoder: impl Read, len: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let limit = u64::try_from(len).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut out)?;
    Ok(out)
}

/// Unpacks a compressed body; gives the header and body it stands for.
pub(crate) fn unpack(
    header: &Header,
    body: &[u8],
) -> Result<(Header, Vec<u8>, Compressor), WireError> {
    let mut reader = Reader::new(body);
    let op_code = OpCode::from_i32(reader.i32("original operation code")?)?;
    let announced = reader.i32("uncompressed length")?;
    let compressor = Compressor::from_id(reader.u8("compressor id")?)?;
    let limit = MAX_MESSAGE_LEN - HEADER_LEN;
    let len = usize::try_from(announced)
        .ok()
        .filter(|&len| len <= limit)
        .ok_or(WireError::MessageLength { length: announced, limit })?;
    let unpacked = compressor.unpack(reader.rest(), len)?;
    let header = Header { message_len: HEADER_LEN + len, op_code, ..*header };
    Ok((header, unpacked, compressor))
}

/// Packs the encoded message in `message` (header included).
pub(crate) fn pack(message: &[u8], compressor: Compressor) -> Result<Vec<u8>, WireError> {
    let (head, body) =
        message.split_first_chunk::<HEADER_LEN>().ok_or(WireError::Malformed { part: "header" })?;
    let head = Header::decode(head)?;
    let mut out = Vec::new();
    header::begin(&mut out, head.request_id, head.response_to, OpCode::Compressed);
    out.extend_from_slice(&(head.op_code as i32).to_le_bytes());
    out.extend_from_slice(&i32::try_from(body.len()).unwrap_or(i32::MAX).to_le_bytes());
    out.push(compressor as u8);
    out.extend_from_slice(&compressor.pack(body)?);
    header::finish(&mut out, 0)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;
    use crate::{Message, OpMsg, Operation};

    const ALL: [Compressor; 4] =
        [Compressor::Noop, Compressor::Snappy, Compressor::Zlib, Compressor::Zstd];

    fn packed(compressor: Compressor) -> (Message, Vec<u8>) {
        let body = rawdoc! { "insert": "people", "text": "abc".repeat(1000) };
        let operation = Operation::Msg(OpMsg::new(body));
        let message = Message { request_id: 5, response_to: 4, operation };
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        (message, pack(&bytes, compressor).unwrap())
    }

    fn unpacked(bytes: &[u8]) -> Result<Message, WireError> {
        let (head, body) = bytes.split_first_chunk::<HEADER_LEN>().unwrap();
        let (header, body, _) = unpack(&Header::decode(head)?, body)?;
        Message::decode(&header, &body)
    }

    #[test]
    fn every_compressor_survives_a_round_trip() {
        for compressor in ALL {
            let (message, bytes) = packed(compressor);
            assert_eq!(unpacked(&bytes).unwrap(), message);
        }
    }

    #[test]
    fn a_lie_about_the_length_is_refused() {
        for compressor in ALL {
            for difference in [-1, 1] {
                let (_, mut bytes) = packed(compressor);
                let announced = i32::from_le_bytes(bytes[20..24].try_into().unwrap());
                bytes[20..24].copy_from_slice(&(announced + difference).to_le_bytes());
                let error = unpacked(&bytes).unwrap_err();
                assert!(matches!(error, WireError::Decompression { .. }), "{error}");
            }
        }
    }

    /// A frame of one empty block whose header announces a window of 128 MiB.
    #[test]
    fn a_huge_zstd_window_is_refused_before_it_is_allocated() {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
        assert!(Compressor::Zstd.unpack(&frame, 0).is_err());
        let small = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x08, 0x01, 0x00, 0x00];
        assert!(Compressor::Zstd.unpack(&small, 0).unwrap().is_empty());
    }

    #[test]
    fn compressed_in_compressed_is_refused() {
        let (_, bytes) = packed(Compressor::Noop);
        let twice = pack(&bytes, Compressor::Snappy).unwrap();
        assert!(matches!(unpacked(&twice), Err(WireError::Malformed { .. })));
    }

    #[test]
    fn unknown_compressor_is_refused() {
        let (_, mut bytes) = packed(Compressor::Noop);
        bytes[24] = 9;
        assert!(matches!(unpacked(&bytes), Err(WireError::UnknownCompressor(9))));
    }

    proptest! {
        #[test]
        fn damage_never_panics(which in 0usize..4, at in 16usize..500, value in any::<u8>()) {
            let (_, mut bytes) = packed(ALL[which]);
            let len = bytes.len();
            bytes[16 + at % (len - 16)] = value;
            let _ = unpacked(&bytes);
        }
    }
}
