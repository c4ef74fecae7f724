//! The hashes that requests are signed with.

use fieldveil_crypto::{hash, hmac};

/// SHA-256 and HMAC-SHA-256 of an application that brings its own cryptography along.
pub trait RequestHashes {
    /// SHA-256.
    ///
    /// # Errors
    /// With the application's own words.
    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], String>;

    /// HMAC-SHA-256, with a key of any length.
    ///
    /// # Errors
    /// With the application's own words.
    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], String>;
}

/// The built-in ones.
pub(crate) struct NativeHashes;

impl RequestHashes for NativeHashes {
    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], String> {
        Ok(hash::sha256(input))
    }

    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], String> {
        Ok(hmac::hmac_sha256(key, input))
    }
}
