//! `mongocrypt_status_t`: whether something failed, and why.

use std::borrow::Cow;
use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use crate::border::{guard, write_out};

/// Nothing failed.
pub const MONGOCRYPT_STATUS_OK: c_int = 0;
/// This library, or what was handed to it.
pub const MONGOCRYPT_STATUS_ERROR_CLIENT: c_int = 1;
/// Reserved; no function reports it.
pub const MONGOCRYPT_STATUS_ERROR_KMS: c_int = 2;
/// Query analysis, built in or in a library of its own.
pub const MONGOCRYPT_STATUS_ERROR_CRYPT_SHARED: c_int = 3;

/// The code of every error that has no code of its own.
const GENERIC_CODE: u32 = 1;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: c_int,
    /// Fixed texts are borrowed.
    message: Cow<'static, str>,
}

impl Failure {
    /// The library, or what was handed to it.
    pub(crate) fn client(message: impl ToString) -> Self {
        Self { kind: MONGOCRYPT_STATUS_ERROR_CLIENT, message: message.to_string().into() }
    }

    /// Query analysis.
    pub(crate) fn crypt_shared(message: impl ToString) -> Self {
        Self { kind: MONGOCRYPT_STATUS_ERROR_CRYPT_SHARED, message: message.to_string().into() }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<&'static str> for Failure {
    fn from(message: &'static str) -> Self {
        Self { kind: MONGOCRYPT_STATUS_ERROR_CLIENT, message: Cow::Borrowed(message) }
    }
}

/// Type, code and message of the last failure.
#[derive(Debug, Default)]
pub struct Status {
    kind: c_int,
    code: u32,
    /// With a NUL at its end; empty while nothing was set.
    message: Vec<u8>,
    owner: Owner,
}

/// Who may destroy a status.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// This library, which lends it to callbacks at most.
    #[default]
    Library,
    /// The caller, who made it.
    Caller,
    /// Nobody: it was destroyed, and waits in the pool.
    Pool,
}

impl Status {
    pub(crate) fn is_ok(&self) -> bool {
        self.kind == MONGOCRYPT_STATUS_OK
    }

    pub(crate) fn set(&mut self, failure: &Failure) {
        self.set_parts(failure.kind, GENERIC_CODE, failure.message.as_bytes());
    }

    /// Copies type, code and message.
    pub(crate) fn copy_to(&self, other: &mut Self) {
        other.kind = self.kind;
        other.code = self.code;
        other.message.clone_from(&self.message);
    }

    /// The text, without its NUL.
    pub(crate) fn text(&self) -> &[u8] {
        self.message.strip_suffix(&[0]).unwrap_or_default()
    }

    pub(crate) fn reset(&mut self) {
        self.kind = MONGOCRYPT_STATUS_OK;
        self.code = 0;
        self.message.clear();
    }

    fn set_parts(&mut self, kind: c_int, code: u32, message: &[u8]) {
        self.kind = kind;
        self.code = code;
        self.message.clear();
        self.message.extend_from_slice(message);
        self.message.push(0);
    }
}

/// Statuses that were destroyed, to be handed out again.
///
/// Their memory is never given back, so a second destroy of the same status finds it in here and
/// does nothing, instead of freeing what is free.
static POOL: Mutex<Vec<Pooled>> = Mutex::new(Vec::new());

struct Pooled(NonNull<Status>);

// SAFETY: a pooled status has no other owner, and `Status` may move between threads.
unsafe impl Send for Pooled {}

/// Makes a status that says OK.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_status_new() -> *mut Status {
    guard(ptr::null_mut(), || {
        let pooled = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match pooled {
            Some(Pooled(mut status)) => {
                // SAFETY: it came from `Box::leak` below and the pool owned it alone.
                unsafe { status.as_mut() }.owner = Owner::Caller;
                status.as_ptr()
            }
            None => Box::leak(Box::new(Status { owner: Owner::Caller, ..Status::default() })),
        }
    })
}

/// Sets type, code and message.
///
/// `message_len` counts the NUL at the end, or is -1 for a string that has one; 0 means an empty
/// message.
///
/// # Safety
/// `message` is NULL or points to as many bytes as `message_len` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_status_set(
    status: Option<&mut Status>,
    kind: c_int,
    code: u32,
    message: *const c_char,
    message_len: i32,
) {
    guard((), || {
        let Some(status) = status else { return };
        let bytes: &[u8] = if message.is_null() {
            b""
        } else if message_len < 0 {
            // SAFETY: a negative length promises a NUL at the end.
            unsafe { std::ffi::CStr::from_ptr(message) }.to_bytes()
        } else {
            let length = usize::try_from(message_len).unwrap_or_default().saturating_sub(1);
            // SAFETY: the caller promises that many bytes.
            unsafe { std::slice::from_raw_parts(message.cast(), length) }
        };
        status.set_parts(kind, code, bytes);
    });
}

/// The type; OK for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_status_type(status: Option<&Status>) -> c_int {
    status.map_or(MONGOCRYPT_STATUS_OK, |status| status.kind)
}

/// The code; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_status_code(status: Option<&Status>) -> u32 {
    status.map_or(0, |status| status.code)
}

/// The message, NUL-terminated and owned by the status; NULL if the status is OK.
///
/// # Safety
/// `len` is NULL or valid for writing; it receives the length without the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_status_message(
    status: Option<&Status>,
    len: *mut u32,
) -> *const c_char {
    let Some(status) = status.filter(|status| !status.is_ok()) else { return ptr::null() };
    let length = u32::try_from(status.text().len()).unwrap_or(u32::MAX);
    // SAFETY: the caller's promise.
    unsafe { write_out(len, length) };
    status.message.as_ptr().cast()
}

/// Whether nothing failed; true for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_status_ok(status: Option<&Status>) -> bool {
    status.is_none_or(Status::is_ok)
}

/// Destroys a status. NULL is fine, and so is a status that was destroyed and not handed out
/// again since, or one that a callback was lent.
///
/// # Safety
/// `status` is NULL, came from `mongocrypt_status_new`, or is lent to the callback that runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_status_destroy(status: *mut Status) {
    guard((), || {
        let Some(mut pointer) = NonNull::new(status) else { return };
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: memory of a status is never given back, so the pointer is good even if this is
        // the second time; the lock keeps a second caller out.
        let status = unsafe { pointer.as_mut() };
        if status.owner == Owner::Caller {
            status.reset();
            status.owner = Owner::Pool;
            pool.push(Pooled(pointer));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: *mut Status) -> Option<(String, u32)> {
        let mut len = 77;
        // SAFETY: the status is live and the length is ours.
        let text = unsafe { mongocrypt_status_message(status.as_ref(), &raw mut len) };
        // SAFETY: messages have a NUL.
        (!text.is_null())
            .then(|| unsafe { (std::ffi::CStr::from_ptr(text).to_str().unwrap().to_owned(), len) })
    }

    fn set(status: *mut Status, text: &std::ffi::CStr, len: i32) {
        // SAFETY: the text has a NUL, and at least `len` bytes.
        unsafe { mongocrypt_status_set(status.as_mut(), 1, 7, text.as_ptr(), len) };
    }

    #[test]
    fn the_length_that_is_set_counts_the_nul_and_the_one_that_is_read_does_not() {
        let status = mongocrypt_status_new();
        assert_eq!(message(status), None);
        for (len, expected) in [(-1, "abc"), (4, "abc"), (3, "ab"), (1, ""), (0, "")] {
            set(status, c"abc", len);
            let length = u32::try_from(expected.len()).unwrap();
            assert_eq!(message(status), Some((expected.to_owned(), length)));
        }
        // SAFETY: it is live.
        assert_eq!(mongocrypt_status_code(unsafe { status.as_ref() }), 7);
        // SAFETY: it came from `mongocrypt_status_new`.
        unsafe { mongocrypt_status_destroy(status) };
    }

    #[test]
    fn a_second_destroy_does_nothing() {
        let status = mongocrypt_status_new();
        set(status, c"abc", -1);
        // SAFETY: it came from `mongocrypt_status_new`.
        unsafe {
            mongocrypt_status_destroy(status);
            mongocrypt_status_destroy(status);
        }
        let (one, two) = (mongocrypt_status_new(), mongocrypt_status_new());
        assert_ne!(one, two);
        assert_eq!(message(one), None);
        // SAFETY: both came from `mongocrypt_status_new`.
        unsafe {
            mongocrypt_status_destroy(one);
            mongocrypt_status_destroy(two);
        }
    }

    #[test]
    fn a_status_that_was_lent_is_not_destroyed() {
        let mut lent = Status::default();
        lent.set(&Failure::from("abc"));
        // SAFETY: it is live.
        unsafe { mongocrypt_status_destroy(&raw mut lent) };
        assert_eq!(lent.text(), b"abc");
        assert_ne!(mongocrypt_status_new(), &raw mut lent);
    }

    #[test]
    fn null_is_ok() {
        assert!(mongocrypt_status_ok(None));
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert!(mongocrypt_status_message(None, ptr::null_mut()).is_null());
            mongocrypt_status_set(None, 1, 1, ptr::null(), -1);
            mongocrypt_status_destroy(ptr::null_mut());
        }
    }
}
