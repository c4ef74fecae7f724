//! One walk over a foreign document, so that every later reader may trust it.

use std::fmt;

use crate::limits::MAX_BSON_DEPTH;

/// What is wrong with a document. It carries no content of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BsonFault {
    /// A length reaches past the bytes, or is too small, or a terminator is missing.
    Length,
    /// An element type that BSON does not define.
    ElementType(u8),
    /// A field name or string that is not UTF-8.
    Utf8,
    /// A boolean other than 0 and 1.
    Boolean(u8),
    /// An old-style binary (subtype 2) whose inner length differs from the outer.
    OldBinary,
    /// More levels than [`MAX_BSON_DEPTH`].
    TooDeep,
}

impl fmt::Display for BsonFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => formatter.write_str("a length does not fit its document"),
            Self::ElementType(found) => write!(formatter, "unknown element type {found:#04x}"),
            Self::Utf8 => formatter.write_str("a name or string is not valid UTF-8"),
            Self::Boolean(found) => write!(formatter, "a boolean has the value {found}"),
            Self::OldBinary => formatter.write_str("a binary of subtype 2 has two lengths"),
            Self::TooDeep => {
                write!(formatter, "nesting exceeds the maximum depth of {MAX_BSON_DEPTH}")
            }
        }
    }
}

/// Walks `bytes` as one BSON document, to its last byte.
///
/// Checked are every length and terminator, element types, UTF-8, booleans and the depth.
///
/// # Errors
/// The first fault found, in the order of the bytes.
pub fn check_document(bytes: &[u8]) -> Result<(), BsonFault> {
    let walker = Walker { rest: bytes };
    walker.run()
}

struct Walker<'a> {
    rest: &'a [u8],
}

impl<'a> Walker<'a> {
    /// Open documents are kept as the number of bytes that must be left when they end, so the
    /// depth costs no stack.
    fn run(mut self) -> Result<(), BsonFault> {
        let mut ends: Vec<usize> = Vec::new();
        ends.push(self.open(None)?);
        if ends != [0] {
            return Err(BsonFault::Length);
        }
        while let Some(&end) = ends.last() {
            let element_type = self.take(1)?[0];
            if element_type == 0 {
                if self.rest.len() != end {
                    return Err(BsonFault::Length);
                }
                ends.pop();
                continue;
            }
            self.c_string()?;
            if let Some(opened) = self.value(element_type, end)? {
                if ends.len() >= MAX_BSON_DEPTH {
                    return Err(BsonFault::TooDeep);
                }
                ends.push(opened);
            }
            if self.rest.len() <= end {
                return Err(BsonFault::Length);
            }
        }
        Ok(())
    }

    /// Reads a length prefix, and says how many bytes are left when that document ends.
    fn open(&mut self, outer_end: Option<usize>) -> Result<usize, BsonFault> {
        let available = self.rest.len();
        let len = self.length()?;
        let end = available.checked_sub(len).ok_or(BsonFault::Length)?;
        if len < 5 || outer_end.is_some_and(|outer| end <= outer) {
            return Err(BsonFault::Length);
        }
        Ok(end)
    }

    fn value(&mut self, element_type: u8, end: usize) -> Result<Option<usize>, BsonFault> {
        match element_type {
            0x01 | 0x09 | 0x11 | 0x12 => self.skip(8)?,
            0x02 | 0x0d | 0x0e => self.string()?,
            0x03 | 0x04 => return self.open(Some(end)).map(Some),
            0x05 => self.binary()?,
            0x06 | 0x0a | 0x7f | 0xff => {}
            0x07 => self.skip(12)?,
            0x08 => match self.take(1)?[0] {
                0 | 1 => {}
                other => return Err(BsonFault::Boolean(other)),
            },
            0x0b => {
                self.c_string()?;
                self.c_string()?;
            }
            0x0c => {
                self.string()?;
                self.skip(12)?;
            }
            0x0f => return self.code_with_scope(end),
            0x10 => self.skip(4)?,
            0x13 => self.skip(16)?,
            other => return Err(BsonFault::ElementType(other)),
        }
        Ok(None)
    }

    /// Total length, code, scope; the scope must end where the whole does.
    fn code_with_scope(&mut self, end: usize) -> Result<Option<usize>, BsonFault> {
        let available = self.rest.len();
        let total = self.length()?;
        let scope_end = available.checked_sub(total).ok_or(BsonFault::Length)?;
        self.string()?;
        match self.open(Some(end))? {
            opened if opened == scope_end => Ok(Some(opened)),
            _ => Err(BsonFault::Length),
        }
    }

    fn binary(&mut self) -> Result<(), BsonFault> {
        let len = self.length()?;
        let subtype = self.take(1)?[0];
        let payload = self.take(len)?;
        if subtype == 2 {
            let inner = payload.first_chunk::<4>().ok_or(BsonFault::OldBinary)?;
            if usize::try_from(i32::from_le_bytes(*inner)) != Ok(len - 4) {
                return Err(BsonFault::OldBinary);
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), BsonFault> {
        let len = self.length()?;
        match self.take(len)?.split_last() {
            Some((0, text)) => std::str::from_utf8(text).map(|_| ()).map_err(|_| BsonFault::Utf8),
            _ => Err(BsonFault::Length),
        }
    }

    fn c_string(&mut self) -> Result<(), BsonFault> {
        let len = self.rest.iter().position(|&byte| byte == 0).ok_or(BsonFault::Length)?;
        let text = self.take(len)?;
        self.skip(1)?;
        std::str::from_utf8(text).map(|_| ()).map_err(|_| BsonFault::Utf8)
    }

    fn length(&mut self) -> Result<usize, BsonFault> {
        let (head, tail) = self.rest.split_first_chunk::<4>().ok_or(BsonFault::Length)?;
        self.rest = tail;
        usize::try_from(i32::from_le_bytes(*head)).map_err(|_| BsonFault::Length)
    }

    fn skip(&mut self, len: usize) -> Result<(), BsonFault> {
        self.take(len).map(|_| ())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], BsonFault> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(BsonFault::Length)?;
        self.rest = tail;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, RawDocument, doc, oid::ObjectId, spec::BinarySubtype};
    use proptest::prelude::*;

    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut document = doc! {};
        for _ in 1..depth {
            document = doc! { "a": document };
        }
        document.to_vec().unwrap()
    }

    fn every_type() -> Vec<u8> {
        doc! {
            "double": 1.5, "string": "text", "document": { "a": 1, "b": [] },
            "array": [1, "two", { "three": 3 }],
            "binary": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] },
            "old": bson::Binary { subtype: BinarySubtype::BinaryOld, bytes: vec![1, 2] },
            "undefined": Bson::Undefined, "id": ObjectId::from_bytes([1; 12]), "bool": true,
            "date": bson::DateTime::from_millis(0), "null": Bson::Null,
            "code": Bson::JavaScriptCode("f".into()), "symbol": Bson::Symbol("s".into()),
            "scope": bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "x": 1 } },
            "int": 1i32, "timestamp": bson::Timestamp { time: 1, increment: 2 }, "long": 1i64,
            "decimal": "1.5".parse::<bson::Decimal128>().unwrap(),
            "min": Bson::MinKey, "max": Bson::MaxKey,
        }
        .to_vec()
        .unwrap()
    }

    #[test]
    fn every_type_passes() {
        assert_eq!(check_document(&every_type()), Ok(()));
    }

    #[test]
    fn every_prefix_is_refused() {
        let bytes = every_type();
        for len in 0..bytes.len() {
            assert!(check_document(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn depth_at_the_edge() {
        assert_eq!(check_document(&nested(MAX_BSON_DEPTH)), Ok(()));
        assert_eq!(check_document(&nested(MAX_BSON_DEPTH + 1)), Err(BsonFault::TooDeep));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = nested(1);
        bytes.push(0);
        assert_eq!(check_document(&bytes), Err(BsonFault::Length));
    }

    #[test]
    fn inner_document_may_not_reach_the_outer_terminator() {
        let mut bytes = doc! { "a": {} }.to_vec().unwrap();
        let inner = 4 + 1 + 2;
        bytes[inner] += 1;
        assert_eq!(check_document(&bytes), Err(BsonFault::Length));
    }

    #[test]
    fn boolean_and_utf8_are_checked() {
        let mut boolean = doc! { "a": true }.to_vec().unwrap();
        boolean[7] = 2;
        assert_eq!(check_document(&boolean), Err(BsonFault::Boolean(2)));
        let mut text = doc! { "a": "x" }.to_vec().unwrap();
        text[11] = 0xff;
        assert_eq!(check_document(&text), Err(BsonFault::Utf8));
    }

    fn read_all(document: &RawDocument) {
        for element in document.iter() {
            let (_, value) = element.expect("a checked document can be read");
            if let Some(inner) = value.as_document() {
                read_all(inner);
            } else if let Some(array) = value.as_array() {
                array.into_iter().for_each(|value| assert!(value.is_ok()));
            }
        }
    }

    proptest! {
        #[test]
        fn what_passes_can_be_read(flips in prop::collection::vec((0usize..400, any::<u8>()), 0..4)) {
            let mut bytes = every_type();
            for (at, value) in flips {
                let len = bytes.len();
                bytes[at % len] = value;
            }
            if check_document(&bytes).is_ok() {
                read_all(RawDocument::from_bytes(&bytes).unwrap());
            }
        }
    }
}
