//! Encrypted values of every kind that a client can read, by the first byte of the binary.
//!
//! | byte | content | keys |
//! | --- | --- | --- |
//! | 1, 2 | CSFLE ciphertext | one |
//! | 6, 16 | Queryable Encryption, unindexed (protocol 1, 2) | one |
//! | 4, 11 | Queryable Encryption, on its way to the server (protocol 1, 2) | one |
//! | 7, 9 | Queryable Encryption, indexed (protocol 1) | index key, then user key |
//! | 14, 15, 17 | Queryable Encryption, indexed (protocol 2) | index key, then user key |

use crate::ciphertext::{Ciphertext, CiphertextError, HEADER_LEN};
use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::qe::IndexKey;
use crate::raw::{MalformedBson, find, subtype};

/// Bytes of count, tag and zeros of one index entry.
const METADATA_BLOCK_LEN: usize = 96;
/// What stands before the value: first byte, key id, type.
const INDEXED_HEADER_LEN: usize = 18;

/// Whether a binary of subtype 6 with this first byte is a value that can be decrypted.
pub(crate) fn is_readable(first_byte: u8) -> bool {
    matches!(first_byte, 1 | 2 | 4 | 6 | 7 | 9 | 11 | 14 | 15 | 16 | 17)
}

/// How a value is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// CSFLE.
    Csfle,
    /// Queryable Encryption, protocol 2.
    Qe,
    /// Queryable Encryption, protocol 1.
    QeV1,
}

/// An encrypted value.
pub(crate) enum Payload<'a> {
    /// Sealed under one key.
    Sealed(Sealed<'a>),
    /// With one more layer around it, under the index key.
    Indexed(Indexed<'a>),
}

/// A value sealed under the key with this id.
pub(crate) struct Sealed<'a> {
    pub(crate) cipher: Cipher,
    pub(crate) key: KeyId,
    /// BSON type of the value.
    pub(crate) kind: u8,
    pub(crate) associated_data: &'a [u8],
    pub(crate) sealed: &'a [u8],
}

/// A value with the server's layer around it.
pub(crate) struct Indexed<'a> {
    pub(crate) index_key: KeyId,
    /// BSON type of the value.
    pub(crate) kind: u8,
    is_v1: bool,
    server_encrypted: &'a [u8],
}

/// Why bytes are no payload of Queryable Encryption.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Shorter than its parts.
    #[error("malformed Queryable Encryption value, too small: got {actual} bytes")]
    Truncated {
        /// Its length.
        actual: usize,
    },
    /// Counts that contradict each other.
    #[error("malformed Queryable Encryption value, inconsistent tag counts")]
    Counts,
    /// A payload whose document lacks a field, or has one of another type.
    #[error("malformed Queryable Encryption payload, missing or malformed field '{0}'")]
    Field(&'static str),
    /// A payload whose document is malformed.
    #[error("malformed Queryable Encryption payload, invalid BSON")]
    Malformed(#[from] MalformedBson),
}

impl<'a> Payload<'a> {
    /// Reads the content of a binary of subtype 6 with a [readable](is_readable) first byte.
    ///
    /// # Errors
    /// If it is shorter than its parts.
    pub(crate) fn parse(content: &'a [u8]) -> Result<Self, CiphertextError> {
        match content.first() {
            Some(6 | 16) => Ok(Self::Sealed(unindexed(content)?)),
            Some(4 | 11) => Ok(Self::Sealed(in_transit(content)?)),
            Some(7 | 9 | 14 | 15 | 17) => Ok(Self::Indexed(Indexed::parse(content)?)),
            _ => {
                let Ciphertext { key, kind, associated_data, sealed } = Ciphertext::parse(content)?;
                Ok(Self::Sealed(Sealed {
                    cipher: Cipher::Csfle,
                    key,
                    kind,
                    associated_data,
                    sealed,
                }))
            }
        }
    }
}

/// `first byte, user key id (16), type (1), ciphertext`; all before the ciphertext is authenticated.
fn unindexed(content: &[u8]) -> Result<Sealed<'_>, PayloadError> {
    let too_small = || PayloadError::Truncated { actual: content.len() };
    let (associated_data, sealed) = content.split_at_checked(HEADER_LEN).ok_or_else(too_small)?;
    let [first_byte, key @ .., kind] = associated_data else { return Err(too_small()) };
    let key = KeyId::from_slice(key).ok_or_else(too_small)?;
    let cipher = if *first_byte == 6 { Cipher::QeV1 } else { Cipher::Qe };
    Ok(Sealed { cipher, key, kind: *kind, associated_data, sealed })
}

/// `first byte, {.., t: int32 type, v: binary client value, ..}`
fn in_transit(content: &[u8]) -> Result<Sealed<'_>, PayloadError> {
    let too_small = || PayloadError::Truncated { actual: content.len() };
    let (first_byte, document) = content.split_first().ok_or_else(too_small)?;
    crate::raw::check(document)?;
    let value_kind = find(document, "t")?
        .and_then(|element| u8::try_from(element.as_i32()?).ok())
        .ok_or(PayloadError::Field("t"))?;
    let value = find(document, "v")?.and_then(|element| element.as_binary());
    let Some((subtype::GENERIC, value)) = value else { return Err(PayloadError::Field("v")) };
    let cipher = if *first_byte == 4 { Cipher::QeV1 } else { Cipher::Qe };
    client_value(cipher, value_kind, value)
}

/// `user key id (16), ciphertext`; the key id is authenticated.
fn client_value(cipher: Cipher, kind: u8, value: &[u8]) -> Result<Sealed<'_>, PayloadError> {
    let too_small = || PayloadError::Truncated { actual: value.len() };
    let (associated_data, sealed) = value.split_at_checked(KeyId::LEN).ok_or_else(too_small)?;
    let key = KeyId::from_slice(associated_data).ok_or_else(too_small)?;
    Ok(Sealed { cipher, key, kind, associated_data, sealed })
}

impl<'a> Indexed<'a> {
    /// `first byte, index key id (16), type (1), counts?, encrypted value, 96 bytes per tag`
    fn parse(content: &'a [u8]) -> Result<Self, PayloadError> {
        let too_small = || PayloadError::Truncated { actual: content.len() };
        let (header, rest) = content.split_at_checked(INDEXED_HEADER_LEN).ok_or_else(too_small)?;
        let [first_byte, index_key @ .., kind] = header else { return Err(too_small()) };
        let index_key = KeyId::from_slice(index_key).ok_or_else(too_small)?;
        let (is_v1, blocks, rest) = match first_byte {
            14 => (false, 1, rest),
            15 => {
                let (edges, rest) = rest.split_first().ok_or_else(too_small)?;
                if *edges == 0 {
                    return Err(PayloadError::Counts);
                }
                (false, usize::from(*edges), rest)
            }
            17 => {
                let (counts, rest) = rest.split_first_chunk::<12>().ok_or_else(too_small)?;
                (false, text_blocks(counts)?, rest)
            }
            _ => (true, 0, rest),
        };
        let metadata_len = blocks.checked_mul(METADATA_BLOCK_LEN).ok_or(PayloadError::Counts)?;
        let value_len = rest.len().checked_sub(metadata_len).ok_or_else(too_small)?;
        let server_encrypted = rest.get(..value_len).ok_or_else(too_small)?;
        Ok(Self { index_key, kind: *kind, is_v1, server_encrypted })
    }

    /// Removes the server's layer and appends the client's value to `out`.
    ///
    /// # Errors
    /// If nothing is inside.
    pub(crate) fn open_layer(
        &self,
        index_key: &IndexKey<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), CoreError> {
        index_key.open_layer(self.server_encrypted, out)
    }

    /// Reads what [`Indexed::open_layer`] appended.
    ///
    /// # Errors
    /// If it is too short to be a value.
    pub(crate) fn client_value<'b>(&self, inner: &'b [u8]) -> Result<Sealed<'b>, PayloadError> {
        if !self.is_v1 {
            return client_value(Cipher::Qe, self.kind, inner);
        }
        // Protocol 1: u64 length of the client's value, the value, counters and tokens.
        let too_small = || PayloadError::Truncated { actual: inner.len() };
        let (len, rest) = inner.split_first_chunk::<8>().ok_or_else(too_small)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| too_small())?;
        client_value(Cipher::QeV1, self.kind, rest.get(..len).ok_or_else(too_small)?)
    }
}

/// Number of metadata blocks of a text value: one for the exact string and one for each substring,
/// suffix and prefix.
fn text_blocks(counts: &[u8; 12]) -> Result<usize, PayloadError> {
    let count = |at: usize| {
        let bytes = counts.get(at..at + 4).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
    };
    let (tags, substrings, suffixes) = (count(0), count(4), count(8));
    if tags < substrings + suffixes + 1 {
        return Err(PayloadError::Counts);
    }
    usize::try_from(tags).map_err(|_| PayloadError::Counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_prefix_of_an_indexed_value_is_refused() {
        let mut content = vec![15];
        content.extend_from_slice(&[7; 16]);
        content.extend_from_slice(&[2, 2]);
        let header = content.len();
        content.resize(header + 2 * METADATA_BLOCK_LEN, 0);
        for len in 0..content.len() {
            assert!(Indexed::parse(&content[..len]).is_err());
        }
        assert!(Indexed::parse(&content).is_ok());
    }

    #[test]
    fn text_counts_must_add_up() {
        let counts = |tags: u8, substrings: u8, suffixes: u8| {
            let mut bytes = [0; 12];
            (bytes[0], bytes[4], bytes[8]) = (tags, substrings, suffixes);
            text_blocks(&bytes)
        };
        assert_eq!(counts(5, 1, 2), Ok(5));
        assert_eq!(counts(3, 1, 2), Err(PayloadError::Counts));
        assert_eq!(counts(0, 0, 0), Err(PayloadError::Counts));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Payload::parse(&bytes);
        }

        #[test]
        fn any_payload_is_read_without_panic(
            first in 0u8..20,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut content = vec![first];
            content.extend_from_slice(&bytes);
            let _ = Payload::parse(&content);
        }
    }
}
