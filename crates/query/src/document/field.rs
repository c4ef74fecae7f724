//! Looking up one field of a document.

use bson::oid::ObjectId;
use bson::raw::{RawBsonRef, RawDocument};
use bson::{DateTime, Decimal128, Timestamp};

/// The first field of this name. As [`RawDocument::get`], which reads the name of every field before
/// it as text; here names are compared as bytes, and values on the way are stepped over.
///
/// # Errors
/// If the document is malformed up to the field.
pub fn field<'d>(
    document: &'d RawDocument,
    name: &str,
) -> Result<Option<RawBsonRef<'d>>, bson::error::Error> {
    match find(document.as_bytes(), name.as_bytes()) {
        Some(found) => Ok(found),
        // Rare types, and what is wrong, are left to the library.
        None => document.get(name),
    }
}

/// `None` if the document has something that is not known here.
fn find<'d>(document: &'d [u8], name: &[u8]) -> Option<Option<RawBsonRef<'d>>> {
    let mut rest = document.get(4..document.len().checked_sub(1)?)?;
    while let Some((kind, named)) = rest.split_first() {
        let end = named.iter().position(|byte| *byte == 0)?;
        let value = named.get(end + 1..)?;
        let (value, after) = value.split_at_checked(length(*kind, value)?)?;
        if named.get(..end)? == name {
            return read(*kind, value).map(Some);
        }
        rest = after;
    }
    Some(None)
}

/// How many bytes a value of this type takes that `bytes` begin with.
fn length(kind: u8, bytes: &[u8]) -> Option<usize> {
    let prefix = || usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok();
    Some(match kind {
        0x06 | 0x0A | 0x7F | 0xFF => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        0x03 | 0x04 => prefix()?,
        0x02 | 0x0D | 0x0E => prefix()?.checked_add(4)?,
        0x05 => prefix()?.checked_add(5)?,
        _ => return None,
    })
}

/// The value that takes just these bytes.
fn read(kind: u8, bytes: &[u8]) -> Option<RawBsonRef<'_>> {
    let long = || Some(i64::from_le_bytes(bytes.try_into().ok()?));
    Some(match kind {
        0x01 => RawBsonRef::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        0x02 => {
            let text = bytes.get(4..)?.strip_suffix(&[0])?;
            RawBsonRef::String(std::str::from_utf8(text).ok()?)
        }
        0x03 => RawBsonRef::Document(RawDocument::from_bytes(bytes).ok()?),
        0x07 => RawBsonRef::ObjectId(ObjectId::from_bytes(bytes.try_into().ok()?)),
        0x08 => match bytes {
            [0] => RawBsonRef::Boolean(false),
            [1] => RawBsonRef::Boolean(true),
            _ => return None,
        },
        0x09 => RawBsonRef::DateTime(DateTime::from_millis(long()?)),
        0x0A => RawBsonRef::Null,
        0x10 => RawBsonRef::Int32(i32::from_le_bytes(bytes.try_into().ok()?)),
        0x11 => {
            let (increment, time) = bytes.split_first_chunk()?;
            let (increment, time) = (*increment, time.try_into().ok()?);
            RawBsonRef::Timestamp(Timestamp {
                time: u32::from_le_bytes(time),
                increment: u32::from_le_bytes(increment),
            })
        }
        0x12 => RawBsonRef::Int64(long()?),
        0x13 => RawBsonRef::Decimal128(Decimal128::from_bytes(bytes.try_into().ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bson::raw::RawBson;
    use bson::{RawDocumentBuf, rawdoc};
    use proptest::prelude::*;

    use super::*;

    fn every_type() -> RawDocumentBuf {
        rawdoc! {
            "double": 1.5,
            "string": "tëxt\0more",
            "document": {"a": 1, "string": 2},
            "array": [1, "two"],
            "binary": bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![7; 16] },
            "old": bson::Binary { subtype: bson::spec::BinarySubtype::BinaryOld, bytes: vec![7; 3] },
            "undefined": RawBson::Undefined,
            "id": ObjectId::from_bytes([3; 12]),
            "bool": true,
            "date": DateTime::from_millis(-7),
            "null": null,
            "code": RawBson::JavaScriptCode("x()".into()),
            "symbol": RawBson::Symbol("s".into()),
            "int": -3,
            "timestamp": Timestamp { time: 5, increment: 6 },
            "long": -9_i64,
            "decimal": "1.50".parse::<Decimal128>().unwrap(),
            "least": RawBson::MinKey,
            "greatest": RawBson::MaxKey,
            "regex": bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
            "scope": RawBson::JavaScriptCodeWithScope(bson::RawJavaScriptCodeWithScope {
                code: "y()".into(), scope: rawdoc! {"z": 1},
            }),
            "last": 1,
            "": 2,
            "int": 4,
        }
    }

    #[test]
    fn every_field_is_found_as_the_library_finds_it() {
        let document = every_type();
        for element in document.iter() {
            let (name, _) = element.unwrap();
            let name = name.as_str();
            assert_eq!(field(&document, name).unwrap(), document.get(name).unwrap(), "{name}");
        }
        assert_eq!(field(&document, "int").unwrap(), Some(RawBsonRef::Int32(-3)));
        for absent in ["a", "strin", "strings", "string\0"] {
            assert_eq!(field(&document, absent).unwrap(), None, "{absent}");
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_are_read_as_the_library_reads_them(
            place in 4..400_usize, byte: u8, name in prop_oneof![Just("int"), Just("none"), Just("string")],
        ) {
            let mut bytes = every_type().into_bytes();
            if let Some(changed) = bytes.get_mut(place) {
                *changed = byte;
            }
            let Ok(document) = RawDocument::from_bytes(&bytes) else { return Ok(()) };
            // What the library refuses on the way to a field may be stepped over here.
            if let Ok(expected) = document.get(name) {
                prop_assert_eq!(field(document, name).unwrap(), expected);
            }
        }
    }
}
