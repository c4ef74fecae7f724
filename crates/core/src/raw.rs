//! Documents as bytes: walking, checking and rewriting without a tree.
//!
//! A BSON document is `i32 length`, elements, one zero byte. An element is a type byte, a
//! zero-terminated name and a value whose length follows from the type. Everything here checks
//! lengths and terminators before it trusts them; names and pass-through strings are copied as
//! they are.
//!
//! Source: <https://bsonspec.org/spec.html>, version 1.1.

mod check;
mod scan;
mod write;

pub(crate) use check::{check, check_each};
pub(crate) use scan::{Site, Sites, scan};
pub(crate) use write::{
    ArrayWriter, DocumentWriter, len_field, open_frame, push_binary, push_range, seal_frame,
};

/// How deep documents may nest. Servers store 100 levels; replies and commands wrap them.
pub(crate) const MAX_DEPTH: usize = 200;

/// BSON element types by their byte.
pub(crate) mod kind {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BINARY: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x06;
    pub(crate) const OBJECT_ID: u8 = 0x07;
    pub(crate) const BOOL: u8 = 0x08;
    pub(crate) const DATE: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0A;
    pub(crate) const REGEX: u8 = 0x0B;
    pub(crate) const DB_POINTER: u8 = 0x0C;
    pub(crate) const CODE: u8 = 0x0D;
    pub(crate) const SYMBOL: u8 = 0x0E;
    pub(crate) const CODE_WITH_SCOPE: u8 = 0x0F;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const TIMESTAMP: u8 = 0x11;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const DECIMAL128: u8 = 0x13;
    pub(crate) const MAX_KEY: u8 = 0x7F;
    pub(crate) const MIN_KEY: u8 = 0xFF;

    /// The name that error texts use for a type.
    pub(crate) fn name(kind: u8) -> &'static str {
        match kind {
            0 => "EOD",
            DOUBLE => "DOUBLE",
            STRING => "UTF8",
            DOCUMENT => "DOCUMENT",
            ARRAY => "ARRAY",
            BINARY => "BINARY",
            UNDEFINED => "UNDEFINED",
            OBJECT_ID => "OID",
            BOOL => "BOOL",
            DATE => "DATE_TIME",
            NULL => "NULL",
            REGEX => "REGEX",
            DB_POINTER => "DBPOINTER",
            CODE => "CODE",
            SYMBOL => "SYMBOL",
            CODE_WITH_SCOPE => "CODEWSCOPE",
            INT32 => "INT32",
            TIMESTAMP => "TIMESTAMP",
            INT64 => "INT64",
            MAX_KEY => "MAXKEY",
            MIN_KEY => "MINKEY",
            DECIMAL128 => "DECIMAL128",
            _ => "Unknown",
        }
    }
}

/// Binary subtypes by their byte.
pub(crate) mod subtype {
    pub(crate) const GENERIC: u8 = 0x00;
    pub(crate) const OLD: u8 = 0x02;
    pub(crate) const UUID: u8 = 0x04;
    pub(crate) const ENCRYPTED: u8 = 0x06;
}

/// Bytes that are no well-formed BSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed BSON")]
pub struct MalformedBson;

/// One element of a document, borrowed from its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    /// Type byte.
    pub(crate) kind: u8,
    /// Name without its terminator; not checked to be UTF-8.
    pub(crate) name: &'a [u8],
    /// Value bytes, as after the name in the document.
    pub(crate) value: &'a [u8],
}

impl<'a> Element<'a> {
    /// Subtype and content, if this is a binary.
    pub(crate) fn as_binary(&self) -> Option<(u8, &'a [u8])> {
        if self.kind != kind::BINARY {
            return None;
        }
        let (subtype, content) = self.value.get(4..)?.split_first()?;
        Some((*subtype, content))
    }

    /// The text, if this is a string that is valid UTF-8.
    pub(crate) fn as_str(&self) -> Option<&'a str> {
        if self.kind != kind::STRING {
            return None;
        }
        let text = self.value.get(4..self.value.len().checked_sub(1)?)?;
        std::str::from_utf8(text).ok()
    }

    /// The number, if this is an int32.
    pub(crate) fn as_i32(&self) -> Option<i32> {
        match self.kind {
            kind::INT32 => Some(i32::from_le_bytes(self.value.try_into().ok()?)),
            _ => None,
        }
    }

    /// The number, if this is an int64.
    pub(crate) fn as_i64(&self) -> Option<i64> {
        match self.kind {
            kind::INT64 => Some(i64::from_le_bytes(self.value.try_into().ok()?)),
            _ => None,
        }
    }

    /// The truth value, if this is a bool.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.kind {
            kind::BOOL => Some(self.value == [1]),
            _ => None,
        }
    }

    /// Bytes of the embedded document, if this is one.
    pub(crate) fn as_document(&self) -> Option<&'a [u8]> {
        (self.kind == kind::DOCUMENT).then_some(self.value)
    }

    /// Bytes of the array, if this is one.
    pub(crate) fn as_array(&self) -> Option<&'a [u8]> {
        (self.kind == kind::ARRAY).then_some(self.value)
    }

    /// The name as text, with replacement characters where it is no UTF-8.
    pub(crate) fn name_lossy(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }
}

/// The elements of one document, top level only. Stops after the first malformed one.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Starts at the first element of `document`.
    pub(crate) fn of(document: &'a [u8]) -> Result<Self, MalformedBson> {
        Ok(Self { rest: body(document)? })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, MalformedBson>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = split_element(self.rest);
        self.rest = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(element, _)| element).ok_or(MalformedBson))
    }
}

/// The first element of `document` with this name.
pub(crate) fn find<'a>(
    document: &'a [u8],
    name: &str,
) -> Result<Option<Element<'a>>, MalformedBson> {
    for element in Elements::of(document)? {
        let element = element?;
        if element.name == name.as_bytes() {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// Whether bytes have length and final zero byte of a document.
#[inline]
pub(crate) fn has_frame(bytes: &[u8]) -> bool {
    document_len(bytes) == Some(bytes.len())
}

/// The bytes between length and final zero byte, if both are right.
fn body(document: &[u8]) -> Result<&[u8], MalformedBson> {
    let len = read_len(document).ok_or(MalformedBson)?;
    if len != document.len() || document.last() != Some(&0) {
        return Err(MalformedBson);
    }
    document.get(4..len - 1).ok_or(MalformedBson)
}

#[inline(always)]
fn split_element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&kind, after_kind) = bytes.split_first()?;
    let name_len = find_zero(after_kind)?;
    let (name, after_name) = after_kind.split_at_checked(name_len)?;
    let after_name = after_name.get(1..)?;
    let value_len = value_len(kind, after_name)?;
    let (value, rest) = after_name.split_at_checked(value_len)?;
    Some((Element { kind, name, value }, rest))
}

/// Offset of the first zero byte. Most names end within their first eight bytes, which are looked at
/// together.
#[inline(always)]
fn find_zero(bytes: &[u8]) -> Option<usize> {
    let Some((word, rest)) = bytes.split_first_chunk() else { return find_far_zero(bytes) };
    match zero_in_word(*word) {
        None => find_far_zero(rest).map(|zero| zero + word.len()),
        found => found,
    }
}

/// [`find_zero`], eight bytes at a time.
#[inline(never)]
fn find_far_zero(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        if let Some(zero) = zero_in_word(*word) {
            return Some(index * 8 + zero);
        }
    }
    Some(words.len() * 8 + tail.iter().position(|&byte| byte == 0)?)
}

/// Offset of the first zero byte of a word.
#[inline(always)]
fn zero_in_word(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    // The lowest bit set is the highest one of the first byte that is zero.
    let zeros = word.wrapping_sub(ONES) & !word & HIGH;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

/// The `i32` length at the start of `bytes`, if it is not negative.
fn read_len(bytes: &[u8]) -> Option<usize> {
    let len = i32::from_le_bytes(*bytes.first_chunk()?);
    usize::try_from(len).ok()
}

/// How many bytes the value of this type takes that `bytes` start with. What lies inside an
/// embedded document or array is not looked at, only its frame.
#[inline(always)]
pub(crate) fn value_len(kind: u8, bytes: &[u8]) -> Option<usize> {
    let width = WIDTHS[usize::from(kind)];
    if width != VARIES {
        return fixed(usize::from(width), bytes);
    }
    match kind {
        kind::STRING => string_len(bytes),
        kind::DOCUMENT | kind::ARRAY => document_len(bytes),
        kind::BINARY => binary_len(bytes),
        kind::BOOL => matches!(bytes.first(), Some(0 | 1)).then_some(1),
        _ => rare_len(kind, bytes),
    }
}

/// How many bytes the values of a type take, or [`VARIES`].
const WIDTHS: [u8; 256] = {
    let mut widths = [VARIES; 256];
    widths[kind::DOUBLE as usize] = 8;
    widths[kind::DATE as usize] = 8;
    widths[kind::TIMESTAMP as usize] = 8;
    widths[kind::INT64 as usize] = 8;
    widths[kind::INT32 as usize] = 4;
    widths[kind::OBJECT_ID as usize] = 12;
    widths[kind::DECIMAL128 as usize] = 16;
    widths[kind::UNDEFINED as usize] = 0;
    widths[kind::NULL as usize] = 0;
    widths[kind::MAX_KEY as usize] = 0;
    widths[kind::MIN_KEY as usize] = 0;
    widths
};

/// The width depends on the value, or the type does not exist.
const VARIES: u8 = u8::MAX;

/// [`value_len`] of types that documents seldom have.
#[cold]
fn rare_len(kind: u8, bytes: &[u8]) -> Option<usize> {
    match kind {
        kind::CODE | kind::SYMBOL => string_len(bytes),
        kind::REGEX => {
            let pattern = cstring_len(bytes)?;
            Some(pattern + cstring_len(bytes.get(pattern..)?)?)
        }
        kind::DB_POINTER => {
            let namespace = string_len(bytes)?;
            Some(namespace + fixed(12, bytes.get(namespace..)?)?)
        }
        kind::CODE_WITH_SCOPE => {
            let len = read_len(bytes)?;
            let inside = bytes.get(4..len)?;
            let code = string_len(inside)?;
            let scope = inside.get(code..)?;
            (document_len(scope)? == scope.len()).then_some(len)
        }
        _ => None,
    }
}

fn fixed(len: usize, bytes: &[u8]) -> Option<usize> {
    (bytes.len() >= len).then_some(len)
}

fn cstring_len(bytes: &[u8]) -> Option<usize> {
    Some(find_zero(bytes)? + 1)
}

#[inline]
fn string_len(bytes: &[u8]) -> Option<usize> {
    let end = read_len(bytes)?.checked_add(4)?;
    (end > 4 && *bytes.get(end - 1)? == 0).then_some(end)
}

#[inline]
fn document_len(bytes: &[u8]) -> Option<usize> {
    let len = read_len(bytes)?;
    (len >= 5 && *bytes.get(len - 1)? == 0).then_some(len)
}

fn binary_len(bytes: &[u8]) -> Option<usize> {
    let len = read_len(bytes)?;
    let end = len.checked_add(5)?;
    let content = bytes.get(5..end)?;
    if bytes.get(4) == Some(&subtype::OLD) && read_len(content)?.checked_add(4)? != len {
        return None;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn elements_come_in_order_with_their_values() {
        let document = rawdoc! { "a": 1_i32, "b": "xyz", "c": { "d": true } };
        let elements: Vec<_> =
            Elements::of(document.as_bytes()).unwrap().map(Result::unwrap).collect();
        assert_eq!(elements.iter().map(|e| e.name).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(elements[0].as_i32(), Some(1));
        assert_eq!(elements[1].as_str(), Some("xyz"));
        assert!(elements[2].as_document().is_some());
    }

    #[test]
    fn a_frame_of_wrong_length_is_malformed() {
        assert!(Elements::of(&[]).is_err());
        assert!(Elements::of(&[5, 0, 0, 0]).is_err());
        assert!(Elements::of(&[5, 0, 0, 0, 1]).is_err());
        assert!(Elements::of(&[6, 0, 0, 0, 0]).is_err());
        assert!(Elements::of(&[4, 0, 0, 0]).is_err());
        assert!(Elements::of(&[5, 0, 0, 0, 0]).unwrap().next().is_none());
    }

    #[test]
    fn an_element_that_passes_its_end_is_malformed() {
        let mut bytes = rawdoc! { "a": "xyz" }.as_bytes().to_vec();
        bytes[7] = 200;
        assert!(Elements::of(&bytes).unwrap().next().unwrap().is_err());
    }

    #[test]
    fn finding_looks_at_the_top_level_only() {
        let document = rawdoc! { "a": { "b": 1 }, "b": 2 };
        let found = find(document.as_bytes(), "b").unwrap().unwrap();
        assert_eq!(found.as_i32(), Some(2));
        assert!(find(document.as_bytes(), "c").unwrap().is_none());
    }
}
