//! The one driver of core's steps: it does the I/O that core asks for, and decides nothing.

mod entropy;

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_core::{CoreError, Crypt, Env, Step};
use futures_util::TryStreamExt;
use mongodb::{
    Client, Collection, Namespace,
    options::{Acknowledgment, CollectionOptions, ReadConcern, WriteConcern},
};

use crate::{
    command::Command,
    error::{ConfigError, Error, Result},
    kms::KmsIo,
};

pub(crate) use entropy::SystemRandom;

/// Core, the key vault, and the sockets to key services.
#[derive(Debug)]
pub(crate) struct Engine {
    crypt: Crypt,
    vault: Collection<RawDocumentBuf>,
    /// Answers schema lookups; absent where no command is encrypted.
    metadata: Option<Client>,
    kms: KmsIo,
    started: Instant,
}

impl Engine {
    pub(crate) fn new(
        crypt: Crypt,
        vault: Collection<RawDocumentBuf>,
        metadata: Option<Client>,
        kms: KmsIo,
    ) -> Arc<Self> {
        Arc::new(Self { crypt, vault, metadata, kms, started: Instant::now() })
    }

    pub(crate) fn vault(&self) -> &Collection<RawDocumentBuf> {
        &self.vault
    }

    /// Encrypts a command that was built for analysis.
    pub(crate) async fn encrypt(&self, db: &str, command: &Command) -> Result<RawDocumentBuf> {
        self.encrypt_raw(db, &command.to_raw()?).await
    }

    pub(crate) async fn encrypt_raw(
        &self,
        db: &str,
        command: &RawDocument,
    ) -> Result<RawDocumentBuf> {
        self.run(|crypt, env| crypt.encrypt_command(db, command, env)).await
    }

    pub(crate) async fn decrypt(&self, reply: &RawDocument) -> Result<RawDocumentBuf> {
        self.run(|crypt, env| crypt.decrypt(reply, env)).await
    }

    /// Starts an operation of core and carries it to its end.
    pub(crate) async fn run(
        &self,
        start: impl FnOnce(&Crypt, &mut Env<'_>) -> Result<Step, CoreError>,
    ) -> Result<RawDocumentBuf> {
        self.run_with(KeySource::Vault, start).await
    }

    /// As [`run`](Self::run), with data keys from elsewhere than the key vault.
    pub(crate) async fn run_with(
        &self,
        source: KeySource<'_>,
        start: impl FnOnce(&Crypt, &mut Env<'_>) -> Result<Step, CoreError>,
    ) -> Result<RawDocumentBuf> {
        let mut step = self.with_env(|env| start(&self.crypt, env))?;
        loop {
            step = match step {
                Step::CollectionInfo(mut need) => {
                    for info in self.collection_info(need.database(), need.filter()).await? {
                        need.feed(&info)?;
                    }
                    self.with_env(|env| need.done(env))?
                }
                // Analysis is built in; core asks nobody for it.
                Step::Markings(_) => return Err(Error::Shape { field: "markings" }),
                Step::Keys(mut need) => {
                    match source {
                        KeySource::Given(key) => need.feed(key)?,
                        KeySource::Vault => {
                            for key in self.keys(need.filter()).await? {
                                need.feed(&key)?;
                            }
                        }
                    }
                    self.with_env(|env| need.done(env))?
                }
                Step::Credentials(need) => {
                    let providers = need.providers().map(str::to_owned).collect();
                    let credentials = self.kms.credentials(providers).await?;
                    self.with_env(|env| need.provide(&credentials, env))?
                }
                Step::Kms(mut need) => {
                    self.kms.exchange(need.requests()).await?;
                    self.with_env(|env| need.done(env))?
                }
                Step::Ready(ready) => return Ok(ready.finish()),
            };
        }
    }

    async fn collection_info(&self, db: &str, filter: &RawDocument) -> Result<Vec<RawDocumentBuf>> {
        let failed = |source| Error::CollectionInfo { database: db.to_owned(), source };
        let Some(client) = &self.metadata else { return Ok(Vec::new()) };
        let filter = bson::Document::try_from(filter)?;
        let cursor = client.database(db).list_collections().filter(filter).await.map_err(failed)?;
        cursor.with_type::<RawDocumentBuf>().try_collect().await.map_err(failed)
    }

    async fn keys(&self, filter: &RawDocument) -> Result<Vec<RawDocumentBuf>> {
        let filter = bson::Document::try_from(filter)?;
        let cursor = self.vault.find(filter).await.map_err(|e| self.vault_error(e))?;
        cursor.try_collect().await.map_err(|e| self.vault_error(e))
    }

    pub(crate) fn vault_error(&self, source: mongodb::error::Error) -> Error {
        Error::KeyVault { namespace: self.vault.namespace().to_string(), source }
    }

    fn with_env<T>(&self, step: impl FnOnce(&mut Env<'_>) -> Result<T, CoreError>) -> Result<T> {
        let mut random = SystemRandom;
        let mut env = Env::new(self.started.elapsed(), wall_clock_ms, &mut random);
        Ok(step(&mut env)?)
    }
}

/// Where data keys come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeySource<'a> {
    /// The key vault.
    Vault,
    /// This key document, whatever is asked for.
    Given(&'a RawDocument),
}

/// The key vault as a collection: read with majority read concern, written with majority write
/// concern, as the driver specification demands.
pub(crate) fn key_vault(client: &Client, namespace: &str) -> Result<Collection<RawDocumentBuf>> {
    let Namespace { db, coll, .. } = parse_namespace(namespace)?;
    let options = CollectionOptions::builder()
        .read_concern(ReadConcern::majority())
        .write_concern(WriteConcern::builder().w(Acknowledgment::Majority).build())
        .build();
    Ok(client.database(&db).collection_with_options(&coll, options))
}

fn parse_namespace(namespace: &str) -> Result<Namespace> {
    match namespace.split_once('.') {
        Some((db, coll)) if !db.is_empty() && !coll.is_empty() => Ok(Namespace::new(db, coll)),
        _ => Err(ConfigError::Namespace { namespace: namespace.to_owned() }.into()),
    }
}

fn wall_clock_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
