//! What can be wrong with a schema.

use crate::pointer::PointerError;

/// One fault of a schema, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", if place.is_empty() { String::new() } else { format!(" (in the schema at '{place}')") })]
pub struct SchemaError {
    /// Dotted path of the keyword or subschema within the schema; empty for its root.
    pub place: String,
    /// What is wrong.
    pub problem: SchemaProblem,
}

impl SchemaError {
    /// The MongoDB code of the problem.
    pub fn code(&self) -> i32 {
        self.problem.code()
    }
}

/// What is wrong with a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaProblem {
    /// The schema is no valid BSON.
    #[error("the schema is malformed BSON")]
    Malformed,
    /// Subschemas are nested too deeply.
    #[error("the schema is nested more than {limit} levels deep")]
    TooDeep {
        /// The number of levels allowed.
        limit: usize,
    },
    /// No keyword of MongoDB's schema language.
    #[error("Unknown $jsonSchema keyword: {keyword}")]
    UnknownKeyword {
        /// The keyword.
        keyword: String,
    },
    /// A keyword of JSON schema that MongoDB leaves out.
    #[error("$jsonSchema keyword '{keyword}' is not currently supported")]
    UnsupportedKeyword {
        /// The keyword.
        keyword: String,
    },
    /// A keyword stands twice.
    #[error("Duplicate $jsonSchema keyword: {keyword}")]
    DuplicateKeyword {
        /// The keyword.
        keyword: String,
    },
    /// A schema given by the client may only say what is encrypted.
    #[error("JSON schema keyword '{keyword}' is only allowed with a remote schema")]
    RemoteOnlyKeyword {
        /// The keyword.
        keyword: String,
    },
    /// A value of the wrong type.
    #[error("$jsonSchema keyword '{keyword}' must be {expected}, but found {found}")]
    WrongType {
        /// The keyword.
        keyword: String,
        /// What its value must be.
        expected: &'static str,
        /// The type that it is.
        found: &'static str,
    },
    /// A value that the keyword does not take.
    #[error("$jsonSchema keyword '{keyword}' must be {expected}")]
    BadValue {
        /// The keyword.
        keyword: String,
        /// What its value must be.
        expected: &'static str,
    },
    /// No such type alias.
    #[error("Unknown type name alias: {alias}")]
    UnknownType {
        /// The alias.
        alias: String,
    },
    /// Both `type` and `bsonType` are given.
    #[error("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")]
    TypeAndBsonType,
    /// `encrypt` has a sibling.
    #[error(
        "$jsonSchema keyword 'encrypt' cannot be used in conjunction with '{keyword}', \
         'encrypt' implies type 'bsonType::BinData'"
    )]
    EncryptWith {
        /// The sibling.
        keyword: String,
    },
    /// `encrypt` stands where analysis could not tell which field it means.
    #[error(
        "Invalid schema containing the 'encrypt' keyword. It must stand under 'properties', \
         'patternProperties' or 'additionalProperties' of a schema with bsonType 'object', and so \
         must that schema, up to the root"
    )]
    EncryptNotAllowedHere,
    /// An unknown field of `encrypt` or `encryptMetadata`.
    #[error("BSON field '{object}.{field}' is an unknown field.")]
    UnknownField {
        /// `encrypt` or `encryptMetadata`.
        object: &'static str,
        /// The field.
        field: String,
    },
    /// `encryptMetadata` without any option.
    #[error("$jsonSchema keyword 'encryptMetadata' cannot be an empty object")]
    EmptyMetadata,
    /// `encryptMetadata` in a schema that is not one of an object.
    #[error(
        "$jsonSchema keyword 'encryptMetadata' is only allowed in a schema with bsonType 'object' \
         outside of arrays"
    )]
    MetadataNotAllowedHere,
    /// No such algorithm.
    #[error(
        "Unknown encryption algorithm '{name}', expected \
         'AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic' or 'AEAD_AES_256_CBC_HMAC_SHA_512-Random'"
    )]
    UnknownAlgorithm {
        /// The name that was given.
        name: String,
    },
    /// Neither the field nor anything above it names an algorithm.
    #[error("encryption schema has no 'algorithm' for the field, and inherits none")]
    NoAlgorithm,
    /// Neither the field nor anything above it names a key.
    #[error("encryption schema has no 'keyId' for the field, and inherits none")]
    NoKey,
    /// `keyId` is neither an array nor a string.
    #[error("keyId must be either an array of UUIDs or a JSONPointer string, but found {found}")]
    KeyIdType {
        /// The type that it is.
        found: &'static str,
    },
    /// An element of `keyId` is no binary.
    #[error("keyId: Array elements must have type BinData, found {found}")]
    KeyIdElementType {
        /// The type that it is.
        found: &'static str,
    },
    /// An element of `keyId` is a binary of another subtype than 4.
    #[error("keyId: Array elements must have bindata type UUID, found {found}")]
    KeyIdSubtype {
        /// The subtype.
        found: u8,
    },
    /// An element of `keyId` is a UUID of another length than 16 bytes.
    #[error("keyId: a UUID has 16 bytes, found {found}")]
    KeyIdLength {
        /// The length in bytes.
        found: usize,
    },
    /// `keyId` has no element, or several.
    #[error("keyId must hold exactly one UUID, found {found}")]
    KeyIdCount {
        /// The number of elements.
        found: usize,
    },
    /// `keyId` is a string that is no JSON pointer.
    #[error("keyId: {0}")]
    Pointer(#[from] PointerError),
    /// Deterministic encryption with a key that the document chooses.
    #[error("Cannot use deterministic encryption with a non-static (JSONPointer) keyId")]
    DeterministicPointer,
    /// Deterministic encryption of a field without exactly one type.
    #[error(
        "deterministic encryption requires exactly one bsonType, because a value of each type \
         encrypts differently"
    )]
    DeterministicType,
    /// A type that the field's algorithm cannot encrypt.
    #[error("Cannot encrypt element of type: {kind} with the {algorithm} algorithm")]
    TypeNotEncryptable {
        /// The type.
        kind: &'static str,
        /// `deterministic` or `randomized`.
        algorithm: &'static str,
    },
    /// A pattern that our regular expressions cannot express.
    #[error("patternProperties: cannot use the regular expression '{pattern}': {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// Subschemas that apply to one field contradict each other.
    #[error("conflicting encryption metadata for field '{field}'")]
    Conflict {
        /// The field.
        field: String,
    },
}

impl SchemaProblem {
    /// The MongoDB code: the public schema parser's where it has one, else one of our own.
    pub fn code(&self) -> i32 {
        match self {
            Self::Malformed => 22,
            Self::TooDeep { .. } => 51067,
            Self::WrongType { .. } => 14,
            Self::UnknownKeyword { .. }
            | Self::UnsupportedKeyword { .. }
            | Self::DuplicateKeyword { .. }
            | Self::BadValue { .. }
            | Self::TypeAndBsonType
            | Self::EncryptWith { .. }
            | Self::MetadataNotAllowedHere
            | Self::EmptyMetadata => 9,
            Self::UnknownType { .. } | Self::UnknownAlgorithm { .. } => 2,
            Self::UnknownField { .. } => 40415,
            Self::KeyIdType { .. } => 51085,
            Self::KeyIdElementType { .. } => 51088,
            Self::KeyIdSubtype { .. } => 51084,
            Self::Pointer(error) => error.code(),
            Self::EncryptNotAllowedHere => 9_910_001,
            Self::RemoteOnlyKeyword { .. } => 9_910_002,
            Self::NoAlgorithm => 9_910_003,
            Self::NoKey => 9_910_004,
            Self::KeyIdCount { .. } | Self::KeyIdLength { .. } => 9_910_005,
            Self::DeterministicPointer => 9_910_006,
            Self::DeterministicType => 9_910_007,
            Self::TypeNotEncryptable { .. } => 9_910_008,
            Self::Pattern { .. } => 9_910_009,
            Self::Conflict { .. } => 9_910_010,
        }
    }
}
