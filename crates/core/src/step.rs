//! What an operation in progress waits for.
//!
//! ```text
//!            ┌────────────────── automatic encryption only ──────────────────┐
//!  begin ──► CollectionInfo ──► (Credentials ► Keys ► Kms)? ──► Markings ──► Credentials? ──► Keys ──► Kms* ──► Ready
//! ```
//!
//! Every wait is a type that owns the operation. Answering consumes it and gives the next one, so a
//! wrong order does not compile; an error ends the operation. What is cached or configured is not
//! asked for.

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_kms::{KmsProviders, KmsRequest};

use crate::env::Env;
use crate::error::CoreError;
use crate::operation::{EncryptCommand, Exchange, KeyHunt};

mod credentials;
mod framed;

pub use credentials::NeedCredentials;
pub(crate) use framed::Framed;

/// An operation in progress, named by what it waits for.
#[must_use = "an operation that is not driven to its end does nothing"]
#[derive(Debug)]
pub enum Step {
    /// The schema of one or more collections.
    CollectionInfo(NeedCollectionInfo),
    /// The reply of query analysis.
    Markings(NeedMarkings),
    /// Credentials of key services that were configured without.
    Credentials(NeedCredentials),
    /// Documents of the key vault.
    Keys(NeedKeys),
    /// Replies of key services.
    Kms(NeedKms),
    /// Nothing: the result is there.
    Ready(Ready),
}

/// Waiting for the schema of collections: run `listCollections` with [`filter`](Self::filter) on
/// [`database`](Self::database), and feed every document that it gives.
pub struct NeedCollectionInfo {
    operation: Box<EncryptCommand>,
    filter: RawDocumentBuf,
}

impl NeedCollectionInfo {
    pub(crate) fn new(operation: Box<EncryptCommand>, filter: RawDocumentBuf) -> Self {
        Self { operation, filter }
    }

    /// The database to ask. It may be another one than the command's.
    pub fn database(&self) -> &str {
        self.operation.target_database()
    }

    /// Whether [`database`](Self::database) is named by the command, and not that of the command.
    pub fn is_other_database(&self) -> bool {
        self.operation.names_database()
    }

    /// The filter to give to `listCollections`.
    pub fn filter(&self) -> &RawDocument {
        &self.filter
    }

    /// Takes one document of the answer. There may be none.
    ///
    /// # Errors
    /// If the document was not asked for, came before, or is that of a view.
    pub fn feed(&mut self, info: &RawDocument) -> Result<(), CoreError> {
        self.operation.feed_collection_info(info)
    }

    /// Ends the answer. Collections that it has nothing about have no schema.
    ///
    /// # Errors
    /// Those of what comes next.
    pub fn done(self, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.operation.collection_info_done(env)
    }
}

/// Waiting for query analysis: run [`command`](Self::command) on [`database`](Self::database) of the
/// analysing process (`mongocryptd`), and give its reply.
///
/// Happens only with [`QueryAnalysis::External`](crate::QueryAnalysis::External).
pub struct NeedMarkings {
    operation: Box<EncryptCommand>,
    command: Framed,
}

impl NeedMarkings {
    pub(crate) fn new(operation: Box<EncryptCommand>, command: Framed) -> Self {
        Self { operation, command }
    }

    /// The database of the command.
    pub fn database(&self) -> &str {
        self.operation.database()
    }

    /// The command to run.
    pub fn command(&self) -> &RawDocument {
        self.command.document()
    }

    /// Takes the bytes of the command out, for a caller that keeps them for longer than this step;
    /// `None` if they were taken before. What [`command`](Self::command) gives afterwards is empty.
    pub fn take_command(&mut self) -> Option<Vec<u8>> {
        let bytes = self.command.take_bytes();
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Takes the reply.
    ///
    /// # Errors
    /// If it is not one of query analysis, or marks what cannot be encrypted.
    pub fn feed(&mut self, reply: &RawDocument, env: &mut Env<'_>) -> Result<(), CoreError> {
        self.operation.feed_reply(reply, env)
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// If there was no reply; those of what comes next.
    pub fn done(self, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.operation.analysed(env)
    }

    /// [`feed`](Self::feed) and [`done`](Self::done) in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn answer(mut self, reply: &RawDocument, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.feed(reply, env)?;
        self.done(env)
    }
}

/// Waiting for data keys: run `find` with [`filter`](Self::filter) on the key vault, with read concern
/// "majority", and feed every document.
pub struct NeedKeys {
    hunt: Box<KeyHunt>,
}

impl NeedKeys {
    pub(crate) fn new(hunt: Box<KeyHunt>) -> Self {
        Self { hunt }
    }

    /// The filter to give to `find`.
    pub fn filter(&self) -> &RawDocument {
        self.hunt.filter()
    }

    /// Takes one document of the key vault.
    ///
    /// # Errors
    /// If it is no key document, was not asked for, or came before.
    pub fn feed(&mut self, key: &RawDocument) -> Result<(), CoreError> {
        self.hunt.feed(key)
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// If a key is missing or does not unwrap; those of what comes next.
    pub fn done(self, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.hunt.vault_answered(env)
    }
}

/// Waiting for key services: send each of [`requests`](Self::requests) to its endpoint over TLS, and
/// feed it what comes back. They may all be under way at once.
pub struct NeedKms {
    exchange: Box<Exchange>,
}

impl NeedKms {
    pub(crate) fn new(exchange: Box<Exchange>) -> Self {
        Self { exchange }
    }

    /// The requests of this round.
    pub fn requests(&mut self) -> &mut [KmsRequest] {
        self.exchange.requests()
    }

    /// Ends the round. Another may follow.
    ///
    /// # Errors
    /// If a request has failed or is not complete; those of what comes next.
    pub fn done(self, env: &mut Env<'_>) -> Result<Step, CoreError> {
        self.exchange.advance(env)
    }
}

/// The result.
pub struct Ready {
    document: Framed,
    is_nothing: bool,
}

impl Ready {
    /// A result that was written by this crate.
    #[inline]
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self, CoreError> {
        Ok(Self { document: Framed::new(bytes)?, is_nothing: false })
    }

    pub(crate) fn new(document: impl Into<Framed>) -> Self {
        Self { document: document.into(), is_nothing: false }
    }

    pub(crate) fn nothing(document: RawDocumentBuf) -> Self {
        Self { document: document.into(), is_nothing: true }
    }

    /// Whether there was nothing to do at all: no key matched the filter of a rewrap.
    pub fn is_nothing(&self) -> bool {
        self.is_nothing
    }

    /// The result as it stands.
    pub fn document(&self) -> &RawDocument {
        self.document.document()
    }

    /// The result.
    pub fn finish(self) -> RawDocumentBuf {
        self.document.into_document()
    }

    /// Takes the bytes of the result out. What [`document`](Self::document) gives afterwards is empty.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.document.take_bytes()
    }
}

/// Shows the type only: all of them hold plaintext or keys.
macro_rules! opaque_debug {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

opaque_debug!(NeedCollectionInfo, NeedMarkings, NeedCredentials, NeedKeys, NeedKms, Ready);

/// Reads the providers that a caller supplies for one operation.
fn read_supplied(document: &RawDocument) -> Result<KmsProviders, CoreError> {
    let supplied = KmsProviders::parse(document)?;
    supplied.validate(true)?;
    Ok(supplied)
}
