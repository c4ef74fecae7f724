//! What to write instead of what was refused.

use super::AnalyzeError;

impl AnalyzeError {
    /// What to do instead, in a sentence; `None` if the error says it all.
    pub fn advice(&self) -> Option<String> {
        let text = match self {
            Self::CannotEncrypt { path, .. } => format!(
                "give '{path}' a value of a type that the schema allows, or change the field's \
                 bsonType in the schema"
            ),
            Self::AlreadyEncrypted { path } => format!(
                "pass the plaintext of '{path}': automatic encryption encrypts it; or set \
                 bypassQueryAnalysis and encrypt every field explicitly"
            ),
            Self::BelowEncrypted { encrypted, .. } => format!(
                "'{encrypted}' is encrypted as a whole, so the server cannot see inside; read it \
                 and work on the decrypted value"
            ),
            Self::AmbiguousIndex { .. } => "name the field without the array position".to_owned(),
            Self::PointerKey { path } => format!(
                "the key of '{path}' is chosen by the document; insert or replace the whole \
                 document, or give the field a key id in the schema"
            ),
            Self::PrefixValue { path, .. } => {
                format!("name the fields below '{path}' one by one, as '{path}.field'")
            }
            Self::EncryptedIdMissing => "add an _id to the document".to_owned(),
            Self::DottedName { .. } => "write a nested object".to_owned(),
            Self::ZeroTimestamp { .. } => "use a timestamp other than (0, 0)".to_owned(),
            Self::MissingSchema { namespace } => format!(
                "give analysis the schema of '{namespace}', an empty one if it has no encrypted \
                 field"
            ),
            _ => return None,
        };
        Some(text)
    }
}
