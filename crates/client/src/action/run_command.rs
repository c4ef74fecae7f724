//! `run_command` and `run_cursor_command`.

use std::{sync::Arc, time::Duration};

use bson::{Bson, Document, RawDocumentBuf};
use mongodb::{
    ClientSession,
    action::Action,
    options::{CursorType, RunCommandOptions, RunCursorCommandOptions, SelectionCriteria},
};

use super::{
    ExplicitSession, ImplicitSession, awaitable, opaque_debug, option_setters, session_setter,
};
use crate::{
    cursor::{Cursor, SessionCursor},
    database::EncryptedDatabase,
    error::Result,
};

/// A command on its way to a database.
struct Outgoing<'a> {
    database: &'a EncryptedDatabase,
    command: Result<RawDocumentBuf, bson::error::Error>,
}

impl Outgoing<'_> {
    async fn encrypt(self) -> Result<RawDocumentBuf> {
        let command = self.command?;
        if self.database.is_bypassed() {
            return Ok(command);
        }
        self.database.engine().encrypt_raw(self.database.name(), &command).await
    }
}

/// A pending command, made by [`EncryptedDatabase::run_command`].
#[must_use]
pub struct RunCommand<'a> {
    command: Outgoing<'a>,
    options: RunCommandOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> RunCommand<'a> {
    pub(crate) fn new(
        database: &'a EncryptedDatabase,
        command: Result<RawDocumentBuf, bson::error::Error>,
    ) -> Self {
        let command = Outgoing { database, command };
        Self { command, options: RunCommandOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { RunCommandOptions:
        selection_criteria: SelectionCriteria,
    }

    async fn execute(self) -> Result<Document> {
        let database = self.command.database;
        let command = self.command.encrypt().await?;
        let run = database.without_encryption().run_raw_command(command).with_options(self.options);
        let reply = run.optional(self.session, |run, s| run.session(s)).await?;
        let reply = database.engine().decrypt(&RawDocumentBuf::try_from(&reply)?).await?;
        Ok(Document::try_from(reply.as_ref())?)
    }
}

awaitable!(['a] RunCommand<'a> => Document);
opaque_debug!([] RunCommand<'_>);

/// A pending command that is answered with a cursor, made by
/// [`EncryptedDatabase::run_cursor_command`].
#[must_use]
pub struct RunCursorCommand<'a, S = ImplicitSession> {
    command: Outgoing<'a>,
    options: RunCursorCommandOptions,
    session: S,
}

impl<'a> RunCursorCommand<'a> {
    pub(crate) fn new(
        database: &'a EncryptedDatabase,
        command: Result<RawDocumentBuf, bson::error::Error>,
    ) -> Self {
        let command = Outgoing { database, command };
        Self { command, options: RunCursorCommandOptions::default(), session: ImplicitSession }
    }

    /// Runs the operation in this session; the cursor must be read with the same.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession>,
    ) -> RunCursorCommand<'a, ExplicitSession<'a>> {
        let session = ExplicitSession(session.into());
        RunCursorCommand { command: self.command, options: self.options, session }
    }

    async fn execute(self) -> Result<Cursor<Document>> {
        let database = self.command.database;
        let command = self.command.encrypt().await?;
        let run = database
            .without_encryption()
            .run_raw_cursor_command(command)
            .with_options(self.options);
        Ok(Cursor::new(run.batch().await?, Arc::clone(database.engine())))
    }
}

impl RunCursorCommand<'_, ExplicitSession<'_>> {
    async fn execute(self) -> Result<SessionCursor<Document>> {
        let database = self.command.database;
        let command = self.command.encrypt().await?;
        let run = database
            .without_encryption()
            .run_raw_cursor_command(command)
            .with_options(self.options);
        let batches = run.session(self.session.0).batch().await?;
        Ok(SessionCursor::new(batches, Arc::clone(database.engine())))
    }
}

impl<S> RunCursorCommand<'_, S> {
    option_setters! { RunCursorCommandOptions:
        batch_size: u32,
        comment: Bson,
        cursor_type: CursorType,
        max_time: Duration,
        selection_criteria: SelectionCriteria,
    }
}

awaitable!(
    ['a] RunCursorCommand<'a> => Cursor<Document>,
    blocking crate::sync::Cursor<Document>
);
awaitable!(
    ['a] RunCursorCommand<'a, ExplicitSession<'a>> => SessionCursor<Document>,
    blocking crate::sync::SessionCursor<Document>
);
opaque_debug!([S] RunCursorCommand<'_, S>);
