//! The identifier of a data key.

use std::fmt;

use bson::spec::BinarySubtype;
use bson::{RawBinaryRef, RawBsonRef};

/// `_id` of a data key in the key vault: a UUID, 16 bytes in network order.
///
/// It is aligned like a word, because it is copied with every value: beside the tag of an enum it
/// would otherwise be moved in odd pieces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(align(8))]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The key id with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The key id with these bytes, if there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key id in a BSON value, if that is a UUID (binary subtype 4, 16 bytes).
    pub fn from_bson(value: RawBsonRef<'_>) -> Option<Self> {
        match value {
            RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Uuid, bytes }) => {
                Self::from_slice(bytes)
            }
            _ => None,
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key id as a BSON value.
    pub const fn as_bson(&self) -> RawBsonRef<'_> {
        RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Uuid, bytes: &self.0 })
    }
}

impl From<bson::Uuid> for KeyId {
    fn from(uuid: bson::Uuid) -> Self {
        Self(uuid.bytes())
    }
}

impl From<KeyId> for bson::Uuid {
    fn from(id: KeyId) -> Self {
        Self::from_bytes(id.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bson::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}
