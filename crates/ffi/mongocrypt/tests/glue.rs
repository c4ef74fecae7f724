//! What pointers C may keep, and what callbacks may do; made small enough to run under Miri:
//!
//! ```text
//! MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p fieldveil-mongocrypt --test glue
//! ```
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use std::ffi::c_void;
use std::ptr;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use mongocrypt::*;

const LOCAL_KEY: [u8; 96] = [3; 96];

fn view(bytes: &[u8]) -> Box<Binary> {
    let length = u32::try_from(bytes.len()).unwrap();
    // SAFETY: callers keep the bytes for as long as the view, and the library only reads them.
    unsafe { mongocrypt_binary_new_from_data(bytes.as_ptr().cast_mut(), length) }
}

/// What a view shows.
fn shown(view: &Binary) -> RawDocumentBuf {
    let length = usize::try_from(mongocrypt_binary_len(Some(view))).unwrap();
    // SAFETY: the view was filled by the library, and what filled it lives.
    let bytes = unsafe { std::slice::from_raw_parts(mongocrypt_binary_data(Some(view)), length) };
    RawDocumentBuf::from_bytes(bytes.to_vec()).unwrap()
}

fn local() -> Box<Crypt> {
    let crypt = mongocrypt_new().unwrap();
    assert!(mongocrypt_setopt_kms_provider_local(Some(&crypt), Some(&view(&LOCAL_KEY))));
    crypt
}

fn status_of(ctx: &mut Ctx) -> String {
    let status = mongocrypt_status_new();
    // SAFETY: the status is live until it is destroyed, and its message has a NUL.
    unsafe {
        assert!(!mongocrypt_ctx_status(Some(ctx), status.as_mut()));
        let text = mongocrypt_status_message(status.as_ref(), ptr::null_mut());
        let text = std::ffi::CStr::from_ptr(text).to_str().unwrap().to_owned();
        mongocrypt_status_destroy(status);
        text
    }
}

/// A new data key's document, for the key vault.
fn data_key(crypt: &Crypt) -> RawDocumentBuf {
    let mut ctx = mongocrypt_ctx_new(Some(crypt)).unwrap();
    assert!(mongocrypt_ctx_setopt_masterkey_local(Some(&mut ctx)));
    assert!(mongocrypt_ctx_datakey_init(Some(&mut ctx)), "{}", status_of(&mut ctx));
    let mut out = mongocrypt_binary_new();
    assert!(mongocrypt_ctx_finalize(Some(&mut ctx), Some(&mut out)));
    let key = shown(&out);
    mongocrypt_ctx_destroy(Some(ctx));
    mongocrypt_binary_destroy(Some(out));
    key
}

fn id_of(key: &RawDocument) -> Vec<u8> {
    match key.get("_id").unwrap() {
        Some(RawBsonRef::Binary(id)) => id.bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Drives a context that needs nothing but `key`.
fn finish(ctx: &mut Ctx, key: &RawDocument) -> RawDocumentBuf {
    let mut op = mongocrypt_binary_new();
    assert_eq!(mongocrypt_ctx_state(Some(ctx)), MONGOCRYPT_CTX_NEED_MONGO_KEYS);
    assert!(mongocrypt_ctx_mongo_op(Some(ctx), Some(&mut op)));
    let first = mongocrypt_binary_data(Some(&op));
    assert!(mongocrypt_ctx_mongo_op(Some(ctx), Some(&mut op)));
    assert_eq!(mongocrypt_binary_data(Some(&op)), first, "one step has one filter");
    let fed = view(key.as_bytes());
    assert!(mongocrypt_ctx_mongo_feed(Some(ctx), Some(&fed)), "{}", status_of(ctx));
    mongocrypt_binary_destroy(Some(fed));
    assert!(mongocrypt_ctx_mongo_done(Some(ctx)), "{}", status_of(ctx));
    let mut out = mongocrypt_binary_new();
    assert!(mongocrypt_ctx_finalize(Some(ctx), Some(&mut out)));
    assert!(!mongocrypt_ctx_finalize(Some(ctx), Some(&mut mongocrypt_binary_new())));
    // The context has failed since, but what it handed out lives as long as it does.
    assert!(shown(&op).get("$or").unwrap().is_some());
    let result = shown(&out);
    mongocrypt_binary_destroy(Some(op));
    mongocrypt_binary_destroy(Some(out));
    result
}

fn encrypting(crypt: &Crypt, key: &RawDocument) -> Box<Ctx> {
    let mut ctx = mongocrypt_ctx_new(Some(crypt)).unwrap();
    assert!(mongocrypt_ctx_setopt_key_id(Some(&mut ctx), Some(&view(&id_of(key)))));
    let algorithm = c"AEAD_AES_256_CBC_HMAC_SHA_512-Random";
    // SAFETY: the literal has a NUL.
    assert!(unsafe { mongocrypt_ctx_setopt_algorithm(Some(&mut ctx), algorithm.as_ptr(), -1) });
    ctx
}

#[test]
fn contexts_outlive_their_handle() {
    let crypt = local();
    assert!(mongocrypt_init(Some(&crypt)));
    let key = data_key(&crypt);
    let mut ctx = encrypting(&crypt, &key);
    let mut back = mongocrypt_ctx_new(Some(&crypt)).unwrap();
    mongocrypt_destroy(Some(crypt));
    let message = rawdoc! { "v": "secret" };
    assert!(mongocrypt_ctx_explicit_encrypt_init(Some(&mut ctx), Some(&view(message.as_bytes()))));
    let sealed = finish(&mut ctx, &key);
    mongocrypt_ctx_destroy(Some(ctx));
    // The cache belongs to the contexts too: the key is there.
    let init = mongocrypt_ctx_explicit_decrypt_init;
    assert!(init(Some(&mut back), Some(&view(sealed.as_bytes()))), "{}", status_of(&mut back));
    let mut out = mongocrypt_binary_new();
    assert!(mongocrypt_ctx_finalize(Some(&mut back), Some(&mut out)));
    assert_eq!(shown(&out), message);
    mongocrypt_ctx_destroy(Some(back));
    mongocrypt_binary_destroy(Some(out));
}

#[test]
fn exchanges_end_with_their_step() {
    let crypt = mongocrypt_new().unwrap();
    let (id, secret) = (c"id".as_ptr(), c"secret".as_ptr());
    // SAFETY: both are literals.
    assert!(unsafe { mongocrypt_setopt_kms_provider_aws(Some(&crypt), id, -1, secret, -1) });
    assert!(mongocrypt_init(Some(&crypt)));
    let mut ctx = mongocrypt_ctx_new(Some(&crypt)).unwrap();
    let key = rawdoc! { "provider": "aws", "region": "us-east-1", "key": "k" };
    let key = view(key.as_bytes());
    assert!(mongocrypt_ctx_setopt_key_encryption_key(Some(&mut ctx), Some(&key)));
    mongocrypt_binary_destroy(Some(key));
    assert!(mongocrypt_ctx_datakey_init(Some(&mut ctx)));
    let kms = mongocrypt_ctx_next_kms_ctx(Some(&mut ctx));
    let mut message = mongocrypt_binary_new();
    // SAFETY: an exchange lives as long as its context.
    unsafe {
        assert!(mongocrypt_kms_ctx_message(kms.as_mut(), Some(&mut message)));
        assert!(mongocrypt_kms_ctx_bytes_needed(kms.as_mut()) > 0);
        assert!(mongocrypt_ctx_next_kms_ctx(Some(&mut ctx)).is_null());
        assert!(mongocrypt_kms_ctx_message(kms.as_mut(), Some(&mut message)));
    }
    assert!(mongocrypt_binary_len(Some(&message)) > 100);
    assert!(!mongocrypt_ctx_kms_done(Some(&mut ctx)), "no reply has come");
    // SAFETY: as above; it refuses, for its request is gone.
    unsafe {
        assert!(!mongocrypt_kms_ctx_message(kms.as_mut(), Some(&mut message)));
        assert_eq!(mongocrypt_kms_ctx_bytes_needed(kms.as_mut()), 0);
        let mut retry = std::mem::MaybeUninit::<bool>::uninit();
        let feed = mongocrypt_kms_ctx_feed_with_retry;
        assert!(!feed(kms.as_mut(), Some(&view(b"HTTP")), retry.as_mut_ptr()));
        assert!(!retry.assume_init());
    }
    mongocrypt_ctx_destroy(Some(ctx));
    mongocrypt_destroy(Some(crypt));
    mongocrypt_binary_destroy(Some(message));
}

/// What the random hook below is given.
struct Elsewhere {
    crypt: Box<Crypt>,
    calls: std::cell::Cell<u32>,
}

/// Makes a data key by another handle while the library waits for its random bytes.
unsafe extern "C" fn random(
    context: *mut c_void,
    out: *mut Binary,
    count: u32,
    status: *mut Status,
) -> bool {
    // SAFETY: the context is the one of the test, which lives; the view has `count` bytes.
    let (elsewhere, data) =
        unsafe { (&*context.cast::<Elsewhere>(), mongocrypt_binary_data(out.as_ref())) };
    elsewhere.calls.set(elsewhere.calls.get() + 1);
    let key = data_key(&elsewhere.crypt);
    for (at, byte) in id_of(&key).iter().cycle().take(count.try_into().unwrap()).enumerate() {
        // SAFETY: as above.
        unsafe { data.add(at).write(*byte) };
    }
    // SAFETY: it is lent; destroying it does nothing.
    unsafe { mongocrypt_status_destroy(status) };
    true
}

#[test]
fn a_hook_may_use_the_library() {
    unsafe extern "C" fn cipher(
        _: *mut c_void,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut u32,
        _: *mut Status,
    ) -> bool {
        false
    }
    unsafe extern "C" fn mac(
        _: *mut c_void,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut Status,
    ) -> bool {
        false
    }
    unsafe extern "C" fn hash(
        _: *mut c_void,
        _: *mut Binary,
        _: *mut Binary,
        _: *mut Status,
    ) -> bool {
        false
    }
    let elsewhere = Elsewhere { crypt: local(), calls: 0.into() };
    assert!(mongocrypt_init(Some(&elsewhere.crypt)));
    let crypt = local();
    assert!(mongocrypt_setopt_crypto_hooks(
        Some(&crypt),
        Some(cipher),
        Some(cipher),
        Some(random),
        Some(mac),
        Some(mac),
        Some(hash),
        ptr::from_ref(&elsewhere).cast_mut().cast(),
    ));
    assert!(mongocrypt_init(Some(&crypt)));
    let mut ctx = mongocrypt_ctx_new(Some(&crypt)).unwrap();
    assert!(mongocrypt_ctx_setopt_masterkey_local(Some(&mut ctx)));
    // The random bytes come; the cipher after them fails without a word.
    assert!(!mongocrypt_ctx_datakey_init(Some(&mut ctx)));
    assert!(status_of(&mut ctx).contains("crypto hook failed"));
    assert!(elsewhere.calls.get() > 0);
    mongocrypt_ctx_destroy(Some(ctx));
    mongocrypt_destroy(Some(crypt));
    mongocrypt_destroy(Some(elsewhere.crypt));
}
