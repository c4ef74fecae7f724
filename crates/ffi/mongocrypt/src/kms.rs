//! `mongocrypt_kms_ctx_t`: one exchange with a key service.

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};

use fieldveil_kms::KmsRequest;

use crate::binary::Binary;
use crate::border::{guard, write_out};
use crate::status::{Failure, Status};

/// A request of the step that its context waits in.
pub struct KmsCtx {
    /// `None` once the step is over.
    request: Option<NonNull<KmsRequest>>,
    endpoint: CString,
    provider: CString,
    status: Status,
    was_returned: bool,
}

/// The exchanges of a context, those of past steps included: C may still hold them.
///
/// They are pointers and not boxes because C uses its copies of them in between.
#[derive(Default)]
pub(crate) struct KmsHandles {
    /// From `Box::into_raw`; freed with this list.
    all: Vec<NonNull<KmsCtx>>,
    /// Where those of the step begin.
    current: usize,
}

impl Drop for KmsHandles {
    fn drop(&mut self) {
        for handle in self.all.drain(..) {
            // SAFETY: it came from `Box::into_raw`, and nobody else frees it.
            drop(unsafe { Box::from_raw(handle.as_ptr()) });
        }
    }
}

impl KmsHandles {
    /// Makes a handle for each request of a step. The requests stay where they are, and are not
    /// looked at by anybody else, until `retire`.
    pub(crate) fn start(&mut self, requests: &mut [KmsRequest]) {
        self.retire();
        self.all.extend(requests.iter_mut().map(|request| {
            let handle = Box::new(KmsCtx {
                endpoint: CString::new(request.endpoint()).unwrap_or_default(),
                provider: CString::new(request.provider().as_str()).unwrap_or_default(),
                status: Status::default(),
                was_returned: false,
                request: Some(NonNull::from(request)),
            });
            NonNull::from(Box::leak(handle))
        }));
    }

    /// Ends the use of the requests. The handles refuse from now on.
    pub(crate) fn retire(&mut self) {
        if self.current == self.all.len() {
            return;
        }
        for handle in self.of_step() {
            // SAFETY: it lives as long as the list, and the calls on one context come one by one.
            unsafe { handle.as_mut() }.request = None;
        }
        self.current = self.all.len();
    }

    fn of_step(&mut self) -> &mut [NonNull<KmsCtx>] {
        self.all.get_mut(self.current..).unwrap_or_default()
    }

    /// The first that has to be sent again, or else the first that was not handed out.
    pub(crate) fn next(&mut self) -> *mut KmsCtx {
        for handle in self.of_step() {
            // SAFETY: as in `retire`.
            if let Some(request) = unsafe { handle.as_mut() }.request()
                && request.needs_retry()
            {
                request.begin_retry();
                return handle.as_ptr();
            }
        }
        for handle in self.of_step() {
            // SAFETY: as in `retire`.
            if !std::mem::replace(&mut unsafe { handle.as_mut() }.was_returned, true) {
                return handle.as_ptr();
            }
        }
        ptr::null_mut()
    }
}

impl KmsCtx {
    fn request(&mut self) -> Option<&mut KmsRequest> {
        // SAFETY: the request is part of the step that the context owns; `retire` takes the
        // pointer away before the step goes on, and a context is destroyed with its handles.
        self.request.map(|mut request| unsafe { request.as_mut() })
    }

    fn live(&mut self) -> Result<&mut KmsRequest, Failure> {
        self.request().ok_or_else(|| "KMS context is no longer in use".into())
    }
}

/// Runs a call on an exchange: NULL and a panic are `false`, an error is `false` and recorded.
fn call(kms: Option<&mut KmsCtx>, body: impl FnOnce(&mut KmsCtx) -> Result<(), Failure>) -> bool {
    let Some(kms) = kms else { return false };
    let panicked = Err(Failure::from("unexpected internal error"));
    match guard(panicked, || body(kms)) {
        Ok(()) => true,
        Err(failure) => {
            kms.status.set(&failure);
            false
        }
    }
}

/// Points `msg` at the bytes to send. They live until `mongocrypt_ctx_kms_done`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_message(
    kms: Option<&mut KmsCtx>,
    msg: Option<&mut Binary>,
) -> bool {
    call(kms, |kms| {
        let msg = msg.ok_or("argument 'msg' is required")?;
        msg.set(kms.live()?.message());
        Ok(())
    })
}

/// Points `endpoint` at `host:port`. It lives as long as the context.
///
/// # Safety
/// `endpoint` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_kms_ctx_endpoint(
    kms: Option<&mut KmsCtx>,
    endpoint: *mut *const c_char,
) -> bool {
    call(kms, |kms| {
        if endpoint.is_null() {
            return Err("argument 'endpoint' is required".into());
        }
        // SAFETY: the caller's promise.
        unsafe { write_out(endpoint, kms.endpoint.as_ptr()) };
        Ok(())
    })
}

/// How many bytes may be fed next; 0 when no more are wanted.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_bytes_needed(kms: Option<&mut KmsCtx>) -> u32 {
    guard(0, || {
        let Some(kms) = kms.filter(|kms| kms.status.is_ok()) else { return 0 };
        kms.request().map_or(0, |request| request.bytes_needed())
    })
}

/// How many microseconds to wait before the message is sent.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_usleep(kms: Option<&mut KmsCtx>) -> i64 {
    guard(0, || {
        let delay = kms.and_then(KmsCtx::request).map(|request| request.delay());
        delay.map_or(0, |delay| i64::try_from(delay.as_micros()).unwrap_or(i64::MAX))
    })
}

/// Feeds bytes of the reply.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_feed(
    kms: Option<&mut KmsCtx>,
    bytes: Option<&Binary>,
) -> bool {
    call(kms, |kms| kms.feed(bytes))
}

/// Feeds bytes of the reply; `should_retry` is set if the message has to be sent again, after
/// `mongocrypt_kms_ctx_usleep`, on a new connection.
///
/// # Safety
/// `should_retry` is NULL or valid for writing; what it holds before is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_kms_ctx_feed_with_retry(
    kms: Option<&mut KmsCtx>,
    bytes: Option<&Binary>,
    should_retry: *mut bool,
) -> bool {
    call(kms, |kms| {
        if should_retry.is_null() {
            return Err("argument 'should_retry' is required".into());
        }
        // SAFETY: the caller's promise.
        unsafe { write_out(should_retry, false) };
        kms.live()?.begin_retry();
        kms.feed(bytes)?;
        // SAFETY: the caller's promise.
        unsafe { write_out(should_retry, kms.live()?.needs_retry()) };
        Ok(())
    })
}

impl KmsCtx {
    fn feed(&mut self, bytes: Option<&Binary>) -> Result<(), Failure> {
        if !self.status.is_ok() {
            return Err(Failure::client(String::from_utf8_lossy(self.status.text())));
        }
        let view = bytes.ok_or("argument 'bytes' is required")?;
        self.live()?.feed(view.bytes().unwrap_or_default()).map_err(Failure::client)
    }
}

/// Reports that the connection failed; true means that the message may be sent again.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_fail(kms: Option<&mut KmsCtx>) -> bool {
    call(kms, |kms| kms.live()?.network_failed().map_err(Failure::client))
}

/// Copies the status of the exchange to `status`; false if it is an error.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_kms_ctx_status(
    kms: Option<&mut KmsCtx>,
    status: Option<&mut Status>,
) -> bool {
    let Some(status) = status else {
        return call(kms, |_| Err("argument 'status' is required".into()));
    };
    guard(false, || {
        let Some(kms) = kms else { return false };
        kms.status.copy_to(status);
        status.is_ok()
    })
}

/// The id of the provider that is asked. It lives as long as the context.
///
/// # Safety
/// `len` is NULL or valid for writing; it receives the length without the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_kms_ctx_get_kms_provider(
    kms: Option<&mut KmsCtx>,
    len: *mut u32,
) -> *const c_char {
    let Some(kms) = kms else { return ptr::null() };
    let length = u32::try_from(kms.provider.count_bytes()).unwrap_or(u32::MAX);
    // SAFETY: the caller's promise.
    unsafe { write_out(len, length) };
    kms.provider.as_ptr()
}
