//! The exported functions that set options of a handle.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{RawBinaryRef, RawDocumentBuf};
use zeroize::Zeroizing;

use super::{Crypt, call};
use crate::binary::Binary;
use crate::border::{CallerContext, text};
use crate::hooks::{CallerCiphers, CryptoFn, HashFn, HmacFn, RandomFn, RandomSource, SignHook};
use crate::log::LogFn;
use crate::status::Failure;

/// Sets who is told about events. NULL drops them.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_log_handler(
    crypt: Option<&Crypt>,
    log_fn: Option<LogFn>,
    log_ctx: *mut c_void,
) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.log_handler = log_fn.map(|handler| (handler, CallerContext(log_ctx)));
            Ok(())
        })
    })
}

/// Sets whether busy key services are asked again.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_retry_kms(crypt: Option<&Crypt>, enable: bool) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.retries_kms = enable;
            Ok(())
        })
    })
}

/// Tells that the caller feeds information about several collections where it is asked for them.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_enable_multiple_collinfo(crypt: Option<&Crypt>) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.allows_several_collections = true;
            Ok(())
        })
    })
}

/// Configures AWS; older than `mongocrypt_setopt_kms_providers`.
///
/// # Safety
/// Both strings are NULL or as long as their lengths say, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_setopt_kms_provider_aws(
    crypt: Option<&Crypt>,
    aws_access_key_id: *const c_char,
    aws_access_key_id_len: i32,
    aws_secret_access_key: *const c_char,
    aws_secret_access_key_len: i32,
) -> bool {
    call(crypt, |crypt| {
        // SAFETY: the caller's promise.
        let id = unsafe { text(aws_access_key_id, aws_access_key_id_len) }
            .map_err(|_| Failure::from("invalid aws access key id"))?;
        // SAFETY: the caller's promise.
        let secret = unsafe { text(aws_secret_access_key, aws_secret_access_key_len) }
            .map_err(|_| Failure::from("invalid aws secret access key"))?;
        let mut credentials = RawDocumentBuf::new();
        credentials.append(cstr!("accessKeyId"), id);
        credentials.append(cstr!("secretAccessKey"), secret);
        crypt.add_provider("aws", credentials)
    })
}

/// Configures the local provider; older than `mongocrypt_setopt_kms_providers`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_kms_provider_local(
    crypt: Option<&Crypt>,
    key: Option<&Binary>,
) -> bool {
    call(crypt, |crypt| {
        let bytes = key.and_then(Binary::bytes).ok_or("passed null key")?;
        if bytes.len() != 96 {
            return Err("local key must be 96 bytes".into());
        }
        let mut credentials = RawDocumentBuf::new();
        let key = RawBinaryRef { subtype: BinarySubtype::Generic, bytes };
        credentials.append(cstr!("key"), key);
        crypt.add_provider("local", credentials)
    })
}

/// Configures providers by a document: `{aws: {..}, "local:name": {key: ..}, ..}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_kms_providers(
    crypt: Option<&Crypt>,
    kms_providers: Option<&Binary>,
) -> bool {
    call(crypt, |crypt| {
        let document = kms_providers.and_then(Binary::document).ok_or("invalid BSON")?;
        crypt.set(|options| {
            options.builder.kms_providers(document).map_err(Failure::client).map(|_| ())
        })
    })
}

/// Sets schemas by namespace: `{"db.collection": JSON schema}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_schema_map(
    crypt: Option<&Crypt>,
    schema_map: Option<&Binary>,
) -> bool {
    call(crypt, |crypt| {
        let view = schema_map.filter(|view| view.bytes().is_some());
        let view = view.ok_or("passed null schema map")?;
        crypt.set(|options| {
            let document = view.document().ok_or("invalid bson")?;
            options.builder.schema_map(document).map_err(Failure::client).map(|_| ())
        })
    })
}

/// Sets Queryable Encryption schemas by namespace: `{"db.collection": encryptedFields}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_encrypted_field_config_map(
    crypt: Option<&Crypt>,
    efc_map: Option<&Binary>,
) -> bool {
    call(crypt, |crypt| {
        let view = efc_map.filter(|view| view.bytes().is_some());
        let view = view.ok_or("passed null encrypted_field_config_map")?;
        crypt.set(|options| {
            let document = view.document().ok_or("invalid bson")?;
            options.builder.encrypted_fields_map(document).map_err(Failure::client).map(|_| ())
        })
    })
}

/// Adds a directory to search for a `mongo_crypt_v1` library. `$SYSTEM` finds the built-in
/// analysis; a leading `$ORIGIN` is the directory of this library.
///
/// # Safety
/// `path` is NULL, which does nothing, or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_setopt_append_crypt_shared_lib_search_path(
    crypt: Option<&Crypt>,
    path: *const c_char,
) {
    call(crypt, |crypt| {
        // SAFETY: the caller's promise.
        let path = unsafe { text(path, -1) }.map_err(|_| Failure::from("invalid search path"))?;
        crypt.set(|options| {
            options.search_paths.directories.push(path.to_owned());
            Ok(())
        })
    });
}

/// Names the `mongo_crypt_v1` library to load. It has to be there.
///
/// # Safety
/// `path` is NULL, which does nothing, or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_setopt_set_crypt_shared_lib_path_override(
    crypt: Option<&Crypt>,
    path: *const c_char,
) {
    call(crypt, |crypt| {
        // SAFETY: the caller's promise.
        let path = unsafe { text(path, -1) }.map_err(|_| Failure::from("invalid override path"))?;
        crypt.set(|options| {
            options.search_paths.override_path = Some(path.to_owned());
            Ok(())
        })
    });
}

/// Tells that the caller supplies credentials when a context asks for them.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_use_need_kms_credentials_state(crypt: Option<&Crypt>) {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.asks_for_credentials = true;
            Ok(())
        })
    });
}

/// Tells that the caller can list collections of a database that a context names.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_use_need_mongo_collinfo_with_db_state(crypt: Option<&Crypt>) {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.asks_other_databases = true;
            Ok(())
        })
    });
}

/// Lets commands go out without analysis.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_bypass_query_analysis(crypt: Option<&Crypt>) {
    call(crypt, |crypt| {
        crypt.set(|options| {
            options.bypasses_query_analysis = true;
            Ok(())
        })
    });
}

/// Sets how long data keys are kept, in milliseconds; 0 is for ever.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_key_expiration(
    crypt: Option<&Crypt>,
    cache_expiration_ms: u64,
) -> bool {
    call(crypt, |crypt| {
        if i64::try_from(cache_expiration_ms).is_err() {
            return Err(Failure::client(format!(
                "expiration time must be less than {}, but got {cache_expiration_ms}",
                i64::MAX
            )));
        }
        crypt.set(|options| {
            let expiration = Duration::from_millis(cache_expiration_ms);
            options.builder.key_expiration((cache_expiration_ms > 0).then_some(expiration));
            Ok(())
        })
    })
}

/// Sets functions of the caller for ciphers, hashes and random bytes.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_crypto_hooks(
    crypt: Option<&Crypt>,
    aes_256_cbc_encrypt: Option<CryptoFn>,
    aes_256_cbc_decrypt: Option<CryptoFn>,
    random: Option<RandomFn>,
    hmac_sha_512: Option<HmacFn>,
    hmac_sha_256: Option<HmacFn>,
    sha_256: Option<HashFn>,
    ctx: *mut c_void,
) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            let cbc_encrypt = aes_256_cbc_encrypt.ok_or_else(|| not_set("aes_256_cbc_encrypt"))?;
            let cbc_decrypt = aes_256_cbc_decrypt.ok_or_else(|| not_set("aes_256_cbc_decrypt"))?;
            let random = random.ok_or_else(|| not_set("random"))?;
            let hmac_sha_512 = hmac_sha_512.ok_or_else(|| not_set("hmac_sha_512"))?;
            let hmac_sha_256 = hmac_sha_256.ok_or_else(|| not_set("hmac_sha_256"))?;
            let sha_256 = sha_256.ok_or_else(|| not_set("sha_256"))?;
            options.random = RandomSource::hook(random, ctx);
            options.ciphers = Some(CallerCiphers {
                cbc_encrypt,
                cbc_decrypt,
                hmac_sha_512,
                hmac_sha_256,
                sha_256,
                context: CallerContext(ctx),
                counter: options.counter,
            });
            Ok(())
        })
    })
}

/// Sets functions of the caller for AES-256 in counter mode. They are called along with those of
/// `mongocrypt_setopt_crypto_hooks`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_aes_256_ctr(
    crypt: Option<&Crypt>,
    aes_256_ctr_encrypt: Option<CryptoFn>,
    aes_256_ctr_decrypt: Option<CryptoFn>,
    ctx: *mut c_void,
) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            let encrypt = aes_256_ctr_encrypt.ok_or_else(|| not_set("aes_256_ctr_encrypt"))?;
            let decrypt = aes_256_ctr_decrypt.ok_or_else(|| not_set("aes_256_ctr_decrypt"))?;
            options.counter.ctr = Some((encrypt, decrypt, CallerContext(ctx)));
            Ok(())
        })
    })
}

/// Sets a function of the caller for AES-256 on single blocks, of which counter mode is made. It is
/// called along with those of `mongocrypt_setopt_crypto_hooks`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_aes_256_ecb(
    crypt: Option<&Crypt>,
    aes_256_ecb_encrypt: Option<CryptoFn>,
    ctx: *mut c_void,
) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            let encrypt = aes_256_ecb_encrypt.ok_or_else(|| not_set("aes_256_ecb_encrypt"))?;
            options.counter.ecb = Some((encrypt, CallerContext(ctx)));
            Ok(())
        })
    })
}

fn not_set(hook: &str) -> Failure {
    Failure::client(format!("{hook} not set"))
}

/// Sets a function of the caller that signs for GCP service accounts.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(
    crypt: Option<&Crypt>,
    sign_rsaes_pkcs1_v1_5: Option<HmacFn>,
    sign_ctx: *mut c_void,
) -> bool {
    call(crypt, |crypt| {
        crypt.set(|options| {
            if options.signer.is_some() {
                return Err("signature hook already set".into());
            }
            if let Some(hook) = sign_rsaes_pkcs1_v1_5 {
                options.signer = Some(Arc::new(SignHook::new(hook, sign_ctx)));
            }
            Ok(())
        })
    })
}

impl Crypt {
    /// Adds a single provider, and wipes what was written down of its credentials.
    fn add_provider(&self, id: &str, credentials: RawDocumentBuf) -> Result<(), Failure> {
        let credentials = Zeroizing::new(credentials.into_bytes());
        self.set(|options| {
            let mut providers = RawDocumentBuf::new();
            let name = bson::raw::CString::try_from(id).map_err(Failure::client)?;
            let document = bson::RawDocument::from_bytes(&credentials).map_err(Failure::client)?;
            providers.append(&name, document);
            let added = options.builder.kms_providers(&providers).map(|_| ());
            drop(Zeroizing::new(providers.into_bytes()));
            added.map_err(|error| {
                let text = error.to_string();
                // The older functions have a text of their own.
                Failure::client(
                    text.replace("KMS provider already set", "kms provider already set"),
                )
            })
        })
    }
}
