//! Documents that were written here, as bytes.

use std::sync::LazyLock;

use bson::{RawDocument, RawDocumentBuf};

use crate::raw::{MalformedBson, has_frame};

/// Bytes with the frame of a document. A [`RawDocumentBuf`] is the same, but is moved about where it is
/// made, which takes as long as a short document is worth.
pub(crate) struct Framed(Vec<u8>);

impl Framed {
    /// # Errors
    /// If the bytes are not framed as a document.
    #[inline]
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, MalformedBson> {
        if has_frame(&bytes) { Ok(Self(bytes)) } else { Err(MalformedBson) }
    }

    pub(crate) fn document(&self) -> &RawDocument {
        static NOTHING: LazyLock<RawDocumentBuf> = LazyLock::new(RawDocumentBuf::new);
        RawDocument::from_bytes(&self.0).unwrap_or(&NOTHING)
    }

    pub(crate) fn into_document(self) -> RawDocumentBuf {
        RawDocumentBuf::from_bytes(self.0).unwrap_or_default()
    }

    /// The bytes; what is left is a document without elements.
    #[inline]
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl From<RawDocumentBuf> for Framed {
    fn from(document: RawDocumentBuf) -> Self {
        Self(document.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn documents_keep_their_bytes() {
        let document = rawdoc! { "a": [1, { "b": "c" }] };
        let framed = Framed::new(document.as_bytes().to_vec()).unwrap();
        assert_eq!(framed.document(), &*document);
        assert_eq!(framed.into_document(), document);
        assert_eq!(Framed::from(document.clone()).take_bytes(), document.as_bytes());
    }

    #[test]
    fn a_frame_is_what_a_document_needs() {
        for bytes in [&[][..], &[5, 0, 0, 0], &[5, 0, 0, 0, 1], &[6, 0, 0, 0, 0], &[4, 0, 0, 0]] {
            assert!(Framed::new(bytes.to_vec()).is_err());
            assert!(RawDocument::from_bytes(bytes).is_err());
        }
        assert!(Framed::new(vec![5, 0, 0, 0, 0]).is_ok());
    }
}
