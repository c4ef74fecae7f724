//! What is known of one collection.

use std::sync::{Arc, OnceLock};

use bson::RawDocumentBuf;
use fieldveil_analysis::{EncryptionSchema, SchemaOrigin};

use super::{EncryptedFields, SchemaError};
use crate::operation::AnalysisError;
use crate::raw::{Element, Elements, MalformedBson, find, kind};

/// The schemas of one collection; both absent if it has none.
#[derive(Debug, Default)]
pub(crate) struct CollectionSchema {
    pub(crate) encrypted_fields: Option<EncryptedFields>,
    pub(crate) json: Option<JsonSchema>,
}

/// A JSON schema, compiled when it is first analysed against.
#[derive(Debug)]
pub(crate) struct JsonSchema {
    document: RawDocumentBuf,
    /// `jsonSchema` and `isRemoteSchema`, as every command on the collection is analysed with.
    elements: Vec<u8>,
    origin: SchemaOrigin,
    compiled: OnceLock<Arc<EncryptionSchema>>,
}

impl JsonSchema {
    /// A schema from a validator of the server (`Remote`) or from the client's own map (`Local`).
    pub(crate) fn new(document: RawDocumentBuf, origin: SchemaOrigin) -> Self {
        let is_remote = origin == SchemaOrigin::Remote;
        let mut elements = Vec::new();
        write_json_schema(&mut elements, document.as_bytes(), is_remote);
        Self { document, elements, origin, compiled: OnceLock::new() }
    }

    /// `jsonSchema` and `isRemoteSchema`, for a command to query analysis.
    pub(crate) fn elements(&self) -> &[u8] {
        &self.elements
    }

    /// The compiled schema.
    ///
    /// # Errors
    /// If it is no encryption schema.
    pub(crate) fn compiled(&self) -> Result<&Arc<EncryptionSchema>, AnalysisError> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let compiled = Arc::new(EncryptionSchema::parse(&self.document, self.origin)?);
        Ok(self.compiled.get_or_init(|| compiled))
    }
}

/// Appends `jsonSchema` and `isRemoteSchema`: whether it came from the server, where it may hold other
/// validation.
pub(crate) fn write_json_schema(out: &mut Vec<u8>, document: &[u8], is_remote: bool) {
    out.extend_from_slice(b"\x03jsonSchema\0");
    out.extend_from_slice(document);
    out.extend_from_slice(b"\x08isRemoteSchema\0");
    out.push(u8::from(is_remote));
}

impl CollectionSchema {
    /// From a JSON schema of the client's own map.
    pub(crate) fn from_schema_map(entry: &Element<'_>) -> Result<Self, SchemaError> {
        let wrong_type = || SchemaError::SchemaMapEntry(entry.name_lossy());
        let document = to_document(entry.as_document().ok_or_else(wrong_type)?)?;
        let json = Some(JsonSchema::new(document, SchemaOrigin::Local));
        Ok(Self { encrypted_fields: None, json })
    }

    /// From an entry of the client's `encryptedFieldsMap`.
    pub(crate) fn from_encrypted_fields_map(entry: &Element<'_>) -> Result<Self, SchemaError> {
        let wrong_type = || SchemaError::EncryptedFieldsMapEntry(entry.name_lossy());
        let document = to_document(entry.as_document().ok_or_else(wrong_type)?)?;
        Ok(Self { encrypted_fields: Some(EncryptedFields::parse(document)?), json: None })
    }

    /// From a `create` or `collMod` command, if it has a schema.
    pub(crate) fn from_command(
        command: &[u8],
        namespace: &str,
    ) -> Result<Option<Self>, SchemaError> {
        let validator = find(command, "validator")?.and_then(|element| element.as_document());
        if let Some(validator) = validator
            && let Some(json) = json_schema(validator, namespace)?
        {
            return Ok(Some(Self { encrypted_fields: None, json: Some(json) }));
        }
        match find(command, "encryptedFields")? {
            None => Ok(None),
            Some(element) => {
                let encrypted_fields = Some(encrypted_fields(&element, namespace)?);
                Ok(Some(Self { encrypted_fields, json: None }))
            }
        }
    }

    /// From a document of `listCollections`.
    ///
    /// # Errors
    /// If the collection is a view, or its options are not as servers store them.
    pub(crate) fn from_collection_info(info: &[u8], namespace: &str) -> Result<Self, SchemaError> {
        let is_view = find(info, "type")?.and_then(|kind| kind.as_str()) == Some("view");
        if is_view {
            return Err(SchemaError::View(namespace.to_owned()));
        }
        let options = find(info, "options")?.and_then(|element| element.as_document());
        let Some(options) = options else { return Ok(Self::default()) };
        let encrypted_fields = match find(options, "encryptedFields")? {
            Some(element) => Some(encrypted_fields(&element, namespace)?),
            None => None,
        };
        let validator = find(options, "validator")?.and_then(|element| element.as_document());
        let json = match validator {
            Some(validator) => json_schema(validator, namespace)?,
            None => None,
        };
        Ok(Self { encrypted_fields, json })
    }
}

fn encrypted_fields(
    element: &Element<'_>,
    namespace: &str,
) -> Result<EncryptedFields, SchemaError> {
    let document = element.as_document().ok_or_else(|| SchemaError::EncryptedFieldsType {
        actual: kind::name(element.kind),
        namespace: namespace.to_owned(),
    })?;
    Ok(EncryptedFields::parse(to_document(document)?)?)
}

/// The one `$jsonSchema` of a validator. It may hold other rules, so it counts as remote.
fn json_schema(validator: &[u8], namespace: &str) -> Result<Option<JsonSchema>, SchemaError> {
    let mut found = None;
    for element in Elements::of(validator)? {
        let element = element?;
        if element.name != b"$jsonSchema" {
            continue;
        }
        if found.is_some() {
            return Err(SchemaError::DuplicateJsonSchema(namespace.to_owned()));
        }
        let wrong_type = || SchemaError::JsonSchemaType(namespace.to_owned());
        let document = to_document(element.as_document().ok_or_else(wrong_type)?)?;
        found = Some(JsonSchema::new(document, SchemaOrigin::Remote));
    }
    Ok(found)
}

fn to_document(bytes: &[u8]) -> Result<RawDocumentBuf, MalformedBson> {
    RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(|_| MalformedBson)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn collection_information_without_schema_is_an_empty_schema() {
        for info in [rawdoc! { "name": "c" }, rawdoc! { "name": "c", "options": {} }] {
            let schema = CollectionSchema::from_collection_info(info.as_bytes(), "d.c").unwrap();
            assert!(schema.json.is_none() && schema.encrypted_fields.is_none());
        }
    }

    #[test]
    fn the_validators_schema_is_remote() {
        let info = rawdoc! { "name": "c", "options": { "validator": {
            "a": 1, "$jsonSchema": { "bsonType": "object" },
        } } };
        let schema = CollectionSchema::from_collection_info(info.as_bytes(), "d.c").unwrap();
        let json = schema.json.unwrap();
        assert!(json.elements().ends_with(b"isRemoteSchema\0\x01"));
        assert_eq!(json.document, rawdoc! { "bsonType": "object" });
    }

    #[test]
    fn views_and_double_schemas_are_refused() {
        let info = rawdoc! { "name": "c", "type": "view" };
        let error = CollectionSchema::from_collection_info(info.as_bytes(), "d.c").unwrap_err();
        assert_eq!(error.to_string(), "cannot auto encrypt a view: d.c");
        let mut validator = rawdoc! { "$jsonSchema": {} };
        validator.append(bson::raw::cstr!("$jsonSchema"), rawdoc! {});
        let info = rawdoc! { "name": "c", "options": { "validator": validator } };
        let error = CollectionSchema::from_collection_info(info.as_bytes(), "d.c").unwrap_err();
        assert_eq!(error.to_string(), "duplicate `$jsonSchema` fields found for collection: d.c");
    }
}
