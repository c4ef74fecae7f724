//! The caller's log handler.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use crate::border::CallerContext;

/// Something failed for good.
pub(crate) const ERROR: c_int = 1;
/// Something failed that can be done without.
pub(crate) const WARNING: c_int = 2;
/// An event in the life of a handle.
pub(crate) const INFO: c_int = 3;

/// `mongocrypt_log_fn_t`: level, message, its length without the NUL, and the caller's context.
pub type LogFn = unsafe extern "C" fn(c_int, *const c_char, u32, *mut c_void);

/// Calls one handler, one call at a time.
#[derive(Default)]
pub(crate) struct Log {
    handler: Mutex<Option<(LogFn, CallerContext)>>,
}

impl Log {
    pub(crate) fn set(&self, handler: Option<(LogFn, CallerContext)>) {
        *self.lock() = handler;
    }

    /// Hands `message` to the handler; without one it is dropped.
    pub(crate) fn write(&self, level: c_int, message: &str) {
        let guard = self.lock();
        let Some((handler, context)) = *guard else { return };
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let text = [message.as_bytes(), &[0]].concat();
        // SAFETY: the handler was given for this purpose, the text has a NUL and lives through
        // the call, and the lock serialises calls.
        unsafe { handler(level, text.as_ptr().cast(), length, context.0) };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(LogFn, CallerContext)>> {
        self.handler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
