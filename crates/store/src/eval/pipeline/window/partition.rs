//! The rows of one partition.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use bson::raw::RawDocumentBuf;
use fieldveil_query::QueryError;

use crate::eval::pipeline::{Budget, Environment, size_of};
use crate::eval::sort::{SortValues, Sorter};
use crate::order::{List, ListWriter};

/// Blocks of rows that are kept when they were read. The functions of a stage look at several places
/// at once.
const KEPT_BLOCKS: usize = 16;

/// A document with what orders it.
pub(super) struct Row {
    pub(super) key: SortValues,
    pub(super) document: RawDocumentBuf,
}

/// Rows in order; those that did not fit into memory are on disk.
pub(super) struct Partition {
    held: Vec<Row>,
    rest: Option<Rest>,
}

struct Rest {
    list: List,
    sorter: Sorter,
    /// The blocks read last, the newest in front, each with the index of its first row.
    kept: RefCell<VecDeque<(usize, Block)>>,
}

/// Rows that were read together.
type Block = Arc<[Arc<Row>]>;

/// A row that may be gone from memory when nobody looks at it any more.
pub(super) enum RowRef<'a> {
    Held(&'a Row),
    Read(Arc<Row>),
}

impl Deref for RowRef<'_> {
    type Target = Row;

    fn deref(&self) -> &Row {
        match self {
            Self::Held(row) => row,
            Self::Read(row) => row,
        }
    }
}

impl Partition {
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.rest.as_ref().map_or(0, |rest| rest.list.len())
    }

    /// The row at an index, if there is one.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub(super) fn row(&self, index: usize) -> Result<Option<RowRef<'_>>, QueryError> {
        match (self.held.get(index), &self.rest) {
            (Some(row), _) => Ok(Some(RowRef::Held(row))),
            (None, Some(rest)) => rest.row(index - self.held.len()),
            (None, None) => Ok(None),
        }
    }
}

impl Rest {
    fn row(&self, index: usize) -> Result<Option<RowRef<'_>>, QueryError> {
        if index >= self.list.len() {
            return Ok(None);
        }
        let mut kept = self.kept.borrow_mut();
        let is_in = |first: usize, block: &Block| (first..first + block.len()).contains(&index);
        let at = kept.iter().position(|(first, block)| is_in(*first, block));
        let (first, block) = match at.and_then(|at| kept.remove(at)) {
            Some(found) => found,
            None => self.read(index)?,
        };
        let row = block.get(index - first).map(|row| RowRef::Read(Arc::clone(row)));
        kept.push_front((first, block));
        kept.truncate(KEPT_BLOCKS);
        Ok(row)
    }

    fn read(&self, index: usize) -> Result<(usize, Block), QueryError> {
        let (first, documents) = self.list.around(index)?;
        let rows = documents.into_iter().map(|document| {
            Ok::<_, QueryError>(Arc::new(Row { key: self.sorter.key(&document)?, document }))
        });
        Ok((first, rows.collect::<Result<_, _>>()?))
    }
}

/// A partition of which rows still come.
pub(super) struct Gathering<'a> {
    environment: &'a Environment,
    sorter: &'a Sorter,
    budget: Budget,
    held: Vec<Row>,
    rest: Option<ListWriter>,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(environment: &'a Environment, sorter: &'a Sorter) -> Self {
        let budget = Budget::new("$setWindowFields", environment);
        Self { environment, sorter, budget, held: Vec::new(), rest: None }
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// Code 292 without room, in memory or on disk; those of the sort key and the temporary file.
    pub(super) fn add(&mut self, document: RawDocumentBuf) -> Result<(), QueryError> {
        if let Some(rest) = &mut self.rest {
            return Ok(rest.push(&document)?);
        }
        let key = self.sorter.key(&document)?;
        let bytes = document.as_bytes().len() + key.iter().map(size_of).sum::<usize>();
        self.budget.add(bytes.cast_signed());
        self.held.push(Row { key, document });
        if self.budget.is_exceeded() {
            match &self.environment.spill {
                Some(directory) => self.rest = Some(ListWriter::create(directory)?),
                None => self.budget.check()?,
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Partition, QueryError> {
        let sorter = self.sorter;
        let rest = self.rest.map(|rest| {
            let list = rest.finish()?;
            Ok::<_, QueryError>(Rest { list, sorter: sorter.clone(), kept: RefCell::default() })
        });
        Ok(Partition { held: self.held, rest: rest.transpose()? })
    }
}
