//! The border to C: everything that turns foreign pointers into Rust values.
//!
//! Handles arrive as `Option<&T>` or `Option<&mut T>`, which C sees as pointers that may be NULL;
//! what they point to is the caller's promise, written down in the header. Nothing unwinds into
//! C: [`guard`] and the two call helpers in `crypt` and `ctx` catch every panic.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A context pointer of the caller, handed back to its callbacks.
#[derive(Clone, Copy)]
pub(crate) struct CallerContext(pub(crate) *mut c_void);

// SAFETY: it is never dereferenced here. The header demands of callbacks, and so of their
// contexts, that they may be used from every thread that uses the handle.
unsafe impl Send for CallerContext {}
// SAFETY: as above.
unsafe impl Sync for CallerContext {}

/// Runs `body`; a panic yields `fallback`.
pub(crate) fn guard<R>(fallback: R, body: impl FnOnce() -> R) -> R {
    // What a panic leaves half done is marked as failed by the caller, and never used again.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// Why text from C is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextError {
    /// The pointer is NULL.
    Null,
    /// The length is below -1.
    Length,
    /// It is not UTF-8.
    Utf8,
}

/// Text of `length` bytes, or up to its NUL if `length` is -1.
///
/// # Safety
/// Unless it is NULL, `text` points to `length` bytes, or to a NUL-terminated string if `length`
/// is -1, and they live and stay unchanged for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, length: c_int) -> Result<&'a str, TextError> {
    if text.is_null() {
        return Err(TextError::Null);
    }
    let bytes = match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) => unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) },
        // SAFETY: the caller's promise.
        Err(_) if length == -1 => unsafe { CStr::from_ptr(text) }.to_bytes(),
        Err(_) => return Err(TextError::Length),
    };
    std::str::from_utf8(bytes).map_err(|_| TextError::Utf8)
}

/// A place that C wants a value written to; NULL if it does not.
///
/// # Safety
/// Unless it is NULL, `place` is valid for writing a `T`.
pub(crate) unsafe fn write_out<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_its_length_or_at_its_nul() {
        let bytes = c"abc".as_ptr();
        // SAFETY: the literal has three bytes and a NUL.
        let read = |length| unsafe { text(bytes, length) };
        assert_eq!(read(-1), Ok("abc"));
        assert_eq!(read(2), Ok("ab"));
        assert_eq!(read(-2), Err(TextError::Length));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { text(std::ptr::null(), 3) }, Err(TextError::Null));
        // SAFETY: the literal has a NUL.
        assert_eq!(unsafe { text(c"\xff".as_ptr(), -1) }, Err(TextError::Utf8));
    }

    #[test]
    fn a_panic_ends_here() {
        assert_eq!(guard(1, || panic!("no")), 1);
    }
}
