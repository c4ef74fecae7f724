//! CSFLE ciphertexts: binary subtype 6, first byte 1 or 2.
//!
//! ```text
//! offset  0   1        17    18
//!         +---+--------+-----+----+---------------+-----+
//!         | b | key id | type| IV | AES-256-CBC   | tag |
//!         +---+--------+-----+----+---------------+-----+
//! bytes     1     16      1    16      16 * n        32
//! ```
//!
//! `b` is 1 for the deterministic and 2 for the random algorithm, `type` the BSON type of the value.
//! The 18 bytes before the IV are the associated data of the AEAD.
//!
//! Source: MongoDB specification "BSON Binary Encrypted", types 1 and 2.

use crate::key_id::KeyId;
use crate::marking::CsfleAlgorithm;
use crate::raw::{kind, subtype};

/// Length of what stands before the AEAD output, which is also its associated data.
pub(crate) const HEADER_LEN: usize = 18;

/// A CSFLE ciphertext, borrowed from its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Ciphertext<'a> {
    pub(crate) key: KeyId,
    /// BSON type of the encrypted value.
    pub(crate) kind: u8,
    /// The header.
    pub(crate) associated_data: &'a [u8],
    /// IV, ciphertext and tag.
    pub(crate) sealed: &'a [u8],
}

/// Why bytes are no ciphertext, or one that does not hold a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CiphertextError {
    /// Shorter than header and one more byte.
    #[error("malformed ciphertext, too small")]
    Truncated,
    /// The first byte is that of something else.
    #[error("malformed ciphertext, expected blob subtype of 1 or 2")]
    BlobSubtype,
    /// The type byte is 0.
    #[error("could not serialize associated data")]
    ValueType,
    /// What was decrypted is no BSON value of the type in the header.
    #[error("malformed encrypted bson")]
    Plaintext,
    /// A value of Queryable Encryption is malformed.
    #[error(transparent)]
    Payload(#[from] crate::payload::PayloadError),
}

impl<'a> Ciphertext<'a> {
    /// Reads the content of a binary of subtype 6.
    ///
    /// # Errors
    /// If it is too short, or another kind of payload.
    #[inline]
    pub(crate) fn parse(content: &'a [u8]) -> Result<Self, CiphertextError> {
        if content.len() <= HEADER_LEN {
            return Err(CiphertextError::Truncated);
        }
        let (associated_data, sealed) = content.split_at(HEADER_LEN);
        let [blob_subtype, key @ .., kind] = associated_data else {
            return Err(CiphertextError::Truncated);
        };
        if !is_ciphertext(*blob_subtype) {
            return Err(CiphertextError::BlobSubtype);
        }
        if *kind == 0 {
            return Err(CiphertextError::ValueType);
        }
        let key = KeyId::from_slice(key).ok_or(CiphertextError::Truncated)?;
        Ok(Self { key, kind: *kind, associated_data, sealed })
    }
}

/// Whether a binary of subtype 6 with this first byte is a CSFLE ciphertext.
pub(crate) fn is_ciphertext(first_byte: u8) -> bool {
    first_byte == CsfleAlgorithm::Deterministic as u8 || first_byte == CsfleAlgorithm::Random as u8
}

/// The BSON type of the encrypted value; 0, which no type has, if `content` is too short.
#[inline]
pub(crate) fn value_kind(content: &[u8]) -> u8 {
    content.get(HEADER_LEN - 1).copied().unwrap_or_default()
}

/// A value that may not be encrypted with the chosen algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueTypeError {
    /// Null, undefined, minKey and maxKey.
    #[error("BSON type invalid for encryption")]
    Never,
    /// Encrypting twice.
    #[error("BSON binary subtype 6 is invalid for encryption")]
    AlreadyEncrypted,
    /// Double, decimal128, bool, document, array and code with scope.
    #[error("BSON type invalid for deterministic encryption")]
    Deterministic,
    /// No BSON type has this byte.
    #[error("invalid BSON value type {0:02x}")]
    Unknown(u8),
}

/// Checks that a value may be encrypted.
///
/// # Errors
/// If its type may not be encrypted at all, or not with `algorithm`.
pub(crate) fn check_value_type(
    algorithm: CsfleAlgorithm,
    value_kind: u8,
    value: &[u8],
) -> Result<(), ValueTypeError> {
    match value_kind {
        kind::NULL | kind::UNDEFINED | kind::MIN_KEY | kind::MAX_KEY => Err(ValueTypeError::Never),
        kind::BINARY if value.get(4) == Some(&subtype::ENCRYPTED) => {
            Err(ValueTypeError::AlreadyEncrypted)
        }
        kind::DOUBLE
        | kind::DOCUMENT
        | kind::ARRAY
        | kind::BOOL
        | kind::CODE_WITH_SCOPE
        | kind::DECIMAL128 => match algorithm {
            CsfleAlgorithm::Deterministic => Err(ValueTypeError::Deterministic),
            CsfleAlgorithm::Random => Ok(()),
        },
        kind::STRING
        | kind::BINARY
        | kind::OBJECT_ID
        | kind::DATE
        | kind::REGEX
        | kind::DB_POINTER
        | kind::CODE
        | kind::SYMBOL
        | kind::INT32
        | kind::TIMESTAMP
        | kind::INT64 => Ok(()),
        unknown => Err(ValueTypeError::Unknown(unknown)),
    }
}

/// Checks that decrypted bytes are one whole value of the type that the header names.
///
/// # Errors
/// If they are not.
#[inline(always)]
pub(crate) fn check_plaintext(value_kind: u8, value: &[u8]) -> Result<(), CiphertextError> {
    let whole = crate::raw::value_len(value_kind, value) == Some(value.len());
    let sound = whole
        && match value_kind {
            kind::STRING | kind::CODE | kind::SYMBOL => {
                value.get(4..value.len() - 1).is_some_and(is_utf8)
            }
            kind::DOCUMENT | kind::ARRAY => crate::raw::check(value).is_ok(),
            _ => true,
        };
    if sound { Ok(()) } else { Err(CiphertextError::Plaintext) }
}

/// Whether bytes are UTF-8. Short ones are mostly ASCII, which two overlapping words show.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if text.len() <= 16
        && let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH == 0
    {
        return true;
    }
    std::str::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_taken_apart() {
        let key = KeyId::from_bytes([7; 16]);
        let content = [&[2][..], &[7; 16], &[kind::STRING, 1, 2, 3]].concat();
        let parsed = Ciphertext::parse(&content).unwrap();
        assert_eq!(parsed.key, key);
        assert_eq!(parsed.kind, kind::STRING);
        assert_eq!(parsed.sealed, [1, 2, 3]);
        assert_eq!(parsed.associated_data, &content[..18]);
    }

    #[test]
    fn every_prefix_up_to_the_header_is_too_small() {
        let content = [1; 19];
        for len in 0..19 {
            assert_eq!(Ciphertext::parse(&content[..len]).err(), Some(CiphertextError::Truncated));
        }
        assert!(Ciphertext::parse(&content).is_ok());
    }

    #[test]
    fn other_payloads_and_no_type_are_refused() {
        let mut content = [1; 30];
        content[0] = 3;
        assert_eq!(Ciphertext::parse(&content).err(), Some(CiphertextError::BlobSubtype));
        content[0] = 2;
        content[17] = 0;
        assert_eq!(Ciphertext::parse(&content).err(), Some(CiphertextError::ValueType));
    }

    #[test]
    fn deterministic_refuses_types_whose_equality_is_unclear() {
        use CsfleAlgorithm::{Deterministic, Random};
        for kind in [kind::DOUBLE, kind::DOCUMENT, kind::ARRAY, kind::BOOL, kind::DECIMAL128] {
            assert!(check_value_type(Random, kind, &[]).is_ok());
            assert_eq!(
                check_value_type(Deterministic, kind, &[]),
                Err(ValueTypeError::Deterministic)
            );
        }
        for kind in [kind::NULL, kind::UNDEFINED, kind::MIN_KEY, kind::MAX_KEY] {
            assert_eq!(check_value_type(Random, kind, &[]), Err(ValueTypeError::Never));
        }
        assert_eq!(
            check_value_type(Random, 0, &[]).unwrap_err().to_string(),
            "invalid BSON value type 00"
        );
        let encrypted = [1, 0, 0, 0, 6, 0];
        assert_eq!(
            check_value_type(Random, kind::BINARY, &encrypted),
            Err(ValueTypeError::AlreadyEncrypted)
        );
    }

    #[test]
    fn plaintext_must_be_one_whole_value() {
        assert!(check_plaintext(kind::INT32, &[1, 0, 0, 0]).is_ok());
        assert!(check_plaintext(kind::INT32, &[1, 0, 0]).is_err());
        assert!(check_plaintext(kind::INT32, &[1, 0, 0, 0, 0]).is_err());
        assert!(check_plaintext(kind::STRING, &[2, 0, 0, 0, b'a', 0]).is_ok());
        assert!(check_plaintext(kind::STRING, &[2, 0, 0, 0, 0xFF, 0]).is_err());
        assert!(check_plaintext(0x55, &[]).is_err());
    }

    #[test]
    fn utf8_is_told_at_every_length_and_place() {
        for len in 0..40 {
            let mut text = vec![b'a'; len];
            assert!(is_utf8(&text));
            for place in 0..len {
                text[place] = 0x80;
                assert!(!is_utf8(&text), "{place} of {len}");
                text[place] = b'a';
            }
            if len >= 2 {
                text[len - 2..].copy_from_slice("é".as_bytes());
                assert!(is_utf8(&text));
            }
        }
    }
}
