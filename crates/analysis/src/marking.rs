//! Intent-to-encrypt markings, and the one place that makes them.
//!
//! A marking is a binary of subtype 6 whose payload is a zero byte and the document
//! `{a: <1 deterministic, 2 random>, ki: <key id> or ka: <alternate name>, v: <plaintext>}`.

use bson::{
    Binary,
    raw::{RawBson, RawBsonRef, RawDocumentBuf},
    spec::{BinarySubtype, ElementType},
};

use crate::{
    AnalyzeError, RequestError,
    raw::{write_document, write_name},
    shape::{Algorithm, EncryptedField, FieldKey},
    types::type_name,
};

/// Why a value is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// It will be stored in the field.
    Stored,
    /// It is compared with the field.
    Compared,
}

/// One value of a command that is encrypted, for those who want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedValue {
    /// Where in the command the value stood: `documents.0.ssn`.
    pub place: String,
    /// The field, as a dotted path in the collection's documents.
    pub path: String,
    /// Where the schema declares the field; differs from `path` for patterns.
    pub schema_path: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The data key.
    pub key: FieldKey,
    /// The alternate name of the data key, if the document itself gives it.
    pub key_alt_name: Option<String>,
    /// The BSON type of the value, by its alias.
    pub bson_type: &'static str,
    /// Why it is encrypted.
    pub purpose: Purpose,
}

/// Where [`Marker::enter`] was called.
#[must_use]
pub(crate) struct Place(usize);

/// The maker of markings. Knows where in the command work is going on.
#[derive(Debug, Default)]
pub(crate) struct Marker {
    count: usize,
    place: String,
    /// A field that was compared with text, since anyone asked.
    compared_text: Option<String>,
    /// What was marked, if anyone wants to know.
    record: Option<Vec<EncryptedValue>>,
}

impl Marker {
    /// A marker that remembers what it marks.
    pub(crate) fn recording() -> Self {
        Self { record: Some(Vec::new()), ..Self::default() }
    }

    /// How many markings were made.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The place in work. After an error it is the place of the fault.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// What was marked.
    pub(crate) fn into_record(self) -> Vec<EncryptedValue> {
        self.record.unwrap_or_default()
    }

    /// Remembers that ciphertexts of `field` are compared with each other.
    pub(crate) fn note_comparison(&mut self, field: &EncryptedField, path: &str) {
        let has_text = field.types.is_some_and(|types| {
            types.contains(ElementType::String) || types.contains(ElementType::Symbol)
        });
        if has_text {
            self.compared_text = Some(path.to_owned());
        }
    }

    /// A field that was compared with text since the last call.
    pub(crate) fn take_compared_text(&mut self) -> Option<String> {
        self.compared_text.take()
    }

    /// Goes one step deeper in the command. After a fault nobody leaves again, so that the place
    /// stays for those who ask where it was.
    pub(crate) fn enter(&mut self, name: &str) -> Place {
        let before = self.place.len();
        self.fault_below(name);
        Place(before)
    }

    /// Goes back to where [`Marker::enter`] was called.
    pub(crate) fn leave(&mut self, place: Place) {
        self.place.truncate(place.0);
    }

    /// Does `work` one step deeper in the command.
    pub(crate) fn within<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<T, AnalyzeError>,
    ) -> Result<T, AnalyzeError> {
        let place = self.enter(name);
        let result = work(self)?;
        self.leave(place);
        Ok(result)
    }

    /// The marking for one value that stands in the command at the place in work.
    ///
    /// # Errors
    /// If the field cannot hold values of this type, or the key depends on the document.
    pub(crate) fn mark(
        &mut self,
        field: &EncryptedField,
        path: &str,
        value: RawBsonRef<'_>,
        purpose: Purpose,
    ) -> Result<RawBson, AnalyzeError> {
        check_value(field, value.element_type(), is_ciphertext(value), || path.to_owned())?;
        let FieldKey::Id(id) = &field.key else {
            return Err(AnalyzeError::PointerKey { path: path.to_owned() });
        };
        let mut plaintext = RawDocumentBuf::new();
        plaintext.append(bson::raw::cstr!("v"), value);
        let plaintext = plaintext.as_bytes();
        let mut bytes = Vec::with_capacity(plaintext.len() + 64);
        bytes.push(0);
        write_document(&mut bytes, |out| {
            write_algorithm(out, field.algorithm);
            write_key_id(out, id);
            out.extend(plaintext.get(4..plaintext.len() - 1).unwrap_or_default());
            Ok(())
        })?;
        self.count += 1;
        let is_text = matches!(value, RawBsonRef::String(_) | RawBsonRef::Symbol(_));
        if is_text && purpose == Purpose::Compared {
            self.compared_text = Some(path.to_owned());
        }
        self.note(field, path, "", None, value.element_type(), purpose);
        Ok(RawBson::Binary(Binary { subtype: BinarySubtype::Encrypted, bytes }))
    }

    /// Writes an element `name` with the marking for a value that is to be stored.
    ///
    /// `alt_name` is the name of the key if the field takes it from the document. The caller has
    /// checked the value.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        field: &EncryptedField,
        alt_name: Option<&str>,
        kind: ElementType,
        value: &[u8],
    ) -> Result<(), AnalyzeError> {
        self.count += 1;
        write_name(out, ElementType::Binary, name);
        let start = out.len();
        out.extend([0, 0, 0, 0, u8::from(BinarySubtype::Encrypted), 0]);
        write_document(out, |out| {
            write_algorithm(out, field.algorithm);
            match (&field.key, alt_name) {
                (_, Some(alt_name)) => {
                    write_name(out, ElementType::String, "ka");
                    let len =
                        u32::try_from(alt_name.len() + 1).map_err(|_| RequestError::TooLarge)?;
                    out.extend(len.to_le_bytes());
                    out.extend(alt_name.as_bytes());
                    out.push(0);
                }
                (FieldKey::Id(id), None) => write_key_id(out, id),
                (FieldKey::Pointer(_), None) => {
                    return Err(AnalyzeError::PointerKey { path: name.to_owned() });
                }
            }
            write_name(out, kind, "v");
            out.extend(value);
            Ok(())
        })?;
        let len = u32::try_from(out.len() - start - 5).map_err(|_| RequestError::TooLarge)?;
        if let Some(prefix) = out.get_mut(start..start + 4) {
            prefix.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    }

    /// Whether [`Marker::note`] does anything.
    pub(crate) fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    /// Goes deeper in the command to the place of a fault.
    pub(crate) fn fault_below(&mut self, below: &str) {
        if !below.is_empty() && !self.place.is_empty() {
            self.place.push('.');
        }
        self.place.push_str(below);
    }

    /// Remembers a marking, made `below` the place in work.
    pub(crate) fn note(
        &mut self,
        field: &EncryptedField,
        path: &str,
        below: &str,
        alt_name: Option<&str>,
        kind: ElementType,
        purpose: Purpose,
    ) {
        let Some(record) = &mut self.record else { return };
        let place = match (self.place.as_str(), below) {
            (place, "") => place.to_owned(),
            ("", below) => below.to_owned(),
            (place, below) => format!("{place}.{below}"),
        };
        record.push(EncryptedValue {
            place,
            path: path.to_owned(),
            schema_path: field.path.clone(),
            algorithm: field.algorithm,
            key: field.key.clone(),
            key_alt_name: alt_name.map(str::to_owned),
            bson_type: type_name(kind),
            purpose,
        });
    }
}

/// Checks that a field can hold such a value.
///
/// # Errors
/// `CannotEncrypt` for a type that the schema or the algorithm refuses, `AlreadyEncrypted` for a
/// ciphertext.
pub(crate) fn check_value(
    field: &EncryptedField,
    kind: ElementType,
    is_ciphertext: bool,
    path: impl FnOnce() -> String,
) -> Result<(), AnalyzeError> {
    if is_ciphertext {
        return Err(AnalyzeError::AlreadyEncrypted { path: path() });
    }
    if field.accepts(kind) {
        return Ok(());
    }
    Err(AnalyzeError::CannotEncrypt {
        path: path(),
        kind: type_name(kind),
        algorithm: field.algorithm,
        types: field.types,
    })
}

/// Whether a value is a binary of the subtype of ciphertexts.
pub(crate) fn is_ciphertext(value: RawBsonRef<'_>) -> bool {
    matches!(value, RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Encrypted)
}

fn write_algorithm(out: &mut Vec<u8>, algorithm: Algorithm) {
    let number: i32 = match algorithm {
        Algorithm::Deterministic => 1,
        Algorithm::Random => 2,
    };
    write_name(out, ElementType::Int32, "a");
    out.extend(number.to_le_bytes());
}

fn write_key_id(out: &mut Vec<u8>, id: &[u8; 16]) {
    write_name(out, ElementType::Binary, "ki");
    out.extend([16, 0, 0, 0, u8::from(BinarySubtype::Uuid)]);
    out.extend(id);
}
