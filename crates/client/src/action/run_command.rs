//! `run_command`.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf};
use mongodb::{
    ClientSession, Database,
    action::Action,
    options::{RunCommandOptions, SelectionCriteria},
};

use super::{awaitable, option_setters, session_setter};
use crate::{engine::Engine, error::Result};

/// A pending command, made by [`EncryptedDatabase::run_command`](crate::EncryptedDatabase).
#[derive(Debug)]
#[must_use]
pub struct RunCommand<'a> {
    database: &'a Database,
    engine: &'a Arc<Engine>,
    bypass: bool,
    command: Result<RawDocumentBuf, bson::error::Error>,
    options: RunCommandOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> RunCommand<'a> {
    pub(crate) fn new(
        database: &'a Database,
        engine: &'a Arc<Engine>,
        bypass: bool,
        command: Result<RawDocumentBuf, bson::error::Error>,
    ) -> Self {
        let options = RunCommandOptions::default();
        Self { database, engine, bypass, command, options, session: None }
    }

    session_setter!();

    option_setters! { RunCommandOptions:
        selection_criteria: SelectionCriteria,
    }

    async fn execute(self) -> Result<Document> {
        let mut command = self.command?;
        if !self.bypass {
            command = self.engine.encrypt_raw(self.database.name(), &command).await?;
        }
        let run = self.database.run_raw_command(command).with_options(self.options);
        let reply = run.optional(self.session, |run, s| run.session(s)).await?;
        let reply = self.engine.decrypt(&RawDocumentBuf::try_from(&reply)?).await?;
        Ok(Document::try_from(reply.as_ref())?)
    }
}

awaitable!(['a] RunCommand<'a> => Document);
