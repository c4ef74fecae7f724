//! JSON pointers (RFC 6901), with which a schema names the field that holds a key's alternate name.

use std::fmt;

use bson::raw::{RawBsonRef, RawDocument};

/// A parsed pointer into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer {
    parts: Vec<String>,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// The text is empty.
    #[error("Empty JSONPointers are not supported")]
    Empty,
    /// The text does not begin with a slash.
    #[error("JSONPointer must start with a '/'")]
    NoSlash,
    /// A tilde is followed by something else than 0 or 1.
    #[error("JSONPointer cannot contain unescaped ~ character")]
    Tilde,
}

impl PointerError {
    /// The code that MongoDB's schema parser gives.
    pub fn code(self) -> i32 {
        match self {
            Self::Tilde => 51063,
            Self::Empty => 51064,
            Self::NoSlash => 51065,
        }
    }
}

impl JsonPointer {
    /// Parses `/a/b`; `~0` stands for a tilde and `~1` for a slash.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Empty);
        }
        let rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let parts = rest.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }

    /// The components, from the document's root down.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(String::as_str)
    }

    /// The pointed-to value; `None` if it does not exist or the document is malformed there.
    pub(crate) fn find<'a>(&self, document: &'a RawDocument) -> Option<RawBsonRef<'a>> {
        let mut value = RawBsonRef::Document(document);
        for part in &self.parts {
            value = match value {
                RawBsonRef::Document(document) => document.get(part).ok()??,
                RawBsonRef::Array(array) => array.get(part.parse().ok()?).ok()??,
                _ => return None,
            };
        }
        Some(value)
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts
            .iter()
            .try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}

fn unescape(part: &str) -> Result<String, PointerError> {
    let mut pieces = part.split('~');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (replacement, rest) = match piece.as_bytes().first() {
            Some(b'0') => ('~', piece.get(1..)),
            Some(b'1') => ('/', piece.get(1..)),
            _ => return Err(PointerError::Tilde),
        };
        text.push(replacement);
        text.push_str(rest.unwrap_or_default());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn finds_values_through_objects_and_arrays() {
        let document = rawdoc! { "a/b": { "~": ["x", "y"] } };
        let pointer = JsonPointer::parse("/a~1b/~0/1").unwrap();
        assert_eq!(pointer.find(&document), Some(RawBsonRef::String("y")));
        assert_eq!(pointer.to_string(), "/a~1b/~0/1");
        assert_eq!(JsonPointer::parse("/a~1b/~0/7").unwrap().find(&document), None);
    }

    #[test]
    fn malformed_pointers_have_the_codes_of_the_server() {
        for (text, code) in [("", 51064), ("a", 51065), ("/~2", 51063), ("/a~", 51063)] {
            assert_eq!(JsonPointer::parse(text).unwrap_err().code(), code, "{text}");
        }
    }
}
