//! Small steps in building replies.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, raw::CString};

/// Appends every field of `from`, which was checked when it was received or built here.
pub(crate) fn append_all(to: &mut RawDocumentBuf, from: &RawDocument) {
    for (name, value) in from.iter().flatten() {
        to.append(name, value);
    }
}

/// Appends a field whose name is only known now; a name with a zero byte cannot be a field.
pub(crate) fn append_named<'a>(
    to: &mut RawDocumentBuf,
    name: &str,
    value: impl Into<RawBsonRef<'a>>,
) {
    if let Ok(name) = CString::try_from(name) {
        let value: RawBsonRef<'a> = value.into();
        to.append(name, value);
    }
}

/// A count as the server writes it: 32 bits where they suffice.
pub(crate) fn count(value: u64) -> bson::RawBson {
    match i32::try_from(value) {
        Ok(value) => bson::RawBson::Int32(value),
        Err(_) => bson::RawBson::Int64(i64::try_from(value).unwrap_or(i64::MAX)),
    }
}
