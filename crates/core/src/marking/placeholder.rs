//! Queryable Encryption markings (first byte 3).

use super::uuid;
use crate::key_id::KeyId;
use crate::raw::{Element, Elements, MalformedBson};

/// What becomes of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceholderKind {
    /// It is stored.
    Insert,
    /// It is looked for.
    Find,
}

/// How the value is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceholderAlgorithm {
    Unindexed,
    Equality,
    Range,
    Text,
}

/// A Queryable Encryption marking, borrowed from its bytes:
/// `{t: int32, a: int32, ki: UUID, ku: UUID, v: any, cm: int64, s?: int64}`.
pub(crate) struct Placeholder<'a> {
    pub(crate) kind: PlaceholderKind,
    pub(crate) algorithm: PlaceholderAlgorithm,
    pub(crate) index_key: KeyId,
    pub(crate) user_key: KeyId,
    /// The value itself, or a specification document for range and text.
    pub(crate) value: Element<'a>,
    pub(crate) max_contention: i64,
    /// Absent before version 6.1 of query analysis.
    pub(crate) sparsity: Option<i64>,
}

/// Why a document is no Queryable Encryption marking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceholderError {
    /// The document is malformed.
    #[error("Error parsing FLE2EncryptionPlaceholder: invalid BSON")]
    Malformed(#[from] MalformedBson),
    /// A field stands twice.
    #[error("Error parsing FLE2EncryptionPlaceholder: Duplicate field '{0}' in placeholder bson")]
    Duplicate(&'static str),
    /// A required field is absent.
    #[error("Error parsing FLE2EncryptionPlaceholder: Missing field '{0}' in placeholder")]
    Missing(&'static str),
    /// A field has another type than it should.
    #[error(
        "Error parsing FLE2EncryptionPlaceholder: invalid marking, '{field}' must be an {expected}"
    )]
    Type {
        /// Name of the field.
        field: &'static str,
        /// The type it should have.
        expected: &'static str,
    },
    /// `t` is neither 1 nor 2.
    #[error("Error parsing FLE2EncryptionPlaceholder: invalid placeholder type value: {0}")]
    Kind(i32),
    /// `a` is not within 1 to 4.
    #[error("Error parsing FLE2EncryptionPlaceholder: invalid algorithm value: {0}")]
    Algorithm(i32),
    /// `ki` is no UUID.
    #[error("Error parsing FLE2EncryptionPlaceholder: index key id must be a UUID")]
    IndexKey,
    /// `ku` is no UUID.
    #[error("Error parsing FLE2EncryptionPlaceholder: user key id must be a UUID")]
    UserKey,
    /// `cm` is out of bounds.
    #[error(transparent)]
    Contention(#[from] ContentionError),
    /// `s` is negative.
    #[error("Error validating sparsity: sparsity must be non-negative, got: {0}")]
    Sparsity(i64),
}

/// A contention factor out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentionError {
    /// Below 0.
    #[error("Error validating contention: contention must be non-negative, got: {0}")]
    Negative(i64),
    /// The one value whose successor does not exist.
    #[error("Error validating contention: contention must be < INT64_MAX, got: {0}")]
    TooLarge(i64),
}

/// Checks a maximum contention factor.
///
/// # Errors
/// If it is negative or the largest `i64`.
pub(crate) fn check_contention(contention: i64) -> Result<i64, ContentionError> {
    match contention {
        ..0 => Err(ContentionError::Negative(contention)),
        i64::MAX => Err(ContentionError::TooLarge(contention)),
        _ => Ok(contention),
    }
}

impl<'a> Placeholder<'a> {
    /// Reads the document of a marking with first byte 3. Fields that are not known are skipped.
    pub(super) fn parse(document: &'a [u8]) -> Result<Self, PlaceholderError> {
        let mut fields = Fields::default();
        for element in Elements::of(document)? {
            fields.add(element?)?;
        }
        Ok(Self {
            kind: fields.kind.ok_or(PlaceholderError::Missing("t"))?,
            algorithm: fields.algorithm.ok_or(PlaceholderError::Missing("a"))?,
            index_key: fields.index_key.ok_or(PlaceholderError::Missing("ki"))?,
            user_key: fields.user_key.ok_or(PlaceholderError::Missing("ku"))?,
            value: fields.value.ok_or(PlaceholderError::Missing("v"))?,
            max_contention: fields.max_contention.ok_or(PlaceholderError::Missing("cm"))?,
            sparsity: fields.sparsity,
        })
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<PlaceholderKind>,
    algorithm: Option<PlaceholderAlgorithm>,
    index_key: Option<KeyId>,
    user_key: Option<KeyId>,
    value: Option<Element<'a>>,
    max_contention: Option<i64>,
    sparsity: Option<i64>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, element: Element<'a>) -> Result<(), PlaceholderError> {
        match element.name {
            b"t" => set(&mut self.kind, "t", || match int32(&element, "t")? {
                1 => Ok(PlaceholderKind::Insert),
                2 => Ok(PlaceholderKind::Find),
                other => Err(PlaceholderError::Kind(other)),
            }),
            b"a" => set(&mut self.algorithm, "a", || match int32(&element, "a")? {
                1 => Ok(PlaceholderAlgorithm::Unindexed),
                2 => Ok(PlaceholderAlgorithm::Equality),
                3 => Ok(PlaceholderAlgorithm::Range),
                4 => Ok(PlaceholderAlgorithm::Text),
                other => Err(PlaceholderError::Algorithm(other)),
            }),
            b"ki" => {
                set(&mut self.index_key, "ki", || uuid(&element).ok_or(PlaceholderError::IndexKey))
            }
            b"ku" => {
                set(&mut self.user_key, "ku", || uuid(&element).ok_or(PlaceholderError::UserKey))
            }
            b"v" => set(&mut self.value, "v", || Ok(element)),
            b"cm" => set(&mut self.max_contention, "cm", || {
                Ok(check_contention(int64(&element, "cm")?)?)
            }),
            b"s" => set(&mut self.sparsity, "s", || match int64(&element, "s")? {
                negative @ ..0 => Err(PlaceholderError::Sparsity(negative)),
                sparsity => Ok(sparsity),
            }),
            _ => Ok(()),
        }
    }
}

fn set<T>(
    slot: &mut Option<T>,
    field: &'static str,
    read: impl FnOnce() -> Result<T, PlaceholderError>,
) -> Result<(), PlaceholderError> {
    if slot.is_some() {
        return Err(PlaceholderError::Duplicate(field));
    }
    *slot = Some(read()?);
    Ok(())
}

fn int32(element: &Element<'_>, field: &'static str) -> Result<i32, PlaceholderError> {
    element.as_i32().ok_or(PlaceholderError::Type { field, expected: "int32" })
}

fn int64(element: &Element<'_>, field: &'static str) -> Result<i64, PlaceholderError> {
    element.as_i64().ok_or(PlaceholderError::Type { field, expected: "int64" })
}
