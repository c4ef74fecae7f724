//! Many CSFLE values in one call.
//!
//! The values of a document, or of all documents of a command or reply, are independent messages:
//! handed over together, they are hashed and encrypted side by side. They may be under different
//! keys, of different lengths, and random and deterministic by turns. The result is, byte for byte,
//! what [`DataKey`]'s own methods give for each value alone. Nothing is allocated per value.
//!
//! ```
//! use fieldveil_crypto::{DataKey, batch};
//!
//! let key = DataKey::try_from(&[7; 96][..])?;
//! // The output is laid out first: here two bytes of associated data, then the ciphertext.
//! let mut sealed = b"AD".to_vec();
//! sealed.resize(2 + batch::ciphertext_len(5), 0);
//! let job = batch::EncryptJob {
//!     key: &key,
//!     algorithm: batch::Algorithm::Deterministic,
//!     plaintext: b"value",
//!     aad: 0..2,
//! };
//! batch::encrypt(&[job], &mut sealed)?;
//!
//! let (aad, ciphertext) = sealed.split_at(2);
//! let mut jobs = [batch::DecryptJob::new(&key, aad, ciphertext)];
//! let mut plain = Vec::new();
//! batch::decrypt(&mut jobs, &mut plain)?;
//! assert_eq!(plain[jobs[0].plaintext()], *b"value");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::ops::Range;

use zeroize::zeroize_bytes;

use crate::aead::IV_LEN;
pub use crate::aead::ciphertext_len;
use crate::{CryptoError, DataKey};

mod blocks;
mod group;
mod macs;

pub use group::GROUP;

/// How a value is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// With the given initialization vector, which must be fresh and random for every value.
    Random {
        /// Sixteen random bytes.
        iv: [u8; IV_LEN],
    },
    /// With an initialization vector derived from associated data and plaintext.
    Deterministic,
}

/// One value to encrypt. `Debug` shows the length of the plaintext only.
pub struct EncryptJob<'a> {
    /// The key to encrypt under.
    pub key: &'a DataKey,
    /// Random or deterministic.
    pub algorithm: Algorithm,
    /// At least one byte.
    pub plaintext: &'a [u8],
    /// Where in the output the associated data stand, already written. The ciphertext goes right
    /// behind them and takes [`ciphertext_len`] bytes there.
    pub aad: Range<usize>,
}

impl fmt::Debug for EncryptJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptJob")
            .field("algorithm", &self.algorithm)
            .field("plaintext_len", &self.plaintext.len())
            .field("aad", &self.aad)
            .finish_non_exhaustive()
    }
}

/// One value to decrypt.
#[derive(Debug)]
pub struct DecryptJob<'a> {
    key: &'a DataKey,
    aad: &'a [u8],
    ciphertext: &'a [u8],
    plaintext: Range<usize>,
}

impl<'a> DecryptJob<'a> {
    /// `ciphertext` under `key`, authenticated together with `aad`.
    pub fn new(key: &'a DataKey, aad: &'a [u8], ciphertext: &'a [u8]) -> Self {
        Self { key, aad, ciphertext, plaintext: 0..0 }
    }

    /// Where in the output the plaintext stands; empty before [`decrypt`] and after an error.
    #[inline]
    pub fn plaintext(&self) -> Range<usize> {
        self.plaintext.clone()
    }
}

/// A value of a batch was refused, and with it the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{source}")]
pub struct BatchError {
    /// Which of the jobs.
    pub job: usize,
    /// Why.
    pub source: CryptoError,
}

/// Encrypts every job into its place in `out`.
///
/// The places must not overlap; if they do, what they hold afterwards is unspecified.
///
/// # Errors
/// [`CryptoError::PlaintextEmpty`], [`CryptoError::OutputTooSmall`]: found before anything is
/// encrypted, for the first such job.
pub fn encrypt(jobs: &[EncryptJob<'_>], out: &mut [u8]) -> Result<(), BatchError> {
    for (index, job) in jobs.iter().enumerate() {
        check(job, out.len()).map_err(|source| BatchError { job: index, source })?;
    }
    group::encrypt(jobs, out);
    Ok(())
}

fn check(job: &EncryptJob<'_>, actual: usize) -> Result<(), CryptoError> {
    if job.plaintext.is_empty() {
        return Err(CryptoError::PlaintextEmpty);
    }
    let needed = job.aad.end.saturating_add(ciphertext_len(job.plaintext.len()));
    if job.aad.start > job.aad.end || needed > actual {
        return Err(CryptoError::OutputTooSmall { needed, actual });
    }
    Ok(())
}

/// Decrypts every job, appending to `out`; [`DecryptJob::plaintext`] then tells where.
///
/// Plaintexts stand in the order of the jobs, but not necessarily without gaps.
///
/// # Errors
/// As [`DataKey::decrypt`], for the first of the jobs that is refused. `out` is then as it was.
pub fn decrypt(jobs: &mut [DecryptJob<'_>], out: &mut Vec<u8>) -> Result<(), BatchError> {
    let start = out.len();
    let result = group::decrypt(jobs, out);
    if result.is_err() {
        if let Some(plaintext) = out.get_mut(start..) {
            zeroize_bytes(plaintext);
        }
        out.truncate(start);
        jobs.iter_mut().for_each(|job| job.plaintext = 0..0);
    }
    result
}

#[cfg(test)]
mod tests;
