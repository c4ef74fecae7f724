//! How values are encrypted, and with which key.

use std::{fmt, str::FromStr};

use bson::{Binary, spec::BinarySubtype};

use crate::error::{ConfigError, Result};

/// How a value is encrypted.
///
/// ```
/// use fieldveil::Algorithm;
///
/// let algorithm: Algorithm = "AEAD_AES_256_CBC_HMAC_SHA_512-Random".parse()?;
/// assert_eq!(algorithm, Algorithm::Random);
/// # Ok::<(), fieldveil::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Equal values give equal ciphertexts, so that they can be found by equality. Shows which
    /// documents share a value.
    Deterministic,
    /// Equal values give different ciphertexts, which cannot be queried.
    Random,
    /// Queryable Encryption: can be found by equality. Needs a contention factor.
    Indexed,
    /// Queryable Encryption: cannot be queried.
    Unindexed,
    /// Queryable Encryption: can be found by range. Needs a contention factor and
    /// [`RangeOptions`](crate::RangeOptions).
    Range,
    /// Queryable Encryption: text that can be found by its beginning, its end or a part. Needs a
    /// contention factor and [`TextOptions`](crate::TextOptions).
    String,
}

impl Algorithm {
    const ALL: [Self; 6] = [
        Self::Deterministic,
        Self::Random,
        Self::Indexed,
        Self::Unindexed,
        Self::Range,
        Self::String,
    ];

    /// The algorithm's full name, as schemas have it.
    ///
    /// ```
    /// assert_eq!(fieldveil::Algorithm::Indexed.as_str(), "Indexed");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deterministic => "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
            Self::Random => "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
            Self::Indexed => "Indexed",
            Self::Unindexed => "Unindexed",
            Self::Range => "Range",
            Self::String => "String",
        }
    }

    pub(super) fn to_core(self) -> fieldveil_core::Algorithm {
        match self {
            Self::Deterministic => fieldveil_core::Algorithm::Deterministic,
            Self::Random => fieldveil_core::Algorithm::Random,
            Self::Indexed => fieldveil_core::Algorithm::Indexed,
            Self::Unindexed => fieldveil_core::Algorithm::Unindexed,
            Self::Range => fieldveil_core::Algorithm::Range,
            Self::String => fieldveil_core::Algorithm::String,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| ConfigError::Algorithm { given: name.to_owned() })
    }
}

/// Which data key encrypts a value.
///
/// ```
/// use fieldveil::EncryptKey;
///
/// assert_eq!(EncryptKey::from("example"), EncryptKey::AltName("example".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum EncryptKey {
    /// The key with this `_id`, a UUID.
    Id(Binary),
    /// The key with this alternate name. Not for Queryable Encryption.
    AltName(String),
}

impl From<Binary> for EncryptKey {
    fn from(id: Binary) -> Self {
        Self::Id(id)
    }
}

impl From<String> for EncryptKey {
    fn from(name: String) -> Self {
        Self::AltName(name)
    }
}

impl From<&str> for EncryptKey {
    fn from(name: &str) -> Self {
        Self::AltName(name.to_owned())
    }
}

/// Refuses an id that no data key can have.
pub(super) fn check_key_id(id: &Binary) -> Result<(), ConfigError> {
    if id.subtype == BinarySubtype::Uuid && id.bytes.len() == 16 {
        return Ok(());
    }
    let given =
        format!("a binary of subtype {} with {} bytes", u8::from(id.subtype), id.bytes.len());
    Err(ConfigError::KeyId { given })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_known_by_their_full_names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse::<Algorithm>().unwrap(), algorithm);
        }
        let error = "AES-128".parse::<Algorithm>().unwrap_err().to_string();
        assert!(error.contains("unknown algorithm 'AES-128'"));
        for algorithm in Algorithm::ALL {
            assert!(error.contains(algorithm.as_str()), "{algorithm} is offered");
        }
    }

    #[test]
    fn only_a_uuid_is_a_key_id() {
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0; 16] };
        assert!(check_key_id(&uuid).is_ok());
        assert!(check_key_id(&Binary { bytes: vec![0; 15], ..uuid.clone() }).is_err());
        assert!(check_key_id(&Binary { subtype: BinarySubtype::Generic, ..uuid }).is_err());
    }
}
