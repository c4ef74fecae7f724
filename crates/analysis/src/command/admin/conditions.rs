//! What a `$jsonSchema` that becomes a validator says about values.
//!
//! Beside `encrypt` nothing can stand; but a schema may speak of an encrypted field again, in
//! `anyOf` and the like, or list whole objects. What it says there would be stored in plaintext,
//! and no ciphertext could satisfy it.

use bson::raw::{RawBsonRef, RawDocument};
use regex::Regex;

use crate::{
    AnalyzeError,
    shape::{ObjectShape, Shape},
};

/// Refuses conditions on values that are encrypted, or have encrypted fields inside.
///
/// # Errors
/// `StoredComparison`.
pub(super) fn check_conditions(schema: &RawDocument, shape: &Shape) -> Result<(), AnalyzeError> {
    Conditions { path: Vec::new() }.check(schema, shape, false)
}

struct Conditions<'a> {
    /// Names of the fields that lead to the value in work.
    path: Vec<&'a str>,
}

impl<'a> Conditions<'a> {
    /// `is_aside` says that the schema is not the one which says what is encrypted.
    fn check(
        &mut self,
        schema: &'a RawDocument,
        shape: &Shape,
        is_aside: bool,
    ) -> Result<(), AnalyzeError> {
        if shape.is_plain() {
            return Ok(());
        }
        let is_encrypted = !matches!(shape, Shape::Object(_));
        for element in schema {
            let (name, value) = element.map_err(|_| self.refused())?;
            let name = name.as_str();
            match (name, value, shape) {
                ("enum", ..) => return Err(self.refused()),
                ("properties", RawBsonRef::Document(fields), Shape::Object(object)) => {
                    self.fields(fields, is_aside, |name| vec![object.child(name)])?;
                }
                ("patternProperties", RawBsonRef::Document(fields), Shape::Object(object)) => {
                    self.fields(fields, is_aside, |pattern| matching(object, pattern, is_aside))?;
                }
                ("additionalProperties", RawBsonRef::Document(inner), Shape::Object(object)) => {
                    let others = object.additional.clone().unwrap_or(Shape::Plain);
                    self.check(inner, if is_aside { shape } else { &others }, is_aside)?;
                }
                ("allOf" | "anyOf" | "oneOf", RawBsonRef::Array(parts), _) => {
                    for part in parts {
                        let part = part.ok().and_then(RawBsonRef::as_document);
                        self.check(part.ok_or_else(|| self.refused())?, shape, true)?;
                    }
                }
                ("not", RawBsonRef::Document(inner), _) => self.check(inner, shape, true)?,
                ("dependencies", RawBsonRef::Document(fields), _) => {
                    for field in fields {
                        let (_, value) = field.map_err(|_| self.refused())?;
                        if let RawBsonRef::Document(inner) = value {
                            self.check(inner, shape, true)?;
                        }
                    }
                }
                _ if is_encrypted && says_something(name) => return Err(self.refused()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks subschemas of fields; `shapes` gives what their names may stand for.
    fn fields(
        &mut self,
        fields: &'a RawDocument,
        is_aside: bool,
        shapes: impl Fn(&str) -> Vec<Option<Shape>>,
    ) -> Result<(), AnalyzeError> {
        for field in fields {
            let (name, value) = field.map_err(|_| self.refused())?;
            self.path.push(name.as_str());
            for shape in shapes(name.as_str()) {
                let schema = value.as_document().ok_or_else(|| self.refused())?;
                self.check(schema, &shape.ok_or_else(|| self.refused())?, is_aside)?;
            }
            self.path.pop();
        }
        Ok(())
    }

    fn refused(&self) -> AnalyzeError {
        AnalyzeError::StoredComparison {
            what: " in collection validator",
            path: self.path.join("."),
        }
    }
}

/// The shapes of the fields that a pattern may mean.
fn matching(object: &ObjectShape, pattern: &str, is_aside: bool) -> Vec<Option<Shape>> {
    let Ok(regex) = Regex::new(pattern) else {
        return object.inner_shapes().cloned().map(Some).collect();
    };
    let named = object.properties.iter().filter(|(name, _)| regex.is_match(name));
    // A pattern that stands aside may mean the same names as any other.
    let patterns = object.patterns.iter().filter(|(own, _)| is_aside || own.as_str() == pattern);
    let others = object.additional.iter().filter(|_| is_aside);
    let others = patterns.map(|(_, shape)| shape).chain(others);
    named.map(|(_, shape)| shape).chain(others).cloned().map(Some).collect()
}

/// Whether a keyword says more about a value than its type, or that it is encrypted.
fn says_something(keyword: &str) -> bool {
    !matches!(
        keyword,
        "bsonType" | "description" | "encrypt" | "encryptMetadata" | "required" | "title" | "type"
    )
}
