//! One checked walk over a whole document that notes where encrypted binaries stand.

use super::{MAX_DEPTH, MalformedBson, kind, subtype, value_len};

/// Where one encrypted binary stands in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Offset of the element's type byte.
    pub(crate) kind_at: usize,
    /// Offset of the value, which is `i32 length`, subtype, content.
    pub(crate) value_at: usize,
    /// Offset of the first byte after the value.
    pub(crate) end: usize,
}

impl Site {
    /// The content of the binary, without length and subtype.
    pub(crate) fn content<'a>(&self, document: &'a [u8]) -> &'a [u8] {
        document.get(self.value_at + 5..self.end).unwrap_or_default()
    }
}

/// What a rewrite has to do at some place, in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// A document or array that holds sites starts at this offset.
    Open(usize),
    /// The next site.
    Replace,
    /// The innermost open document ends.
    Close,
}

/// Every wanted binary of a document, and the documents around them whose lengths a rewrite changes.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    sites: Vec<Site>,
    edits: Vec<Edit>,
}

impl Sites {
    /// The sites in document order.
    pub(crate) fn as_slice(&self) -> &[Site] {
        &self.sites
    }

    /// Whether there is no site.
    pub(crate) fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Copies `document` to the end of `out`, each site's value replaced by what `replace` appends for
    /// it, the element's type by the type that `replace` returns, and lengths adapted.
    ///
    /// # Errors
    /// Those of `replace`; `MalformedBson` if the result would be longer than a length can say.
    pub(crate) fn rewrite<E: From<MalformedBson>>(
        &self,
        document: &[u8],
        out: &mut Vec<u8>,
        mut replace: impl FnMut(usize, &Site, &mut Vec<u8>) -> Result<u8, E>,
    ) -> Result<(), E> {
        let mut copied = 0;
        let mut copy = |out: &mut Vec<u8>, up_to: usize, next: usize| {
            out.extend_from_slice(document.get(copied..up_to).ok_or(MalformedBson)?);
            copied = next;
            Ok::<_, MalformedBson>(())
        };
        let mut frames: Vec<usize> = Vec::with_capacity(8);
        let mut frame_ends: Vec<usize> = Vec::with_capacity(8);
        let mut sites = self.sites.iter().enumerate();
        for edit in &self.edits {
            match *edit {
                Edit::Open(at) => {
                    copy(out, at, at)?;
                    frames.push(out.len());
                    frame_ends.push(at + super::read_len(&document[at..]).ok_or(MalformedBson)?);
                }
                Edit::Replace => {
                    let Some((index, site)) = sites.next() else {
                        return Err(MalformedBson.into());
                    };
                    copy(out, site.kind_at, site.kind_at)?;
                    let kind_at = out.len();
                    copy(out, site.value_at, site.end)?;
                    let kind = replace(index, site, out)?;
                    *out.get_mut(kind_at).ok_or(MalformedBson)? = kind;
                }
                Edit::Close => {
                    let (Some(start), Some(end)) = (frames.pop(), frame_ends.pop()) else {
                        return Err(MalformedBson.into());
                    };
                    copy(out, end, end)?;
                    super::write::patch_len(out, start)?;
                }
            }
        }
        copy(out, document.len(), document.len())?;
        Ok(())
    }
}

struct Frame {
    start: usize,
    /// Offset of the terminating zero.
    end: usize,
    /// Whether the edit list has its `Open`.
    is_open: bool,
}

/// Walks all of `document`, checking every length and terminator, and collects the binaries of
/// subtype 6 whose first byte `is_wanted`.
///
/// # Errors
/// `MalformedBson`, also if documents nest deeper than [`MAX_DEPTH`].
pub(crate) fn scan(
    document: &[u8],
    is_wanted: impl Fn(u8) -> bool,
) -> Result<Sites, MalformedBson> {
    super::body(document)?;
    let mut found = Sites::default();
    let mut frames = Vec::with_capacity(16);
    frames.push(Frame { start: 0, end: document.len() - 1, is_open: false });
    let mut at = 4;
    while let Some(frame) = frames.last() {
        if at == frame.end {
            if frame.is_open {
                found.edits.push(Edit::Close);
            }
            at += 1;
            frames.pop();
            continue;
        }
        let end = frame.end;
        let kind_at = at;
        let rest = document.get(at..end).ok_or(MalformedBson)?;
        let (&element_kind, named) = rest.split_first().ok_or(MalformedBson)?;
        let name_len = named.iter().position(|&byte| byte == 0).ok_or(MalformedBson)?;
        let value = named.get(name_len + 1..).ok_or(MalformedBson)?;
        let value_len = value_len(element_kind, value).ok_or(MalformedBson)?;
        let value_at = at + 1 + name_len + 1;
        at = value_at + value_len;
        match element_kind {
            kind::DOCUMENT | kind::ARRAY => {
                if frames.len() > MAX_DEPTH {
                    return Err(MalformedBson);
                }
                frames.push(Frame { start: value_at, end: at - 1, is_open: false });
                at = value_at + 4;
            }
            kind::BINARY
                if value.get(4) == Some(&subtype::ENCRYPTED)
                    && value_len > 5
                    && value.get(5).is_some_and(|&byte| is_wanted(byte)) =>
            {
                for frame in frames.iter_mut().filter(|frame| !frame.is_open) {
                    found.edits.push(Edit::Open(frame.start));
                    frame.is_open = true;
                }
                found.edits.push(Edit::Replace);
                found.sites.push(Site { kind_at, value_at, end: at });
            }
            _ => {}
        }
    }
    if at != document.len() {
        return Err(MalformedBson);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};
    use proptest::prelude::*;

    use super::*;
    use crate::raw::kind;

    fn encrypted(bytes: &[u8]) -> Binary {
        Binary { subtype: BinarySubtype::Encrypted, bytes: bytes.to_vec() }
    }

    #[test]
    fn sites_are_found_at_any_depth_and_replaced() {
        let document = rawdoc! {
            "a": encrypted(&[1, 2, 3]),
            "plain": { "x": 1 },
            "b": { "c": [ 5, { "d": encrypted(&[1]) }, "end" ], "e": 7 },
            "f": encrypted(&[9]),
        };
        let sites = scan(document.as_bytes(), |byte| byte == 1).unwrap();
        assert_eq!(sites.as_slice().len(), 2);
        let mut out = Vec::new();
        sites
            .rewrite(document.as_bytes(), &mut out, |index, site, out| {
                assert_eq!(site.content(document.as_bytes())[0], 1);
                out.extend_from_slice(&(index as i64).to_le_bytes());
                Ok::<_, MalformedBson>(kind::INT64)
            })
            .unwrap();
        let expected = rawdoc! {
            "a": 0_i64,
            "plain": { "x": 1 },
            "b": { "c": [ 5, { "d": 1_i64 }, "end" ], "e": 7 },
            "f": encrypted(&[9]),
        };
        assert_eq!(RawDocumentBuf::from_bytes(out).unwrap(), expected);
    }

    #[test]
    fn a_document_without_sites_is_copied() {
        let document = rawdoc! { "a": [1, 2, { "b": [] }] };
        let sites = scan(document.as_bytes(), |_| true).unwrap();
        assert!(sites.is_empty());
        let mut out = Vec::new();
        sites.rewrite::<MalformedBson>(document.as_bytes(), &mut out, |_, _, _| Ok(0)).unwrap();
        assert_eq!(out, document.as_bytes());
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused() {
        let nested = |levels: usize| {
            let mut document = rawdoc! {};
            for _ in 0..levels {
                document = rawdoc! { "a": document };
            }
            document
        };
        assert!(scan(nested(MAX_DEPTH).as_bytes(), |_| true).is_ok());
        assert!(scan(nested(MAX_DEPTH + 1).as_bytes(), |_| true).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = (bytes.len() as i32 + 5).to_le_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            framed.push(0);
            let _ = scan(&bytes, |_| true);
            if let Ok(sites) = scan(&framed, |_| true) {
                let mut out = Vec::new();
                sites.rewrite(&framed, &mut out, |_, site, out| {
                    out.extend_from_slice(&framed[site.value_at..site.end]);
                    Ok::<_, MalformedBson>(kind::BINARY)
                }).unwrap();
                prop_assert_eq!(out, framed);
            }
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0usize..90, byte: u8) {
            let mut bytes = rawdoc! {
                "a": encrypted(&[1, 2]), "b": { "c": ["x", 1.5, true] }, "d": bson::DateTime::MAX,
            }.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = scan(&bytes, |_| true);
        }
    }
}
