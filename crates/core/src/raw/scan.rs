//! One checked walk over a whole document that notes where encrypted binaries stand.

use smallvec::SmallVec;

use super::{MAX_DEPTH, MalformedBson, find_zero, kind, subtype, value_len};

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
    /// A site.
    Replace(Site),
    /// The innermost open document ends before this offset.
    Close(usize),
}

/// Every wanted binary of a document, and the documents around them whose lengths a rewrite changes.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    edits: SmallVec<[Edit; 8]>,
    count: usize,
}

impl Sites {
    /// [`scan`] into sites that are still empty, at the place where they are to stay.
    pub(crate) fn scan(
        &mut self,
        document: &[u8],
        is_wanted: impl Fn(u8) -> bool,
    ) -> Result<(), MalformedBson> {
        super::body(document)?;
        Walk { document, is_wanted, found: self }.document(0, document.len(), 0)
    }

    /// The sites in document order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Site> {
        self.edits.iter().filter_map(|edit| match edit {
            Edit::Replace(site) => Some(site),
            Edit::Open(_) | Edit::Close(_) => None,
        })
    }

    /// How many sites there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no site.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
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
        let mut open = SmallVec::<[usize; 8]>::new();
        let mut index = 0;
        for edit in &self.edits {
            match edit {
                Edit::Open(at) => {
                    copy(out, *at, *at)?;
                    open.push(out.len());
                }
                Edit::Replace(site) => {
                    copy(out, site.kind_at, site.kind_at)?;
                    let kind_at = out.len();
                    copy(out, site.value_at, site.end)?;
                    let kind = replace(index, site, out)?;
                    *out.get_mut(kind_at).ok_or(MalformedBson)? = kind;
                    index += 1;
                }
                Edit::Close(end) => {
                    copy(out, *end, *end)?;
                    super::write::patch_len(out, open.pop().ok_or(MalformedBson)?)?;
                }
            }
        }
        copy(out, document.len(), document.len())?;
        Ok(())
    }
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
    let mut found = Sites::default();
    found.scan(document, is_wanted)?;
    Ok(found)
}

struct Walk<'a, F> {
    document: &'a [u8],
    is_wanted: F,
    found: &'a mut Sites,
}

impl<F: Fn(u8) -> bool> Walk<'_, F> {
    /// Walks the document at `start..end`, whose frame has been checked.
    fn document(&mut self, start: usize, end: usize, depth: usize) -> Result<(), MalformedBson> {
        if depth > MAX_DEPTH {
            return Err(MalformedBson);
        }
        let before = self.found.edits.len();
        self.found.edits.push(Edit::Open(start));
        let last = end - 1;
        let mut rest = self.document.get(start + 4..last).ok_or(MalformedBson)?;
        while let Some((&element_kind, named)) = rest.split_first() {
            let kind_at = last - rest.len();
            let name_len = find_zero(named).ok_or(MalformedBson)?;
            let value = named.get(name_len + 1..).ok_or(MalformedBson)?;
            let value_len = value_len(element_kind, value).ok_or(MalformedBson)?;
            let value_at = last - value.len();
            let value_end = value_at + value_len;
            rest = value.get(value_len..).ok_or(MalformedBson)?;
            match element_kind {
                kind::DOCUMENT | kind::ARRAY => self.document(value_at, value_end, depth + 1)?,
                kind::BINARY
                    if value.get(4) == Some(&subtype::ENCRYPTED)
                        && value_len > 5
                        && value.get(5).is_some_and(|&byte| (self.is_wanted)(byte)) =>
                {
                    let site = Site { kind_at, value_at, end: value_end };
                    self.found.edits.push(Edit::Replace(site));
                    self.found.count += 1;
                }
                _ => {}
            }
        }
        if self.found.edits.len() == before + 1 {
            self.found.edits.pop();
        } else {
            self.found.edits.push(Edit::Close(end));
        }
        Ok(())
    }
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
        assert_eq!(sites.len(), 2);
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
        fn zeros_are_found_wherever_they_are(bytes in proptest::collection::vec(0u8..3, 0..40)) {
            prop_assert_eq!(find_zero(&bytes), bytes.iter().position(|&byte| byte == 0));
        }

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
