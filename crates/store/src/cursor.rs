//! Cursors: the results of a read, one document at a time.

use std::fmt;

use bson::raw::RawDocumentBuf;

use crate::environment::Interrupt;
use crate::error::Result;
use crate::scan::SharedInterrupt;

/// The results of a `find` or `aggregate`. It owns its snapshot and can be kept between `getMore`s.
pub struct Cursor {
    interrupt: SharedInterrupt,
    documents: Box<dyn Iterator<Item = Result<RawDocumentBuf>> + Send>,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

impl Cursor {
    pub(crate) fn new(
        interrupt: SharedInterrupt,
        documents: impl Iterator<Item = Result<RawDocumentBuf>> + Send + 'static,
    ) -> Self {
        Self { interrupt, documents: Box::new(documents) }
    }

    pub(crate) fn empty() -> Self {
        Self::new(SharedInterrupt::new(Interrupt::never()), std::iter::empty())
    }

    /// Gives the rest of the results a new time limit.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt.set(interrupt);
    }
}

impl Iterator for Cursor {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        self.documents.next()
    }
}
