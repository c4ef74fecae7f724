//! Documents as MongoDB prints them in messages: `{ a: 1, b: "x" }`.

use std::fmt::Write;

use bson::raw::{RawArray, RawBsonRef, RawDocument};
use bson::spec::BinarySubtype;

/// Longer output is cut, so that a message stays a message.
const MAX_CHARS: usize = 4096;

/// A document on one line.
pub(crate) fn render(document: &RawDocument) -> String {
    let mut out = String::new();
    render_document(document, &mut out);
    if let Some((end, _)) = out.char_indices().nth(MAX_CHARS) {
        out.truncate(end);
        out.push_str("...");
    }
    out
}

/// A value on one line.
pub(crate) fn render_value(value: RawBsonRef<'_>, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match value {
        RawBsonRef::Double(number) if number.is_nan() => write!(out, "nan.0"),
        RawBsonRef::Double(number) if number.is_infinite() => {
            write!(out, "{}", if number > 0.0 { "inf" } else { "-inf" })
        }
        RawBsonRef::Double(number) if number.abs() >= 1e16 => write!(out, "{number:e}"),
        RawBsonRef::Double(number) => write!(out, "{number:?}"),
        RawBsonRef::String(text) => write!(out, "{text:?}"),
        RawBsonRef::Document(document) => {
            render_document(document, out);
            Ok(())
        }
        RawBsonRef::Array(array) => {
            render_array(array, out);
            Ok(())
        }
        RawBsonRef::Boolean(value) => write!(out, "{value}"),
        RawBsonRef::Null => write!(out, "null"),
        RawBsonRef::Undefined => write!(out, "undefined"),
        RawBsonRef::Int32(number) => write!(out, "{number}"),
        RawBsonRef::Int64(number) => write!(out, "{number}"),
        RawBsonRef::Decimal128(number) => write!(out, "{number}"),
        RawBsonRef::ObjectId(id) => write!(out, "ObjectId('{id}')"),
        RawBsonRef::DateTime(date) => write!(out, "new Date({})", date.timestamp_millis()),
        RawBsonRef::Timestamp(stamp) => {
            write!(out, "Timestamp({}, {})", stamp.time, stamp.increment)
        }
        RawBsonRef::Symbol(text) => write!(out, "{text:?}"),
        RawBsonRef::JavaScriptCode(code) => write!(out, "{code}"),
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            let _ = write!(out, "CodeWScope( {}, ", code.code);
            render_document(code.scope, out);
            write!(out, ")")
        }
        RawBsonRef::RegularExpression(regex) => {
            write!(out, "/{}/{}", regex.pattern.as_str(), regex.options.as_str())
        }
        RawBsonRef::Binary(binary) if is_uuid(binary.subtype, binary.bytes) => {
            let _ = write!(out, "UUID(\"");
            for (index, byte) in binary.bytes.iter().enumerate() {
                let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                let _ = write!(out, "{dash}{byte:02x}");
            }
            write!(out, "\")")
        }
        RawBsonRef::Binary(binary) => {
            let _ = write!(out, "BinData({}, ", u8::from(binary.subtype));
            for byte in binary.bytes {
                let _ = write!(out, "{byte:02X}");
            }
            write!(out, ")")
        }
        RawBsonRef::DbPointer(_) => write!(out, "DBRef(..)"),
        RawBsonRef::MinKey => write!(out, "MinKey"),
        RawBsonRef::MaxKey => write!(out, "MaxKey"),
    };
}

fn is_uuid(subtype: BinarySubtype, bytes: &[u8]) -> bool {
    subtype == BinarySubtype::Uuid && bytes.len() == 16
}

fn render_document(document: &RawDocument, out: &mut String) {
    if document.is_empty() {
        return out.push_str("{}");
    }
    let mut separator = "{ ";
    for field in document.iter().map_while(Result::ok) {
        let _ = write!(out, "{separator}{}: ", field.0);
        render_value(field.1, out);
        separator = ", ";
    }
    out.push_str(" }");
}

fn render_array(array: &RawArray, out: &mut String) {
    if array.is_empty() {
        return out.push_str("[]");
    }
    let mut separator = "[ ";
    for value in array.into_iter().map_while(Result::ok) {
        out.push_str(separator);
        render_value(value, out);
        separator = ", ";
    }
    out.push_str(" ]");
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn looks_like_the_shell() {
        let document = rawdoc! {
            "a": 1, "b": "x\"y", "c": {"d": [1.5, 2.0, null]}, "e": {},
            "f": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![0xAB] },
        };
        assert_eq!(
            render(&document),
            r#"{ a: 1, b: "x\"y", c: { d: [ 1.5, 2.0, null ] }, e: {}, f: BinData(0, AB) }"#
        );
    }
}
