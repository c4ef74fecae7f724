//! The commands of the daemon.

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_analysis::{Analyzer, error_reply};
use fieldveil_wire::{MAX_DOCUMENT_LEN, MAX_MESSAGE_LEN, PeerAddress};
use tokio_util::sync::CancellationToken;

use crate::{
    codes,
    cryptd::idle::Activity,
    error::{CommandError, CommandResult},
    request::Request,
    service::{Answer, Service},
};

/// The wire version of MongoDB 8.2: several schemas in one command are understood.
const MAX_WIRE_VERSION: i32 = 27;

/// Commands larger than this are analysed where they do not hold up other connections.
const INLINE_LEN: usize = 64 * 1024;

/// The commands that analysis is asked about.
const ANALYSED: &[&str] = &[
    "aggregate",
    "bulkWrite",
    "collMod",
    "count",
    "create",
    "createIndexes",
    "delete",
    "distinct",
    "explain",
    "find",
    "findAndModify",
    "findandmodify",
    "insert",
    "update",
];

/// Answers the daemon's requests.
pub(crate) struct Analyser {
    pub(crate) activity: Activity,
    pub(crate) shutdown: CancellationToken,
    /// Shared by all connections, with the schemas that any of them sent.
    pub(crate) analyzer: Arc<Analyzer>,
}

impl Service for Analyser {
    type Peer = ();

    fn connected(&self, _id: i32, _address: PeerAddress) -> Arc<()> {
        Arc::new(())
    }

    async fn answer(self: &Arc<Self>, _peer: &Arc<()>, request: Request) -> Answer {
        let _busy = self.activity.begin();
        let result = if ANALYSED.contains(&request.name.as_str()) {
            self.analyse(request).await
        } else {
            self.run(&request)
        };
        Answer::Reply(result.unwrap_or_else(|error| error.to_reply()))
    }

    fn hung_up(&self, _peer: &()) -> bool {
        false
    }

    fn disconnected(&self, _peer: &()) {}

    /// Analysis looks at one command and is never long.
    fn interrupt(&self) {}
}

impl Analyser {
    async fn analyse(&self, request: Request) -> CommandResult {
        let command = if request.sequences.is_empty() { request.body } else { request.merged() };
        if command.as_bytes().len() <= INLINE_LEN {
            return Ok(reply_to(&self.analyzer, &command));
        }
        let analyzer = Arc::clone(&self.analyzer);
        match tokio::task::spawn_blocking(move || reply_to(&analyzer, &command)).await {
            Ok(reply) => Ok(reply),
            Err(error) => Err(CommandError::new(1, format!("query analysis ended early: {error}"))),
        }
    }

    fn run(&self, request: &Request) -> CommandResult {
        match request.name.as_str() {
            "hello" | "isMaster" | "ismaster" => Ok(handshake(&request.name)),
            "ping" | "endSessions" | "killCursors" => Ok(rawdoc! { "ok": 1.0 }),
            "buildInfo" | "buildinfo" => Ok(rawdoc! {
                "version": "8.2.0",
                "gitVersion": "fieldveil",
                "modules": [],
                "versionArray": [8, 2, 0, 0],
                "bits": 64,
                "debug": cfg!(debug_assertions),
                "maxBsonObjectSize": 16_777_216,
                "ok": 1.0,
            }),
            "shutdown" => {
                self.shutdown.cancel();
                Ok(rawdoc! { "ok": 1.0 })
            }
            name => Err(CommandError::new(
                codes::COMMAND_NOT_FOUND,
                format!("no such command: '{name}'"),
            )),
        }
    }
}

/// The handshake of the daemon: no sessions, no compression, no streaming.
fn handshake(name: &str) -> RawDocumentBuf {
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("ismaster"), true);
    if name == "hello" {
        reply.append(cstr!("isWritablePrimary"), true);
    }
    reply.append(cstr!("iscryptd"), true);
    reply.append(cstr!("maxBsonObjectSize"), i32::try_from(MAX_DOCUMENT_LEN).unwrap_or(i32::MAX));
    reply.append(cstr!("maxMessageSizeBytes"), i32::try_from(MAX_MESSAGE_LEN).unwrap_or(i32::MAX));
    reply.append(cstr!("localTime"), bson::DateTime::now());
    reply.append(cstr!("maxWireVersion"), MAX_WIRE_VERSION);
    reply.append(cstr!("minWireVersion"), 0);
    reply.append(cstr!("ok"), 1.0);
    reply
}

/// Analyses a command; what is refused is a reply too.
fn reply_to(analyzer: &Analyzer, command: &RawDocument) -> RawDocumentBuf {
    match analyzer.analyze_request(command) {
        Ok(mut reply) => {
            reply.append(cstr!("ok"), 1.0);
            reply
        }
        Err(error) => error_reply(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_has_the_recorded_fields_in_order() {
        let reply = handshake("isMaster");
        let names: Vec<&str> = reply.iter().map(|element| element.unwrap().0.as_str()).collect();
        assert_eq!(
            names,
            [
                "ismaster",
                "iscryptd",
                "maxBsonObjectSize",
                "maxMessageSizeBytes",
                "localTime",
                "maxWireVersion",
                "minWireVersion",
                "ok"
            ]
        );
    }
}
