//! Requests that are not of the form they must have.

/// Why a request is refused before anything that is encrypted matters: its form, its fields, the
/// schemas that it carries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The command is no valid BSON.
    #[error("the command is malformed BSON{}", place(at))]
    Malformed {
        /// Where in the command.
        at: String,
    },
    /// The command is nested too deeply.
    #[error("the command is nested more than {limit} levels deep")]
    TooDeep {
        /// The number of levels allowed.
        limit: usize,
    },
    /// The rewritten command is too large for BSON.
    #[error("the rewritten command is too large")]
    TooLarge,
    /// The command holds a binary that the encrypting side would take for a marking.
    #[error(
        "the command contains a binary of subtype 6 that looks like an intent-to-encrypt marking{}",
        place(at)
    )]
    ForeignMarking {
        /// Where in the command.
        at: String,
    },
    /// No command that can be analysed.
    #[error("no such command: '{name}'")]
    UnknownCommand {
        /// Its name.
        name: String,
    },
    /// The command is not about one collection.
    #[error("command '{name}' is not supported for automatic encryption without a collection")]
    NotOnCollection {
        /// Its name.
        name: String,
    },
    /// A required field is missing.
    #[error("BSON field '{field}' is missing but a required field")]
    MissingField {
        /// The field: `command.field`.
        field: String,
    },
    /// An unknown field.
    #[error("BSON field '{field}' is an unknown field.")]
    UnknownField {
        /// The field: `command.field`.
        field: String,
    },
    /// A field stands twice.
    #[error("BSON field '{field}' is a duplicate field")]
    DuplicateField {
        /// The field: `command.field`.
        field: String,
    },
    /// A field has the wrong type.
    #[error("BSON field '{field}' is the wrong type '{found}', expected type '{expected}'")]
    WrongType {
        /// The field: `command.field`.
        field: String,
        /// The type it must have.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// A number that stands for something does not.
    #[error("BSON field '{field}' has an unsupported value; it must be {expected}")]
    BadFieldValue {
        /// The field: `command.field`.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
    /// `explain` of `explain`.
    #[error("explain of the command '{name}' is not supported")]
    NotExplainable {
        /// The inner command.
        name: String,
    },
    /// The request has no schema.
    #[error(
        "the command has none of the fields 'jsonSchema', 'csfleEncryptionSchemas' and \
         'encryptionInformation'"
    )]
    NoSchemaGiven,
    /// The request has two kinds of schemas that exclude each other.
    #[error("Cannot specify both {first} and {second}{}", unless(second))]
    BothSchemasGiven {
        /// The one field.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A collection of the command has no schema in the request.
    #[error("Missing encryption schema for namespace: {namespace}")]
    MissingSchema {
        /// The collection.
        namespace: String,
    },
    /// The schema is for another collection than the command.
    #[error(
        "Namespace in encryptionInformation: '{given}' does not match namespace given in command: \
         '{expected}'"
    )]
    NamespaceMismatch {
        /// In the schema.
        given: String,
        /// In the command.
        expected: String,
    },
    /// The caller speaks of another collection than the command.
    #[error("namespace '{given}' does not match namespace given in command: '{expected}'")]
    OtherNamespace {
        /// By the caller.
        given: String,
        /// In the command.
        expected: String,
    },
    /// The collection uses Queryable Encryption.
    #[error(
        "Queryable Encryption is not supported by this version of query analysis; collection \
         '{namespace}' has encryptedFields"
    )]
    QueryableEncryption {
        /// The collection.
        namespace: String,
    },
}

impl RequestError {
    pub(crate) fn unknown_field(object: &str, field: &str) -> Self {
        Self::UnknownField { field: format!("{object}.{field}") }
    }

    /// As [`AnalyzeError::code`](super::AnalyzeError::code).
    pub fn code(&self) -> i32 {
        match self {
            Self::Malformed { .. } => 22,
            Self::TooDeep { .. } => 15,
            Self::TooLarge => 10334,
            Self::UnknownCommand { .. } => 59,
            Self::MissingField { .. } => 40414,
            Self::UnknownField { .. } => 40415,
            Self::DuplicateField { .. } => 40413,
            Self::WrongType { .. } => 14,
            Self::BadFieldValue { .. } | Self::BothSchemasGiven { .. } => 2,
            Self::NotExplainable { .. } => 115,
            Self::NamespaceMismatch { .. } => 6_411_900,
            Self::OtherNamespace { .. } => 73,
            Self::ForeignMarking { .. } => 9_900_001,
            Self::NotOnCollection { .. } => 9_900_002,
            Self::NoSchemaGiven => 9_900_003,
            Self::MissingSchema { .. } => 9_900_004,
            Self::QueryableEncryption { .. } => 9_900_005,
        }
    }

    /// As [`AnalyzeError::advice`](super::AnalyzeError::advice).
    pub(super) fn advice(&self) -> Option<String> {
        let text = match self {
            Self::MissingSchema { namespace } => format!(
                "give analysis the schema of '{namespace}', an empty one if it has no \
                     encrypted field"
            ),
            Self::ForeignMarking { .. } => {
                "pass plaintext in encrypted fields, and no binary of subtype 6 that was not \
                     made by encryption"
                    .to_owned()
            }
            Self::QueryableEncryption { .. } => {
                "declare the fields in a JSON schema with 'encrypt' instead of encryptedFields"
                    .to_owned()
            }
            Self::NotOnCollection { .. } => {
                "run the command on one collection, or with a client without automatic \
                     encryption"
                    .to_owned()
            }
            Self::UnknownCommand { .. } => {
                "run the command with a client without automatic encryption".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!(" (at '{at}')") }
}

fn unless(second: &str) -> &'static str {
    if second == "csfleEncryptionSchemas" {
        " unless csfleEncryptionSchemas only contains non-encryption JSON schema validators"
    } else {
        ""
    }
}
