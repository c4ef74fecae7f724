//! One checked walk over a whole document that notes where encrypted binaries stand.

use smallvec::SmallVec;

use super::{MAX_DEPTH, MalformedBson, find_zero, kind, push_range, read_len, subtype, value_len};

/// An offset into a document, whose length is an `i32`.
type Offset = u32;

/// Where one encrypted binary stands in a document. Two words, which go through registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Offset of the element's type byte.
    kind_at: Offset,
    /// Offset of the value, which is `i32 length`, subtype, content.
    value_at: Offset,
}

impl Site {
    /// The content of the binary, without length and subtype.
    #[inline]
    pub(crate) fn content<'a>(&self, document: &'a [u8]) -> &'a [u8] {
        let value = document.get(self.value_at as usize..).unwrap_or_default();
        value.get(5..5 + read_len(value).unwrap_or(0)).unwrap_or_default()
    }
}

/// An edge of a document or array that holds sites.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// How many sites stand before it.
    sites_before: u32,
    /// Offset of the first byte of what starts here, or of the first after what ends here.
    at: Offset,
    is_start: bool,
}

/// Every wanted binary of a document, and the documents around them whose lengths a rewrite changes.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    sites: SmallVec<[Site; 16]>,
    edges: SmallVec<[Edge; 6]>,
}

impl Sites {
    /// [`scan`] into sites that are still empty, at the place where they are to stay.
    pub(crate) fn scan(
        &mut self,
        document: &[u8],
        is_wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), MalformedBson> {
        super::body(document)?;
        Walk { document, is_wanted, found: self }.document(0, document.len(), 0)
    }

    /// The sites in document order.
    pub(crate) fn as_slice(&self) -> &[Site] {
        &self.sites
    }

    /// Copies `document` to the end of `out`, each site's value replaced by what `replace` appends for
    /// it, the element's type by the type that `replace` returns, and lengths adapted.
    ///
    /// `replace` is told which of the [sites](Self::as_slice) it is.
    ///
    /// # Errors
    /// Those of `replace`; `MalformedBson` if the result would be longer than a length can say.
    #[inline]
    pub(crate) fn rewrite<E: From<MalformedBson>>(
        &self,
        document: &[u8],
        out: &mut Vec<u8>,
        mut replace: impl FnMut(usize, &mut Vec<u8>) -> Result<u8, E>,
    ) -> Result<(), E> {
        let mut copied = 0;
        let mut index = 0;
        let mut open = SmallVec::<[usize; 8]>::new();
        for edge in &self.edges {
            let sites = self.sites.get(index..edge.sites_before as usize).unwrap_or_default();
            for site in sites {
                push_range(out, document, copied..site.value_at as usize).ok_or(MalformedBson)?;
                copied = site.value_at as usize + 5 + site.content(document).len();
                let kind_at = out.len() - (site.value_at - site.kind_at) as usize;
                let kind = replace(index, out)?;
                *out.get_mut(kind_at).ok_or(MalformedBson)? = kind;
                index += 1;
            }
            // Where the edge will be, once what is before it is copied together with what follows.
            let at = out.len() + (edge.at as usize).checked_sub(copied).ok_or(MalformedBson)?;
            if edge.is_start {
                open.push(at);
            } else {
                // Between its edges there are sites, so its length is copied already.
                super::write::set_len(out, open.pop().ok_or(MalformedBson)?, at)?;
            }
        }
        out.extend_from_slice(document.get(copied..).ok_or(MalformedBson)?);
        Ok(())
    }
}

/// Walks all of `document`, checking every length and terminator, and collects the binaries of
/// subtype 6 that are not empty and whose content `is_wanted`.
///
/// # Errors
/// `MalformedBson`, also if documents nest deeper than [`MAX_DEPTH`].
pub(crate) fn scan(
    document: &[u8],
    is_wanted: impl FnMut(&[u8]) -> bool,
) -> Result<Sites, MalformedBson> {
    let mut found = Sites::default();
    found.scan(document, is_wanted)?;
    Ok(found)
}

fn offset(offset: usize) -> Result<Offset, MalformedBson> {
    Offset::try_from(offset).map_err(|_| MalformedBson)
}

struct Walk<'a, F> {
    document: &'a [u8],
    is_wanted: F,
    found: &'a mut Sites,
}

impl<F: FnMut(&[u8]) -> bool> Walk<'_, F> {
    /// Walks the document at `start..end`, whose frame has been checked.
    fn document(&mut self, start: usize, end: usize, depth: usize) -> Result<(), MalformedBson> {
        if depth > MAX_DEPTH {
            return Err(MalformedBson);
        }
        let sites_before = self.found.sites.len();
        self.push_edge(start, true)?;
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
                kind::BINARY if value.get(4) == Some(&subtype::ENCRYPTED) && value_len > 5 => {
                    let content = value.get(5..value_len).unwrap_or_default();
                    if (self.is_wanted)(content) {
                        let kind_at = offset(kind_at)?;
                        self.found.sites.push(Site { kind_at, value_at: offset(value_at)? });
                    }
                }
                _ => {}
            }
        }
        if self.found.sites.len() == sites_before {
            self.found.edges.pop();
            return Ok(());
        }
        self.push_edge(end, false)
    }

    fn push_edge(&mut self, at: usize, is_start: bool) -> Result<(), MalformedBson> {
        let sites_before = offset(self.found.sites.len())?;
        self.found.edges.push(Edge { sites_before, at: offset(at)?, is_start });
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
        let sites = scan(document.as_bytes(), |content| content[0] == 1).unwrap();
        assert_eq!(sites.as_slice().len(), 2);
        let mut out = Vec::new();
        sites
            .rewrite(document.as_bytes(), &mut out, |index, out| {
                assert_eq!(sites.as_slice()[index].content(document.as_bytes())[0], 1);
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
        assert!(sites.as_slice().is_empty());
        let mut out = Vec::new();
        sites.rewrite::<MalformedBson>(document.as_bytes(), &mut out, |_, _| Ok(0)).unwrap();
        assert_eq!(out, document.as_bytes());
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
                sites.rewrite(&framed, &mut out, |index, out| {
                    let site = sites.as_slice()[index];
                    let content = site.content(&framed);
                    crate::raw::push_binary(out, subtype::ENCRYPTED, content);
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
