//! Documents as MongoDB's shell prints them, for people.

use std::fmt::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::{Bson, Document, RawDocument, spec::BinarySubtype};

/// Base64 beyond this length is cut short.
const MAX_BASE64: usize = 40;

/// A document over several lines, each indented by `indent` spaces.
pub(crate) fn pretty(document: &Document, indent: usize) -> String {
    let mut out = String::new();
    document_lines(&mut out, document, indent);
    out
}

/// A document on one line.
pub(crate) fn line(document: &Document) -> String {
    let mut out = String::new();
    value(&mut out, &Bson::Document(document.clone()));
    out
}

fn document_lines(out: &mut String, document: &Document, indent: usize) {
    out.push_str("{\n");
    for (index, (key, field)) in document.iter().enumerate() {
        let _ = write!(out, "{:width$}{key}: ", "", width = indent + 2);
        match field {
            Bson::Document(inner) if !fits(field) => document_lines(out, inner, indent + 2),
            _ => value(out, field),
        }
        out.push_str(if index + 1 < document.len() { ",\n" } else { "\n" });
    }
    let _ = write!(out, "{:indent$}}}", "");
}

/// Whether a value is short enough to stand on one line.
fn fits(field: &Bson) -> bool {
    let mut out = String::new();
    value(&mut out, field);
    out.chars().count() <= 64
}

fn value(out: &mut String, field: &Bson) {
    match field {
        Bson::Document(document) if document.is_empty() => out.push_str("{}"),
        Bson::Document(document) => {
            out.push_str("{ ");
            for (index, (key, field)) in document.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                let _ = write!(out, "{key}: ");
                value(out, field);
            }
            out.push_str(" }");
        }
        Bson::Array(fields) => {
            out.push('[');
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                value(out, field);
            }
            out.push(']');
        }
        Bson::Binary(binary) => match (binary.subtype, binary.to_uuid()) {
            (BinarySubtype::Uuid, Ok(uuid)) => {
                let _ = write!(out, "UUID(\"{uuid}\")");
            }
            (BinarySubtype::Encrypted, _) if binary.bytes.first() == Some(&0) => {
                out.push_str(marking(&binary.bytes));
            }
            (subtype, _) => {
                let text = STANDARD.encode(&binary.bytes);
                let shown = text.get(..MAX_BASE64).unwrap_or(&text);
                let more = if shown.len() < text.len() { "…" } else { "" };
                let _ = write!(out, "Binary(\"{shown}{more}\", {})", u8::from(subtype));
            }
        },
        Bson::ObjectId(id) => {
            let _ = write!(out, "ObjectId(\"{id}\")");
        }
        Bson::DateTime(date) => match date.try_to_rfc3339_string() {
            Ok(text) => {
                let _ = write!(out, "ISODate(\"{text}\")");
            }
            Err(_) => {
                let _ = write!(out, "Date({})", date.timestamp_millis());
            }
        },
        Bson::String(text) => {
            let _ = write!(out, "{}", serde_json::Value::String(text.clone()));
        }
        other => {
            let _ = write!(out, "{}", other.clone().into_relaxed_extjson());
        }
    }
}

/// A marking of query analysis: a zero byte and a document with the algorithm in `a`.
fn marking(bytes: &[u8]) -> &'static str {
    let marking = bytes.get(1..).and_then(|bytes| RawDocument::from_bytes(bytes).ok());
    match marking.and_then(|marking| marking.get_i32("a").ok()) {
        Some(1) => "«encrypted, Deterministic»",
        Some(2) => "«encrypted, Random»",
        _ => "«encrypted»",
    }
}

#[cfg(test)]
mod tests {
    use bson::{Binary, doc};

    use super::*;

    #[test]
    fn ciphertext_is_shown_with_its_subtype() {
        let bytes = vec![1; 100];
        let secret = Binary { subtype: BinarySubtype::Encrypted, bytes };
        let shown = line(&doc! { "ssn": secret });
        assert!(shown.starts_with("{ ssn: Binary(\"AQEB"), "{shown}");
        assert!(shown.ends_with("…\", 6) }"), "{shown}");
    }

    #[test]
    fn long_documents_are_broken_into_lines() {
        let document = doc! { "a": 1, "b": { "text": "x".repeat(80), "c": [1, 2] } };
        let expected = format!(
            "{{\n  a: 1,\n  b: {{\n    text: \"{}\",\n    c: [1, 2]\n  }}\n}}",
            "x".repeat(80)
        );
        assert_eq!(pretty(&document, 0), expected);
    }
}
