//! Any bytes in the place of a ciphertext: an error and untouched output, never a panic.
#![no_main]

use std::sync::LazyLock;

use fieldveil_crypto::DataKey;
use fieldveil_crypto::batch::{self, DecryptJob};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<DataKey> = LazyLock::new(|| DataKey::try_from(&[7; 96][..]).unwrap());

fuzz_target!(|data: &[u8]| {
    let split = data.first().map_or(0, |first| usize::from(*first).min(data.len()));
    let (aad, ciphertext) = data.split_at(split);
    let mut out = b"before".to_vec();
    assert!(KEY.decrypt(aad, ciphertext, &mut out).is_err());
    assert!(KEY.decrypt_qe(aad, ciphertext, &mut out).is_err());
    assert!(KEY.decrypt_qe_v1(aad, ciphertext, &mut out).is_err());
    let mut jobs = [0; 9].map(|_| DecryptJob::new(&KEY, aad, ciphertext));
    assert_eq!(batch::decrypt(&mut jobs, &mut out).unwrap_err().job, 0);
    assert_eq!(out, b"before");
    let tokens = KEY.index_tokens();
    let _ = tokens.ecoc.decrypt_state(ciphertext);
    let _ = tokens.server_data_encryption.decrypt_value(ciphertext, &mut out);
});
