//! 96 bytes of key material and what is computed from them once.

use std::fmt;

use crate::cipher::Aes256;
use crate::hmac::HmacSha512;
use crate::{CryptoError, Secret};

/// A data key, or a local master key: both are 96 bytes and encrypt alike.
///
/// Client-side field level encryption slices the material into a MAC key `[0..32)`, an encryption
/// key `[32..64)` and a key for deterministic initialization vectors `[64..96)`. The AES key
/// schedules and the HMAC states are computed when the key is made and kept, so that a value costs
/// no key set-up. Everything is wiped on drop.
///
/// Making one is the expensive part: keep it, and share it by reference (it is `Send` and `Sync`).
pub struct DataKey {
    material: Secret<96>,
    csfle: Box<CsfleKeys>,
}

/// The three keys of client-side field level encryption, each of its own type.
pub(crate) struct CsfleKeys {
    pub(crate) mac: MacKey,
    pub(crate) cipher: Aes256,
    pub(crate) iv: IvKey,
}

/// Authenticates ciphertexts.
pub(crate) struct MacKey(pub(crate) HmacSha512);

/// Derives initialization vectors of the deterministic algorithm.
pub(crate) struct IvKey(pub(crate) HmacSha512);

impl DataKey {
    /// Computes the schedules and states of `material`.
    pub fn new(material: Secret<96>) -> Self {
        let [mac, encryption, iv] = slices(&material);
        let csfle = Box::new(CsfleKeys {
            mac: MacKey(HmacSha512::new(mac)),
            cipher: Aes256::new(encryption),
            iv: IvKey(HmacSha512::new(iv)),
        });
        Self { material, csfle }
    }

    /// The 96 bytes, for wrapping them with a master key.
    pub fn material(&self) -> &Secret<96> {
        &self.material
    }

    pub(crate) fn csfle(&self) -> &CsfleKeys {
        &self.csfle
    }
}

/// The three slices of 32 bytes.
fn slices(material: &Secret<96>) -> [&[u8; 32]; 3] {
    match material.expose().as_chunks() {
        ([first, second, third], _) => [first, second, third],
        _ => unreachable!("96 bytes are three times 32"),
    }
}

impl From<Secret<96>> for DataKey {
    fn from(material: Secret<96>) -> Self {
        Self::new(material)
    }
}

/// Copies a slice of 96 bytes. The caller wipes the original.
impl TryFrom<&[u8]> for DataKey {
    type Error = CryptoError;

    fn try_from(material: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self::new(material.try_into()?))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte() {
        let key = DataKey::try_from(&[0xA5; 96][..]).unwrap();
        assert_eq!(format!("{key:?}"), "DataKey([redacted])");
        assert_eq!(format!("{key:#?}"), "DataKey([redacted])");
    }

    #[test]
    fn only_96_bytes_make_a_key() {
        for length in [0, 32, 95, 97] {
            let error = DataKey::try_from(&vec![0; length][..]).unwrap_err();
            assert_eq!(error, CryptoError::KeyLength { expected: 96, actual: length });
        }
    }

    #[test]
    fn is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<DataKey>();
    }
}
