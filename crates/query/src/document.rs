//! Building and checking raw documents.

use bson::raw::{CStr, RawArray, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::QueryError;

mod field;
mod writer;

pub use field::field;
pub(crate) use writer::Writer;

/// Appends an element whose name may come from a computation.
///
/// # Errors
/// 16411 if the name has a NUL byte, which no BSON field name can.
pub fn append<'v>(
    document: &mut RawDocumentBuf,
    name: &str,
    value: impl Into<RawBsonRef<'v>> + 'v,
) -> Result<(), QueryError> {
    let name = <&CStr>::try_from(name)
        .map_err(|_| QueryError::new(16411, "FieldPath field names may not contain '\\0'."))?;
    document.append(name, value);
    Ok(())
}

/// Appends an element of a parsed tree. A name that holds a NUL ends there, as C strings do.
pub fn put<'v>(document: &mut RawDocumentBuf, name: &str, value: impl Into<RawBsonRef<'v>> + 'v) {
    let name = name.split('\0').next().unwrap_or_default();
    if let Ok(name) = <&CStr>::try_from(name) {
        document.append(name, value);
    }
}

/// The document with one element.
pub fn single<'v>(name: &str, value: impl Into<RawBsonRef<'v>> + 'v) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    put(&mut document, name, value);
    document
}

/// Walks a document from outside to its leaves: every element must be well formed, and nothing
/// may nest deeper than `max_depth` levels below the top.
///
/// # Errors
/// `InvalidBSON` with the reason, or code 15 (`Overflow`) for the depth.
pub fn validate(document: &RawDocument, max_depth: usize) -> Result<(), QueryError> {
    if max_depth == 0 {
        return Err(QueryError::new(15, "BSON nesting exceeds the maximum depth"));
    }
    for element in document.iter() {
        let (_, value) = element?;
        validate_value(value, max_depth)?;
    }
    Ok(())
}

fn validate_value(value: RawBsonRef<'_>, depth: usize) -> Result<(), QueryError> {
    match value {
        RawBsonRef::Document(inner) => validate(inner, depth - 1),
        RawBsonRef::Array(inner) => validate(as_document(inner), depth - 1),
        RawBsonRef::JavaScriptCodeWithScope(code) => validate(code.scope, depth - 1),
        _ => Ok(()),
    }
}

/// An array's bytes seen as a document with the keys `0`, `1`, ...
pub fn as_document(array: &RawArray) -> &RawDocument {
    // An array has a document's frame, so this cannot fail; an empty document stands for the case.
    RawDocument::from_bytes(array.as_bytes()).unwrap_or_else(|_| empty())
}

/// The empty document.
pub fn empty() -> &'static RawDocument {
    const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
    #[expect(clippy::expect_used, reason = "the five bytes are a document")]
    RawDocument::from_bytes(EMPTY).expect("five bytes make the empty document")
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn depth_is_counted_below_the_top() {
        let document = rawdoc! { "a": { "b": [ 1 ] } };
        assert!(validate(&document, 3).is_ok());
        assert_eq!(validate(&document, 2).unwrap_err().code(), 15);
    }

    #[test]
    fn names_with_nul_are_refused() {
        assert!(append(&mut RawDocumentBuf::new(), "a\0b", 1).is_err());
    }
}
