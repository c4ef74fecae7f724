//! Writing documents element by element into one buffer.

use std::ops::Range;

use super::{Element, Elements, MalformedBson, body, kind, subtype};

/// Reserves the length of a document that starts here; returns what [`seal_frame`] needs.
pub(crate) fn open_frame(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    start
}

/// Ends the document that starts at `start`: final zero byte, and its length in front.
///
/// # Errors
/// If the document is longer than a length can say.
pub(crate) fn seal_frame(out: &mut Vec<u8>, start: usize) -> Result<(), MalformedBson> {
    out.push(0);
    let end = out.len();
    set_len(out, start, end)
}

/// Writes the length of the document that starts at `start` and ends, or will end, at `end`.
pub(super) fn set_len(out: &mut [u8], start: usize, end: usize) -> Result<(), MalformedBson> {
    let len = i32::try_from(end - start).map_err(|_| MalformedBson)?;
    let field = out.get_mut(start..start + 4).ok_or(MalformedBson)?;
    field.copy_from_slice(&len.to_le_bytes());
    Ok(())
}

/// A document under construction. Lengths that do not fit are noticed by [`DocumentWriter::finish`].
pub(crate) struct DocumentWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> DocumentWriter<'a> {
    /// Starts a document at the end of `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = open_frame(out);
        Self { out, start }
    }

    /// Ends the document.
    pub(crate) fn finish(self) -> Result<(), MalformedBson> {
        seal_frame(self.out, self.start)
    }

    /// Starts an element; its value is to be appended to the returned buffer.
    pub(crate) fn element(&mut self, kind: u8, name: &[u8]) -> &mut Vec<u8> {
        self.out.push(kind);
        self.out.extend_from_slice(name);
        self.out.push(0);
        self.out
    }

    /// Where whole elements can be appended.
    pub(crate) fn elements(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Appends an element whose value bytes are at hand.
    pub(crate) fn raw(&mut self, kind: u8, name: &[u8], value: &[u8]) -> &mut Self {
        self.element(kind, name).extend_from_slice(value);
        self
    }

    /// Copies the elements of `document` but those that `is_dropped`.
    pub(crate) fn copy_without(
        &mut self,
        document: &[u8],
        is_dropped: impl Fn(&Element<'_>) -> bool,
    ) -> Result<(), MalformedBson> {
        let body = body(document)?;
        let mut elements = Elements { rest: body };
        let mut copied = 0;
        let mut at = 0;
        while let Some(element) = elements.next() {
            let next = body.len() - elements.rest.len();
            if is_dropped(&element?) {
                self.out.extend_from_slice(body.get(copied..at).ok_or(MalformedBson)?);
                copied = next;
            }
            at = next;
        }
        self.out.extend_from_slice(body.get(copied..).ok_or(MalformedBson)?);
        Ok(())
    }

    /// Copies the elements of `document` but those at these places, which come in order.
    pub(crate) fn copy_around(
        &mut self,
        document: &[u8],
        dropped: &[Range<usize>],
    ) -> Result<(), MalformedBson> {
        let mut at = 4;
        let last = document.len().saturating_sub(1);
        for up_to in dropped.iter().chain([&(last..last)]) {
            self.out.extend_from_slice(document.get(at..up_to.start).ok_or(MalformedBson)?);
            at = up_to.end;
        }
        Ok(())
    }

    /// Appends an int32.
    pub(crate) fn i32(&mut self, name: &str, value: i32) -> &mut Self {
        self.raw(kind::INT32, name.as_bytes(), &value.to_le_bytes())
    }

    /// Appends an int64.
    pub(crate) fn i64(&mut self, name: &str, value: i64) -> &mut Self {
        self.raw(kind::INT64, name.as_bytes(), &value.to_le_bytes())
    }

    /// Appends a date, milliseconds since 1970.
    pub(crate) fn date(&mut self, name: &str, millis: i64) -> &mut Self {
        self.raw(kind::DATE, name.as_bytes(), &millis.to_le_bytes())
    }

    /// Appends a bool.
    pub(crate) fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(kind::BOOL, name.as_bytes(), &[u8::from(value)])
    }

    /// Appends a string.
    pub(crate) fn str(&mut self, name: &str, value: &str) -> &mut Self {
        let out = self.element(kind::STRING, name.as_bytes());
        out.extend_from_slice(&len_field(value.len() + 1));
        out.extend_from_slice(value.as_bytes());
        out.push(0);
        self
    }

    /// Appends a binary of subtype 0.
    pub(crate) fn generic(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.binary(name, subtype::GENERIC, content)
    }

    /// Appends a binary.
    pub(crate) fn binary(&mut self, name: &str, subtype: u8, content: &[u8]) -> &mut Self {
        push_binary(self.element(kind::BINARY, name.as_bytes()), subtype, content);
        self
    }

    /// Appends an embedded document whose bytes are at hand.
    pub(crate) fn embedded(&mut self, name: &str, document: &[u8]) -> &mut Self {
        self.raw(kind::DOCUMENT, name.as_bytes(), document)
    }

    /// Appends an embedded document that `write` fills.
    pub(crate) fn document<E: From<MalformedBson>>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut DocumentWriter<'_>) -> Result<(), E>,
    ) -> Result<&mut Self, E> {
        let mut inner = DocumentWriter::new(self.element(kind::DOCUMENT, name.as_bytes()));
        write(&mut inner)?;
        inner.finish()?;
        Ok(self)
    }

    /// Appends an array that `write` fills.
    pub(crate) fn array<E: From<MalformedBson>>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut ArrayWriter<'_>) -> Result<(), E>,
    ) -> Result<&mut Self, E> {
        let inner = DocumentWriter::new(self.element(kind::ARRAY, name.as_bytes()));
        let mut inner = ArrayWriter { document: inner, next: 0 };
        write(&mut inner)?;
        inner.document.finish()?;
        Ok(self)
    }
}

/// An array under construction: a document whose names count up.
pub(crate) struct ArrayWriter<'a> {
    document: DocumentWriter<'a>,
    next: usize,
}

impl ArrayWriter<'_> {
    /// Appends an item through the writer of its document, under the name that is its index.
    pub(crate) fn item<R>(&mut self, write: impl FnOnce(&mut DocumentWriter<'_>, &str) -> R) -> R {
        let name = self.next.to_string();
        self.next += 1;
        write(&mut self.document, &name)
    }
}

/// Appends a range of `bytes`; `None` if it reaches beyond them.
///
/// A short one is appended as a whole word together with what follows it, which is then cut off:
/// that costs two instructions, where `memcpy` has to look at the length.
#[inline(always)]
pub(crate) fn push_range(out: &mut Vec<u8>, bytes: &[u8], range: Range<usize>) -> Option<()> {
    const WORD: usize = 32;
    let wanted = bytes.get(range.clone())?;
    match bytes.get(range.start..)?.first_chunk::<WORD>() {
        Some(word) if wanted.len() <= WORD => {
            let len = out.len() + wanted.len();
            out.extend_from_slice(word);
            out.truncate(len);
        }
        _ => out.extend_from_slice(wanted),
    }
    Some(())
}

/// Appends the value bytes of a binary.
pub(crate) fn push_binary(out: &mut Vec<u8>, subtype: u8, content: &[u8]) {
    out.extend_from_slice(&len_field(content.len()));
    out.push(subtype);
    out.extend_from_slice(content);
}

/// A length as BSON writes it. One beyond `i32` saturates: the document around it is then too long as
/// well, which `finish` reports.
pub(crate) fn len_field(len: usize) -> [u8; 4] {
    i32::try_from(len).unwrap_or(i32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    #[test]
    fn elements_are_copied_but_for_those_that_are_dropped() {
        let document = rawdoc! { "a": 1, "b": "x", "c": true, "d": [2] };
        let copy = |dropped: &[&str]| {
            let mut out = Vec::new();
            let mut writer = DocumentWriter::new(&mut out);
            let is_dropped =
                |element: &Element<'_>| dropped.iter().any(|name| name.as_bytes() == element.name);
            writer.copy_without(document.as_bytes(), is_dropped).unwrap();
            writer.finish().unwrap();
            RawDocumentBuf::from_bytes(out).unwrap()
        };
        assert_eq!(copy(&[]), document);
        assert_eq!(copy(&["a", "d"]), rawdoc! { "b": "x", "c": true });
        assert_eq!(copy(&["b", "c"]), rawdoc! { "a": 1, "d": [2] });
        assert_eq!(copy(&["a", "b", "c", "d"]), rawdoc! {});
        let mut writer_out = Vec::new();
        let mut writer = DocumentWriter::new(&mut writer_out);
        let broken = [9, 0, 0, 0, 0x10, b'a', 0, 1, 0];
        assert_eq!(writer.copy_without(&broken, |_| false), Err(MalformedBson));
    }

    #[test]
    fn written_documents_read_back() {
        let mut out = Vec::new();
        let mut writer = DocumentWriter::new(&mut out);
        writer.i32("a", 7).str("b", "text").bool("c", true).i64("d", -1);
        writer
            .document("e", |inner| {
                inner.generic("bin", &[1, 2]);
                Ok::<_, MalformedBson>(())
            })
            .unwrap();
        writer
            .array("f", |items| {
                items.item(|item, name| {
                    item.i32(name, 1);
                });
                items.item(|item, name| {
                    item.str(name, "two");
                });
                Ok::<_, MalformedBson>(())
            })
            .unwrap();
        writer.finish().unwrap();
        let bin = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2] };
        let expected = rawdoc! {
            "a": 7, "b": "text", "c": true, "d": -1_i64, "e": { "bin": bin }, "f": [1, "two"],
        };
        assert_eq!(RawDocumentBuf::from_bytes(out).unwrap(), expected);
    }
}
