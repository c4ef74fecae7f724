//! Cursors: the results of a read, one document at a time.

use std::fmt;

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::environment::Interrupt;
use crate::error::Result;
use crate::scan::{Scan, SharedInterrupt};

/// The results of a `find` or `aggregate`. It owns its snapshot and can be kept between `getMore`s.
pub struct Cursor {
    interrupt: SharedInterrupt,
    documents: Documents,
}

/// Where results come from.
enum Documents {
    /// Records as they are stored, so many at most. They need not be copied to be looked at.
    Scan { scan: Box<Scan>, left: usize },
    /// Results of their own, and one that was refused.
    Made {
        documents: Box<dyn Iterator<Item = Result<RawDocumentBuf>> + Send>,
        refused: Option<RawDocumentBuf>,
    },
}

/// What becomes of a document that [`Cursor::each`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is taken, and the next one wanted.
    More,
    /// It is taken, and the last one for now.
    Enough,
    /// It is refused, and will be shown again.
    Not,
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
        let documents = Documents::Made { documents: Box::new(documents), refused: None };
        Self { interrupt, documents }
    }

    /// The first `limit` records of a scan.
    pub(crate) fn of_scan(interrupt: SharedInterrupt, scan: Scan, limit: usize) -> Self {
        Self { interrupt, documents: Documents::Scan { scan: Box::new(scan), left: limit } }
    }

    pub(crate) fn empty() -> Self {
        Self::new(SharedInterrupt::new(Interrupt::never()), std::iter::empty())
    }

    /// Gives the rest of the results a new time limit.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt.set(interrupt);
    }

    /// Shows one document after the other until one is refused or the last for now, without
    /// copying what is stored. Answers whether the results are over.
    ///
    /// # Errors
    /// Those of reading; the cursor is over then.
    pub fn each(&mut self, mut take: impl FnMut(&RawDocument) -> Take) -> Result<bool> {
        match &mut self.documents {
            Documents::Scan { scan, left } => {
                if *left == 0 {
                    return Ok(true);
                }
                let is_over = scan.each(&mut |document| {
                    let taken = take(document);
                    if taken == Take::Not {
                        return taken;
                    }
                    *left -= 1;
                    if *left == 0 { Take::Enough } else { taken }
                })?;
                Ok(is_over || *left == 0)
            }
            Documents::Made { documents, refused } => loop {
                let next = refused.take().map(Ok).or_else(|| documents.next());
                let Some(document) = next.transpose()? else { return Ok(true) };
                match take(&document) {
                    Take::More => {}
                    Take::Enough => return Ok(false),
                    Take::Not => {
                        *refused = Some(document);
                        return Ok(false);
                    }
                }
            },
        }
    }
}

impl Iterator for Cursor {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.documents {
            Documents::Scan { left: 0, .. } => None,
            Documents::Scan { scan, left } => {
                *left -= 1;
                Some(scan.next()?.map(|(_, document)| document))
            }
            Documents::Made { documents, refused } => {
                refused.take().map(Ok).or_else(|| documents.next())
            }
        }
    }
}
