//! What may be stored: sound BSON with an `_id`, within limits.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::transaction::Transaction;

/// The largest document, in bytes (MongoDB's `maxBsonObjectSize`).
pub const DOCUMENT_MAX_BYTES: usize = 16 * 1024 * 1024;

/// How deep documents and arrays may nest below the top (MongoDB's documented limit).
pub const NESTING_MAX: usize = 100;

/// Checks a document that a client wants to insert, and gives it an `_id` as its first field.
///
/// # Errors
/// `InvalidBSON`, `BSONObjectTooLarge`, `Overflow` for nesting, and `InvalidIdField` and the like
/// for a bad `_id`.
pub(crate) fn prepare_insert(
    document: RawDocumentBuf,
    transaction: &Transaction<'_>,
) -> Result<RawDocumentBuf> {
    let shape = check(&document, "insert")?;
    if shape.id_is_first && !shape.has_zero_timestamp {
        return Ok(document);
    }
    let mut out = RawDocumentBuf::new();
    match document.get("_id")? {
        Some(id) => out.append(cstr!("_id"), id),
        None => out.append(cstr!("_id"), transaction.new_object_id()),
    }
    for field in document.iter() {
        let (name, value) = field?;
        match value {
            _ if name.as_str() == "_id" => {}
            RawBsonRef::Timestamp(stamp) if stamp.time == 0 && stamp.increment == 0 => {
                let time = u32::try_from(transaction.now_ms() / 1000).unwrap_or(0);
                out.append(name, bson::Timestamp { time, increment: 1 });
            }
            value => out.append(name, value),
        }
    }
    check_size(&out, "insert")?;
    Ok(out)
}

/// Checks a document that an update made out of a stored one.
///
/// # Errors
/// As [`prepare_insert`].
pub(crate) fn check_updated(document: &RawDocument) -> Result<()> {
    check(document, "update").map(|_| ())
}

/// What a walk through a document found.
struct Shape {
    id_is_first: bool,
    has_zero_timestamp: bool,
}

fn check(document: &RawDocument, purpose: &str) -> Result<Shape> {
    check_size(document, purpose)?;
    let mut shape = Shape { id_is_first: false, has_zero_timestamp: false };
    let mut has_id = false;
    for (position, field) in document.iter().enumerate() {
        let (name, value) = field?;
        if name.as_str() == "_id" {
            if has_id {
                return Err(StoreError::bad_value(
                    "can't have multiple _id fields in one document",
                ));
            }
            has_id = true;
            shape.id_is_first = position == 0;
            check_id(value)?;
        } else if let RawBsonRef::Timestamp(stamp) = value {
            shape.has_zero_timestamp |= stamp.time == 0 && stamp.increment == 0;
        }
        check_value(value, 1)?;
    }
    Ok(shape)
}

fn check_size(document: &RawDocument, purpose: &str) -> Result<()> {
    let size = document.as_bytes().len();
    if size > DOCUMENT_MAX_BYTES {
        return Err(StoreError::new(
            Code::BSON_OBJECT_TOO_LARGE,
            format!(
                "object to {purpose} too large. size in bytes: {size}, max size: \
                 {DOCUMENT_MAX_BYTES}"
            ),
        ));
    }
    Ok(())
}

/// Walks everything, so that what is stored can be read without surprises.
fn check_value(value: RawBsonRef<'_>, depth: usize) -> Result<()> {
    let nested = match value {
        RawBsonRef::Document(document) => document,
        RawBsonRef::Array(array) => RawDocument::from_bytes(array.as_bytes())?,
        RawBsonRef::JavaScriptCodeWithScope(code) => code.scope,
        _ => return Ok(()),
    };
    if depth > NESTING_MAX {
        return Err(StoreError::new(
            Code::OVERFLOW,
            format!("BSONObj exceeded maximum nested object depth: {NESTING_MAX}"),
        ));
    }
    for field in nested.iter() {
        check_value(field?.1, depth + 1)?;
    }
    Ok(())
}

fn check_id(id: RawBsonRef<'_>) -> Result<()> {
    let kind = match id {
        RawBsonRef::Array(_) => "array",
        RawBsonRef::RegularExpression(_) => "regex",
        RawBsonRef::Undefined => "undefined",
        RawBsonRef::Document(document) => {
            for field in document.iter() {
                let (name, _) = field?;
                if name.as_str().starts_with('$') {
                    return Err(StoreError::new(
                        Code::DOLLAR_PREFIXED_FIELD_NAME,
                        format!(
                            "_id fields may not contain '$'-prefixed fields: {name} is not valid \
                             for storage."
                        ),
                    ));
                }
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    Err(StoreError::new(
        Code::INVALID_ID_FIELD,
        format!("The '_id' value cannot be of type {kind}"),
    ))
}
