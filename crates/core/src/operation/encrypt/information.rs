//! Schemas as parts of commands: `jsonSchema`, `csfleEncryptionSchemas`, `encryptionInformation`.

use bson::{RawDocument, RawDocumentBuf};

use super::schemas::CommandSchemas;
use crate::command::CommandError;
use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::raw::{DocumentWriter, Element, Elements, MalformedBson, find, subtype};
use crate::schema::{EncryptedFields, write_json_schema};

/// For whom schemas are added to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    /// `mongocryptd`
    Daemon,
    /// The built-in analysis, which takes what the shared library takes.
    Library,
    /// The server that the command is sent to.
    Server,
}

/// Ids of keys by alternate name. There are few or none.
#[derive(Default)]
pub(super) struct NamedKeys(Vec<(String, KeyId)>);

impl NamedKeys {
    pub(super) fn insert(&mut self, name: &str, id: KeyId) {
        self.0.push((name.to_owned(), id));
    }

    /// The id that was inserted last under this name.
    fn get(&self, name: &str) -> Option<&KeyId> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, id)| id)
    }
}

/// Whether analysis gets JSON schemas of the command's collections and nothing else.
pub(super) fn takes_json_schemas(name: &str, schemas: &CommandSchemas) -> bool {
    // `bulkWrite` knows no `jsonSchema`: without any schema it gets an empty `encryptedFields`.
    !schemas.use_queryable_encryption() && (name != "bulkWrite" || has_json(schemas))
}

fn has_json(schemas: &CommandSchemas) -> bool {
    schemas.find_with(|schema| schema.encrypted_fields.is_none() && schema.json.is_some()).is_some()
}

/// Adds the schemas of the command's collections.
pub(super) fn add_schemas(
    command: &RawDocument,
    name: &str,
    schemas: &CommandSchemas,
    named_keys: &NamedKeys,
    addressee: Addressee,
) -> Result<RawDocumentBuf, CoreError> {
    if takes_json_schemas(name, schemas) {
        return match addressee {
            Addressee::Server => Ok(command.to_owned()),
            Addressee::Daemon | Addressee::Library => add_json_schemas(command, schemas, false),
        };
    }
    let information = write_information(schemas, named_keys)?;
    let command = add_information(command, name, &information, addressee)?;
    if has_json(schemas) && addressee != Addressee::Server {
        return add_json_schemas(&command, schemas, true);
    }
    Ok(command)
}

/// `{type: 1, schema: {<namespace>: encryptedFields, ..}}`
fn write_information(
    schemas: &CommandSchemas,
    named_keys: &NamedKeys,
) -> Result<Vec<u8>, CoreError> {
    let mut out = Vec::with_capacity(512);
    let mut writer = DocumentWriter::new(&mut out);
    writer.i32("type", 1);
    writer.document("schema", |by_namespace| {
        for entry in schemas.entries() {
            let schema = entry.schema();
            let encrypted = schema.and_then(|schema| schema.encrypted_fields.as_ref());
            if encrypted.is_none() && schema.is_some_and(|schema| schema.json.is_some()) {
                continue;
            }
            by_namespace.document(&entry.namespace, |fields| {
                write_encrypted_fields(fields, encrypted, entry.collection(), named_keys)
            })?;
        }
        Ok::<_, CoreError>(())
    })?;
    writer.finish()?;
    Ok(out)
}

/// The collection's `encryptedFields` with names of the state collections, and with key ids in place
/// of alternate names.
fn write_encrypted_fields(
    writer: &mut DocumentWriter<'_>,
    encrypted: Option<&EncryptedFields>,
    collection: &str,
    named_keys: &NamedKeys,
) -> Result<(), CoreError> {
    let (mut has_esc, mut has_ecoc, mut has_fields, mut has_version) = (false, false, false, false);
    if let Some(encrypted) = encrypted {
        for element in Elements::of(encrypted.document().as_bytes())? {
            let element = element?;
            match element.name {
                b"escCollection" => has_esc = true,
                b"ecocCollection" => has_ecoc = true,
                b"fields" => has_fields = true,
                b"strEncodeVersion" => has_version = true,
                _ => {}
            }
            write_translated(writer, &element, named_keys)?;
        }
    }
    if !has_esc {
        writer.str("escCollection", &format!("enxcol_.{collection}.esc"));
    }
    if !has_ecoc {
        writer.str("ecocCollection", &format!("enxcol_.{collection}.ecoc"));
    }
    if !has_fields {
        writer.array("fields", |_| Ok::<_, CoreError>(()))?;
    }
    if let Some(version) = encrypted.and_then(EncryptedFields::str_encode_version)
        && !has_version
    {
        writer.i32("strEncodeVersion", version);
    }
    Ok(())
}

/// Copies an element of `encryptedFields`; in `fields`, key ids take the place of alternate names.
fn write_translated(
    writer: &mut DocumentWriter<'_>,
    element: &Element<'_>,
    named_keys: &NamedKeys,
) -> Result<(), CoreError> {
    let fields = element.as_array().filter(|_| element.name == b"fields");
    let Some(fields) = fields else {
        writer.raw(element.kind, element.name, element.value);
        return Ok(());
    };
    writer.array("fields", |items| {
        for field in Elements::of(fields)? {
            let field = field?;
            items.item(|item, index| match field.as_document() {
                None => {
                    item.raw(field.kind, index.as_bytes(), field.value);
                    Ok(())
                }
                Some(field) => {
                    item.document(index, |item| write_field(item, field, named_keys)).map(|_| ())
                }
            })?;
        }
        Ok::<_, CoreError>(())
    })?;
    Ok(())
}

fn write_field(
    writer: &mut DocumentWriter<'_>,
    field: &[u8],
    named_keys: &NamedKeys,
) -> Result<(), CoreError> {
    let mut id = None;
    for element in Elements::of(field)? {
        let element = element?;
        match (element.name, element.as_str()) {
            (b"keyAltName", Some(name)) => {
                id = Some(named_keys.get(name).ok_or(crate::broker::KeyVaultError::Missing)?);
            }
            _ => {
                writer.raw(element.kind, element.name, element.value);
            }
        }
    }
    if let Some(id) = id {
        writer.binary("keyId", subtype::UUID, id.as_bytes());
    }
    Ok(())
}

/// Copies `encryptedFields` of a `create` command with key ids in place of alternate names.
pub(super) fn write_create_fields(
    writer: &mut DocumentWriter<'_>,
    element: &Element<'_>,
    named_keys: &NamedKeys,
) -> Result<(), CoreError> {
    let Some(document) = element.as_document() else {
        writer.raw(element.kind, element.name, element.value);
        return Ok(());
    };
    writer.document("encryptedFields", |fields| {
        for element in Elements::of(document)? {
            write_translated(fields, &element?, named_keys)?;
        }
        Ok::<_, CoreError>(())
    })?;
    Ok(())
}

/// Puts `encryptionInformation` where its reader looks for it.
fn add_information(
    command: &RawDocument,
    name: &str,
    information: &[u8],
    addressee: Addressee,
) -> Result<RawDocumentBuf, CoreError> {
    let mut out = Vec::with_capacity(command.as_bytes().len() + information.len() + 64);
    let mut writer = DocumentWriter::new(&mut out);
    let is_nested = match name {
        "bulkWrite" => true,
        "explain" => addressee != Addressee::Daemon,
        _ => false,
    };
    for element in Elements::of(command.as_bytes())? {
        let element = element?;
        match (name, element.name) {
            ("explain", b"explain") if is_nested => {
                let inner = element.as_document().ok_or(CommandError::Explain)?;
                writer.document("explain", |writer| append(writer, inner, information))?;
            }
            ("bulkWrite", b"nsInfo") => write_ns_info(&mut writer, &element, information)?,
            _ => {
                writer.raw(element.kind, element.name, element.value);
            }
        }
    }
    if !is_nested {
        writer.embedded("encryptionInformation", information);
    }
    writer.finish()?;
    Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
}

fn append(
    writer: &mut DocumentWriter<'_>,
    document: &[u8],
    information: &[u8],
) -> Result<(), CoreError> {
    writer.copy_without(document, |_| false)?;
    writer.embedded("encryptionInformation", information);
    Ok(())
}

fn write_ns_info(
    writer: &mut DocumentWriter<'_>,
    element: &Element<'_>,
    information: &[u8],
) -> Result<(), CoreError> {
    let infos = element.as_array().ok_or(CommandError::BulkWriteNamespace)?;
    writer.array("nsInfo", |items| {
        for info in Elements::of(infos)? {
            let info = info?.as_document().ok_or(CommandError::BulkWriteNamespace)?;
            if find(info, "encryptionInformation")?.is_some() {
                return Err(CommandError::BulkWriteInformation.into());
            }
            items.item(|item, index| {
                item.document(index, |writer| append(writer, info, information)).map(|_| ())
            })?;
        }
        Ok::<_, CoreError>(())
    })?;
    Ok(())
}

fn add_json_schemas(
    command: &RawDocument,
    schemas: &CommandSchemas,
    skips_empty: bool,
) -> Result<RawDocumentBuf, CoreError> {
    let mut out = Vec::with_capacity(command.as_bytes().len() + json_schemas_len(schemas));
    let mut writer = DocumentWriter::new(&mut out);
    writer.copy_without(command.as_bytes(), |_| false)?;
    write_json_schemas(&mut writer, schemas, skips_empty)?;
    writer.finish()?;
    Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
}

/// A document without elements.
const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

/// How many bytes [`write_json_schemas`] will write, or a few more.
pub(super) fn json_schemas_len(schemas: &CommandSchemas) -> usize {
    let len = |entry: &super::schemas::Entry| {
        let json = entry.schema().and_then(|schema| schema.json.as_ref());
        json.map_or(48, |json| json.elements().len()) + entry.namespace.len() + 16
    };
    schemas.entries().iter().map(len).sum::<usize>() + 32
}

/// `jsonSchema` and `isRemoteSchema` for one collection, `csfleEncryptionSchemas` for several.
pub(super) fn write_json_schemas(
    writer: &mut DocumentWriter<'_>,
    schemas: &CommandSchemas,
    skips_empty: bool,
) -> Result<(), CoreError> {
    if let [entry] = schemas.entries() {
        let json = entry.schema().and_then(|schema| schema.json.as_ref());
        match json {
            Some(json) => writer.elements().extend_from_slice(json.elements()),
            // Without a schema, the answer of the server counts: that there is none.
            None => write_json_schema(writer.elements(), EMPTY, true),
        }
        return Ok(());
    }
    writer.document("csfleEncryptionSchemas", |by_namespace| {
        for entry in schemas.entries() {
            let schema = entry.schema();
            let json = schema.and_then(|schema| schema.json.as_ref());
            let is_encrypted = schema.is_some_and(|schema| schema.encrypted_fields.is_some());
            if is_encrypted || (json.is_none() && skips_empty) {
                continue;
            }
            by_namespace.document(&entry.namespace, |writer| {
                match json {
                    Some(json) => writer.elements().extend_from_slice(json.elements()),
                    None => write_json_schema(writer.elements(), EMPTY, false),
                }
                Ok::<_, CoreError>(())
            })?;
        }
        Ok::<_, CoreError>(())
    })?;
    Ok(())
}
