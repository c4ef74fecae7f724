//! `encryptedFields`: the schema of a collection with Queryable Encryption.

use bson::{RawDocument, RawDocumentBuf};

use crate::key_id::KeyId;
use crate::marking;
use crate::raw::{Element, Elements, MalformedBson, find, kind};
use crate::vault::KeyDocument;

/// The only version of the rules for text.
const STR_ENCODE_VERSION: i32 = 1;

/// A parsed `encryptedFields` document; what only servers and query analysis care for is not read.
#[derive(Debug, Clone)]
pub(crate) struct EncryptedFields {
    document: RawDocumentBuf,
    fields: Vec<EncryptedField>,
    /// Absent if no field has text queries and none was given.
    str_encode_version: Option<i32>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncryptedField {
    pub(crate) path: String,
    pub(crate) key: FieldKey,
    /// Whether range or text queries are configured.
    pub(crate) has_padding: bool,
    has_text: bool,
}

/// How a field names its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldKey {
    Id(KeyId),
    Name(String),
}

impl FieldKey {
    /// Whether this is the key of the field.
    pub(crate) fn is_of(&self, key: &KeyDocument) -> bool {
        match self {
            Self::Id(id) => id == key.id(),
            Self::Name(name) => key.alt_names().contains(name),
        }
    }
}

/// Why an `encryptedFields` document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptedFieldsError {
    /// The document is malformed.
    #[error("BSON malformed")]
    Malformed(#[from] MalformedBson),
    /// No `fields`.
    #[error("unable to find 'fields' in encrypted_field_config")]
    NoFields,
    /// `fields` is no array.
    #[error("expected 'fields' to be type array, got: {0}")]
    FieldsType(&'static str),
    /// A field is no document.
    #[error("expected BSON document for field: {0}")]
    FieldType(String),
    /// A field without a path.
    #[error("unable to find 'path' in 'field' document")]
    NoPath,
    /// A path that is no string.
    #[error("expected 'fields.path' to be type UTF-8, got: {0}")]
    PathType(u8),
    /// A field without a key.
    #[error("unable to find 'keyId' or 'keyAltName' in 'field' document")]
    NoKey,
    /// A field with two keys.
    #[error("only one of 'keyId' or 'keyAltName may be in 'field' document")]
    TwoKeys,
    /// A key id that is no binary.
    #[error("expected 'fields.keyId' to be type binary, got: {0}")]
    KeyIdType(&'static str),
    /// A key id that is no UUID.
    #[error("unable to parse uuid key from 'fields.keyId'")]
    KeyId,
    /// An alternate name that is no string.
    #[error("expected 'fields.keyAltName' to be type UTF-8, got: {0}")]
    KeyAltNameType(u8),
    /// Two fields with one alternate name.
    #[error("duplicate keyAltName '{0}' found in encrypted field config")]
    DuplicateKeyAltName(String),
    /// A query that is no document.
    #[error("When parsing supported query types: Expected type document, got: {0}")]
    QueryKind(u8),
    /// A query without a type.
    #[error("When parsing supported query types: Unable to find 'queryType' in query document")]
    NoQueryType,
    /// A query type that is no string.
    #[error("When parsing supported query types: Expected 'queryType' to be type UTF-8, got: {0}")]
    QueryTypeKind(u8),
    /// A query type that is not known.
    #[error("When parsing supported query types: Did not recognize query type '{0}'")]
    UnknownQueryType(String),
    /// A query type of a preview that has ended.
    #[error(
        "Cannot use field '{0}' with 'rangePreview' queries. 'rangePreview' is unsupported. Use \
         'range' instead. 'range' is not compatible with 'rangePreview' and requires recreating \
         the collection."
    )]
    RangePreview(String),
    /// `strEncodeVersion` has another type.
    #[error("expected 'strEncodeVersion' to be type int32, got: {0}")]
    StrEncodeVersionType(&'static str),
    /// `strEncodeVersion` names rules of the future.
    #[error("'strEncodeVersion' of {0} is not supported")]
    StrEncodeVersion(i32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Query {
    Equality,
    Range,
    RangePreview,
    Text,
}

impl EncryptedFields {
    /// Reads an `encryptedFields` document.
    ///
    /// # Errors
    /// If it is not as the client needs it; much of the rest the server checks.
    pub(crate) fn parse(document: RawDocumentBuf) -> Result<Self, EncryptedFieldsError> {
        let bytes = document.as_bytes();
        let fields = find(bytes, "fields")?.ok_or(EncryptedFieldsError::NoFields)?;
        let wrong_type = || EncryptedFieldsError::FieldsType(kind::name(fields.kind));
        let mut parsed: Vec<EncryptedField> = Vec::new();
        for field in Elements::of(fields.as_array().ok_or_else(wrong_type)?)? {
            let field = EncryptedField::parse(&field?)?;
            if let FieldKey::Name(name) = &field.key
                && parsed.iter().any(|other| other.key == field.key)
            {
                return Err(EncryptedFieldsError::DuplicateKeyAltName(name.clone()));
            }
            parsed.push(field);
        }
        let str_encode_version = match find(bytes, "strEncodeVersion")? {
            None => parsed.iter().any(|field| field.has_text).then_some(STR_ENCODE_VERSION),
            Some(element) => match element.as_i32() {
                Some(STR_ENCODE_VERSION) => Some(STR_ENCODE_VERSION),
                Some(other) => return Err(EncryptedFieldsError::StrEncodeVersion(other)),
                None => {
                    let actual = kind::name(element.kind);
                    return Err(EncryptedFieldsError::StrEncodeVersionType(actual));
                }
            },
        };
        Ok(Self { document, fields: parsed, str_encode_version })
    }

    /// The document as it was given.
    pub(crate) fn document(&self) -> &RawDocument {
        &self.document
    }

    /// The fields in the order of the document.
    pub(crate) fn fields(&self) -> &[EncryptedField] {
        &self.fields
    }

    /// Version of the rules for text, if any are needed.
    pub(crate) fn str_encode_version(&self) -> Option<i32> {
        self.str_encode_version
    }
}

impl EncryptedField {
    fn parse(element: &Element<'_>) -> Result<Self, EncryptedFieldsError> {
        let wrong_type = || EncryptedFieldsError::FieldType(element.name_lossy());
        let field = element.as_document().ok_or_else(wrong_type)?;
        let key = read_key(field)?;
        let path = find(field, "path")?.ok_or(EncryptedFieldsError::NoPath)?;
        let path = path.as_str().ok_or(EncryptedFieldsError::PathType(path.kind))?.to_owned();
        let queries = match find(field, "queries")? {
            None => Vec::new(),
            Some(element) => match element.as_array() {
                None => vec![read_query(&element)?],
                Some(queries) => Elements::of(queries)?
                    .map(|query| read_query(&query?))
                    .collect::<Result<_, _>>()?,
            },
        };
        if queries.contains(&Query::RangePreview) {
            return Err(EncryptedFieldsError::RangePreview(path));
        }
        let has_text = queries.contains(&Query::Text);
        let has_padding = has_text || queries.contains(&Query::Range);
        Ok(Self { path, key, has_padding, has_text })
    }
}

fn read_key(field: &[u8]) -> Result<FieldKey, EncryptedFieldsError> {
    match (find(field, "keyId")?, find(field, "keyAltName")?) {
        (None, None) => Err(EncryptedFieldsError::NoKey),
        (Some(_), Some(_)) => Err(EncryptedFieldsError::TwoKeys),
        (Some(id), None) => {
            if id.kind != kind::BINARY {
                return Err(EncryptedFieldsError::KeyIdType(kind::name(id.kind)));
            }
            marking::uuid(&id).map(FieldKey::Id).ok_or(EncryptedFieldsError::KeyId)
        }
        (None, Some(name)) => match name.as_str() {
            Some(text) => Ok(FieldKey::Name(text.to_owned())),
            None => Err(EncryptedFieldsError::KeyAltNameType(name.kind)),
        },
    }
}

fn read_query(element: &Element<'_>) -> Result<Query, EncryptedFieldsError> {
    let query = element.as_document().ok_or(EncryptedFieldsError::QueryKind(element.kind))?;
    let query_type = find(query, "queryType")?.ok_or(EncryptedFieldsError::NoQueryType)?;
    let name = query_type.as_str().ok_or(EncryptedFieldsError::QueryTypeKind(query_type.kind))?;
    match name.to_ascii_lowercase().as_str() {
        "equality" => Ok(Query::Equality),
        "range" => Ok(Query::Range),
        "rangepreview" => Ok(Query::RangePreview),
        "prefix" | "prefixpreview" | "suffix" | "suffixpreview" | "substring"
        | "substringpreview" => Ok(Query::Text),
        _ => Err(EncryptedFieldsError::UnknownQueryType(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use bson::{Binary, rawdoc, spec::BinarySubtype};

    use super::*;

    fn id() -> Binary {
        Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] }
    }

    #[test]
    fn fields_are_read() {
        let document = rawdoc! { "fields": [
            { "path": "a", "keyId": id(), "queries": { "queryType": "equality" } },
            { "path": "b.c", "keyAltName": "n", "queries": [ { "queryType": "prefixPreview" } ] },
            { "path": "d", "keyId": id() },
        ] };
        let parsed = EncryptedFields::parse(document).unwrap();
        assert_eq!(parsed.str_encode_version(), Some(1));
        let [a, b, d] = parsed.fields() else { panic!() };
        assert_eq!(a.key, FieldKey::Id(KeyId::from_bytes([1; 16])));
        assert!(!a.has_padding && b.has_padding && !d.has_padding);
        assert_eq!(b.key, FieldKey::Name("n".to_owned()));
    }

    #[test]
    fn wrong_documents_are_refused_with_the_published_texts() {
        let field = |field| rawdoc! { "fields": [ field ] };
        for (document, text) in [
            (rawdoc! {}, "unable to find 'fields' in encrypted_field_config"),
            (rawdoc! { "fields": 1 }, "expected 'fields' to be type array, got: INT32"),
            (
                field(rawdoc! { "path": "a" }),
                "unable to find 'keyId' or 'keyAltName' in 'field' document",
            ),
            (field(rawdoc! { "keyId": id() }), "unable to find 'path' in 'field' document"),
            (
                field(rawdoc! { "path": 1, "keyId": id() }),
                "expected 'fields.path' to be type UTF-8, got: 16",
            ),
            (
                field(rawdoc! { "path": "a", "keyId": 1 }),
                "expected 'fields.keyId' to be type binary, got: INT32",
            ),
            (
                field(rawdoc! { "path": "a", "keyId": id(), "queries": {} }),
                "When parsing supported query types: Unable to find 'queryType' in query document",
            ),
            (
                field(rawdoc! { "path": "a", "keyId": id(), "queries": { "queryType": "x" } }),
                "When parsing supported query types: Did not recognize query type 'x'",
            ),
            (
                rawdoc! { "fields": [], "strEncodeVersion": 2 },
                "'strEncodeVersion' of 2 is not supported",
            ),
            (
                rawdoc! { "fields": [
                    { "path": "a", "keyAltName": "n" }, { "path": "b", "keyAltName": "n" },
                ] },
                "duplicate keyAltName 'n' found in encrypted field config",
            ),
        ] {
            assert_eq!(EncryptedFields::parse(document).unwrap_err().to_string(), text);
        }
    }
}
