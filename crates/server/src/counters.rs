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
