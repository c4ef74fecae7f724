//! An application's own primitives give the same bytes as the built-in ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aes::Aes256;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, StreamCipher};
use bson::{RawDocumentBuf, rawdoc};
use fieldveil_core::{Algorithm, CryptoHooks, ExplicitOptions, HookError, KeyId, QueryType, Step};
use fieldveil_crypto::hash::sha256;
use fieldveil_crypto::hmac::{hmac_sha256, hmac_sha512};

use crate::outside::{Counting, Outside, binary};

/// Primitives that count their calls and fail at one of them.
#[derive(Default)]
struct Counted {
    calls: AtomicUsize,
    fails_at: Option<usize>,
}

impl Counted {
    fn count(&self) -> Result<(), HookError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if Some(call) == self.fails_at {
            return Err(HookError("the hardware is on fire".to_owned()));
        }
        Ok(())
    }
}

impl CryptoHooks for Counted {
    fn aes_256_cbc_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        self.count()?;
        out.copy_from_slice(input);
        let mut mode = cbc::Encryptor::<Aes256>::new(key.into(), iv.into());
        for block in out.as_chunks_mut::<16>().0 {
            mode.encrypt_block(block.into());
        }
        Ok(())
    }

    fn aes_256_cbc_decrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        self.count()?;
        out.copy_from_slice(input);
        let mut mode = cbc::Decryptor::<Aes256>::new(key.into(), iv.into());
        for block in out.as_chunks_mut::<16>().0 {
            mode.decrypt_block(block.into());
        }
        Ok(())
    }

    fn aes_256_ctr_encrypt(
        &self,
        key: &[u8; 32],
        iv: &[u8; 16],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), HookError> {
        self.count()?;
        out.copy_from_slice(input);
        ctr::Ctr128BE::<Aes256>::new(key.into(), iv.into()).apply_keystream(out);
        Ok(())
    }

    fn hmac_sha_512(&self, key: &[u8; 32], input: &[u8]) -> Result<[u8; 64], HookError> {
        self.count()?;
        Ok(hmac_sha512(key, input))
    }

    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], HookError> {
        self.count()?;
        Ok(hmac_sha256(key, input))
    }

    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], HookError> {
        self.count()?;
        Ok(sha256(input))
    }
}

fn hooked(hooks: &Arc<Counted>) -> Outside {
    Outside::with(|builder| {
        builder.crypto_hooks(Arc::clone(hooks) as Arc<dyn CryptoHooks + Send + Sync>);
    })
}

fn options(id: KeyId, algorithm: Algorithm) -> ExplicitOptions {
    ExplicitOptions { key_id: Some(id), algorithm: Some(algorithm), ..ExplicitOptions::new() }
}

/// Options of every kind, each with a value.
fn all_kinds(id: KeyId) -> Vec<(ExplicitOptions, RawDocumentBuf)> {
    let text = rawdoc! {
        "caseSensitive": false, "diacriticSensitive": false,
        "prefix": { "strMinQueryLength": 1, "strMaxQueryLength": 9 },
    };
    let indexed =
        |algorithm| ExplicitOptions { contention_factor: Some(3), ..options(id, algorithm) };
    let range = fieldveil_core::RangeOptions::parse(&rawdoc! { "min": 0, "max": 99 }).unwrap();
    vec![
        (options(id, Algorithm::Deterministic), rawdoc! { "v": "text" }),
        (options(id, Algorithm::Random), rawdoc! { "v": { "a": 1 } }),
        (options(id, Algorithm::Unindexed), rawdoc! { "v": "text" }),
        (indexed(Algorithm::Indexed), rawdoc! { "v": "text" }),
        (
            ExplicitOptions {
                query_type: Some(QueryType::Equality),
                ..indexed(Algorithm::Indexed)
            },
            rawdoc! { "v": "text" },
        ),
        (ExplicitOptions { range: Some(range), ..indexed(Algorithm::Range) }, rawdoc! { "v": 17 }),
        (
            ExplicitOptions {
                text: Some(fieldveil_core::TextOptions::parse(&text).unwrap()),
                ..indexed(Algorithm::String)
            },
            rawdoc! { "v": "Été" },
        ),
    ]
}

#[test]
fn hooks_and_built_in_ciphers_give_the_same_bytes() {
    let hooks = Arc::new(Counted::default());
    let mut native = Outside::new();
    let id = native.make_key(&[]);
    let mut hooked = Outside { vault: native.vault.clone(), ..hooked(&hooks) };
    for (options, message) in all_kinds(id) {
        native.random = Counting::default();
        hooked.random = Counting::default();
        let calls = hooks.calls.load(Ordering::Relaxed);
        let one = native.encrypt(&message, &options).unwrap();
        let other = hooked.encrypt(&message, &options).unwrap();
        assert_eq!(one, other, "{options:?}");
        assert!(hooks.calls.load(Ordering::Relaxed) > calls, "{options:?}");
        if options.query_type.is_none() {
            assert_eq!(native.decrypt(&other).unwrap(), message, "{options:?}");
            assert_eq!(hooked.decrypt(&one).unwrap(), message, "{options:?}");
        }
    }
}

#[test]
fn local_keys_are_wrapped_by_hooks_too() {
    let hooks = Arc::new(Counted::default());
    let mut hooked = hooked(&hooks);
    let id = hooked.make_key(&[]);
    assert!(hooks.calls.load(Ordering::Relaxed) > 0);
    let mut native = Outside { vault: hooked.vault.clone(), ..Outside::new() };
    let options = options(id, Algorithm::Deterministic);
    let message = rawdoc! { "v": 1 };
    assert_eq!(
        hooked.encrypt(&message, &options).unwrap(),
        native.encrypt(&message, &options).unwrap()
    );
    let rewrapped = hooked.run(|crypt, _| crypt.rewrap_many(&rawdoc! {}, None)).unwrap();
    assert_eq!(rewrapped.get_array("v").unwrap().into_iter().count(), 1);
}

#[test]
fn a_failing_hook_fails_the_operation_with_its_text_whichever_call_it_is() {
    let mut native = Outside::new();
    let id = native.make_key(&[]);
    for (options, message) in all_kinds(id) {
        for call in 0.. {
            let hooks = Arc::new(Counted { fails_at: Some(call), ..Counted::default() });
            let mut hooked = Outside { vault: native.vault.clone(), ..hooked(&hooks) };
            match hooked.encrypt(&message, &options) {
                Err(error) => assert_eq!(error.to_string(), "the hardware is on fire"),
                Ok(_) => {
                    assert!(call > 2);
                    break;
                }
            }
        }
    }
}

#[test]
fn tampering_is_found_with_hooks() {
    let hooks = Arc::new(Counted::default());
    let mut hooked = hooked(&hooks);
    let id = hooked.make_key(&[]);
    for algorithm in [Algorithm::Random, Algorithm::Unindexed] {
        let sealed = hooked.encrypt(&rawdoc! { "v": "text" }, &options(id, algorithm)).unwrap();
        let mut content = binary(&sealed).to_vec();
        *content.last_mut().unwrap() ^= 1;
        let changed = rawdoc! { "v": crate::outside::encrypted(content) };
        let error = hooked.decrypt(&changed).unwrap_err();
        assert_eq!(error.to_string(), "HMAC validation failure");
    }
    // Keys are cached: nothing is waited for.
    let crypt = hooked.crypt.clone();
    let step = crypt
        .encrypt_value(&rawdoc! { "v": 1 }, &options(id, Algorithm::Random), &mut hooked.env())
        .unwrap();
    assert!(matches!(step, Step::Ready(_)));
}
