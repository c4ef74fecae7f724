//! Drop-in `mongo_crypt_v1`: the C interface that drivers load for query analysis.
//!
//! The functions are those of `include/mongo_crypt-v1.h`, where their rules stand. Each checks its
//! handles, calls safe code, and fills the status; nothing unwinds into C. All behaviour is that of
//! `fieldveil-analysis`.
#![deny(unsafe_op_in_unsafe_fn)]

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

mod buffer;
mod library;
mod status;

pub use library::{Library, QueryAnalyzer};
pub use status::Status;

use status::{Failure, answer};

/// The version whose behaviour this library has: 8.2.0, each number in 16 bits.
const VERSION: u64 = (8 << 48) | (2 << 32);
const VERSION_TEXT: &CStr = c"mongo_crypt_v1-fieldveil-8.2.0";

/// The version as four 16-bit numbers.
#[unsafe(no_mangle)]
pub extern "C" fn mongo_crypt_v1_get_version() -> u64 {
    VERSION
}

/// The version as text that is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn mongo_crypt_v1_get_version_str() -> *const c_char {
    VERSION_TEXT.as_ptr()
}

/// A new status, to be destroyed by the caller.
#[unsafe(no_mangle)]
pub extern "C" fn mongo_crypt_v1_status_create() -> *mut Status {
    Box::into_raw(Box::new(Status::success()))
}

/// Frees a status.
///
/// # Safety
/// `status` is NULL or from [`mongo_crypt_v1_status_create`], and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_status_destroy(status: *mut Status) {
    if !status.is_null() {
        // SAFETY: the caller gives back what `status_create` boxed, once.
        drop(unsafe { Box::from_raw(status) });
    }
}

/// The error of a status.
///
/// # Safety
/// `status` is NULL or a live status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_status_get_error(status: *const Status) -> c_int {
    // SAFETY: a live status, by the contract.
    unsafe { status.as_ref() }.map_or(0, Status::error)
}

/// The reason for a failure.
///
/// # Safety
/// `status` is NULL or a live status; the text lasts as long as the status is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_status_get_explanation(
    status: *const Status,
) -> *const c_char {
    // SAFETY: a live status, by the contract.
    unsafe { status.as_ref() }.map_or(c"", Status::explanation).as_ptr()
}

/// The MongoDB code of a refusal.
///
/// # Safety
/// `status` is NULL or a live status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_status_get_code(status: *const Status) -> c_int {
    // SAFETY: a live status, by the contract.
    unsafe { status.as_ref() }.map_or(0, Status::code)
}

/// The library handle.
///
/// # Safety
/// `status` is NULL or a live status that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_lib_create(status: *mut Status) -> *mut Library {
    // SAFETY: a live status of this thread, by the contract.
    let status = unsafe { status.as_mut() };
    answer(status, Library::create).unwrap_or(ptr::null_mut())
}

/// Gives the library handle back.
///
/// # Safety
/// `status` is NULL or a live status that no other thread uses. `lib` is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_lib_destroy(
    lib: *mut Library,
    status: *mut Status,
) -> c_int {
    // SAFETY: a live status of this thread, by the contract.
    let status = unsafe { status.as_mut() };
    match status {
        Some(status) => {
            let _: Option<()> = answer(Some(status), || Library::destroy(lib));
            status.error()
        }
        None => {
            let mut own = Status::success();
            let _: Option<()> = answer(Some(&mut own), || Library::destroy(lib));
            own.error()
        }
    }
}

/// A new analyzer.
///
/// # Safety
/// `status` is NULL or a live status that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_query_analyzer_create(
    lib: *mut Library,
    status: *mut Status,
) -> *mut QueryAnalyzer {
    // SAFETY: a live status of this thread, by the contract.
    let status = unsafe { status.as_mut() };
    answer(status, || QueryAnalyzer::create(lib)).unwrap_or(ptr::null_mut())
}

/// Frees an analyzer.
///
/// # Safety
/// `analyzer` is NULL or from [`mongo_crypt_v1_query_analyzer_create`], and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_query_analyzer_destroy(analyzer: *mut QueryAnalyzer) {
    if !analyzer.is_null() {
        // SAFETY: the caller gives back what `query_analyzer_create` boxed, once.
        drop(unsafe { Box::from_raw(analyzer) });
    }
}

/// Analyses a command.
///
/// # Safety
/// `analyzer` is NULL or a live analyzer that no other thread uses, and `status` NULL or a live
/// status that no other thread uses. `document_bson` is NULL or points to as many bytes as its
/// first four tell, `ns_str` is NULL or points to `ns_len` bytes, and `bson_len` to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_analyze_query(
    analyzer: *mut QueryAnalyzer,
    document_bson: *const u8,
    ns_str: *const c_char,
    ns_len: u32,
    bson_len: *mut u32,
    status: *mut Status,
) -> *mut u8 {
    // SAFETY: a live status of this thread, by the contract.
    let status = unsafe { status.as_mut() };
    answer(status, || {
        // SAFETY: each is NULL or lives during the call, by the contract.
        let (analyzer, bson_len) = unsafe { (analyzer.as_ref(), bson_len.as_mut()) };
        let analyzer = analyzer.ok_or(Failure::null("query_analyzer"))?;
        let bson_len = bson_len.ok_or(Failure::null("bson_len"))?;
        // SAFETY: the bytes live during the call, by the contract.
        let (request, namespace) =
            unsafe { (buffer::document(document_bson), buffer::text(ns_str, ns_len)) };
        let reply = analyzer.analyze(namespace?, request?)?;
        let (bytes, len) = buffer::hand_out(reply.as_bytes())?;
        *bson_len = len;
        Ok(bytes)
    })
    .unwrap_or(ptr::null_mut())
}

/// Frees what [`mongo_crypt_v1_analyze_query`] returned.
///
/// # Safety
/// `bson` is NULL or from [`mongo_crypt_v1_analyze_query`], and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongo_crypt_v1_bson_free(bson: *mut u8) {
    if !bson.is_null() {
        // SAFETY: the caller gives back what `hand_out` made, once.
        unsafe { buffer::take_back(bson) };
    }
}
