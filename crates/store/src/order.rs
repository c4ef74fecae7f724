//! Sorting: by the least index key that a document would have in an index of the sort pattern.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::sort::{Sort, SortOrder};

use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::index_key::extract::{self, KeyField};

mod list;
mod spill;

pub(crate) use list::{List, ListWriter};
use spill::Runs;

/// Makes byte strings that compare as documents sort.
#[derive(Clone, Debug)]
pub(crate) struct SortKeys {
    fields: Vec<KeyField>,
    collation: Option<Arc<Collation>>,
}

impl SortKeys {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// For `$meta`, which is not supported, and `$natural`, which is left to the planner.
    pub(crate) fn new(sort: &Sort, collation: Option<Arc<Collation>>) -> Result<Self> {
        if sort.keys.iter().any(|key| key.path.as_str() == "$natural") {
            return Err(
                fieldveil_query::QueryError::not_supported("sorting by $natural here").into()
            );
        }
        let field = |key: &fieldveil_query::sort::SortKey| match &key.order {
            SortOrder::Ascending => Ok(KeyField::new(key.path.as_str(), false)),
            SortOrder::Descending => Ok(KeyField::new(key.path.as_str(), true)),
            SortOrder::Meta(what) => Err(StoreError::new(
                Code::NOT_IMPLEMENTED,
                format!("sorting by $meta '{what}' is not supported by this server"),
            )),
        };
        Ok(Self { fields: sort.keys.iter().map(field).collect::<Result<_>>()?, collation })
    }

    /// The key of a document.
    ///
    /// # Errors
    /// `BadValue` if the pattern meets two different arrays.
    pub(crate) fn key(&self, document: &RawDocument) -> Result<Vec<u8>> {
        let key = extract::least_key(&self.fields, self.collation.as_deref(), document);
        key.map_err(|error| match error.is(Code::CANNOT_INDEX_PARALLEL_ARRAYS) {
            true => StoreError::bad_value("cannot sort with keys that are parallel arrays"),
            false => error,
        })
    }
}

/// What a sort may use.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Bytes of memory.
    pub(crate) memory_bytes: usize,
    /// Where to put what does not fit, if that is allowed.
    pub(crate) spill: Option<Arc<Path>>,
}

impl Budget {
    /// For sorts of which only a few rows are kept.
    pub(crate) const UNLIMITED: Self = Self { memory_bytes: usize::MAX, spill: None };
}

/// Sorts rows, all or only the first ones, within a budget.
pub(crate) struct Sorter {
    keys: SortKeys,
    /// How many rows are wanted.
    limit: usize,
    budget: Budget,
    used_bytes: usize,
    /// The greatest row is on top, so that it can give way to a lesser one.
    rows: BinaryHeap<Row>,
    /// What did not fit, in order.
    runs: Option<Runs>,
    next: u64,
}

struct Row {
    key: Vec<u8>,
    /// Rows with equal keys stay in the order in which they came.
    number: u64,
    record: u64,
    document: RawDocumentBuf,
}

/// The rows of a [`Sorter`] in order.
pub(crate) type Sorted = Box<dyn Iterator<Item = Result<(u64, RawDocumentBuf)>> + Send>;

impl Sorter {
    pub(crate) fn new(keys: SortKeys, limit: usize, budget: Budget) -> Self {
        Self { keys, limit, budget, used_bytes: 0, rows: BinaryHeap::new(), runs: None, next: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `QueryExceededMemoryLimitNoDiskUseAllowed` beyond a budget of memory only.
    pub(crate) fn add(&mut self, record: u64, document: RawDocumentBuf) -> Result<()> {
        let row = Row { key: self.keys.key(&document)?, number: self.next, record, document };
        self.next += 1;
        self.used_bytes += row.bytes();
        self.rows.push(row);
        if self.rows.len() > self.limit
            && let Some(greatest) = self.rows.pop()
        {
            self.used_bytes -= greatest.bytes();
        }
        if self.used_bytes > self.budget.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes the rows in memory out.
    fn spill(&mut self) -> Result<()> {
        let runs = match (&mut self.runs, &self.budget.spill) {
            (Some(runs), _) => runs,
            (none, Some(directory)) => none.insert(Runs::create(directory)?),
            (None, None) => {
                return Err(StoreError::new(
                    Code::EXCEEDED_MEMORY_LIMIT,
                    format!(
                        "Sort exceeded memory limit of {} bytes, but did not opt in to external \
                         sorting.",
                        self.budget.memory_bytes
                    ),
                ));
            }
        };
        self.used_bytes = 0;
        runs.write(std::mem::take(&mut self.rows).into_sorted_vec())
    }

    /// The rows in order.
    ///
    /// # Errors
    /// Those of the temporary file, here and later.
    pub(crate) fn finish(mut self) -> Result<Sorted> {
        if self.runs.is_some() {
            self.spill()?;
        }
        let strip = |row: Row| (row.record, row.document);
        Ok(match self.runs {
            None => {
                Box::new(self.rows.into_sorted_vec().into_iter().map(move |row| Ok(strip(row))))
            }
            Some(runs) => Box::new(runs.merge()?.take(self.limit).map(move |row| row.map(strip))),
        })
    }
}

impl Row {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.document.as_bytes().len()
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row {}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn sorted(pattern: RawDocumentBuf, limit: usize, documents: &[RawDocumentBuf]) -> Vec<u64> {
        let sort = Sort::parse(&pattern).unwrap();
        let keys = SortKeys::new(&sort, None).unwrap();
        let mut sorter = Sorter::new(keys, limit, Budget::UNLIMITED);
        for (record, document) in (0..).zip(documents) {
            sorter.add(record, document.clone()).unwrap();
        }
        sorter.finish().unwrap().map(|row| row.unwrap().0).collect()
    }

    #[test]
    fn arrays_sort_by_their_least_or_greatest_element() {
        let documents = [
            rawdoc! {"a": [5, 1]},
            rawdoc! {"a": 3},
            rawdoc! {},
            rawdoc! {"a": []},
            rawdoc! {"a": "x"},
            rawdoc! {"a": 3},
        ];
        assert_eq!(sorted(rawdoc! {"a": 1}, usize::MAX, &documents), [3, 2, 0, 1, 5, 4]);
        assert_eq!(sorted(rawdoc! {"a": -1}, usize::MAX, &documents), [4, 0, 1, 5, 2, 3]);
        assert_eq!(sorted(rawdoc! {"a": -1}, 2, &documents), [4, 0]);
    }

    #[test]
    fn budget_and_parallel_arrays_are_errors() {
        let sort = Sort::parse(&rawdoc! {"a": 1, "b": 1}).unwrap();
        let keys = SortKeys::new(&sort, None).unwrap();
        assert!(keys.key(&rawdoc! {"a": [1], "b": [1]}).unwrap_err().is(Code::BAD_VALUE));
        let budget = Budget { memory_bytes: 100, spill: None };
        let mut sorter = Sorter::new(keys, usize::MAX, budget);
        let error = sorter.add(1, rawdoc! {"a": "x".repeat(100)}).unwrap_err();
        assert!(error.is(Code::EXCEEDED_MEMORY_LIMIT));
    }

    #[test]
    fn what_does_not_fit_is_sorted_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let documents: Vec<_> = (0..500_i32)
            .map(|n| rawdoc! {"a": n.wrapping_mul(7919) % 100, "pad": "x".repeat(300)})
            .collect();
        let sort = Sort::parse(&rawdoc! {"a": 1}).unwrap();
        for limit in [usize::MAX, 120] {
            let rows = |budget| {
                let mut sorter = Sorter::new(SortKeys::new(&sort, None).unwrap(), limit, budget);
                for (record, document) in (0..).zip(&documents) {
                    sorter.add(record, document.clone()).unwrap();
                }
                sorter.finish().unwrap().collect::<Result<Vec<_>>>().unwrap()
            };
            let spill = Some(Arc::from(directory.path()));
            let sorted = rows(Budget { memory_bytes: 20_000, spill });
            assert_eq!(sorted, rows(Budget::UNLIMITED));
            assert_eq!(sorted.len(), limit.min(documents.len()));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn collation_orders_strings() {
        let collation = Collation::parse(&rawdoc! {"locale": "en", "strength": 2}).unwrap();
        let sort = Sort::parse(&rawdoc! {"a": 1}).unwrap();
        let keys = SortKeys::new(&sort, collation.map(Arc::new)).unwrap();
        let key = |text| keys.key(&rawdoc! {"a": text}).unwrap();
        assert!(key("a") < key("B"));
        assert_eq!(key("b"), key("B"));
    }
}
