//! SHA-256, SHA-512 and their HMACs of any message: equal to those of the `sha2` crate.
#![no_main]

use fieldveil_crypto::{hash, hmac};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256, Sha512};

fuzz_target!(|data: &[u8]| {
    assert_eq!(hash::sha256(data)[..], Sha256::digest(data)[..]);
    assert_eq!(hash::sha512(data)[..], Sha512::digest(data)[..]);
    let (key, message) = data.split_at(data.len() / 3);
    assert_eq!(hmac::hmac_sha256(key, message)[..], by_definition::<Sha256>(key, message, 64));
    assert_eq!(hmac::hmac_sha512(key, message)[..], by_definition::<Sha512>(key, message, 128));
});

/// RFC 2104, section 2.
fn by_definition<H: Digest>(key: &[u8], message: &[u8], block: usize) -> Vec<u8> {
    let mut pad = if key.len() > block { H::digest(key).to_vec() } else { key.to_vec() };
    pad.resize(block, 0);
    let inner: Vec<u8> = pad.iter().map(|byte| byte ^ 0x36).collect();
    let outer: Vec<u8> = pad.iter().map(|byte| byte ^ 0x5c).collect();
    let inner = H::new().chain_update(inner).chain_update(message).finalize();
    H::new().chain_update(outer).chain_update(inner).finalize().to_vec()
}
