//! The seam through which randomness enters.

use crate::Secret;
use crate::cipher::Aes256;

/// A source of cryptographically secure random bytes.
///
/// Handed in by the caller, so that this crate depends on no operating system, a C caller may put
/// its own generator in, and a test may fix the bytes.
pub trait Random {
    /// Fills `out` completely.
    ///
    /// # Errors
    /// When the source fails; `out` then holds nothing of use.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError>;

    /// The same for bytes that are no key: initialization vectors, nonces, choices. They are as hard
    /// to foretell, but a source may have them in stock.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    fn fill_nonces(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.fill(out)
    }
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(out)
    }

    fn fill_nonces(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill_nonces(out)
    }
}

/// A random source failed. The reason is the source's own text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not get random bytes: {reason}")]
pub struct RandomError {
    reason: String,
}

impl RandomError {
    /// With the text that the source gave, for example of the operating system's error.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// The text of the source alone.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Makes many random bytes of few: fills `out` with the key stream of AES-256 in counter mode under
/// `seed`, the counter starting at 0.
///
/// Whoever does not know the seed cannot tell the bytes from random ones. The same seed gives the
/// same bytes, so use one once, and drop it.
pub fn expand(seed: &Secret<32>, out: &mut [u8]) {
    out.fill(0);
    Aes256::new(seed.expose()).ctr(&[0; 16], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counters 0, 1 and 2 under a key of zeros: H, E(K, Y0) and the ciphertext of McGrew and
    /// Viega, "The Galois/Counter Mode of Operation", test cases 13 and 14.
    #[test]
    fn a_seed_is_expanded_to_the_key_stream() {
        let mut out = [9; 33];
        expand(&Secret::copy_from(&[0; 32]), &mut out);
        let first = "dc95c078a2408989ad48a21492842087";
        let second = "530f8afbc74536b9a963b4f1c4cb738b";
        assert_eq!(hex::encode(out), format!("{first}{second}ce"));
    }
}
