//! Ciphers and keyed hashes of the caller.

use std::ffi::c_void;

use fieldveil_core::{CryptoHooks, HookError};

use super::{CryptoFn, HashFn, HmacFn, hook_message};
use crate::binary::Binary;
use crate::border::CallerContext;
use crate::status::Status;

const BLOCK: usize = 16;

/// What `mongocrypt_setopt_crypto_hooks` and its companions set.
#[derive(Clone)]
pub(crate) struct CallerCiphers {
    pub(crate) cbc_encrypt: CryptoFn,
    pub(crate) cbc_decrypt: CryptoFn,
    pub(crate) hmac_sha_512: HmacFn,
    pub(crate) hmac_sha_256: HmacFn,
    pub(crate) sha_256: HashFn,
    pub(crate) context: CallerContext,
    pub(crate) counter: CounterHooks,
}

/// Counter mode, as whole or by single blocks. Without either it is made of the CBC hook.
#[derive(Clone, Copy, Default)]
pub(crate) struct CounterHooks {
    pub(crate) ctr: Option<(CryptoFn, CryptoFn, CallerContext)>,
    pub(crate) ecb: Option<(CryptoFn, CallerContext)>,
}

impl CryptoHooks for CallerCiphers {
    fn aes_256_cbc_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        cipher(self.cbc_encrypt, self.context, key, Some(iv), input, out)
    }

    fn aes_256_cbc_decrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        cipher(self.cbc_decrypt, self.context, key, Some(iv), input, out)
    }

    fn aes_256_ctr_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        match self.counter.ctr {
            Some((encrypt, _, context)) => cipher(encrypt, context, key, Some(iv), input, out),
            None => self.count_blocks(key, iv, input, out),
        }
    }

    fn aes_256_ctr_decrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        match self.counter.ctr {
            Some((_, decrypt, context)) => cipher(decrypt, context, key, Some(iv), input, out),
            None => self.count_blocks(key, iv, input, out),
        }
    }

    fn hmac_sha_512(&self, key: &[u8; 32], input: &[u8]) -> Result<[u8; 64], HookError> {
        mac(self.hmac_sha_512, self.context, key, input)
    }

    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], HookError> {
        mac(self.hmac_sha_256, self.context, key, input)
    }

    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], HookError> {
        let mut output = [0; 32];
        let mut input = Binary::of(input);
        let mut out = Binary::of_mut(&mut output);
        let mut status = Status::default();
        // SAFETY: the hook was given for this purpose; views and status live through the call, and
        // the output has the length of the hash.
        let is_done = unsafe {
            (self.sha_256)(self.context.0, &raw mut input, &raw mut out, &raw mut status)
        };
        if is_done { Ok(output) } else { Err(HookError(hook_message(&status))) }
    }
}

impl CallerCiphers {
    /// Counter mode from encrypted counter blocks.
    fn count_blocks(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        let mut counter = u128::from_be_bytes(*iv);
        for (input, out) in input.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let mut stream = [0; BLOCK];
            self.encrypt_block(key, &counter.to_be_bytes(), &mut stream)?;
            for ((out, input), stream) in out.iter_mut().zip(input).zip(stream) {
                *out = input ^ stream;
            }
            counter = counter.wrapping_add(1);
        }
        Ok(())
    }

    /// One block alone; CBC does that too if the initialisation vector is zero.
    fn encrypt_block(
        &self,
        key: &[u8; 32],
        block: &[u8; BLOCK],
        out: &mut [u8; BLOCK],
    ) -> Result<(), HookError> {
        match self.counter.ecb {
            Some((encrypt, context)) => cipher(encrypt, context, key, None, block, out),
            None => cipher(self.cbc_encrypt, self.context, key, Some(&[0; BLOCK]), block, out),
        }
    }
}

/// Calls a cipher, whose output has to be as long as its input.
fn cipher(
    hook: CryptoFn,
    context: CallerContext,
    key: &[u8; 32],
    iv: Option<&[u8; 16]>,
    input: &[u8],
    out: &mut [u8],
) -> Result<(), HookError> {
    let (expected, mut written) = (input.len(), 0);
    let (mut key, mut input) = (Binary::of(key), Binary::of(input));
    let mut iv = iv.map(|iv| Binary::of(iv));
    let iv = iv.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let mut out = Binary::of_mut(out);
    let mut status = Status::default();
    // SAFETY: the hook was given for this purpose; views, status and counter live through the call,
    // and the output is as long as the input.
    let is_done = unsafe {
        hook(
            context.0,
            &raw mut key,
            iv,
            &raw mut input,
            &raw mut out,
            &raw mut written,
            &raw mut status,
        )
    };
    if !is_done {
        return Err(HookError(hook_message(&status)));
    }
    if usize::try_from(written) != Ok(expected) {
        return Err(HookError("encryption hook returned unexpected length".to_owned()));
    }
    Ok(())
}

fn mac<const N: usize>(
    hook: HmacFn,
    context: CallerContext,
    key: &[u8],
    input: &[u8],
) -> Result<[u8; N], HookError> {
    let mut output = [0; N];
    let (mut key, mut input) = (Binary::of(key), Binary::of(input));
    let mut out = Binary::of_mut(&mut output);
    let mut status = Status::default();
    let context: *mut c_void = context.0;
    // SAFETY: the hook was given for this purpose; views and status live through the call, and the
    // output has the length of the hash.
    let is_done =
        unsafe { hook(context, &raw mut key, &raw mut input, &raw mut out, &raw mut status) };
    if is_done { Ok(output) } else { Err(HookError(hook_message(&status))) }
}
