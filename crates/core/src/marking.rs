//! Markings: what query analysis puts where a value is to be encrypted.
//!
//! A marking is a binary of subtype 6 whose first byte is 0 (CSFLE) or 3 (Queryable Encryption) and
//! whose rest is a BSON document. It never leaves for a server.

mod placeholder;

pub(crate) use placeholder::check_contention;
pub use placeholder::{ContentionError, PlaceholderError};
pub(crate) use placeholder::{Placeholder, PlaceholderAlgorithm, PlaceholderKind};

use crate::key_id::KeyId;
use crate::raw::{Element, Elements, MalformedBson, kind, subtype};

/// First byte of a CSFLE marking.
pub(crate) const CSFLE_MARKING: u8 = 0;
/// First byte of a Queryable Encryption marking.
pub(crate) const QE_MARKING: u8 = 3;

/// Whether a binary of subtype 6 with this content is a marking.
pub(crate) fn is_marking(content: &[u8]) -> bool {
    matches!(content, [CSFLE_MARKING | QE_MARKING, ..])
}

/// The two CSFLE algorithms. The numbers are those of markings and of ciphertexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CsfleAlgorithm {
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic`
    Deterministic = 1,
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Random`
    Random = 2,
}

/// How an operation names a data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySelector<'a> {
    /// By `_id`.
    Id(KeyId),
    /// By one of `keyAltNames`.
    Name(&'a str),
}

impl PartialEq<KeyId> for KeySelector<'_> {
    fn eq(&self, id: &KeyId) -> bool {
        *self == Self::Id(*id)
    }
}

/// A marking, borrowed from its bytes.
pub(crate) enum Marking<'a> {
    /// First byte 0.
    Csfle(CsfleMarking<'a>),
    /// First byte 3.
    Qe(Box<Placeholder<'a>>),
}

/// A CSFLE marking: `{a: int32, ki: UUID | ka: string, v: any}`.
pub(crate) struct CsfleMarking<'a> {
    pub(crate) algorithm: CsfleAlgorithm,
    pub(crate) key: KeySelector<'a>,
    pub(crate) value: Element<'a>,
}

/// Why bytes are no marking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkingError {
    /// Not even an empty document fits.
    #[error("invalid marking, length < 6")]
    Truncated,
    /// The first byte is that of something else.
    #[error("invalid marking, first byte must be 0 or 3")]
    FirstByte,
    /// What follows the first byte is no document.
    #[error("invalid BSON")]
    Malformed(#[from] MalformedBson),
    /// `ki` is no UUID.
    #[error("key id must be a UUID")]
    KeyId,
    /// `ka` is no string.
    #[error("key alt name must be a UTF8")]
    KeyAltName,
    /// `a` is no int32.
    #[error("invalid marking, 'a' must be an int32")]
    AlgorithmType,
    /// `a` names no algorithm.
    #[error("invalid algorithm value: {0}")]
    Algorithm(i32),
    /// A field that markings do not have.
    #[error("unrecognized field '{0}'")]
    UnknownField(String),
    /// No value to encrypt.
    #[error("no 'v' specified")]
    NoValue,
    /// No key.
    #[error("neither 'ki' nor 'ka' specified")]
    NoKey,
    /// Two keys.
    #[error("both 'ki' and 'ka' specified")]
    TwoKeys,
    /// No algorithm.
    #[error("no 'a' specified")]
    NoAlgorithm,
    /// A Queryable Encryption marking is wrong.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
}

impl<'a> Marking<'a> {
    /// Reads the content of a binary of subtype 6.
    ///
    /// # Errors
    /// If it is no marking, misses a field or has one too many.
    pub(crate) fn parse(content: &'a [u8]) -> Result<Self, MarkingError> {
        if content.len() < 6 {
            return Err(MarkingError::Truncated);
        }
        match content.split_first() {
            Some((&CSFLE_MARKING, document)) => CsfleMarking::parse(document).map(Self::Csfle),
            Some((&QE_MARKING, document)) => Ok(Self::Qe(Box::new(Placeholder::parse(document)?))),
            _ => Err(MarkingError::FirstByte),
        }
    }
}

impl<'a> CsfleMarking<'a> {
    fn parse(document: &'a [u8]) -> Result<Self, MarkingError> {
        let (mut id, mut name, mut algorithm, mut value) = (None, None, None, None);
        for element in Elements::of(document)? {
            let element = element?;
            match element.name {
                b"ki" => id = Some(uuid(&element).ok_or(MarkingError::KeyId)?),
                b"ka" => name = Some(element.as_str().ok_or(MarkingError::KeyAltName)?),
                b"v" => value = Some(element),
                b"a" => {
                    algorithm = Some(match element.as_i32() {
                        Some(1) => CsfleAlgorithm::Deterministic,
                        Some(2) => CsfleAlgorithm::Random,
                        Some(other) => return Err(MarkingError::Algorithm(other)),
                        None => return Err(MarkingError::AlgorithmType),
                    });
                }
                _ => return Err(MarkingError::UnknownField(element.name_lossy())),
            }
        }
        let value = value.ok_or(MarkingError::NoValue)?;
        let key = match (id, name) {
            (Some(id), None) => KeySelector::Id(id),
            (None, Some(name)) => KeySelector::Name(name),
            (None, None) => return Err(MarkingError::NoKey),
            (Some(_), Some(_)) => return Err(MarkingError::TwoKeys),
        };
        let algorithm = algorithm.ok_or(MarkingError::NoAlgorithm)?;
        // The value is encrypted as it stands: it has to be well formed to its depth.
        if matches!(value.kind, kind::DOCUMENT | kind::ARRAY) {
            crate::raw::check(value.value)?;
        }
        Ok(Self { algorithm, key, value })
    }
}

/// The key id in an element, if it is a UUID.
pub(crate) fn uuid(element: &Element<'_>) -> Option<KeyId> {
    match element.as_binary()? {
        (subtype::UUID, content) => KeyId::from_slice(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};

    use super::*;

    fn id(bytes: usize) -> Binary {
        Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x61; bytes] }
    }

    fn error_of(document: &RawDocumentBuf) -> String {
        let mut content = vec![0];
        content.extend_from_slice(document.as_bytes());
        match Marking::parse(&content) {
            Ok(_) => panic!("parsed"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_marking_by_id_is_read_in_any_order() {
        let document = rawdoc! { "v": "457-55-5462", "ki": id(16), "a": 1 };
        let mut content = vec![0];
        content.extend_from_slice(document.as_bytes());
        let Ok(Marking::Csfle(marking)) = Marking::parse(&content) else { panic!() };
        assert_eq!(marking.algorithm, CsfleAlgorithm::Deterministic);
        assert_eq!(marking.key, KeySelector::Id(KeyId::from_bytes([0x61; 16])));
        assert_eq!(marking.value.as_str(), Some("457-55-5462"));
    }

    #[test]
    fn a_marking_by_name_is_read() {
        let document = rawdoc! { "a": 2, "ka": "Sharlene", "v": 1.5 };
        let mut content = vec![0];
        content.extend_from_slice(document.as_bytes());
        let Ok(Marking::Csfle(marking)) = Marking::parse(&content) else { panic!() };
        assert_eq!(marking.key, KeySelector::Name("Sharlene"));
        assert_eq!(marking.algorithm, CsfleAlgorithm::Random);
    }

    #[test]
    fn wrong_markings_are_refused_with_the_published_texts() {
        for (document, text) in [
            (rawdoc! { "a": 1, "ki": id(16) }, "no 'v' specified"),
            (rawdoc! { "a": 1, "v": 1 }, "neither 'ki' nor 'ka' specified"),
            (rawdoc! { "a": 1, "v": 1, "ki": id(16), "ka": "x" }, "both 'ki' and 'ka' specified"),
            (rawdoc! { "v": 1, "ki": id(16) }, "no 'a' specified"),
            (rawdoc! { "a": 3, "v": 1, "ki": id(16) }, "invalid algorithm value: 3"),
            (rawdoc! { "a": 1_i64, "v": 1 }, "invalid marking, 'a' must be an int32"),
            (rawdoc! { "ki": id(15) }, "key id must be a UUID"),
            (rawdoc! { "ki": "x" }, "key id must be a UUID"),
            (rawdoc! { "ka": 5 }, "key alt name must be a UTF8"),
            (rawdoc! { "b": 5 }, "unrecognized field 'b'"),
        ] {
            assert_eq!(error_of(&document), text);
        }
        assert_eq!(
            Marking::parse(&[0, 5, 0, 0, 0]).err().unwrap().to_string(),
            "invalid marking, length < 6"
        );
        assert_eq!(
            Marking::parse(&[1, 5, 0, 0, 0, 0]).err().unwrap().to_string(),
            "invalid marking, first byte must be 0 or 3"
        );
    }

    #[test]
    fn every_prefix_of_a_marking_is_refused() {
        let document = rawdoc! { "v": { "x": ["457-55-5462"] }, "ki": id(16), "a": 1 };
        let mut content = vec![0];
        content.extend_from_slice(document.as_bytes());
        for len in 0..content.len() {
            assert!(Marking::parse(&content[..len]).is_err());
        }
    }
}
