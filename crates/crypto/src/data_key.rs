//! 96 bytes of key material and what is computed from them once.

use std::fmt;
use std::sync::OnceLock;

use zeroize::zeroize_stack;

use crate::cipher::Aes256;
use crate::hmac::{HmacSha256, HmacSha512};
use crate::qe::tokens::IndexTokens;
use crate::{CryptoError, Secret};

/// A data key, or a local master key: both are 96 bytes and encrypt alike.
///
/// Client-side field level encryption slices the material into a MAC key `[0..32)`, an encryption
/// key `[32..64)` and a key for deterministic initialization vectors `[64..96)`. The AES key
/// schedules and the HMAC states are computed when the key is made and kept, so that a value costs
/// no key set-up. Everything is wiped on drop.
///
/// Queryable Encryption slices the same material into an encryption key `[0..32)`, a MAC key
/// `[32..64)` and the root of the tree of tokens `[64..96)`. What it needs is computed at its first
/// use.
///
/// Making one is the expensive part: keep it, and share it by reference (it is `Send` and `Sync`).
pub struct DataKey {
    material: Secret<96>,
    csfle: Box<CsfleKeys>,
    qe: OnceLock<Box<QeKeys>>,
    index_tokens: OnceLock<Box<IndexTokens>>,
}

/// The three keys of client-side field level encryption, each of its own type.
pub(crate) struct CsfleKeys {
    pub(crate) mac: MacKey,
    pub(crate) cipher: Aes256,
    pub(crate) iv: IvKey,
}

/// The keys of Queryable Encryption for a client's values.
pub(crate) struct QeKeys {
    pub(crate) cipher: Aes256,
    pub(crate) mac: HmacSha256,
}

/// Authenticates ciphertexts.
pub(crate) struct MacKey(pub(crate) HmacSha512);

/// Derives initialization vectors of the deterministic algorithm.
pub(crate) struct IvKey(pub(crate) HmacSha512);

impl DataKey {
    /// Computes the schedules and states of `material`.
    pub fn new(material: Secret<96>) -> Self {
        let csfle = CsfleKeys::derive(&material);
        wipe_stack();
        Self { material, csfle, qe: OnceLock::new(), index_tokens: OnceLock::new() }
    }

    /// The 96 bytes, for wrapping them with a master key.
    pub fn material(&self) -> &Secret<96> {
        &self.material
    }

    /// The tokens at the top of the tree of this key, if it is an index key.
    pub fn index_tokens(&self) -> &IndexTokens {
        self.index_tokens.get_or_init(|| {
            let [_, _, root] = slices(&self.material);
            Box::new(IndexTokens::derive(root))
        })
    }

    pub(crate) fn csfle(&self) -> &CsfleKeys {
        &self.csfle
    }

    pub(crate) fn qe(&self) -> &QeKeys {
        self.qe.get_or_init(|| {
            let keys = QeKeys::derive(&self.material);
            wipe_stack();
            keys
        })
    }
}

impl CsfleKeys {
    #[inline(never)]
    fn derive(material: &Secret<96>) -> Box<Self> {
        let [mac, encryption, iv] = slices(material);
        Box::new(Self {
            mac: MacKey(HmacSha512::new(mac)),
            cipher: Aes256::new(encryption),
            iv: IvKey(HmacSha512::new(iv)),
        })
    }
}

impl QeKeys {
    #[inline(never)]
    fn derive(material: &Secret<96>) -> Box<Self> {
        let [encryption, mac, _] = slices(material);
        Box::new(Self { cipher: Aes256::new(encryption), mac: HmacSha256::new(mac) })
    }
}

/// Keys are computed on the stack and then moved to the heap: what the functions called before
/// left behind is overwritten.
fn wipe_stack() {
    zeroize_stack::<4096>();
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
