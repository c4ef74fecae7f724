//! `mongocrypt_binary_t`: a view of bytes that someone else owns.

use std::ffi::c_void;
use std::ptr;

use bson::RawDocument;

use crate::spares::{self, Spares};

/// A pointer and a length.
///
/// Whoever makes one in C promises that `data` is NULL or points to `len` bytes for as long as
/// the view is handed to this library; views that this library fills point into the object that
/// filled them.
#[repr(C)]
#[derive(Debug)]
pub struct Binary {
    data: *mut c_void,
    len: u32,
}

impl Binary {
    /// A view of nothing.
    pub(crate) const fn empty() -> Self {
        Self { data: ptr::null_mut(), len: 0 }
    }

    /// A view for a callback's input, which it has no reason to write to.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { data: bytes.as_ptr().cast_mut().cast(), len }
    }

    /// A view for a callback's output.
    pub(crate) fn of_mut(bytes: &mut [u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { data: bytes.as_mut_ptr().cast(), len }
    }

    /// Points the view at `bytes`.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        *self = Self::of(bytes);
    }

    /// What is viewed; `None` if the pointer is NULL.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if self.data.is_null() {
            return None;
        }
        // No object is longer, wherever pointers have 32 bits.
        let length = usize::try_from(self.len).ok().filter(|length| *length <= LONGEST)?;
        // SAFETY: the promise of whoever made the view, see the type.
        Some(unsafe { std::slice::from_raw_parts(self.data.cast(), length) })
    }

    /// The viewed document; its frame is checked, its elements are not.
    pub(crate) fn document(&self) -> Option<&RawDocument> {
        self.bytes().and_then(|bytes| RawDocument::from_bytes(bytes).ok())
    }
}

/// The longest slice there is.
const LONGEST: usize = isize::MAX.unsigned_abs();

thread_local! {
    /// An operation takes four views or so.
    static SPARES: Spares<Binary> = const { Spares::new() };
}

/// Makes an empty view, to be filled by another function.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_binary_new() -> Box<Binary> {
    spares::make(&SPARES, Binary::empty)
}

/// Makes a view of the caller's bytes.
///
/// # Safety
/// `data` is NULL or points to `len` bytes that outlive every use of the view.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_binary_new_from_data(data: *mut u8, len: u32) -> Box<Binary> {
    spares::make(&SPARES, || Binary { data: data.cast(), len })
}

/// The pointer of a view; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_binary_data(binary: Option<&Binary>) -> *mut u8 {
    binary.map_or(ptr::null_mut(), |binary| binary.data.cast())
}

/// The length of a view; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_binary_len(binary: Option<&Binary>) -> u32 {
    binary.map_or(0, |binary| binary.len)
}

/// Frees a view, but not what it points to. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_binary_destroy(binary: Option<Box<Binary>>) {
    if let Some(binary) = binary {
        spares::destroy(&SPARES, binary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_shows_what_it_was_made_from() {
        let mut bytes = [1, 2, 3];
        // SAFETY: the bytes outlive the view.
        let view = unsafe { mongocrypt_binary_new_from_data(bytes.as_mut_ptr(), 3) };
        assert_eq!(view.bytes(), Some(&[1, 2, 3][..]));
        assert_eq!(mongocrypt_binary_len(Some(&view)), 3);
        mongocrypt_binary_destroy(Some(view));
    }

    #[test]
    fn null_is_a_view_of_nothing() {
        assert_eq!(mongocrypt_binary_new().bytes(), None);
        assert!(mongocrypt_binary_data(None).is_null());
        assert_eq!(mongocrypt_binary_len(None), 0);
        mongocrypt_binary_destroy(None);
    }

    #[test]
    fn a_document_needs_its_frame() {
        assert!(Binary::of(&[5, 0, 0, 0, 0]).document().is_some());
        assert!(Binary::of(&[6, 0, 0, 0, 0]).document().is_none());
        assert!(Binary::empty().document().is_none());
    }
}
