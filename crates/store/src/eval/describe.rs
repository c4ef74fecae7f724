//! Values as error texts show them: `{_id: 1, a: "x"}`.

use bson::raw::{RawBsonRef, RawDocument};
use fieldveil_query::document::as_document;
use fieldveil_query::value::BsonType;

/// Longer texts are cut.
const MAX_LEN: usize = 500;
const MAX_DEPTH: usize = 10;

/// A value as text.
pub fn describe(value: RawBsonRef<'_>) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    shorten(out)
}

/// `name: value` as text.
pub fn describe_element(name: &str, value: RawBsonRef<'_>) -> String {
    format!("{name}: {}", describe(value))
}

/// The `_id` of a document as text: `{_id: 1}`, or `{no id}`.
pub fn describe_id(document: &RawDocument) -> String {
    match document.get("_id") {
        Ok(Some(id)) => format!("{{{}}}", describe_element("_id", id)),
        _ => "{no id}".to_owned(),
    }
}

fn shorten(mut text: String) -> String {
    if text.len() > MAX_LEN {
        let mut end = MAX_LEN;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn write(out: &mut String, value: RawBsonRef<'_>, depth: usize) {
    if out.len() > MAX_LEN || depth > MAX_DEPTH {
        out.push_str("...");
        return;
    }
    match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => {
            out.push_str(&format!("\"{text}\""));
        }
        RawBsonRef::Double(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            out.push_str(&format!("{value:.1}"));
        }
        RawBsonRef::Double(value) => out.push_str(&value.to_string()),
        RawBsonRef::Int32(value) => out.push_str(&value.to_string()),
        RawBsonRef::Int64(value) => out.push_str(&value.to_string()),
        RawBsonRef::Decimal128(value) => out.push_str(&value.to_string()),
        RawBsonRef::Boolean(value) => out.push_str(&value.to_string()),
        RawBsonRef::Null => out.push_str("null"),
        RawBsonRef::ObjectId(id) => out.push_str(&format!("ObjectId('{id}')")),
        RawBsonRef::DateTime(date) => {
            out.push_str(&format!("new Date({})", date.timestamp_millis()));
        }
        RawBsonRef::Document(document) => fields(out, document, true, depth),
        RawBsonRef::Array(array) => fields(out, as_document(array), false, depth),
        other => out.push_str(&format!("<{}>", BsonType::of(other).name())),
    }
}

fn fields(out: &mut String, document: &RawDocument, named: bool, depth: usize) {
    out.push_str(if named { "{" } else { "[" });
    for (index, (name, value)) in document.iter().flatten().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if named {
            out.push_str(name.as_str());
            out.push_str(": ");
        }
        write(out, value, depth + 1);
        if out.len() > MAX_LEN {
            break;
        }
    }
    out.push_str(if named { "}" } else { "]" });
}
