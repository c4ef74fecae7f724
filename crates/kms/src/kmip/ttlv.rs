//! The item encoding: 3 bytes tag (the first is 0x42), 1 byte type, 4 bytes length of the value,
//! then the value, padded with zeros to a multiple of 8 that the length does not count.
//! Numbers are big-endian.
//!
//! Source: Key Management Interoperability Protocol Specification 1.0, section 9.1.

use zeroize::Zeroizing;

use crate::SecretBytes;

/// Tags that our requests and their replies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Tag {
    Attribute = 0x42_0008,
    AttributeName = 0x42_000A,
    AttributeValue = 0x42_000B,
    BatchCount = 0x42_000D,
    BatchItem = 0x42_000F,
    BlockCipherMode = 0x42_0011,
    CryptographicAlgorithm = 0x42_0028,
    CryptographicParameters = 0x42_002B,
    IVCounterNonce = 0x42_003D,
    KeyBlock = 0x42_0040,
    KeyFormatType = 0x42_0042,
    KeyMaterial = 0x42_0043,
    KeyValue = 0x42_0045,
    ObjectType = 0x42_0057,
    Operation = 0x42_005C,
    PaddingMethod = 0x42_005F,
    ProtocolVersion = 0x42_0069,
    ProtocolVersionMajor = 0x42_006A,
    ProtocolVersionMinor = 0x42_006B,
    RequestHeader = 0x42_0077,
    RequestMessage = 0x42_0078,
    RequestPayload = 0x42_0079,
    ResponseMessage = 0x42_007B,
    ResponsePayload = 0x42_007C,
    ResultMessage = 0x42_007D,
    ResultReason = 0x42_007E,
    ResultStatus = 0x42_007F,
    SecretData = 0x42_0085,
    SecretDataType = 0x42_0086,
    TemplateAttribute = 0x42_0091,
    UniqueIdentifier = 0x42_0094,
    Data = 0x42_00C2,
    RandomIV = 0x42_00C5,
}

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Type {
    Structure = 1,
    Integer = 2,
    Enumeration = 5,
    Boolean = 6,
    TextString = 7,
    ByteString = 8,
}

/// Bytes of tag, type and length.
pub(super) const HEADER_BYTES: usize = 8;

/// Length with padding; `None` beyond what fits.
const fn padded(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(8)
}

/// Writes items into memory that is wiped.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Writes one structure that is a whole message.
    pub(super) fn message(tag: Tag, content: impl FnOnce(&mut Self)) -> SecretBytes {
        // More than any message of ours: growing would leave copies behind.
        let mut writer = Self(Zeroizing::new(Vec::with_capacity(4096)));
        writer.structure(tag, content);
        SecretBytes::from(writer.0)
    }

    pub(super) fn structure(&mut self, tag: Tag, content: impl FnOnce(&mut Self)) {
        self.header(tag, Type::Structure, 0);
        let start = self.0.len();
        content(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.0.get_mut(start - 4..start) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    pub(super) fn integer(&mut self, tag: Tag, value: i32) {
        self.header(tag, Type::Integer, 4);
        self.value(&value.to_be_bytes());
    }

    pub(super) fn enumeration(&mut self, tag: Tag, value: u32) {
        self.header(tag, Type::Enumeration, 4);
        self.value(&value.to_be_bytes());
    }

    pub(super) fn boolean(&mut self, tag: Tag, value: bool) {
        self.header(tag, Type::Boolean, 8);
        self.value(&u64::from(value).to_be_bytes());
    }

    pub(super) fn text(&mut self, tag: Tag, value: &str) {
        self.header(tag, Type::TextString, value.len());
        self.value(value.as_bytes());
    }

    pub(super) fn bytes(&mut self, tag: Tag, value: &[u8]) {
        self.header(tag, Type::ByteString, value.len());
        self.value(value);
    }

    fn header(&mut self, tag: Tag, kind: Type, length: usize) {
        let [_, tag @ ..] = (tag as u32).to_be_bytes();
        self.0.extend_from_slice(&tag);
        self.0.push(kind as u8);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
    }

    fn value(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
        let length = padded(self.0.len()).unwrap_or_default();
        self.0.resize(length, 0);
    }
}

/// The items of one structure.
#[derive(Clone, Copy)]
pub(super) struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The value of the first item with this tag and type, unless the encoding breaks before it.
    pub(super) fn find(self, tag: Tag, kind: Type) -> Option<&'a [u8]> {
        let mut rest = self.0;
        while !rest.is_empty() {
            let header: [u8; HEADER_BYTES] = rest.get(..HEADER_BYTES)?.try_into().ok()?;
            let [t0, t1, t2, found_kind, length @ ..] = header;
            let found_tag = u32::from_be_bytes([0, t0, t1, t2]);
            if t0 != 0x42 {
                return None;
            }
            let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
            let value = rest.get(HEADER_BYTES..)?;
            // The padding has to be there as well.
            let next = value.get(padded(length)?..)?;
            if found_tag == tag as u32 && found_kind == kind as u8 {
                return value.get(..length);
            }
            rest = next;
        }
        None
    }

    /// The items of the first structure with this tag.
    pub(super) fn structure(self, tag: Tag) -> Option<Self> {
        self.find(tag, Type::Structure).map(Self)
    }

    /// The first enumeration with this tag.
    pub(super) fn enumeration(self, tag: Tag) -> Option<u32> {
        let value = self.find(tag, Type::Enumeration)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }
}
