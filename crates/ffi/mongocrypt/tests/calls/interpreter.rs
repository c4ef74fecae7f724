//! Turns bytes into calls of the C interface, in any order and with any arguments.
//!
//! Shared by the property test beside it and by the fuzz target `ffi_calls`. Whatever the bytes
//! are, no call may panic, and a context that failed stays failed.

use std::ffi::{CString, c_int};
use std::ptr;

use mongocrypt::*;

/// Bytes that are read from the front; past their end everything is zero.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> CString {
        let names = ["Indexed", "Range", "String", "Unindexed", "equality", "range", "db", "aws"];
        match names.get(usize::from(self.byte() % 16)) {
            Some(name) => CString::new(*name).unwrap_or_default(),
            None => CString::new(self.bytes()).unwrap_or_default(),
        }
    }
}

/// A view of bytes that live as long as the call: NULL, given bytes, or a document around them.
fn with_view<R>(input: &mut Input<'_>, call: impl FnOnce(Option<&Binary>) -> R) -> R {
    let names = ["v", "keyAltName", "keyMaterial", "provider", "local", "insert", "_id"];
    let mut bytes = match input.byte() % 8 {
        0 => return call(None),
        1 => input.bytes().to_vec(),
        2 => vec![7; 16],
        3 => document("provider", 2, b"\x06\0\0\0local\0"),
        choice => {
            let name = names[usize::from(input.byte()) % names.len()];
            let content = input.bytes();
            let length = u32::try_from(content.len()).unwrap_or(0);
            match choice {
                4 => document(name, 5, &[&length.to_le_bytes(), &[6][..], content].concat()),
                5 => document(name, 5, &[&length.to_le_bytes(), &[0][..], content].concat()),
                6 => document(name, 16, &[1, 0, 0, 0]),
                _ => document(name, 2, &[&(length + 1).to_le_bytes(), content, &[0]].concat()),
            }
        }
    };
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    // SAFETY: the bytes outlive the view, which does not leave this function.
    let view = unsafe { mongocrypt_binary_new_from_data(bytes.as_mut_ptr(), length) };
    let result = call(Some(&view));
    mongocrypt_binary_destroy(Some(view));
    result
}

fn document(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    let body = [&[kind][..], name.as_bytes(), &[0], value, &[0]].concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(0);
    [&length.to_le_bytes(), &body[..]].concat()
}

fn handle(input: &mut Input<'_>) -> Box<Crypt> {
    let crypt = mongocrypt_new().expect("a handle");
    let flags = input.byte();
    let key = [3; 96];
    let local = [&96u32.to_le_bytes()[..], &[0], &key].concat();
    let mut providers = document("local", 3, &document("key", 5, &local));
    let length = u32::try_from(providers.len()).unwrap_or(0);
    // SAFETY: the bytes outlive the view.
    let view = unsafe { mongocrypt_binary_new_from_data(providers.as_mut_ptr(), length) };
    mongocrypt_setopt_kms_providers(Some(&crypt), Some(&view));
    mongocrypt_binary_destroy(Some(view));
    let (id, secret) = (c"id", c"secret");
    // SAFETY: both are literals.
    unsafe {
        mongocrypt_setopt_kms_provider_aws(Some(&crypt), id.as_ptr(), -1, secret.as_ptr(), -1);
    }
    if flags & 1 != 0 {
        // SAFETY: a literal.
        unsafe {
            mongocrypt_setopt_append_crypt_shared_lib_search_path(
                Some(&crypt),
                c"$SYSTEM".as_ptr(),
            );
        }
    }
    if flags & 2 != 0 {
        mongocrypt_setopt_bypass_query_analysis(Some(&crypt));
    }
    if flags & 4 != 0 {
        with_view(input, |view| mongocrypt_setopt_schema_map(Some(&crypt), view));
    }
    if flags & 8 != 0 {
        with_view(input, |view| mongocrypt_setopt_encrypted_field_config_map(Some(&crypt), view));
    }
    mongocrypt_setopt_retry_kms(Some(&crypt), flags & 16 != 0);
    mongocrypt_init(Some(&crypt));
    crypt
}

/// Makes the calls that `bytes` stand for.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let crypt = handle(&mut input);
    let Some(mut ctx) = mongocrypt_ctx_new(Some(&crypt)) else {
        mongocrypt_destroy(Some(crypt));
        return;
    };
    let mut kms: *mut KmsCtx = ptr::null_mut();
    let mut has_failed = false;
    for _ in 0..64 {
        if input.0.is_empty() {
            break;
        }
        call(&mut ctx, &mut kms, &mut input);
        let status = mongocrypt_status_new();
        // SAFETY: the status is live.
        let is_ok = mongocrypt_ctx_status(Some(&mut ctx), unsafe { status.as_mut() });
        // SAFETY: it came from `mongocrypt_status_new`.
        unsafe { mongocrypt_status_destroy(status) };
        has_failed |= !is_ok;
        assert_eq!(has_failed, !is_ok, "a context that failed stays failed");
    }
    mongocrypt_ctx_destroy(Some(ctx));
    mongocrypt_destroy(Some(crypt));
}

fn call(ctx: &mut Ctx, kms: &mut *mut KmsCtx, input: &mut Input<'_>) {
    let choice = input.byte();
    let ctx = Some(ctx);
    // SAFETY: a KMS context lives as long as its context.
    let exchange = unsafe { kms.as_mut() };
    let length = c_int::from(input.byte().cast_signed()).clamp(-2, 2);
    match choice % 34 {
        0 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_key_id(ctx, view))),
        1 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_index_key_id(ctx, view))),
        2 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_key_alt_name(ctx, view))),
        3 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_key_material(ctx, view))),
        4 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_algorithm_range(ctx, view))),
        5 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_algorithm_text(ctx, view))),
        6 => ignore(with_view(input, |view| mongocrypt_ctx_setopt_key_encryption_key(ctx, view))),
        7 => ignore(mongocrypt_ctx_setopt_masterkey_local(ctx)),
        8 => ignore(mongocrypt_ctx_setopt_contention_factor(ctx, i64::from(length))),
        9..=13 => with_text(choice % 34, ctx, input),
        14 => ignore(mongocrypt_ctx_datakey_init(ctx)),
        15 => ignore(with_view(input, |view| mongocrypt_ctx_explicit_encrypt_init(ctx, view))),
        16 => ignore(with_view(input, |view| {
            mongocrypt_ctx_explicit_encrypt_expression_init(ctx, view)
        })),
        17 => ignore(with_view(input, |view| mongocrypt_ctx_decrypt_init(ctx, view))),
        18 => ignore(with_view(input, |view| mongocrypt_ctx_explicit_decrypt_init(ctx, view))),
        19 => ignore(with_view(input, |view| mongocrypt_ctx_rewrap_many_datakey_init(ctx, view))),
        20 => ignore(mongocrypt_ctx_state(ctx)),
        21 => ignore(mongocrypt_ctx_mongo_op(ctx, Some(&mut mongocrypt_binary_new()))),
        22 => ignore(mongocrypt_ctx_mongo_db(ctx)),
        23 => ignore(with_view(input, |view| mongocrypt_ctx_mongo_feed(ctx, view))),
        24 => ignore(mongocrypt_ctx_mongo_done(ctx)),
        25 => *kms = mongocrypt_ctx_next_kms_ctx(ctx),
        26 => ignore(mongocrypt_ctx_kms_done(ctx)),
        27 => ignore(with_view(input, |view| mongocrypt_ctx_provide_kms_providers(ctx, view))),
        28 => ignore(mongocrypt_ctx_finalize(ctx, Some(&mut mongocrypt_binary_new()))),
        29 => ignore(with_view(input, |view| mongocrypt_kms_ctx_feed(exchange, view))),
        30 => ignore(with_view(input, |view| {
            {
                let mut retry = false;
                // SAFETY: the place is ours.
                unsafe { mongocrypt_kms_ctx_feed_with_retry(exchange, view, &raw mut retry) }
            }
        })),
        31 => ignore(mongocrypt_kms_ctx_fail(exchange)),
        32 => ignore(mongocrypt_kms_ctx_bytes_needed(exchange)),
        _ => ignore(mongocrypt_kms_ctx_message(exchange, Some(&mut mongocrypt_binary_new()))),
    }
}

/// Whatever a call returns, the status of the context is what counts.
fn ignore<T>(_: T) {}

/// The calls that take text.
fn with_text(choice: u8, ctx: Option<&mut Ctx>, input: &mut Input<'_>) {
    let (one, two) = (input.text(), input.text());
    let (one, two) = (one.as_ptr(), two.as_ptr());
    // SAFETY: both have a NUL and outlive the call.
    unsafe {
        match choice {
            9 => mongocrypt_ctx_setopt_algorithm(ctx, one, -1),
            10 => mongocrypt_ctx_setopt_query_type(ctx, one, -1),
            11 => mongocrypt_ctx_setopt_masterkey_aws(ctx, one, -1, two, -1),
            12 => mongocrypt_ctx_setopt_masterkey_aws_endpoint(ctx, one, -1),
            _ => with_view(input, |view| mongocrypt_ctx_encrypt_init(ctx, one, -1, view)),
        };
    }
}
