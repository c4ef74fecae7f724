//! Writes that are short to prepare are handed to the store without a thread that waits for them.
//!
//! A thread for each write would be woken twice, to prepare it and when it is on disk, and that
//! costs more than the write. So the connection's task prepares it and goes on when it is done. One
//! thread at a time does the writing, for all that wait.

use std::sync::Arc;

use fieldveil_store::{BulkOutcome, Namespace, WriteOptions, WriteStatement};
use tokio::sync::oneshot;

use crate::{
    error::{CommandError, CommandResult},
    operations::Busy,
    request::Request,
    shared::Shared,
    table::{Command, Run, WriteHandler},
};

/// Bytes of a command that is prepared on the connection's task.
const MAX_COMMAND_BYTES: usize = 64 * 1024;

/// What prepares a command, if that is done on the connection's task.
pub(crate) fn preparation(command: &Command, request: &Request) -> Option<WriteHandler> {
    let documents = request.sequences.iter().flat_map(|sequence| &sequence.documents);
    let bytes: usize = documents.map(|document| document.as_bytes().len()).sum();
    match command.run {
        Run::Write(prepare) if request.body.as_bytes().len() + bytes <= MAX_COMMAND_BYTES => {
            Some(prepare)
        }
        _ => None,
    }
}

/// What a command writes, and how it answers.
pub(crate) struct Write {
    pub(crate) statements: Vec<(Namespace, WriteStatement)>,
    pub(crate) options: WriteOptions,
    pub(crate) reply: fn(BulkOutcome) -> CommandResult,
}

impl Write {
    /// Writes, and waits for it.
    pub(crate) fn now(self, shared: &Shared) -> CommandResult {
        let outcome = shared.store.bulk(self.statements, &self.options)?;
        shared.clock.tick();
        (self.reply)(outcome)
    }

    /// Writes, and waits for it without a thread. The command is over when `busy` is dropped.
    pub(crate) async fn later(self, shared: &Shared, busy: Arc<Busy>) -> CommandResult {
        let (answer, answered) = oneshot::channel();
        let leader = Arc::clone(&shared.leader);
        shared.store.bulk_later(
            self.statements,
            self.options,
            move |outcome| {
                drop(busy);
                // The connection may be gone; then nobody waits for the answer.
                let _ = answer.send(outcome);
            },
            move |lead| leader.call(lead),
        );
        let lost = |_| CommandError::new(1, "the write was lost; the server's log says why");
        let outcome = answered.await.map_err(lost)??;
        shared.clock.tick();
        (self.reply)(outcome)
    }
}
