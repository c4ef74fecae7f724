//! Automatic encryption of commands.
//!
//! ```text
//!  begin ─► (wire version of the analysing process?) ─► schemas ─► (keys of alternate names?)
//!        ─► analysis ─► keys of the markings ─► the command to send
//! ```

mod analysis;
mod information;
mod outgoing;
mod schemas;

pub use analysis::AnalysisError;

use std::ops::Range;
use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};
use smallvec::SmallVec;

use self::analysis::{Reply, WireVersion};
use self::information::NamedKeys;
use self::schemas::CommandSchemas;
use super::{KeyHunt, Waiting};
use crate::broker::KeyRequests;
use crate::command::{Classified, CommandError, classify, collections_of_aggregate};
use crate::crypt::{Crypt, QueryAnalysis};
use crate::env::Env;
use crate::error::CoreError;
use crate::marking::KeySelector;
use crate::raw;
use crate::schema::{FieldKey, SchemaError};
use crate::seal::Marked;
use crate::step::{Framed, NeedCollectionInfo, NeedMarkings, Ready, Step};
use crate::vault::VaultKey;

/// A command that is being encrypted.
pub(crate) struct EncryptCommand {
    crypt: Crypt,
    command: RawDocumentBuf,
    /// Where `$db` stands in it, which drivers add on sending.
    database_fields: SmallVec<[Range<usize>; 1]>,
    /// First name in the command.
    name: &'static str,
    /// The database that the command goes to, if the command names that of its collection itself
    /// (`bulkWrite`).
    sent_to: Option<String>,
    schemas: CommandSchemas,
    wire_version: WireVersion,
    reply: Option<Reply>,
    /// Ids of keys that schemas name by alternate name.
    named_keys: NamedKeys,
    /// What analysis made of the command; `None` if it needs no encryption.
    marked: Option<Vec<u8>>,
}

/// What has become of an analysed command.
enum Encrypted {
    /// It can be sent.
    Done(Framed),
    /// Keys are not cached.
    Lacks(Box<KeyRequests>),
}

/// Encrypts a command to `database` by the schema of its collection.
pub(crate) fn encrypt_command(
    crypt: &Crypt,
    database: &str,
    command: &RawDocument,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    if database.is_empty() {
        return Err(CommandError::Database.into());
    }
    let Classified::Encrypt(target) = classify(command.as_bytes())? else {
        return Ok(Step::Ready(Ready::new(command.to_owned())));
    };
    let mut database_fields = SmallVec::new();
    raw::check_each(command.as_bytes(), |element, place| {
        if element.name == b"$db" {
            database_fields.push(place);
        }
    })?;
    let mut schemas = CommandSchemas::new(target.database.unwrap_or(database), target.collection);
    if target.command == "aggregate" {
        for collection in collections_of_aggregate(command.as_bytes())? {
            schemas.request(collection);
        }
        if schemas.are_several() && !crypt.allows_several_collections() {
            return Err(CommandError::SeveralCollections.into());
        }
    }
    // Made where it is to stay: it is worth not being moved.
    let operation = Box::write(
        Box::new_uninit(),
        EncryptCommand {
            crypt: crypt.clone(),
            command: command.to_owned(),
            database_fields,
            name: target.command,
            sent_to: target.database.map(|_| database.to_owned()),
            schemas,
            wire_version: WireVersion::NotNeeded,
            reply: None,
            named_keys: NamedKeys::default(),
            marked: None,
        },
    );
    if operation.needs_wire_version() {
        return operation.ask_wire_version();
    }
    operation.find_schemas(env)
}

impl EncryptCommand {
    /// The database of the schemas.
    pub(crate) fn target_database(&self) -> &str {
        self.schemas.database()
    }

    /// Whether the command names its database itself.
    pub(crate) fn names_database(&self) -> bool {
        self.sent_to.is_some()
    }

    /// The database that the command goes to.
    pub(crate) fn database(&self) -> &str {
        self.sent_to.as_deref().unwrap_or_else(|| self.schemas.database())
    }

    fn is_external(&self) -> bool {
        self.crypt.query_analysis() == QueryAnalysis::External
            && !self.crypt.bypasses_query_analysis()
    }

    /// An analysing process may be too old for what the command needs.
    fn needs_wire_version(&self) -> bool {
        self.is_external()
            && (self.schemas.are_several() || matches!(self.name, "create" | "createIndexes"))
    }

    fn ask_wire_version(mut self: Box<Self>) -> Result<Step, CoreError> {
        self.wire_version = WireVersion::Asked;
        Ok(Step::Markings(NeedMarkings::new(self, bson::rawdoc! { "isMaster": 1 }.into())))
    }

    /// Uses the schemas that are at hand, and asks for those that are not.
    fn find_schemas(mut self: Box<Self>, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.schemas.resolve(&self.crypt, self.name, self.command.as_bytes(), env)?;
        if let Some(filter) = self.schemas.filter()? {
            if self.names_database() && !self.crypt.asks_other_databases() {
                return Err(SchemaError::OtherDatabase.into());
            }
            return Ok(Step::CollectionInfo(NeedCollectionInfo::new(self, filter)));
        }
        self.schemas_found(env)
    }

    pub(crate) fn feed_collection_info(&mut self, info: &RawDocument) -> Result<(), CoreError> {
        Ok(self.schemas.feed(info.as_bytes())?)
    }

    pub(crate) fn collection_info_done(
        mut self: Box<Self>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        self.schemas.finish_feeding(self.crypt.collection_cache(), env.now());
        self.schemas_found(env)
    }

    fn schemas_found(self: Box<Self>, env: &mut Env<'_>) -> Result<Step, CoreError> {
        if outgoing::carries_tokens(self.name) {
            let Some(fields) = self.schemas.encrypted_fields() else {
                return Err(SchemaError::NoEncryptedFields(self.name.to_owned()).into());
            };
            let mut requests = KeyRequests::default();
            for field in fields.fields() {
                requests.add(match &field.key {
                    FieldKey::Id(id) => KeySelector::Id(*id),
                    FieldKey::Name(name) => KeySelector::Name(name),
                });
            }
            let crypt = self.crypt.clone();
            return KeyHunt::start(&crypt, requests, &[], Waiting::CommandNames(self), env);
        }
        if !self.schemas.use_queryable_encryption() {
            return self.analyse(env);
        }
        let mut requests = KeyRequests::default();
        for name in self.schemas.key_alt_names() {
            requests.add(KeySelector::Name(name));
        }
        if requests.is_empty() {
            return self.analyse(env);
        }
        let crypt = self.crypt.clone();
        KeyHunt::start(&crypt, requests, &[], Waiting::CommandNames(self), env)
    }

    /// Goes on with the keys that schemas name by alternate name.
    pub(crate) fn names_resolved(
        mut self: Box<Self>,
        crypt: &Crypt,
        keys: &[Arc<VaultKey>],
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        for key in keys {
            for name in key.document().alt_names() {
                self.named_keys.insert(name, *key.id());
            }
        }
        if outgoing::carries_tokens(self.name) {
            return self.finish(crypt, keys, env);
        }
        self.analyse(env)
    }

    fn analyse(mut self: Box<Self>, env: &mut Env<'_>) -> Result<Step, CoreError> {
        if self.crypt.bypasses_query_analysis() {
            let crypt = self.crypt.clone();
            return self.finish(&crypt, &[], env);
        }
        if self.is_external() {
            let request = self.analysis_request(information::Addressee::Daemon)?;
            return Ok(Step::Markings(NeedMarkings::new(self, request)));
        }
        self.marked = self.analyse_here()?;
        match self.encrypt_with_cached_keys(self.marked.as_deref(), env)? {
            Encrypted::Done(document) => Ok(Step::Ready(Ready::new(document))),
            Encrypted::Lacks(requests) => self.find_keys(*requests, env),
        }
    }

    /// Takes the reply of the analysing process. What it marks is encrypted at once, if the keys are
    /// there: the reply is the caller's, and would have to be copied to be kept.
    pub(crate) fn feed_reply(
        &mut self,
        reply: &RawDocument,
        env: &mut Env<'_>,
    ) -> Result<(), CoreError> {
        self.reply = Some(if self.wire_version == WireVersion::Asked {
            Reply::WireVersion(analysis::read_wire_version(reply)?)
        } else {
            let marked = analysis::read_marked(reply)?;
            let encrypted = self.encrypt_with_cached_keys(marked, env)?;
            if let Encrypted::Lacks(_) = encrypted {
                self.marked = marked.map(<[u8]>::to_vec);
            }
            Reply::Analysed(encrypted)
        });
        Ok(())
    }

    /// Goes on with the reply of the analysing process.
    pub(crate) fn analysed(mut self: Box<Self>, env: &mut Env<'_>) -> Result<Step, CoreError> {
        match self.reply.take().ok_or(AnalysisError::NoReply)? {
            Reply::WireVersion(version) => {
                self.wire_version = WireVersion::Known(version);
                if self.is_unknown_to(version)? {
                    return Ok(Step::Ready(Ready::new(self.command)));
                }
                self.find_schemas(env)
            }
            Reply::Analysed(Encrypted::Done(document)) => Ok(Step::Ready(Ready::new(document))),
            Reply::Analysed(Encrypted::Lacks(requests)) => self.find_keys(*requests, env),
        }
    }

    /// Encrypts what analysis made of the command, unless a key of its markings is not cached.
    fn encrypt_with_cached_keys(
        &self,
        marked: Option<&[u8]>,
        env: &mut Env<'_>,
    ) -> Result<Encrypted, CoreError> {
        let mut requests = KeyRequests::default();
        let mut marked = marked.map(Marked::new);
        if let Some(marked) = &mut marked {
            marked.find(&mut requests)?;
        }
        match self.crypt.key_cache().get_all(requests.selectors(), env.now()) {
            Some(keys) => Ok(Encrypted::Done(self.outgoing(marked.as_ref(), &keys, env)?)),
            None => Ok(Encrypted::Lacks(Box::new(requests))),
        }
    }

    /// Gets the keys of all markings.
    fn find_keys(
        self: Box<Self>,
        requests: KeyRequests,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let crypt = self.crypt.clone();
        KeyHunt::start(&crypt, requests, &[], Waiting::Command(self), env)
    }

    /// Writes the command to send.
    pub(crate) fn finish(
        self: Box<Self>,
        _crypt: &Crypt,
        keys: &[Arc<VaultKey>],
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let mut requests = KeyRequests::default();
        let mut marked = self.marked.as_deref().map(Marked::new);
        if let Some(marked) = &mut marked {
            marked.find(&mut requests)?;
        }
        let document = self.outgoing(marked.as_ref(), keys, env)?;
        Ok(Step::Ready(Ready::new(document)))
    }
}
