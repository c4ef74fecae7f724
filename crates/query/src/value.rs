//! BSON's comparison order, equality and types.
//!
//! Values of different types are ordered by type: `MinKey`, undefined, null, numbers, strings and
//! symbols, objects, arrays, binary data, object ids, booleans, dates, timestamps, regular
//! expressions, DBPointers, code, code with scope, `MaxKey`. Numbers compare by value across their
//! four types.
//!
//! Source: MongoDB manual, "Comparison/Sort Order".

use std::cmp::Ordering;

use bson::raw::{RawArray, RawBinaryRef, RawBsonRef, RawDocument};
use bson::spec::BinarySubtype;

use crate::collation::Collation;
use crate::document::as_document;

mod number;
mod types;

pub use number::Number;
pub use types::{BsonType, TypeSet};

/// Beyond this nesting, comparison looks at bytes only; stored documents never reach it.
const MAX_COMPARED_DEPTH: usize = 256;

/// What comes before the bytes of old binary data: their length.
const OLD_BINARY_PREFIX_BYTES: usize = 4;

/// Orders two values as MongoDB sorts them. A total order on well-formed values.
pub fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    compare_values(left, right, None, MAX_COMPARED_DEPTH)
}

/// Orders two values with strings compared by a collation, if one is given.
pub fn compare_with(
    left: RawBsonRef<'_>,
    right: RawBsonRef<'_>,
    collation: Option<&Collation>,
) -> Ordering {
    compare_values(left, right, collation, MAX_COMPARED_DEPTH)
}

/// Whether two values are equal in MongoDB's sense (`1` and `1.0` are; field order counts).
pub fn equal(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> bool {
    compare(left, right) == Ordering::Equal
}

/// Orders two documents field by field: type, then name, then value; a prefix comes first.
pub fn compare_documents(left: &RawDocument, right: &RawDocument) -> Ordering {
    compare_elements(left, right, true, None, MAX_COMPARED_DEPTH)
}

/// Whether a value counts as true in expressions: not null, undefined, `false` or zero.
pub fn is_truthy(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Null | RawBsonRef::Undefined => false,
        RawBsonRef::Boolean(value) => value,
        other => Number::new(other).is_none_or(|number| !number.is_zero()),
    }
}

fn compare_values(
    left: RawBsonRef<'_>,
    right: RawBsonRef<'_>,
    collation: Option<&Collation>,
    depth: usize,
) -> Ordering {
    use RawBsonRef as B;
    let by_type = rank(left).cmp(&rank(right));
    if by_type != Ordering::Equal {
        return by_type;
    }
    match (left, right) {
        (B::Int32(l), B::Int32(r)) => l.cmp(&r),
        (B::String(l) | B::Symbol(l), B::String(r) | B::Symbol(r)) => match collation {
            None => l.cmp(r),
            Some(collation) => collation.compare(l, r),
        },
        (B::Document(l), B::Document(r)) => compare_elements(l, r, true, collation, depth),
        (B::Array(l), B::Array(r)) => compare_arrays(l, r, collation, depth),
        (B::Binary(l), B::Binary(r)) => compare_binaries(l, r),
        (B::ObjectId(l), B::ObjectId(r)) => l.bytes().cmp(&r.bytes()),
        (B::Boolean(l), B::Boolean(r)) => l.cmp(&r),
        (B::DateTime(l), B::DateTime(r)) => l.timestamp_millis().cmp(&r.timestamp_millis()),
        (B::Timestamp(l), B::Timestamp(r)) => (l.time, l.increment).cmp(&(r.time, r.increment)),
        (B::RegularExpression(l), B::RegularExpression(r)) => l
            .pattern
            .as_str()
            .cmp(r.pattern.as_str())
            .then_with(|| l.options.as_str().cmp(r.options.as_str())),
        (B::JavaScriptCode(l), B::JavaScriptCode(r)) => l.cmp(r),
        (B::JavaScriptCodeWithScope(l), B::JavaScriptCodeWithScope(r)) => {
            l.code.cmp(r.code).then_with(|| compare_elements(l.scope, r.scope, true, None, depth))
        }
        (B::DbPointer(_), B::DbPointer(_)) => compare_pointers(left, right),
        _ => match (Number::new(left), Number::new(right)) {
            (Some(left), Some(right)) => left.compare(right),
            // Same rank and no payload: null, undefined, MinKey, MaxKey.
            _ => Ordering::Equal,
        },
    }
}

fn compare_elements(
    left: &RawDocument,
    right: &RawDocument,
    names: bool,
    collation: Option<&Collation>,
    depth: usize,
) -> Ordering {
    if depth == 0 {
        return left.as_bytes().cmp(right.as_bytes());
    }
    let (mut left, mut right) = (left.iter(), right.iter());
    loop {
        // A malformed element ends its document, as the end does.
        let (l, r) = (left.next().and_then(Result::ok), right.next().and_then(Result::ok));
        let ((left_name, l), (right_name, r)) = match (l, r) {
            (Some(l), Some(r)) => (l, r),
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
        };
        let mut order = rank(l).cmp(&rank(r));
        if names {
            order = order.then_with(|| left_name.as_str().cmp(right_name.as_str()));
        }
        order = order.then_with(|| compare_values(l, r, collation, depth - 1));
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_arrays(
    left: &RawArray,
    right: &RawArray,
    collation: Option<&Collation>,
    depth: usize,
) -> Ordering {
    compare_elements(as_document(left), as_document(right), false, collation, depth)
}

/// The length of binary data as it is stored and compared, in bytes. The old kind, subtype 2, begins
/// with its length a second time, which counts.
#[must_use]
pub fn binary_length(binary: RawBinaryRef<'_>) -> usize {
    let inner =
        if binary.subtype == BinarySubtype::BinaryOld { OLD_BINARY_PREFIX_BYTES } else { 0 };
    binary.bytes.len().saturating_add(inner)
}

fn compare_binaries(left: RawBinaryRef<'_>, right: RawBinaryRef<'_>) -> Ordering {
    binary_length(left)
        .cmp(&binary_length(right))
        .then_with(|| u8::from(left.subtype).cmp(&u8::from(right.subtype)))
        .then_with(|| left.bytes.cmp(right.bytes))
}

/// DBPointers hide their parts; their bytes are a namespace (length first) and an object id.
fn compare_pointers(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    let bytes = |value: RawBsonRef<'_>| {
        let mut holder = bson::RawDocumentBuf::new();
        holder.append(bson::raw::cstr!("p"), value);
        holder.into_bytes()
    };
    let (left, right) = (bytes(left), bytes(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(&right))
}

/// A type's place in the order between types.
pub fn rank(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => 0,
        RawBsonRef::Undefined => 1,
        RawBsonRef::Null => 5,
        RawBsonRef::Double(_)
        | RawBsonRef::Int32(_)
        | RawBsonRef::Int64(_)
        | RawBsonRef::Decimal128(_) => 10,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => 15,
        RawBsonRef::Document(_) => 20,
        RawBsonRef::Array(_) => 25,
        RawBsonRef::Binary(_) => 30,
        RawBsonRef::ObjectId(_) => 35,
        RawBsonRef::Boolean(_) => 40,
        RawBsonRef::DateTime(_) => 45,
        RawBsonRef::Timestamp(_) => 47,
        RawBsonRef::RegularExpression(_) => 50,
        RawBsonRef::DbPointer(_) => 55,
        RawBsonRef::JavaScriptCode(_) => 60,
        RawBsonRef::JavaScriptCodeWithScope(_) => 65,
        RawBsonRef::MaxKey => 127,
    }
}

#[cfg(test)]
mod tests;
