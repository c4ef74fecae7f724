//! Finding documents.

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};

use fieldveil_query::sort::Sort;

use crate::cursor::Cursor;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::order::{SortKeys, Sorter};
use crate::plan::{Plan, Wish};
use crate::scan::{Scan, SharedInterrupt};
use crate::selector::Selector;
use crate::store::Store;

/// A `find` command.
#[derive(Clone, Debug, Default)]
pub struct FindOptions {
    /// Which documents; all without.
    pub filter: Option<RawDocumentBuf>,
    /// In which order; without, in the order of the index used or of insertion.
    pub sort: Option<RawDocumentBuf>,
    /// Which fields of them.
    pub projection: Option<RawDocumentBuf>,
    /// How many of the first ones to leave out.
    pub skip: u64,
    /// How many at most; 0 for all.
    pub limit: u64,
    /// An index by name or key, or `{$natural: 1}`.
    pub hint: Option<RawBson>,
    /// The command's `let`.
    pub let_variables: Option<RawDocumentBuf>,
    /// Only the simple collation is supported.
    pub collation: Option<RawDocumentBuf>,
    /// When to give up.
    pub interrupt: Interrupt,
}

/// A `count` command.
#[derive(Clone, Debug, Default)]
pub struct CountOptions {
    /// Which documents; all without.
    pub filter: Option<RawDocumentBuf>,
    /// How many of the first ones to leave out.
    pub skip: u64,
    /// How many to count at most; 0 for all.
    pub limit: u64,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// Only the simple collation is supported.
    pub collation: Option<RawDocumentBuf>,
    /// When to give up.
    pub interrupt: Interrupt,
}

/// A `distinct` command.
#[derive(Clone, Debug, Default)]
pub struct DistinctOptions {
    /// Which documents; all without.
    pub filter: Option<RawDocumentBuf>,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// Only the simple collation is supported.
    pub collation: Option<RawDocumentBuf>,
    /// When to give up.
    pub interrupt: Interrupt,
}

impl Store {
    /// Starts a `find` on the last committed state. The cursor keeps that state, whatever is
    /// written meanwhile.
    ///
    /// # Errors
    /// MongoDB's for a bad filter, sort, projection or hint.
    pub fn find(&self, namespace: &Namespace, options: FindOptions) -> Result<Cursor> {
        let context =
            self.context(options.let_variables.as_deref(), options.collation.as_deref())?;
        let filter = options.filter.unwrap_or_default();
        let selector = Selector::compile(&filter, &context)?;
        let sort = options.sort.as_deref().map(Sort::parse).transpose()?;
        let interrupt = SharedInterrupt::new(options.interrupt);
        let snapshot = self.snapshot();
        let Some(data) = snapshot.collection(namespace).and_then(|found| found.data()) else {
            return Ok(Cursor::empty());
        };
        let plan = Plan::choose(
            data,
            Wish {
                filter: selector.filter(),
                sort: sort.as_ref(),
                hint: options.hint.as_ref(),
                has_collation: context.collation.is_some(),
            },
        )?;
        let scan = Scan::new(snapshot.view(data)?, &plan, selector, interrupt.clone());
        let limit = match options.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let skip = usize::try_from(options.skip).unwrap_or(usize::MAX);
        let rows: Box<dyn Iterator<Item = Result<(u64, RawDocumentBuf)>> + Send> = match sort {
            Some(sort) if !plan.is_sorted && !sort.is_empty() && sort.natural().is_none() => {
                let keys = SortKeys::new(&sort, context.collation.clone())?;
                let wanted = skip.saturating_add(limit);
                let mut sorter = Sorter::new(keys, wanted, self.options().operation_memory_bytes);
                for row in scan {
                    let (record, document) = row?;
                    sorter.add(record, document)?;
                }
                Box::new(sorter.finish().map(Ok))
            }
            _ => Box::new(scan),
        };
        let documents = rows.map(|row| row.map(|(_, document)| document)).skip(skip).take(limit);
        Ok(Cursor::new(interrupt, documents))
    }

    /// Counts documents.
    ///
    /// # Errors
    /// As [`Store::find`].
    pub fn count(&self, namespace: &Namespace, options: CountOptions) -> Result<u64> {
        let find = FindOptions {
            filter: options.filter,
            skip: options.skip,
            limit: options.limit,
            hint: options.hint,
            collation: options.collation,
            interrupt: options.interrupt,
            ..FindOptions::default()
        };
        let mut count = 0;
        for document in self.find(namespace, find)? {
            document?;
            count += 1;
        }
        Ok(count)
    }

    /// The distinct values at the path `key`, in the order in which they are found.
    ///
    /// # Errors
    /// As [`Store::find`]; `Location17217` if the values are larger than a document may be.
    pub fn distinct(
        &self,
        namespace: &Namespace,
        key: &str,
        options: DistinctOptions,
    ) -> Result<RawArrayBuf> {
        let _ = (namespace, key, options);
        Err(StoreError::internal("distinct is to come"))
    }
}
