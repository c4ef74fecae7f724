//! Index keys: byte strings whose order is BSON's comparison order.
//!
//! A key is the concatenation of one encoded value for each field of the index. Every encoded
//! value begins with a byte for its type and ends by itself, so no value is a prefix of another
//! and values can be laid one after the other. In a descending field every byte is inverted.
//!
//! | type | byte | body |
//! | --- | --- | --- |
//! | MinKey | `05` | |
//! | undefined | `0A` | |
//! | null, missing | `0F` | |
//! | numbers | `14` | see [`number`] |
//! | string, symbol | `19` | bytes, `00` written as `00 FF`; ends with `00 00` |
//! | document | `1E` | for each field: type byte, name as a string without escapes, `00`, body; `00` |
//! | array | `23` | for each element: type byte, body; `00` |
//! | binary | `28` | length (4), subtype (1), bytes |
//! | ObjectId | `2D` | 12 bytes |
//! | bool | `32` | 0 or 1 |
//! | date | `37` | 8 bytes, sign bit inverted |
//! | timestamp | `3C` | 8 bytes |
//! | regular expression | `41` | pattern, `00`, options, `00` |
//! | DBPointer | `46` | namespace length (4), namespace, 12 bytes |
//! | code | `4B` | as a string |
//! | code with scope | `50` | as a string, then as a document |
//! | MaxKey | `FA` | |
//!
//! Integers are big-endian. Equal values of different types have one key; which it was stands in the
//! entry's value, see [`forms`].

use bson::raw::{RawBsonRef, RawDocument};
use bson::spec::BinarySubtype;
use fieldveil_query::collation::Collation;
use fieldveil_query::value::binary_length;

use crate::error::Result;

pub(crate) mod decode;
pub(crate) mod extract;
pub(crate) mod forms;
pub(crate) mod number;

/// The byte before an encoded value.
pub(crate) mod type_byte {
    pub(crate) const MIN_KEY: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x0A;
    pub(crate) const NULL: u8 = 0x0F;
    pub(crate) const NUMBER: u8 = 0x14;
    pub(crate) const STRING: u8 = 0x19;
    pub(crate) const DOCUMENT: u8 = 0x1E;
    pub(crate) const ARRAY: u8 = 0x23;
    pub(crate) const BINARY: u8 = 0x28;
    pub(crate) const OBJECT_ID: u8 = 0x2D;
    pub(crate) const BOOL: u8 = 0x32;
    pub(crate) const DATE: u8 = 0x37;
    pub(crate) const TIMESTAMP: u8 = 0x3C;
    pub(crate) const REGEX: u8 = 0x41;
    pub(crate) const DB_POINTER: u8 = 0x46;
    pub(crate) const CODE: u8 = 0x4B;
    pub(crate) const CODE_WITH_SCOPE: u8 = 0x50;
    pub(crate) const MAX_KEY: u8 = 0xFA;
}

/// The byte that an encoded `value` begins with; equal for types that compare by value.
pub(crate) fn type_byte_of(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => type_byte::MIN_KEY,
        RawBsonRef::Undefined => type_byte::UNDEFINED,
        RawBsonRef::Null => type_byte::NULL,
        RawBsonRef::Int32(_)
        | RawBsonRef::Int64(_)
        | RawBsonRef::Double(_)
        | RawBsonRef::Decimal128(_) => type_byte::NUMBER,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => type_byte::STRING,
        RawBsonRef::Document(_) => type_byte::DOCUMENT,
        RawBsonRef::Array(_) => type_byte::ARRAY,
        RawBsonRef::Binary(_) => type_byte::BINARY,
        RawBsonRef::ObjectId(_) => type_byte::OBJECT_ID,
        RawBsonRef::Boolean(_) => type_byte::BOOL,
        RawBsonRef::DateTime(_) => type_byte::DATE,
        RawBsonRef::Timestamp(_) => type_byte::TIMESTAMP,
        RawBsonRef::RegularExpression(_) => type_byte::REGEX,
        RawBsonRef::DbPointer(_) => type_byte::DB_POINTER,
        RawBsonRef::JavaScriptCode(_) => type_byte::CODE,
        RawBsonRef::JavaScriptCodeWithScope(_) => type_byte::CODE_WITH_SCOPE,
        RawBsonRef::MaxKey => type_byte::MAX_KEY,
    }
}

/// Appends the encoding of `value`, which ascends in BSON order, with strings in the order of a
/// collation. Keys of different collations do not mix.
///
/// # Errors
/// `InvalidBSON` if a nested document is malformed.
pub(crate) fn encode(
    value: RawBsonRef<'_>,
    collation: Option<&Collation>,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.push(type_byte_of(value));
    encode_body(value, collation, out)
}

/// The encoding of `value` alone.
pub(crate) fn encoded(value: RawBsonRef<'_>, collation: Option<&Collation>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(16);
    encode(value, collation, &mut out)?;
    Ok(out)
}

/// Turns an ascending encoding into a descending one, or back.
pub(crate) fn invert(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = !*byte;
    }
}

fn encode_body(
    value: RawBsonRef<'_>,
    collation: Option<&Collation>,
    out: &mut Vec<u8>,
) -> Result<()> {
    match value {
        RawBsonRef::MinKey | RawBsonRef::MaxKey | RawBsonRef::Null | RawBsonRef::Undefined => {}
        RawBsonRef::Int32(value) => number::encode_i64(value.into(), out),
        RawBsonRef::Int64(value) => number::encode_i64(value, out),
        RawBsonRef::Double(value) => number::encode_f64(value, out),
        RawBsonRef::Decimal128(value) => number::encode_decimal(value, out),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => match collation {
            Some(collation) => encode_bytes(&collation.key(text), out),
            None => encode_bytes(text.as_bytes(), out),
        },
        RawBsonRef::Document(document) => encode_document(document, collation, out)?,
        RawBsonRef::Array(array) => {
            for element in array {
                encode(element?, collation, out)?;
            }
            out.push(0);
        }
        RawBsonRef::Binary(binary) => {
            let bytes = |length| u32::try_from(length).unwrap_or(u32::MAX);
            out.extend_from_slice(&bytes(binary_length(binary)).to_be_bytes());
            out.push(binary.subtype.into());
            if binary.subtype == BinarySubtype::BinaryOld {
                out.extend_from_slice(&bytes(binary.bytes.len()).to_le_bytes());
            }
            out.extend_from_slice(binary.bytes);
        }
        RawBsonRef::ObjectId(id) => out.extend_from_slice(&id.bytes()),
        RawBsonRef::Boolean(value) => out.push(value.into()),
        RawBsonRef::DateTime(value) => {
            out.extend_from_slice(&(value.timestamp_millis() ^ i64::MIN).to_be_bytes());
        }
        RawBsonRef::Timestamp(value) => {
            out.extend_from_slice(&value.time.to_be_bytes());
            out.extend_from_slice(&value.increment.to_be_bytes());
        }
        RawBsonRef::RegularExpression(regex) => {
            encode_cstr(regex.pattern.as_str(), out);
            encode_cstr(regex.options.as_str(), out);
        }
        RawBsonRef::DbPointer(_) => encode_db_pointer(value, out)?,
        RawBsonRef::JavaScriptCode(code) => encode_bytes(code.as_bytes(), out),
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            encode_bytes(code.code.as_bytes(), out);
            // As in comparing, a collation does not reach into code.
            encode_document(code.scope, None, out)?;
        }
    }
    Ok(())
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn encode_cstr(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn encode_document(
    document: &RawDocument,
    collation: Option<&Collation>,
    out: &mut Vec<u8>,
) -> Result<()> {
    for field in document.iter() {
        let (name, value) = field?;
        out.push(type_byte_of(value));
        encode_cstr(name.as_str(), out);
        encode_body(value, collation, out)?;
    }
    out.push(0);
    Ok(())
}

/// The `bson` crate keeps the parts of a DBPointer to itself, so they are taken from a document
/// that holds only the pointer: 4 bytes length, type, empty name, then length, namespace, id.
fn encode_db_pointer(value: RawBsonRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    let mut document = bson::RawDocumentBuf::new();
    document.append(bson::raw::cstr!(""), value);
    let bytes = document.as_bytes();
    let body = bytes.get(6..bytes.len().saturating_sub(1)).unwrap_or_default();
    let (length, rest) = body.split_at(body.len().min(4));
    out.extend(length.iter().rev());
    out.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests;
