//! The question to query analysis, and its answer.

use bson::RawDocument;
use fieldveil_analysis::{AnalyzeError, EncryptionSchema, SchemaSet, analyze, analyze_request};
use std::sync::Arc;

use super::information::{self, Addressee};
use super::{EncryptCommand, Encrypted};
use crate::error::CoreError;
use crate::raw::{DocumentWriter, Elements, MalformedBson, find};
use crate::schema::SchemaError;
use crate::step::Framed;

/// Wire version of a server that analyses `create` and `createIndexes` (6.0).
const CREATE: i32 = 17;
/// Wire version of a server that takes several schemas (8.1).
const SEVERAL_SCHEMAS: i32 = 26;
/// Wire version of a server that takes schemas of both kinds (8.2).
const MIXED_SCHEMAS: i32 = 27;

/// Why query analysis or its answer is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// The built-in analysis refused the command.
    #[error(transparent)]
    Refused(#[from] AnalyzeError),
    /// A JSON schema is no encryption schema.
    #[error(transparent)]
    Schema(#[from] fieldveil_analysis::SchemaError),
    /// The reply is malformed.
    #[error("malformed BSON")]
    Malformed(#[from] MalformedBson),
    /// No reply at all, or one without the command.
    #[error("malformed marking, no 'result'")]
    NoReply,
    /// The command in the reply is no document.
    #[error("malformed marking, 'result' must be a document")]
    ResultType,
    /// The analysing process does not say how old it is.
    #[error("expected to find 'maxWireVersion' in isMaster response, but did not.")]
    NoWireVersion,
    /// What it says is no number.
    #[error("expected 'maxWireVersion' to be int32.")]
    WireVersionType,
    /// It is too old for several schemas.
    #[error(
        "Encrypting '{command}' requires multiple schemas. Detected mongocryptd with wire version \
         {actual}, but need {SEVERAL_SCHEMAS}. Upgrade mongocryptd to 8.1 or newer."
    )]
    TooOldForSeveral {
        /// The command.
        command: String,
        /// Its wire version.
        actual: i32,
    },
}

/// How old the analysing process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireVersion {
    /// It does not matter.
    NotNeeded,
    /// It was asked.
    Asked,
    /// It has answered.
    Known(i32),
}

/// Reads the reply to `isMaster`.
pub(super) fn read_wire_version(reply: &RawDocument) -> Result<i32, AnalysisError> {
    let version = find(reply.as_bytes(), "maxWireVersion")?.ok_or(AnalysisError::NoWireVersion)?;
    version.as_i32().ok_or(AnalysisError::WireVersionType)
}

/// What the analysing process has said.
pub(super) enum Reply {
    /// How old it is.
    WireVersion(i32),
    /// What is to be encrypted, and that it is, if the keys were there.
    Analysed(Encrypted),
}

/// The command with markings, from the reply to a command. `None` if no schema has an encrypted field.
/// What is inside the command is not checked.
pub(super) fn read_marked(reply: &RawDocument) -> Result<Option<&[u8]>, AnalysisError> {
    let (mut requires, mut result) = (None, None);
    for element in Elements::of(reply.as_bytes())? {
        let element = element?;
        match element.name {
            b"schemaRequiresEncryption" if requires.is_none() => requires = Some(element.as_bool()),
            b"result" if result.is_none() => result = Some(element.as_document()),
            _ => {}
        }
    }
    if requires == Some(Some(false)) {
        return Ok(None);
    }
    let result = result.ok_or(AnalysisError::NoReply)?;
    Ok(Some(result.ok_or(AnalysisError::ResultType)?))
}

impl EncryptCommand {
    /// Whether an analysing process of this age does not know the command, which then goes as it came.
    ///
    /// # Errors
    /// If it knows the command, but not what the command needs.
    pub(super) fn is_unknown_to(&self, version: i32) -> Result<bool, AnalysisError> {
        if matches!(self.name, "create" | "createIndexes") && version < CREATE {
            return Ok(true);
        }
        if self.schemas.are_several() && version < SEVERAL_SCHEMAS {
            let command = self.name.to_owned();
            return Err(AnalysisError::TooOldForSeveral { command, actual: version });
        }
        Ok(false)
    }

    /// Refuses schemas of both kinds in one command, if analysis cannot take them.
    pub(super) fn check_mixture(&self) -> Result<(), SchemaError> {
        let mixes = match self.wire_version {
            WireVersion::Known(version) => version >= MIXED_SCHEMAS,
            WireVersion::NotNeeded | WireVersion::Asked => !self.is_external(),
        };
        if mixes {
            return Ok(());
        }
        let encrypted = self.schemas.find_with(|schema| schema.encrypted_fields.is_some());
        let json = self
            .schemas
            .find_with(|schema| schema.encrypted_fields.is_none() && schema.json.is_some());
        match (encrypted, json) {
            (Some(encrypted), Some(json)) => Err(SchemaError::Mixed {
                encrypted: encrypted.collection().to_owned(),
                json: json.collection().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The command with the schemas that analysis needs, and without what drivers add on sending.
    pub(super) fn analysis_request(&self, addressee: Addressee) -> Result<Framed, CoreError> {
        self.check_mixture()?;
        let command = self.command.as_bytes();
        let takes_json_schemas = information::takes_json_schemas(self.name, &self.schemas);
        let schemas_len =
            if takes_json_schemas { information::json_schemas_len(&self.schemas) } else { 0 };
        let mut out = Vec::with_capacity(command.len() + schemas_len);
        let mut writer = DocumentWriter::new(&mut out);
        if self.name == "create" {
            self.copy_create(&mut writer)?;
        } else {
            writer.copy_around(command, &self.database_fields)?;
        }
        if takes_json_schemas {
            information::write_json_schemas(&mut writer, &self.schemas, false)?;
        }
        writer.finish()?;
        let command = Framed::new(out)?;
        if takes_json_schemas {
            return Ok(command);
        }
        let (schemas, named_keys) = (&self.schemas, &self.named_keys);
        information::add_schemas(command.document(), self.name, schemas, named_keys, addressee)
            .map(Framed::from)
    }

    /// Copies a `create` command with key ids in place of alternate names.
    fn copy_create(&self, writer: &mut DocumentWriter<'_>) -> Result<(), CoreError> {
        for element in Elements::of(self.command.as_bytes())? {
            let element = element?;
            match element.name {
                b"$db" => {}
                b"encryptedFields" => {
                    information::write_create_fields(writer, &element, &self.named_keys)?;
                }
                _ => {
                    writer.raw(element.kind, element.name, element.value);
                }
            }
        }
        Ok(())
    }

    /// Analyses the command in this process.
    pub(super) fn analyse_here(&self) -> Result<Option<Vec<u8>>, CoreError> {
        if self.schemas.use_queryable_encryption() {
            let mut request = self.analysis_request(Addressee::Library)?.into_document();
            request.append(bson::raw::cstr!("$db"), self.database());
            let reply = analyze_request(&request).map_err(AnalysisError::from)?;
            return Ok(read_marked(&reply)?.map(<[u8]>::to_vec));
        }
        if self.schemas.find_with(|schema| schema.json.is_some()).is_none() {
            return Ok(None);
        }
        let mut set = SchemaSet::new();
        for entry in self.schemas.entries() {
            let json = entry.schema().and_then(|schema| schema.json.as_ref());
            let schema = match json {
                Some(json) => Arc::clone(json.compiled()?),
                None => Arc::new(EncryptionSchema::empty()),
            };
            set.insert(entry.namespace.as_str(), schema);
        }
        if !set.requires_encryption() {
            return Ok(None);
        }
        let analysis =
            analyze(&self.command, self.database(), &set).map_err(AnalysisError::from)?;
        // Without markings, too, it may be another command: a value that says nothing is left out.
        let is_changed = analysis.command.as_bytes() != self.command.as_bytes();
        Ok(is_changed.then(|| analysis.command.into_bytes()))
    }
}
