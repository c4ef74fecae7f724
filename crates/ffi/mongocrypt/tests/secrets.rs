//! No secret and no plaintext is handed to the caller's log handler or stands in a status.
//!
//! A data key under each key service is unwrapped, by replies that are good and by replies that
//! break where the key or the token stands in them.
#![expect(clippy::expect_used, reason = "a test may fail so")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Mutex;

use bson::{Document, doc, spec::BinarySubtype};
use mongocrypt::*;

/// What the library said.
static HEARD: Mutex<String> = Mutex::new(String::new());

const PLAINTEXT: &str = "457-55-5462 of nobody";
const AWS_SECRET: &str = "secret/access+key/of/the/account";
const TOKEN: &str = "token-that-the-cloud-gave-out";
/// 96 bytes in base64.
const DATA_KEY: &str = "9PJ+2nx0PmhbS9Yd1d2wUcpHUcjHJ8sVh1ERdZPPvsHnEVhdV4iRYQmfTfXWtKFvYh0hmlTj\
                        aHjTVwSr8ULdzLfuSrfpgVmDCTf2O83Y1KA5kQFqMfkqf1Fv7WeSyQKp";

extern "C" fn hear(level: c_int, message: *const c_char, _length: u32, _context: *mut c_void) {
    // SAFETY: the library hands over text with a NUL.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    note(&format!("{level}: {text}"));
}

fn note(text: &str) {
    let mut heard = HEARD.lock().expect("a lock");
    heard.push_str(text);
    heard.push('\n');
}

/// Lends bytes to the library for one call.
fn lend<R>(bytes: &[u8], call: impl FnOnce(Option<&Binary>) -> R) -> R {
    let mut bytes = bytes.to_vec();
    let length = u32::try_from(bytes.len()).expect("a length");
    // SAFETY: the bytes outlive the view.
    let view = unsafe { mongocrypt_binary_new_from_data(bytes.as_mut_ptr(), length) };
    let result = call(Some(&view));
    mongocrypt_binary_destroy(Some(view));
    result
}

fn lend_document<R>(document: &Document, call: impl FnOnce(Option<&Binary>) -> R) -> R {
    lend(&document.to_vec().expect("a document"), call)
}

fn handle() -> Box<Crypt> {
    let crypt = mongocrypt_new().expect("a handle");
    assert!(mongocrypt_setopt_log_handler(Some(&crypt), Some(hear), ptr::null_mut()));
    let providers = doc! {
        "aws": { "accessKeyId": "id", "secretAccessKey": AWS_SECRET },
        "azure": { "accessToken": TOKEN },
        "gcp": { "accessToken": TOKEN },
    };
    assert!(lend_document(&providers, |view| mongocrypt_setopt_kms_providers(Some(&crypt), view)));
    // SAFETY: a literal.
    unsafe {
        mongocrypt_setopt_append_crypt_shared_lib_search_path(Some(&crypt), c"$SYSTEM".as_ptr());
    }
    assert!(mongocrypt_init(Some(&crypt)));
    crypt
}

/// Encrypts a value under a data key that a service has to unwrap, and gives whether it did.
fn encrypt(crypt: &Crypt, master_key: Document, status: u16, body: &str) -> bool {
    let id = bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] };
    let key = doc! {
        "_id": id.clone(),
        "keyMaterial": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![9; 120] },
        "creationDate": bson::DateTime::from_millis(1),
        "updateDate": bson::DateTime::from_millis(1),
        "status": 1,
        "masterKey": master_key,
    };
    let mut ctx = mongocrypt_ctx_new(Some(crypt)).expect("a context");
    assert!(lend(&id.bytes, |view| mongocrypt_ctx_setopt_key_id(Some(&mut ctx), view)));
    let algorithm = c"AEAD_AES_256_CBC_HMAC_SHA_512-Random";
    // SAFETY: a literal.
    assert!(unsafe { mongocrypt_ctx_setopt_algorithm(Some(&mut ctx), algorithm.as_ptr(), -1) });
    let value = doc! { "v": PLAINTEXT };
    assert!(lend_document(&value, |v| mongocrypt_ctx_explicit_encrypt_init(Some(&mut ctx), v)));
    assert!(lend_document(&key, |view| mongocrypt_ctx_mongo_feed(Some(&mut ctx), view)));
    assert!(mongocrypt_ctx_mongo_done(Some(&mut ctx)));

    let kms = mongocrypt_ctx_next_kms_ctx(Some(&mut ctx));
    let reply = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut rest = reply.as_bytes();
    // SAFETY: the exchange lives as long as its context.
    while let Some(kms) = unsafe { kms.as_mut() } {
        let wanted = usize::try_from(mongocrypt_kms_ctx_bytes_needed(Some(kms))).unwrap_or(0);
        let (now, later) = rest.split_at(wanted.min(rest.len()));
        if now.is_empty() || !lend(now, |view| mongocrypt_kms_ctx_feed(Some(kms), view)) {
            note_status(|status| mongocrypt_kms_ctx_status(Some(kms), status));
            break;
        }
        rest = later;
    }
    let is_done = mongocrypt_ctx_kms_done(Some(&mut ctx));
    note_status(|status| mongocrypt_ctx_status(Some(&mut ctx), status));
    mongocrypt_ctx_destroy(Some(ctx));
    is_done
}

fn note_status(read: impl FnOnce(Option<&mut Status>) -> bool) {
    let status = mongocrypt_status_new();
    // SAFETY: the status is live until it is destroyed, and its message is text with a NUL.
    unsafe {
        if !read(status.as_mut()) {
            let message = mongocrypt_status_message(status.as_ref(), ptr::null_mut());
            note(&CStr::from_ptr(message).to_string_lossy());
        }
        mongocrypt_status_destroy(status);
    }
}

fn master_keys() -> [Document; 3] {
    [
        doc! { "provider": "aws", "region": "us-east-1", "key": "arn" },
        doc! { "provider": "azure", "keyVaultEndpoint": "v.vault.azure.net", "keyName": "k" },
        doc! {
            "provider": "gcp", "projectId": "p", "location": "l", "keyRing": "r", "keyName": "k",
        },
    ]
}

#[test]
fn logs_and_statuses_tell_no_secret() {
    for master_key in master_keys() {
        let try_reply = |status, body: &str| encrypt(&handle(), master_key.clone(), status, body);
        let fields = |key: &str| {
            format!(r#"{{"Plaintext": "{key}", "value": "{key}", "plaintext": "{key}"}}"#)
        };
        assert!(try_reply(200, &fields(DATA_KEY)));
        for body in [
            fields(&format!("{DATA_KEY}!")),
            fields(DATA_KEY.get(..120).unwrap_or_default()),
            format!("{} x", fields(DATA_KEY)),
            format!(r#"{{"Plaintext": "{DATA_KEY}"#),
            format!(r#"["{DATA_KEY}"]"#),
            format!(r#""{DATA_KEY}""#),
            format!(r#"{{"key": "{DATA_KEY}"}}"#),
        ] {
            assert!(!try_reply(200, &body));
        }
        assert!(!try_reply(403, r#"{"error": "denied"}"#));
    }
    let heard = HEARD.lock().expect("a lock");
    assert!(heard.contains("Using the built-in query analysis"), "the handler is called");
    assert!(heard.contains("bytes withheld") && heard.contains("denied"), "statuses are read");
    let start = DATA_KEY.get(..20).unwrap_or_default();
    for secret in [PLAINTEXT, AWS_SECRET, TOKEN, start] {
        assert!(!heard.contains(secret), "{secret}:\n{heard}");
    }
}
