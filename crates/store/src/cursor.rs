//! Cursors: the results of a read, one document at a time.

use std::fmt;

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::environment::Interrupt;
use crate::error::Result;
use crate::read::Shaper;
use crate::scan::{Scan, SharedInterrupt};

/// The results of a `find` or `aggregate`. It owns its snapshot and can be kept between `getMore`s.
pub struct Cursor {
    interrupt: SharedInterrupt,
    documents: Documents,
}

/// Where results come from.
enum Documents {
    /// Records as they are stored, from one on, so many at most. They need not be copied to be
    /// looked at, unless results are made of them.
    Scan { scan: Box<Scan>, shaper: Option<Box<Shaper>>, skip: usize, left: usize },
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

    /// What `shaper` makes of the first `limit` records of a scan after `skip` others.
    pub(crate) fn of_scan(
        interrupt: SharedInterrupt,
        scan: Scan,
        shaper: Option<Shaper>,
        skip: usize,
        limit: usize,
    ) -> Self {
        let (scan, shaper) = (Box::new(scan), shaper.map(Box::new));
        Self { interrupt, documents: Documents::Scan { scan, shaper, skip, left: limit } }
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
        self.try_each(|document| Ok(take(document)))
    }

    /// As [`Self::each`], where looking at a document may fail.
    pub(crate) fn try_each(
        &mut self,
        mut take: impl FnMut(&RawDocument) -> Result<Take>,
    ) -> Result<bool> {
        match &mut self.documents {
            Documents::Scan { scan, shaper, skip, left } => {
                if *left == 0 {
                    return Ok(true);
                }
                let is_over = scan.each(|record, document| {
                    if *skip > 0 {
                        *skip -= 1;
                        return Ok(Take::More);
                    }
                    let taken = match shaper {
                        None => take(document)?,
                        Some(shaper) => take(&shaper.shape(record, document)?)?,
                    };
                    if taken == Take::Not {
                        return Ok(taken);
                    }
                    *left -= 1;
                    Ok(if *left == 0 { Take::Enough } else { taken })
                })?;
                Ok(is_over || *left == 0)
            }
            Documents::Made { documents, refused } => loop {
                let next = refused.take().map(Ok).or_else(|| documents.next());
                let Some(document) = next.transpose()? else { return Ok(true) };
                match take(&document)? {
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
            Documents::Scan { scan, shaper, skip, left } => {
                while *skip > 0 {
                    *skip -= 1;
                    if let Err(error) = scan.next()? {
                        return Some(Err(error));
                    }
                }
                *left -= 1;
                Some(scan.next()?.and_then(|(record, document)| match shaper {
                    Some(shaper) => shaper.shape(record, &document),
                    None => Ok(document),
                }))
            }
            Documents::Made { documents, refused } => {
                refused.take().map(Ok).or_else(|| documents.next())
            }
        }
    }
}
