//! What `serverStatus` counts.

use std::sync::atomic::{AtomicI64, Ordering};

use bson::{RawDocumentBuf, rawdoc};

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    open: AtomicI64,
    created: AtomicI64,
    insert: AtomicI64,
    query: AtomicI64,
    update: AtomicI64,
    delete: AtomicI64,
    get_more: AtomicI64,
    command: AtomicI64,
    failed: AtomicI64,
    messages: AtomicI64,
    bytes_in: AtomicI64,
    bytes_out: AtomicI64,
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.created.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a command by its kind.
    pub(crate) fn command(&self, name: &str) {
        let counter = match name {
            "insert" => &self.insert,
            "find" => &self.query,
            "update" => &self.update,
            "delete" => &self.delete,
            "getMore" => &self.get_more,
            _ => &self.command,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a command that was answered with an error.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that came and its bytes on the wire.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(i64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// Counts the bytes of an answer.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(i64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// The section `asserts`.
    pub(crate) fn asserts(&self) -> RawDocumentBuf {
        let user = self.failed.load(Ordering::Relaxed);
        rawdoc! {
            "regular": 0, "warning": 0, "msg": 0, "user": user, "tripwire": 0, "rollovers": 0,
        }
    }

    /// The section `network`. All bytes are counted as they go over the wire, compressed or not.
    pub(crate) fn network(&self) -> RawDocumentBuf {
        let bytes_in = self.bytes_in.load(Ordering::Relaxed);
        let bytes_out = self.bytes_out.load(Ordering::Relaxed);
        rawdoc! {
            "bytesIn": bytes_in, "bytesOut": bytes_out,
            "physicalBytesIn": bytes_in, "physicalBytesOut": bytes_out,
            "numRequests": self.messages.load(Ordering::Relaxed),
        }
    }

    /// The section `connections`.
    pub(crate) fn connections(&self) -> RawDocumentBuf {
        let open = self.open.load(Ordering::Relaxed);
        rawdoc! {
            "current": open,
            "active": open,
            "totalCreated": self.created.load(Ordering::Relaxed),
        }
    }

    /// The section `opcounters`.
    pub(crate) fn operations(&self) -> RawDocumentBuf {
        rawdoc! {
            "insert": self.insert.load(Ordering::Relaxed),
            "query": self.query.load(Ordering::Relaxed),
            "update": self.update.load(Ordering::Relaxed),
            "delete": self.delete.load(Ordering::Relaxed),
            "getmore": self.get_more.load(Ordering::Relaxed),
            "command": self.command.load(Ordering::Relaxed),
        }
    }
}
