//! Key material that wipes itself.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::CryptoError;

/// `N` bytes of key material: wiped on drop, never printed, compared in constant time.
///
/// There is no `Clone`, `PartialEq` or `Deref` on purpose: [`expose`](Self::expose) is the only
/// way to the bytes, and each call of it is a place to review.
pub struct Secret<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Secret<N> {
    /// Builds in place, so no copy of the bytes is left on the stack.
    ///
    /// # Errors
    /// Whatever `write` returns; what it had written is wiped.
    pub fn fill<E>(write: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Box::new(Zeroizing::new([0; N]));
        write(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Copies `bytes`. The caller wipes the original.
    pub fn copy_from(bytes: &[u8; N]) -> Self {
        let mut secret = Self(Box::new(Zeroizing::new([0; N])));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

/// Copies a slice of the right length. The caller wipes the original.
impl<const N: usize> TryFrom<&[u8]> for Secret<N> {
    type Error = CryptoError;

    fn try_from(bytes: &[u8]) -> Result<Self, CryptoError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self::copy_from(bytes)),
            Err(_) => Err(CryptoError::KeyLength { expected: N, actual: bytes.len() }),
        }
    }
}

impl<const N: usize> ConstantTimeEq for Secret<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.expose().ct_eq(other.expose())
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte() {
        let secret = Secret::copy_from(&[0xA5; 4]);
        assert_eq!(format!("{secret:?}"), "Secret<4>([redacted])");
        assert_eq!(format!("{secret:#?}"), "Secret<4>([redacted])");
    }

    #[test]
    fn wrong_length_names_both_lengths() {
        let error = Secret::<96>::try_from(&[0u8; 95][..]).unwrap_err();
        assert_eq!(error.to_string(), "key should have length 96, but has length 95");
    }

    #[test]
    fn equality_is_by_value() {
        let one = Secret::copy_from(&[1, 2, 3]);
        assert!(bool::from(one.ct_eq(&Secret::copy_from(&[1, 2, 3]))));
        assert!(!bool::from(one.ct_eq(&Secret::copy_from(&[1, 2, 4]))));
    }

    #[test]
    fn failed_fill_gives_no_secret() {
        assert_eq!(Secret::<4>::fill(|_| Err("no bytes")).unwrap_err(), "no bytes");
    }
}
