//! Cursors: the results of a read, one document at a time.

use std::fmt;
use std::sync::Arc;

use bson::raw::RawDocumentBuf;

use crate::environment::Interrupt;
use crate::error::Result;
use crate::eval::Context;
use crate::find::FindOptions;
use crate::namespace::Namespace;
use crate::selector::Selector;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::tables::View;

/// How many records are read ahead.
const CHUNK: usize = 128;

/// The results of a `find` or `aggregate`. It owns its snapshot and can be kept between `getMore`s.
pub struct Cursor {
    interrupt: Interrupt,
    rest: std::vec::IntoIter<RawDocumentBuf>,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

impl Cursor {
    /// Gives the rest of the results a new time limit.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    pub(crate) fn find(store: &Store, namespace: &Namespace, options: FindOptions) -> Result<Self> {
        let snapshot: Arc<Snapshot> = store.snapshot();
        let context = Context::new(bson::DateTime::from_millis(store.now_ms()));
        let filter = options.filter.unwrap_or_default();
        let selector = Selector::compile(&filter, &context)?;
        let mut found = Vec::new();
        if let Some(data) = snapshot.collection(namespace).and_then(|found| found.data()) {
            let view = snapshot.view(data)?;
            let (mut chunk, mut position) = (Vec::new(), None);
            loop {
                chunk.clear();
                view.records(position, false, CHUNK, &mut chunk)?;
                let Some((last, _)) = chunk.last() else { break };
                position = Some(*last);
                for (_, document) in chunk.drain(..) {
                    if selector.matches(&document)? {
                        found.push(document);
                    }
                }
            }
        }
        Ok(Self { interrupt: options.interrupt, rest: found.into_iter() })
    }
}

impl Iterator for Cursor {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.interrupt.check() {
            return Some(Err(error));
        }
        self.rest.next().map(Ok)
    }
}
