//! `OP_MSG`: flags, one body document, any number of document sequences, maybe a checksum.

use bson::{RawDocument, RawDocumentBuf};

use crate::{
    bson_check::check_document,
    crc32c,
    error::WireError,
    header::{self, Header},
    reader::Reader,
};

/// Flag bits of `OP_MSG`. Bits 0 to 15 must be understood, the others may be ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgFlags(u32);

impl MsgFlags {
    /// A CRC-32C of everything before it ends the message.
    pub const CHECKSUM_PRESENT: Self = Self(1);
    /// Another message follows without a request between; in a request: no reply is wanted.
    pub const MORE_TO_COME: Self = Self(1 << 1);
    /// The sender takes several replies to this one request.
    pub const EXHAUST_ALLOWED: Self = Self(1 << 16);

    const REQUIRED: u32 = 0xffff;
    const KNOWN_REQUIRED: u32 = 0b11;

    /// No flag at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn from_bits(bits: u32) -> Result<Self, WireError> {
        match bits & Self::REQUIRED & !Self::KNOWN_REQUIRED {
            0 => Ok(Self(bits & (Self::KNOWN_REQUIRED | Self::EXHAUST_ALLOWED.0))),
            bits => Err(WireError::UnknownFlags { bits }),
        }
    }
}

/// A section of kind 1: documents that belong into the body as the array `identifier`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Name of the array, such as `documents`.
    pub identifier: String,
    /// Its elements, in order.
    pub documents: Vec<RawDocumentBuf>,
}

/// An `OP_MSG`.
#[derive(Clone, Debug, PartialEq)]
pub struct OpMsg {
    /// See [`MsgFlags`]. With `CHECKSUM_PRESENT`, encoding appends the checksum.
    pub flags: MsgFlags,
    /// The section of kind 0.
    pub body: RawDocumentBuf,
    /// The sections of kind 1, in order; no two share an identifier.
    pub sequences: Vec<Sequence>,
}

impl OpMsg {
    /// A message that is nothing but a body.
    #[must_use]
    pub fn new(body: RawDocumentBuf) -> Self {
        Self { flags: MsgFlags::empty(), body, sequences: Vec::new() }
    }

    pub(crate) fn decode(header: &Header, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let flags = MsgFlags::from_bits(reader.u32("flags")?)?;
        let mut sections = Reader::new(checked_sections(header, body, flags, reader)?);
        let mut documents = Documents { header, flags };
        let mut bodies = Vec::new();
        let mut sequences: Vec<Sequence> = Vec::new();
        while !sections.is_empty() {
            match sections.u8("section kind")? {
                0 => bodies.push(documents.read(&mut sections)?),
                1 => {
                    let sequence = documents.sequence(&mut sections)?;
                    if sequences.iter().any(|other| other.identifier == sequence.identifier) {
                        return Err(WireError::DuplicateSequence(sequence.identifier));
                    }
                    sequences.push(sequence);
                }
                kind => return Err(WireError::UnknownSection(kind)),
            }
        }
        match <[RawDocumentBuf; 1]>::try_from(bodies) {
            Ok([body]) => Ok(Self { flags, body, sequences }),
            Err(bodies) => Err(WireError::BodySections(bodies.len())),
        }
    }

    /// Whether nothing follows the body.
    pub(crate) fn ends_with_body(&self) -> bool {
        self.sequences.is_empty() && !self.flags.contains(MsgFlags::CHECKSUM_PRESENT)
    }

    /// Encodes what stands before the body.
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.flags.0.to_le_bytes());
        out.push(0);
    }

    /// Encodes after a begun header, and finishes that header: the checksum covers its length.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, start: usize) -> Result<(), WireError> {
        self.encode_head(out);
        out.extend_from_slice(self.body.as_bytes());
        for sequence in &self.sequences {
            out.push(1);
            let at = out.len();
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(sequence.identifier.as_bytes());
            out.push(0);
            for document in &sequence.documents {
                out.extend_from_slice(document.as_bytes());
            }
            header::finish(out, at)?;
        }
        if !self.flags.contains(MsgFlags::CHECKSUM_PRESENT) {
            return header::finish(out, start);
        }
        let end = out.len();
        out.extend_from_slice(&[0; 4]);
        header::finish(out, start)?;
        let checksum = crc32c::checksum(&[&out[start..end]]);
        out[end..].copy_from_slice(&checksum.to_le_bytes());
        Ok(())
    }
}

/// Takes the checksum off the end and compares it; without one, everything is sections.
fn checked_sections<'a>(
    header: &Header,
    body: &'a [u8],
    flags: MsgFlags,
    mut after_flags: Reader<'a>,
) -> Result<&'a [u8], WireError> {
    let rest = after_flags.rest();
    if !flags.contains(MsgFlags::CHECKSUM_PRESENT) {
        return Ok(rest);
    }
    let (sections, checksum) =
        rest.split_last_chunk::<4>().ok_or(WireError::Malformed { part: "checksum" })?;
    let mut head = Vec::new();
    header::begin(&mut head, header.request_id, header.response_to, header.op_code);
    let length = u32::try_from(header.message_len).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_le_bytes());
    let found = u32::from_le_bytes(*checksum);
    let expected = crc32c::checksum(&[&head, &body[..body.len() - 4]]);
    if found == expected { Ok(sections) } else { Err(WireError::Checksum { expected, found }) }
}

/// Reads documents of one message; a fault in one names that message.
struct Documents<'h> {
    header: &'h Header,
    flags: MsgFlags,
}

impl Documents<'_> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<RawDocumentBuf, WireError> {
        let bytes = reader.document("document")?;
        let invalid = |fault| WireError::InvalidBson {
            fault,
            request_id: self.header.request_id,
            reply_expected: !self.flags.contains(MsgFlags::MORE_TO_COME),
        };
        check_document(bytes).map_err(invalid)?;
        RawDocument::from_bytes(bytes)
            .map(ToOwned::to_owned)
            .map_err(|_| WireError::Malformed { part: "document" })
    }

    /// Length of the section without its kind byte, identifier, documents up to that length.
    fn sequence(&mut self, sections: &mut Reader<'_>) -> Result<Sequence, WireError> {
        let malformed = || WireError::Malformed { part: "document sequence" };
        let len = usize::try_from(sections.i32("document sequence")?).map_err(|_| malformed())?;
        let len = len.checked_sub(4).ok_or_else(malformed)?;
        let mut reader = Reader::new(sections.take(len, "document sequence")?);
        let identifier = reader.c_string("sequence identifier")?.to_owned();
        let mut documents = Vec::new();
        while !reader.is_empty() {
            documents.push(self.read(&mut reader)?);
        }
        Ok(Sequence { identifier, documents })
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Message, Operation};

    fn insert(flags: MsgFlags) -> Message {
        Message {
            request_id: 42,
            response_to: 0,
            operation: Operation::Msg(OpMsg {
                flags,
                body: rawdoc! { "insert": "people", "$db": "test" },
                sequences: vec![
                    Sequence {
                        identifier: "documents".into(),
                        documents: vec![rawdoc! { "_id": 1 }, rawdoc! { "_id": 2, "a": [1, 2] }],
                    },
                    Sequence { identifier: "more".into(), documents: Vec::new() },
                ],
            }),
        }
    }

    fn bytes(message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out).unwrap();
        out
    }

    /// A header and the flags, then whatever a test puts there.
    fn raw(flags: u32, sections: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        header::begin(&mut out, 1, 0, header::OpCode::Msg);
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(sections);
        header::finish(&mut out, 0).unwrap();
        out
    }

    fn body_section() -> Vec<u8> {
        let mut section = vec![0];
        section.extend_from_slice(rawdoc! { "ping": 1 }.as_bytes());
        section
    }

    #[test]
    fn sequences_survive_a_round_trip() {
        for flags in [MsgFlags::empty(), MsgFlags::CHECKSUM_PRESENT, MsgFlags::EXHAUST_ALLOWED] {
            let message = insert(flags);
            assert_eq!(Message::from_bytes(&bytes(&message)).unwrap(), message);
        }
    }

    #[test]
    fn a_flipped_bit_fails_the_checksum() {
        let mut bytes = bytes(&insert(MsgFlags::CHECKSUM_PRESENT));
        bytes[5] ^= 1;
        assert!(matches!(Message::from_bytes(&bytes), Err(WireError::Checksum { .. })));
    }

    #[test]
    fn unknown_required_flags_are_refused_and_optional_ones_are_not() {
        let required = Message::from_bytes(&raw(1 << 15, &body_section()));
        assert!(matches!(required, Err(WireError::UnknownFlags { bits: 0x8000 })));
        assert!(Message::from_bytes(&raw(1 << 30, &body_section())).is_ok());
    }

    #[test]
    fn there_is_exactly_one_body() {
        let none = Message::from_bytes(&raw(0, &[]));
        assert!(matches!(none, Err(WireError::BodySections(0))));
        let two = Message::from_bytes(&raw(0, &body_section().repeat(2)));
        assert!(matches!(two, Err(WireError::BodySections(2))));
    }

    #[test]
    fn an_invalid_document_names_the_request() {
        let mut section = vec![0];
        section.extend_from_slice(&[6, 0, 0, 0, 0x55, 0]);
        let error = Message::from_bytes(&raw(0, &section)).unwrap_err();
        assert!(error.is_recoverable());
        let WireError::InvalidBson { request_id: 1, reply_expected: true, .. } = error else {
            panic!("{error}");
        };
    }

    #[test]
    fn sequence_lengths_are_checked() {
        for len in [i32::MIN, -1, 0, 3, 4, 6, 1000] {
            let mut section = body_section();
            section.push(1);
            section.extend_from_slice(&len.to_le_bytes());
            section.extend_from_slice(b"d\0");
            assert!(Message::from_bytes(&raw(0, &section)).is_err() || len == 6, "{len}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(flags in 0u32..4, sections in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::from_bytes(&raw(flags, &sections));
        }

        #[test]
        fn damage_never_panics(at in 0usize..400, value in any::<u8>(), checksum in any::<bool>()) {
            let flags =
                if checksum { MsgFlags::CHECKSUM_PRESENT } else { MsgFlags::empty() };
            let mut bytes = bytes(&insert(flags));
            let len = bytes.len();
            bytes[at % len] = value;
            let _ = Message::from_bytes(&bytes);
        }

        #[test]
        fn every_prefix_is_an_error(len in 0usize..100) {
            let bytes = bytes(&insert(MsgFlags::empty()));
            prop_assert!(Message::from_bytes(&bytes[..len.min(bytes.len() - 1)]).is_err());
        }
    }
}
