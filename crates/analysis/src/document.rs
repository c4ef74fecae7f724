//! Documents to be stored: inserted ones, replacements, and objects that `$set` stores.
//!
//! They are read as bytes, and what is not encrypted is copied as bytes.

use std::borrow::Cow;

use bson::{
    raw::{RawBsonRef, RawDocument},
    spec::ElementType,
};

use crate::{
    AnalyzeError,
    marking::{Marker, Purpose, check_value},
    raw::{Element, Elements, write_document, write_name},
    shape::{EncryptedField, FieldKey, ObjectShape, PathState, Shape},
};

/// Appends `document` to `out` with all values of encrypted fields marked.
///
/// # Errors
/// What [`DocumentMarker::write`] finds, and a missing `_id` if that field is encrypted: a server
/// would generate one in plaintext.
pub(crate) fn mark_inserted(
    marker: &mut Marker,
    shape: &Shape,
    document: &RawDocument,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    if let Shape::Object(object) = shape {
        let id = object.child("_id").unwrap_or(Shape::Plain);
        if !id.is_plain() && !matches!(document.get("_id"), Ok(Some(_))) {
            return Err(AnalyzeError::EncryptedIdMissing);
        }
    }
    mark_replacement(marker, shape, document, true, out)
}

/// Appends a whole document to `out`, with all values of encrypted fields marked.
///
/// `may_choose_key` says whether fields may take their key's name from the document.
pub(crate) fn mark_replacement(
    marker: &mut Marker,
    shape: &Shape,
    document: &RawDocument,
    may_choose_key: bool,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let root = may_choose_key.then_some(document);
    DocumentMarker { marker, whole: shape, root, base: 0, path: String::new() }.write(
        shape,
        document.as_bytes(),
        true,
        out,
    )
}

/// Appends an object that is stored at `path` to `out`, with all values of encrypted fields in it
/// marked. `whole` is the shape of the documents, `shape` that at the path.
pub(crate) fn mark_object(
    marker: &mut Marker,
    whole: &Shape,
    shape: &Shape,
    path: &str,
    object: &RawDocument,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    DocumentMarker { marker, whole, root: None, base: path.len() + 1, path: path.to_owned() }.write(
        shape,
        object.as_bytes(),
        false,
        out,
    )
}

struct DocumentMarker<'a> {
    marker: &'a mut Marker,
    /// The shape of whole documents, to which JSON pointers refer.
    whole: &'a Shape,
    /// The whole document, if it is known: then it may name the keys of its fields.
    root: Option<&'a RawDocument>,
    /// How much of each path leads to the object that is written.
    base: usize,
    /// Path of the object in work within the document.
    path: String,
}

impl<'a> DocumentMarker<'a> {
    fn write(
        mut self,
        shape: &Shape,
        bytes: &[u8],
        is_whole: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), AnalyzeError> {
        let result = match shape {
            Shape::Plain => {
                out.extend(bytes);
                Ok(())
            }
            Shape::Object(object) => {
                write_document(out, |out| self.write_elements(object, bytes, is_whole, out))
            }
            Shape::Encrypted(_) | Shape::Array(_) | Shape::Unknown(_) => {
                Err(AnalyzeError::UnknownUntilRuntime { path: self.path.clone() })
            }
        };
        if let Some(path) = result.as_ref().err().and_then(AnalyzeError::path) {
            self.marker.fault_below(path.get(self.base..).unwrap_or_default());
        }
        result
    }

    /// Writes the elements of an object, which may be the whole document.
    fn write_elements(
        &mut self,
        object: &ObjectShape,
        bytes: &[u8],
        is_top: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), AnalyzeError> {
        let mut seen = Seen::default();
        for element in Elements::new(bytes)? {
            let element = element?;
            if element.name.contains('.') {
                self.check_dotted(object, element.name)?;
            }
            let (index, shape) = self.child(object, element.name)?;
            match shape.as_ref() {
                Shape::Plain => {
                    out.extend(element.whole);
                    continue;
                }
                Shape::Encrypted(field) => self.write_field(field, &element, is_top, out)?,
                Shape::Object(inner) => match element.kind {
                    ElementType::EmbeddedDocument => {
                        write_name(out, element.kind, element.name);
                        let before = self.path.len();
                        push(&mut self.path, element.name);
                        write_document(out, |out| {
                            self.write_elements(inner, element.value, false, out)
                        })?;
                        self.path.truncate(before);
                    }
                    ElementType::Array => {
                        let path = self.path_of(element.name);
                        return Err(AnalyzeError::PrefixValue { path, kind: "array" });
                    }
                    _ => out.extend(element.whole),
                },
                Shape::Array(_) | Shape::Unknown(_) => {
                    return Err(AnalyzeError::UnknownUntilRuntime {
                        path: self.path_of(element.name),
                    });
                }
            }
            if !seen.is_first(index, element.name) {
                return Err(AnalyzeError::DuplicateName { path: self.path_of(element.name) });
            }
        }
        Ok(())
    }

    fn write_field(
        &mut self,
        field: &EncryptedField,
        element: &Element<'_>,
        is_top: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), AnalyzeError> {
        let path = || self.path_of(element.name);
        if is_top && element.kind == ElementType::Timestamp && element.value == [0; 8] {
            return Err(AnalyzeError::ZeroTimestamp { path: path() });
        }
        check_value(field, element.kind, element.is_ciphertext(), path)?;
        let alt_name = match &field.key {
            FieldKey::Id(_) => None,
            FieldKey::Pointer(_) => Some(self.alt_name(field, &path())?),
        };
        if self.marker.is_recording() {
            let path = path();
            let below = path.get(self.base..).unwrap_or_default();
            self.marker.note(field, &path, below, alt_name, element.kind, Purpose::Stored);
        }
        self.marker.write(out, element.name, field, alt_name, element.kind, element.value)
    }

    /// The name of the key that the document gives for a field.
    fn alt_name(&self, field: &EncryptedField, path: &str) -> Result<&'a str, AnalyzeError> {
        let (Some(root), FieldKey::Pointer(pointer)) = (self.root, &field.key) else {
            return Err(AnalyzeError::PointerKey { path: path.to_owned() });
        };
        let target = pointer.parts().collect::<Vec<_>>().join(".");
        if !matches!(self.whole.at(&target), Ok(PathState::Plain)) {
            return Err(AnalyzeError::PointerToEncrypted { path: path.to_owned(), target });
        }
        match pointer.find(root) {
            Some(RawBsonRef::String(name)) => Ok(name),
            _ => Err(AnalyzeError::PointerTarget { path: path.to_owned(), target }),
        }
    }

    fn child<'s>(
        &self,
        object: &'s ObjectShape,
        name: &str,
    ) -> Result<(Option<usize>, Cow<'s, Shape>), AnalyzeError> {
        if let Some((index, _, shape)) = object.properties.get_full(name) {
            return Ok((Some(index), Cow::Borrowed(shape)));
        }
        match object.child(name) {
            Some(shape) => Ok((None, Cow::Owned(shape))),
            None => Err(AnalyzeError::ConflictingMetadata { path: self.path_of(name) }),
        }
    }

    /// A name with a dot is no path to the server, but nobody who writes it means anything else.
    fn check_dotted(&self, object: &ObjectShape, name: &str) -> Result<(), AnalyzeError> {
        let shape = Shape::object(object.clone());
        if matches!(shape.at(name), Ok(PathState::Plain)) {
            return Ok(());
        }
        Err(AnalyzeError::DottedName { path: self.path_of(name) })
    }

    fn path_of(&self, name: &str) -> String {
        let mut path = self.path.clone();
        push(&mut path, name);
        path
    }
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// The encrypted fields of an object that were met already.
#[derive(Default)]
struct Seen {
    /// One bit for each property of the schema.
    by_index: Vec<u64>,
    /// Those that a pattern made encrypted.
    by_name: std::collections::HashSet<String>,
}

impl Seen {
    fn is_first(&mut self, index: Option<usize>, name: &str) -> bool {
        let Some(index) = index else { return self.by_name.insert(name.to_owned()) };
        let (word, bit) = (index / 64, 1 << (index % 64));
        if self.by_index.len() <= word {
            self.by_index.resize(word + 1, 0);
        }
        let Some(word) = self.by_index.get_mut(word) else { return false };
        let is_first = *word & bit == 0;
        *word |= bit;
        is_first
    }
}
