//! Plans: which records a command looks at, and in which order.
//!
//! A plan is a superset: every record that matches the filter is in it, and the filter is applied to
//! each, unless the plan is known to be exact. So a bound that is too wide costs time and never an
//! answer.

use std::sync::Arc;

use bson::raw::RawDocument;
use fieldveil_query::collation::Collation;
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::filter::Filter;
use fieldveil_query::sort::Sort;

use crate::catalog::{Data, Index};
use crate::error::Result;
use crate::tables::KeyRange;

mod choose;
mod cover;
mod exact;
pub(crate) mod execute;
mod explain;
mod implies;
mod ranges;
mod spans;

use cover::Cover;
pub(crate) use execute::{Execution, Statistics};
use spans::SpanSet;

/// How records are found.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// No record can match.
    Nothing,
    /// One record by its `_id`: the key in the `_id` index.
    Id { index: Arc<Index>, key: Vec<u8> },
    /// All records in the order of insertion, or the other way round.
    Collection { descending: bool },
    /// Parts of an index.
    Index(IndexScan),
    /// Parts of several indexes, one for each branch of an `$or`.
    Union(Vec<IndexScan>),
}

impl Access {
    /// Whether hardly an entry is read without a new record. In an index that has met arrays, one
    /// document may have any number of entries.
    pub(crate) fn leads_to_new_records(&self) -> bool {
        let is_plain = |scan: &IndexScan| !scan.index.multikey.contains(&true);
        match self {
            Self::Nothing | Self::Id { .. } | Self::Collection { .. } => true,
            Self::Index(scan) => is_plain(scan),
            Self::Union(scans) => scans.iter().all(is_plain),
        }
    }
}

/// Parts of one index.
#[derive(Clone, Debug)]
pub(crate) struct IndexScan {
    pub(crate) index: Arc<Index>,
    /// What is read, ascending and without overlap.
    pub(crate) ranges: Vec<KeyRange>,
    pub(crate) descending: bool,
    /// How documents are made of the keys, if nothing else is needed.
    cover: Option<Arc<Cover>>,
    /// For each field, the values that the ranges are made of; for `explain`.
    bounds: Vec<SpanSet>,
}

/// A plan for one collection.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) access: Access,
    /// Whether records come in the order that was asked for.
    pub(crate) is_sorted: bool,
    /// Whether the filter selects each of them.
    pub(crate) is_exact: bool,
}

/// What a plan is made for.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) sort: Option<&'a Sort>,
    pub(crate) hint: Option<&'a bson::RawBson>,
    /// `min` and `max`: where to begin and end in the hinted index.
    pub(crate) min: Option<&'a RawDocument>,
    pub(crate) max: Option<&'a RawDocument>,
    /// How strings are compared; by bytes without.
    pub(crate) collation: Option<&'a Collation>,
    /// What of a document the answer and its order are made of; without, of all of it.
    pub(crate) needs: Option<&'a Dependencies>,
}

impl Wish<'_> {
    /// Whether the strings of an index are ordered as they are compared.
    fn agrees_with(&self, index: &Index) -> bool {
        self.collation == index.spec.collation.as_deref()
    }
}

impl Plan {
    /// What answers to a read of a collection that does not exist.
    pub(crate) fn nothing() -> Self {
        Self { access: Access::Nothing, is_sorted: true, is_exact: true }
    }

    /// Whether answers are made of index keys.
    pub(crate) fn is_covered(&self) -> bool {
        matches!(&self.access, Access::Index(scan) if scan.cover.is_some())
    }

    /// Chooses a plan.
    ///
    /// # Errors
    /// `BadValue` for a hint that names no usable index.
    pub(crate) fn choose(data: &Data, wish: Wish<'_>) -> Result<Self> {
        choose::choose(data, wish)
    }
}

#[cfg(test)]
mod tests;
