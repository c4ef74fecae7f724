//! The command that is sent.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::EncryptCommand;
use super::information::{self, Addressee};
use crate::broker::KeyVaultError;
use crate::env::Env;
use crate::error::CoreError;
use crate::raw::{self, DocumentWriter, Element, Elements, MalformedBson, find, kind};
use crate::schema::{EncryptedFields, EncryptedFieldsError, SchemaError};
use crate::seal::Marked;
use crate::step::Framed;
use crate::vault::VaultKey;

const COMPACT: &str = "compactStructuredEncryptionData";
const CLEANUP: &str = "cleanupStructuredEncryptionData";

/// Whether the command is sent with tokens of every encrypted field, and without analysis.
pub(super) fn carries_tokens(name: &str) -> bool {
    matches!(name, COMPACT | CLEANUP)
}

/// Whether a binary with this content is a payload that the server works on.
fn is_worked_on(content: &[u8]) -> bool {
    matches!(content, [4 | 5 | 10 | 11 | 12 | 13 | 18, ..])
}

impl EncryptCommand {
    /// The command with its markings replaced. One that needs nothing is as it came.
    pub(super) fn outgoing(
        &self,
        marked: Option<&Marked<'_>>,
        keys: &[Arc<VaultKey>],
        env: &mut Env<'_>,
    ) -> Result<Framed, CoreError> {
        let uses_queryable_encryption = self.schemas.use_queryable_encryption();
        let mut out = Vec::new();
        match marked {
            Some(marked) => {
                let sealed_keys = if carries_tokens(self.name) { &[] } else { keys };
                marked.seal(sealed_keys, env.random, &mut out)?;
            }
            None if uses_queryable_encryption => {
                out.extend_from_slice(self.command.as_bytes());
            }
            None => return Ok(self.command.clone().into()),
        }
        if !uses_queryable_encryption && self.database_fields.is_empty() {
            return Ok(Framed::new(out)?);
        }
        let mut command = RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?;
        if uses_queryable_encryption {
            command = self.with_information(&command, keys)?;
        }
        // Drivers add `$db` on the way to analysis; who sent it here wants it back.
        if !self.database_fields.is_empty() && find(command.as_bytes(), "$db")?.is_none() {
            command.append(bson::raw::cstr!("$db"), self.database());
        }
        Ok(command.into())
    }

    fn with_information(
        &self,
        command: &RawDocumentBuf,
        keys: &[Arc<VaultKey>],
    ) -> Result<RawDocumentBuf, CoreError> {
        let fields = self.schemas.encrypted_fields();
        let mut command = strip_information(command.as_bytes(), self.name)?;
        if self.name == "create"
            && let Some(fields) = fields
        {
            command = with_str_encode_version(command.as_bytes(), fields)?;
        }
        if self.needs_information(command.as_bytes(), fields)? {
            command = information::add_schemas(
                &command,
                self.name,
                &self.schemas,
                &self.named_keys,
                Addressee::Server,
            )?;
        }
        if carries_tokens(self.name) {
            let fields =
                fields.ok_or_else(|| SchemaError::NoEncryptedFields(self.name.to_owned()))?;
            command = self.with_tokens(command.as_bytes(), fields, keys)?;
        }
        Ok(command)
    }

    fn needs_information(
        &self,
        command: &[u8],
        fields: Option<&EncryptedFields>,
    ) -> Result<bool, CoreError> {
        Ok(match self.name {
            "create" | "collMod" | "createIndexes" | CLEANUP => false,
            COMPACT => {
                fields.is_some_and(|fields| fields.fields().iter().any(|field| field.has_padding))
            }
            "find" | "aggregate" | "count" | "distinct" | "insert" => {
                !raw::scan(command, is_worked_on)?.as_slice().is_empty()
            }
            _ => true,
        })
    }

    /// One token, or pair of tokens, for each field; in reverse order of the schema, like others.
    fn with_tokens(
        &self,
        command: &[u8],
        fields: &EncryptedFields,
        keys: &[Arc<VaultKey>],
    ) -> Result<RawDocumentBuf, CoreError> {
        let mut out = Vec::with_capacity(command.len() + fields.fields().len() * 96);
        let mut writer = DocumentWriter::new(&mut out);
        writer.copy_without(command, |_| false)?;
        let name = if self.name == COMPACT { "compactionTokens" } else { "cleanupTokens" };
        writer.document(name, |tokens| {
            for field in fields.fields().iter().rev() {
                let key = keys
                    .iter()
                    .find(|key| field.key.is_of(key.document()))
                    .ok_or(KeyVaultError::Missing)?;
                let index = key.index();
                let ecoc = index.ecoc()?;
                if field.has_padding {
                    let padding = index.anchor_padding_root()?;
                    tokens.document(&field.path, |pair| {
                        pair.generic("ecoc", &ecoc).generic("anchorPaddingToken", &padding);
                        Ok::<_, CoreError>(())
                    })?;
                } else {
                    tokens.generic(&field.path, &ecoc);
                }
            }
            Ok::<_, CoreError>(())
        })?;
        writer.finish()?;
        Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
    }
}

/// Removes `encryptionInformation` from wherever analysis left it.
fn strip_information(command: &[u8], name: &str) -> Result<RawDocumentBuf, CoreError> {
    let is_dropped = |element: &Element<'_>| element.name == b"encryptionInformation";
    let mut out = Vec::with_capacity(command.len());
    let mut writer = DocumentWriter::new(&mut out);
    for element in Elements::of(command)? {
        let element = element?;
        match (name, element.name, element.kind) {
            ("explain", b"explain", kind::DOCUMENT) => {
                writer
                    .document("explain", |inner| inner.copy_without(element.value, is_dropped))?;
            }
            ("bulkWrite", b"nsInfo", kind::ARRAY) => {
                writer.array("nsInfo", |items| {
                    for info in Elements::of(element.value)? {
                        let info = info?;
                        let document = info.as_document().ok_or(MalformedBson)?;
                        items.item(|item, index| {
                            item.document(index, |inner| inner.copy_without(document, is_dropped))
                                .map(|_| ())
                        })?;
                    }
                    Ok::<_, MalformedBson>(())
                })?;
            }
            _ if is_dropped(&element) => {}
            _ => {
                writer.raw(element.kind, element.name, element.value);
            }
        }
    }
    writer.finish()?;
    Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
}

/// Adds the version of the rules for text to `encryptedFields` of a `create` command.
fn with_str_encode_version(
    command: &[u8],
    fields: &EncryptedFields,
) -> Result<RawDocumentBuf, CoreError> {
    let unchanged = || RawDocumentBuf::from_bytes(command.to_vec()).map_err(|_| MalformedBson);
    let Some(encrypted_fields) = find(command, "encryptedFields")? else { return Ok(unchanged()?) };
    let document = encrypted_fields
        .as_document()
        .ok_or_else(|| SchemaError::CreateFieldsType(kind::name(encrypted_fields.kind)))?;
    let expected = fields.str_encode_version();
    if let Some(given) = find(document, "strEncodeVersion")? {
        let actual = given
            .as_i32()
            .ok_or_else(|| EncryptedFieldsError::StrEncodeVersionType(kind::name(given.kind)))
            .map_err(SchemaError::from)?;
        let expected = expected.unwrap_or(0);
        if actual != expected {
            return Err(SchemaError::StrEncodeVersion { actual, expected }.into());
        }
        return Ok(unchanged()?);
    }
    let Some(version) = expected else { return Ok(unchanged()?) };
    let mut out = Vec::with_capacity(command.len() + 32);
    let mut writer = DocumentWriter::new(&mut out);
    writer.copy_without(command, |element| element.name == b"encryptedFields")?;
    writer.document("encryptedFields", |fields| {
        fields.copy_without(document, |_| false)?;
        fields.i32("strEncodeVersion", version);
        Ok::<_, MalformedBson>(())
    })?;
    writer.finish()?;
    Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
}
