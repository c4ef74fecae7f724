//! Documents that do not fit their types.

use std::fmt;

use bson::error::ErrorKind;

/// Why a document cannot be turned into BSON, or not into the type asked for.
///
/// BSON's and serde's own messages quote values, and these may be plaintext of encrypted fields. Here
/// only what comes from the types is left of them.
///
/// ```
/// let error = bson::deserialize_from_bson::<i64>("457-55-5462".into()).unwrap_err();
/// let error = fieldveil::DocumentError::from(error);
/// assert!(!error.to_string().contains("457"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    reason: String,
    key: Option<String>,
}

impl DocumentError {
    /// The field, where it is known.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "field '{key}': ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for DocumentError {}

impl From<bson::error::Error> for DocumentError {
    fn from(error: bson::error::Error) -> Self {
        let reason = match error.kind {
            ErrorKind::Deserialization { .. } => expected(&error.message.unwrap_or_default()),
            ErrorKind::TooLargeUnsignedInteger { .. } => {
                "an unsigned integer is too large for BSON".to_owned()
            }
            ErrorKind::Serialization { .. } => "it cannot be serialized".to_owned(),
            ErrorKind::ValueAccess { .. } => "a field is absent or of another type".to_owned(),
            _ => "malformed BSON".to_owned(),
        };
        Self { reason, key: error.key }
    }
}

/// What serde says of the type, without the value that it found.
fn expected(message: &str) -> String {
    if message.starts_with("missing field") || message.starts_with("duplicate field") {
        return message.to_owned();
    }
    let known = ["invalid type", "invalid value", "invalid length"]
        .into_iter()
        .find(|known| message.strip_prefix(known).is_some_and(|rest| rest.starts_with(": ")));
    match (known, message.rsplit_once(", expected ")) {
        (Some(known), Some((_, expected))) => format!("{known}, expected {expected}"),
        _ => "a value is not what the type expects".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};
    use serde::{Deserialize, de::Error as _};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read into")]
    struct Patient {
        ssn: i64,
    }

    fn read(document: Document) -> String {
        let error = bson::deserialize_from_document::<Patient>(document).unwrap_err();
        DocumentError::from(error).to_string()
    }

    #[test]
    fn what_was_expected_is_told_and_what_was_found_is_not() {
        assert_eq!(read(doc! { "ssn": "457, expected 5462" }), "invalid type, expected i64");
        assert_eq!(read(doc! {}), "missing field `ssn`");
        let error = bson::serialize_to_bson(&u64::MAX).unwrap_err();
        assert!(!format!("{:?}", DocumentError::from(error)).contains("18446744073709551615"));
        let custom = bson::error::Error::custom("no number: 457-55-5462");
        assert!(!DocumentError::from(custom).to_string().contains("457"));
    }
}
