//! Bytes that cross the border.

use std::{
    alloc::{Layout, alloc, dealloc},
    ffi::c_char,
    ptr, slice,
};

use bson::raw::RawDocument;

use crate::status::Failure;

/// The longest command: a message of MongoDB's protocol has 48 000 000 bytes at most.
const MAX_REQUEST: i32 = 48_000_000;

/// The bytes before those that are handed out. They hold the length, so that freeing does not
/// depend on what the caller did with the document.
const HEADER: usize = 16;

/// The document at an address.
///
/// # Safety
/// `bytes` is NULL or points to as many bytes as its first four tell, which live as long as `'a`.
pub(crate) unsafe fn document<'a>(bytes: *const u8) -> Result<&'a RawDocument, Failure> {
    if bytes.is_null() {
        return Err(Failure::null("documentBSON"));
    }
    let mut prefix = [0; 4];
    // SAFETY: a document has at least its length, by the contract.
    unsafe { ptr::copy_nonoverlapping(bytes, prefix.as_mut_ptr(), prefix.len()) };
    let malformed = || Failure::Argument("'documentBSON' is no valid BSON".to_owned());
    let len = i32::from_le_bytes(prefix);
    if !(5..=MAX_REQUEST).contains(&len) {
        return Err(malformed());
    }
    let len = usize::try_from(len).map_err(|_| malformed())?;
    // SAFETY: as many bytes as the first four tell, by the contract.
    let bytes = unsafe { slice::from_raw_parts(bytes, len) };
    RawDocument::from_bytes(bytes).map_err(|_| malformed())
}

/// The text of a length at an address; NULL is the empty text.
///
/// # Safety
/// `bytes` is NULL or points to `len` bytes, which live as long as `'a`.
pub(crate) unsafe fn text<'a>(bytes: *const c_char, len: u32) -> Result<&'a str, Failure> {
    let malformed = || Failure::Argument("'ns_str' is no valid UTF-8".to_owned());
    let len = usize::try_from(len).map_err(|_| malformed())?;
    if bytes.is_null() || len == 0 {
        return Ok("");
    }
    // SAFETY: `len` bytes, by the contract.
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), len) };
    std::str::from_utf8(bytes).map_err(|_| malformed())
}

/// A copy of `bytes` that belongs to the caller, and its length.
pub(crate) fn hand_out(bytes: &[u8]) -> Result<(*mut u8, u32), Failure> {
    let len = u32::try_from(bytes.len()).map_err(|_| Failure::NoMemory)?;
    let layout = layout(bytes.len()).ok_or(Failure::NoMemory)?;
    // SAFETY: the layout is never of size zero, because of the header.
    let start = unsafe { alloc(layout) };
    if start.is_null() {
        return Err(Failure::NoMemory);
    }
    // SAFETY: the header has room and alignment for the length, and the rest for the bytes.
    unsafe {
        start.cast::<usize>().write(bytes.len());
        let body = start.add(HEADER);
        ptr::copy_nonoverlapping(bytes.as_ptr(), body, bytes.len());
        Ok((body, len))
    }
}

/// Frees what [`hand_out`] made.
///
/// # Safety
/// `body` is from [`hand_out`], and not used afterwards.
pub(crate) unsafe fn take_back(body: *mut u8) {
    // SAFETY: the header is before the body, with the length that `hand_out` wrote.
    let (start, len) = unsafe {
        let start = body.sub(HEADER);
        (start, start.cast::<usize>().read())
    };
    if let Some(layout) = layout(len) {
        // SAFETY: the same layout that `hand_out` allocated with.
        unsafe { dealloc(start, layout) };
    }
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.checked_add(HEADER)?, HEADER).ok()
}
