//! BSON bytes, element by element.
//!
//! `bson`'s own iterator hands out values; here whole elements are wanted as bytes, so that what
//! stays as it is can be copied in one piece.

use std::collections::HashSet;

use bson::{
    raw::{RawBsonRef, RawDocument, RawDocumentBuf},
    spec::ElementType,
};

use crate::{AnalyzeError, RequestError};

/// The BSON binary subtype of everything encrypted, and of markings.
const ENCRYPTED_SUBTYPE: u8 = 6;

/// One element of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) kind: ElementType,
    pub(crate) name: &'a str,
    /// The value's bytes alone.
    pub(crate) value: &'a [u8],
    /// Type byte, name, zero and value.
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Whether the value is a binary of the subtype of ciphertexts.
    pub(crate) fn is_ciphertext(&self) -> bool {
        self.kind == ElementType::Binary && self.value.get(4) == Some(&ENCRYPTED_SUBTYPE)
    }

    /// Hands the value to `work`.
    pub(crate) fn with_value<T>(
        &self,
        work: impl FnOnce(RawBsonRef<'_>) -> Result<T, AnalyzeError>,
    ) -> Result<T, AnalyzeError> {
        let malformed = || RequestError::Malformed { at: self.name.to_owned() };
        let mut single = Vec::with_capacity(self.whole.len() + 5);
        write_document(&mut single, |out| {
            out.extend(self.whole);
            Ok(())
        })?;
        let single = RawDocument::from_bytes(&single).map_err(|_| malformed())?;
        match single.iter().next() {
            Some(Ok((_, value))) => work(value),
            _ => Err(malformed().into()),
        }
    }

    /// The value as a document.
    pub(crate) fn document(&self) -> Option<&'a RawDocument> {
        if self.kind != ElementType::EmbeddedDocument {
            return None;
        }
        RawDocument::from_bytes(self.value).ok()
    }

    /// The elements of the value if it is an array.
    pub(crate) fn array(&self) -> Option<Elements<'a>> {
        if self.kind != ElementType::Array {
            return None;
        }
        Elements::new(self.value).ok()
    }

    /// The value as a string.
    pub(crate) fn text(&self) -> Option<&'a str> {
        if self.kind != ElementType::String {
            return None;
        }
        std::str::from_utf8(self.value.get(4..self.value.len().checked_sub(1)?)?).ok()
    }

    /// The value as a boolean.
    pub(crate) fn boolean(&self) -> Option<bool> {
        (self.kind == ElementType::Boolean).then_some(self.value != [0])
    }

    /// Whether a client library would take the value for a marking and encrypt what it says.
    fn looks_like_marking(&self) -> bool {
        self.is_ciphertext() && matches!(self.value.get(5), Some(0 | 3))
    }

    /// The document or array that the value is.
    fn nested(&self) -> Option<&'a [u8]> {
        match self.kind {
            ElementType::EmbeddedDocument | ElementType::Array => Some(self.value),
            ElementType::JavaScriptCodeWithScope => {
                let code_len = length(self.value.get(4..)?)?;
                self.value.get(8 + code_len..)
            }
            _ => None,
        }
    }
}

/// The elements of a document or array.
pub(crate) struct Elements<'a> {
    /// What is left, without the document's length but with its final zero.
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// `bytes` is a whole document.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, AnalyzeError> {
        let rest = frame(bytes).ok_or(RequestError::Malformed { at: String::new() })?;
        Ok(Self { rest })
    }

    fn split(&mut self) -> Option<Element<'a>> {
        let kind = ElementType::from(*self.rest.first()?)?;
        let name_len = self.rest.iter().skip(1).position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(self.rest.get(1..1 + name_len)?).ok()?;
        let value_start = name_len + 2;
        let value_len = value_len(kind, self.rest.get(value_start..)?)?;
        // The final zero is no part of a value.
        if value_start + value_len >= self.rest.len() {
            return None;
        }
        let (whole, rest) = self.rest.split_at_checked(value_start + value_len)?;
        self.rest = rest;
        Some(Element { kind, name, value: whole.get(value_start..)?, whole })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, AnalyzeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest == [0] || self.rest.is_empty() {
            return None;
        }
        let element = self.split();
        if element.is_none() {
            self.rest = &[];
        }
        Some(element.ok_or_else(|| RequestError::Malformed { at: String::new() }.into()))
    }
}

/// Checks that no name stands twice in a document. Of two options, a server may read the other
/// one.
///
/// # Errors
/// `DuplicateField`; `outer` is what the document is about.
pub(crate) fn check_names(document: &RawDocument, outer: &str) -> Result<(), AnalyzeError> {
    let mut seen = HashSet::new();
    for element in Elements::new(document.as_bytes())? {
        let name = element?.name;
        if !seen.insert(name) {
            return Err(RequestError::DuplicateField { field: format!("{outer}.{name}") }.into());
        }
    }
    Ok(())
}

/// Checks a whole command before anything in it is trusted: its frame, and that of every value
/// inside; its depth; and that no binary in it could be taken for a marking.
///
/// # Errors
/// `Malformed`, `TooDeep`, `ForeignMarking`.
pub(crate) fn check(command: &RawDocument) -> Result<(), AnalyzeError> {
    let mut open: Vec<(&str, Elements<'_>)> = vec![("", Elements::new(command.as_bytes())?)];
    let place = |open: &[(&str, Elements<'_>)], name: &str| {
        let mut names: Vec<&str> = open.iter().skip(1).map(|(name, _)| *name).collect();
        names.push(name);
        names.join(".")
    };
    while let Some((_, elements)) = open.last_mut() {
        let element = match elements.next() {
            None => {
                open.pop();
                continue;
            }
            Some(Ok(element)) => element,
            Some(Err(_)) => return Err(RequestError::Malformed { at: place(&open, "") }.into()),
        };
        if element.looks_like_marking() {
            return Err(RequestError::ForeignMarking { at: place(&open, element.name) }.into());
        }
        if let Some(nested) = element.nested() {
            if open.len() > fieldveil_query::MAX_BSON_DEPTH {
                return Err(RequestError::TooDeep { limit: fieldveil_query::MAX_BSON_DEPTH }.into());
            }
            let Ok(elements) = Elements::new(nested) else {
                return Err(RequestError::Malformed { at: place(&open, element.name) }.into());
            };
            open.push((element.name, elements));
        }
    }
    Ok(())
}

/// Writes a document: what `write` appends becomes its elements.
pub(crate) fn write_document(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), AnalyzeError>,
) -> Result<(), AnalyzeError> {
    let start = out.len();
    out.extend([0; 4]);
    write(out)?;
    out.push(0);
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(prefix) = out.get_mut(start..start + 4) {
        prefix.copy_from_slice(&len.to_le_bytes());
    }
    Ok(())
}

/// Writes an element's type and name; its value is to follow.
pub(crate) fn write_name(out: &mut Vec<u8>, kind: ElementType, name: &str) {
    out.push(kind as u8);
    out.extend(name.as_bytes());
    out.push(0);
}

/// Writes an element.
pub(crate) fn write_value(
    out: &mut Vec<u8>,
    name: &str,
    value: RawBsonRef<'_>,
) -> Result<(), AnalyzeError> {
    let mut single = RawDocumentBuf::new();
    fieldveil_query::document::append(&mut single, name, value)?;
    let bytes = single.as_bytes();
    out.extend(bytes.get(4..bytes.len() - 1).unwrap_or_default());
    Ok(())
}

/// The document that these bytes are.
pub(crate) fn into_document(bytes: Vec<u8>) -> Result<RawDocumentBuf, AnalyzeError> {
    RawDocumentBuf::from_bytes(bytes).map_err(|_| RequestError::TooLarge.into())
}

/// The inside of a document's frame: everything behind the length.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let is_framed = length(bytes)? == bytes.len() && bytes.last() == Some(&0);
    if is_framed { bytes.get(4..).filter(|rest| !rest.is_empty()) } else { None }
}

/// A length as BSON has it: four bytes, little-endian, not negative.
fn length(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<4>()?;
    usize::try_from(i32::from_le_bytes(*prefix)).ok()
}

/// How many of `bytes` the value at their beginning takes.
fn value_len(kind: ElementType, bytes: &[u8]) -> Option<usize> {
    let text = |bytes: &[u8]| {
        let len = length(bytes).filter(|len| *len > 0)?;
        (bytes.get(3 + len) == Some(&0)).then_some(4 + len)
    };
    Some(match kind {
        ElementType::Null | ElementType::Undefined | ElementType::MinKey | ElementType::MaxKey => 0,
        ElementType::Boolean => 1,
        ElementType::Int32 => 4,
        ElementType::Int64
        | ElementType::Double
        | ElementType::DateTime
        | ElementType::Timestamp => 8,
        ElementType::ObjectId => 12,
        ElementType::Decimal128 => 16,
        ElementType::String | ElementType::JavaScriptCode | ElementType::Symbol => text(bytes)?,
        ElementType::DbPointer => text(bytes)? + 12,
        ElementType::Binary => length(bytes)? + 5,
        ElementType::EmbeddedDocument | ElementType::Array => length(bytes)?,
        ElementType::JavaScriptCodeWithScope => {
            let len = length(bytes)?;
            let code = text(bytes.get(4..len)?)?;
            frame(bytes.get(4 + code..len)?)?;
            len
        }
        ElementType::RegularExpression => {
            let mut zeros = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0);
            zeros.next()?;
            zeros.next()?.0 + 1
        }
    })
}

#[cfg(test)]
mod tests {
    use bson::{Binary, rawdoc, spec::BinarySubtype};
    use proptest::prelude::*;

    use super::*;

    fn encrypted(first: u8) -> Binary {
        Binary { subtype: BinarySubtype::Encrypted, bytes: vec![first, 1, 2] }
    }

    #[test]
    fn a_marking_of_foreign_origin_is_refused_wherever_it_is() {
        for first in [0, 3] {
            let scope = bson::doc! { "x": encrypted(first) };
            let code = bson::JavaScriptCodeWithScope { code: "f".to_owned(), scope };
            let command = bson::doc! { "find": "c", "filter": { "a": [1, { "b": code }] } };
            let command = RawDocumentBuf::try_from(command).unwrap();
            assert_eq!(
                check(&command).unwrap_err(),
                RequestError::ForeignMarking { at: "filter.a.1.b.x".to_owned() }.into()
            );
        }
        check(&rawdoc! { "a": encrypted(1), "b": encrypted(2), "c": encrypted(11) }).unwrap();
    }

    #[test]
    fn every_truncation_and_every_changed_length_is_found_or_harmless() {
        let document = rawdoc! {
            "a": { "b": ["text", 1, 2_i64, 3.0, encrypted(1)] },
            "r": bson::Regex { pattern: bson::raw::cstr!("a").into(), options: bson::raw::cstr!("i").into() },
        };
        let bytes = document.as_bytes();
        for index in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[index] = value;
                if let Ok(changed) = RawDocument::from_bytes(&changed) {
                    let _ = check(changed);
                }
            }
        }
    }

    #[test]
    fn depth_is_limited() {
        let mut document = rawdoc! {};
        for _ in 0..250 {
            document = rawdoc! { "a": document };
        }
        assert!(matches!(
            check(&document),
            Err(AnalyzeError::Request(RequestError::TooDeep { .. }))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(inside in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = u32::try_from(inside.len() + 5).unwrap().to_le_bytes().to_vec();
            bytes.extend(inside);
            bytes.push(0);
            if let Ok(document) = RawDocument::from_bytes(&bytes) {
                let _ = check(document);
            }
        }
    }
}
