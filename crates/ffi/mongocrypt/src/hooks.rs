//! Crypto hooks: functions of the caller.
//!
//! Ciphers are built in, so a hook is never needed. A caller that sets the hooks has its own
//! functions called for every cipher, hash and random byte of its handle, the signatures of requests
//! to AWS among them, and for the RSA signature of GCP.

use std::ffi::c_void;

use fieldveil_crypto::{Random, RandomError};
use fieldveil_kms::Rs256Signer;

use crate::binary::Binary;
use crate::border::CallerContext;
use crate::random::StockedRandom;
use crate::status::Status;

mod ciphers;

pub(crate) use ciphers::{CallerCiphers, CounterHooks};

/// `mongocrypt_crypto_fn`: a cipher. Context, key, IV, input, output, bytes written, status.
pub type CryptoFn = unsafe extern "C" fn(
    *mut c_void,
    *mut Binary,
    *mut Binary,
    *mut Binary,
    *mut Binary,
    *mut u32,
    *mut Status,
) -> bool;
/// `mongocrypt_hmac_fn`: a keyed hash or a signature. Context, key, input, output, status.
pub type HmacFn =
    unsafe extern "C" fn(*mut c_void, *mut Binary, *mut Binary, *mut Binary, *mut Status) -> bool;
/// `mongocrypt_hash_fn`: a hash. Context, input, output, status.
pub type HashFn = unsafe extern "C" fn(*mut c_void, *mut Binary, *mut Binary, *mut Status) -> bool;
/// `mongocrypt_random_fn`: random bytes. Context, output, count, status.
pub type RandomFn = unsafe extern "C" fn(*mut c_void, *mut Binary, u32, *mut Status) -> bool;

/// Where random bytes come from.
#[derive(Clone, Copy, Default)]
pub(crate) struct RandomSource(Option<(RandomFn, CallerContext)>);

impl RandomSource {
    pub(crate) fn hook(hook: RandomFn, context: *mut c_void) -> Self {
        Self(Some((hook, CallerContext(context))))
    }
}

impl Random for RandomSource {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        let Some((hook, context)) = self.0 else { return StockedRandom.fill(out) };
        let count = u32::try_from(out.len()).map_err(|_| RandomError::new("too many bytes"))?;
        let mut view = Binary::of_mut(out);
        let mut status = Status::default();
        // SAFETY: the hook was given for this purpose; the view and the status live through the
        // call.
        if unsafe { hook(context.0, &raw mut view, count, &raw mut status) } {
            Ok(())
        } else {
            Err(RandomError::new(hook_message(&status)))
        }
    }

    fn fill_nonces(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        if self.0.is_none() { StockedRandom.fill_nonces(out) } else { self.fill(out) }
    }
}

/// The caller's RSA signature.
pub(crate) struct SignHook(HmacFn, CallerContext);

/// A signature of a key with 2048 bits, the length that the hook's contract fixes.
const SIGNATURE_BYTES: usize = 256;

impl SignHook {
    pub(crate) fn new(hook: HmacFn, context: *mut c_void) -> Self {
        Self(hook, CallerContext(context))
    }
}

impl Rs256Signer for SignHook {
    fn sign(&self, private_key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; SIGNATURE_BYTES];
        let (mut key, mut input) = (Binary::of(private_key), Binary::of(message));
        let mut output = Binary::of_mut(&mut signature);
        let mut status = Status::default();
        // SAFETY: the hook was given for this purpose; views and status live through the call.
        let is_signed = unsafe {
            self.0(self.1.0, &raw mut key, &raw mut input, &raw mut output, &raw mut status)
        };
        if is_signed { Ok(signature) } else { Err(hook_message(&status)) }
    }
}

fn hook_message(status: &Status) -> String {
    let text = String::from_utf8_lossy(status.text()).into_owned();
    if text.is_empty() { "crypto hook failed".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn counting(
        _: *mut c_void,
        out: *mut Binary,
        count: u32,
        _: *mut Status,
    ) -> bool {
        // SAFETY: the view has `count` bytes.
        let data = crate::binary::mongocrypt_binary_data(unsafe { out.as_ref() });
        for at in 0..usize::try_from(count).unwrap() {
            // SAFETY: as above.
            unsafe { data.add(at).write(u8::try_from(at).unwrap()) };
        }
        true
    }

    unsafe extern "C" fn failing(
        _: *mut c_void,
        _: *mut Binary,
        _: u32,
        status: *mut Status,
    ) -> bool {
        // SAFETY: the status is live, the text has a NUL.
        unsafe {
            crate::status::mongocrypt_status_set(status.as_mut(), 1, 1, c"empty".as_ptr(), -1);
        }
        false
    }

    #[test]
    fn random_bytes_come_from_the_hook() {
        let mut bytes = [9; 4];
        RandomSource::hook(counting, std::ptr::null_mut()).fill(&mut bytes).unwrap();
        assert_eq!(bytes, [0, 1, 2, 3]);
    }

    #[test]
    fn a_hook_that_fails_is_heard() {
        let error = RandomSource::hook(failing, std::ptr::null_mut()).fill(&mut [0; 4]);
        assert_eq!(error.unwrap_err().reason(), "empty");
    }
}
