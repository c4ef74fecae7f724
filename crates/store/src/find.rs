//! Finding documents.

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};
use fieldveil_query::dependencies::Dependencies;

use crate::code::Code;
use crate::cursor::{Cursor, Take};
use crate::distinct::Distinct;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::read::Read;
use crate::scan::SharedInterrupt;
use crate::store::Store;
use crate::tables::View;

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
    /// Where to begin in the hinted index, with its value.
    pub min: Option<RawDocumentBuf>,
    /// Where to end in the hinted index, without its value.
    pub max: Option<RawDocumentBuf>,
    /// The command's `let`.
    pub let_variables: Option<RawDocumentBuf>,
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
    /// Whether each document gets its record id in `$recordId`.
    pub show_record_id: bool,
    /// Whether to answer with what stands in the index used instead of the documents, and nothing
    /// else.
    pub return_key: bool,
    /// Whether a sort may use temporary files; without, it may.
    pub allow_disk_use: Option<bool>,
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
    /// How strings compare; without, as the collection says, and else by bytes.
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
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
    /// When to give up.
    pub interrupt: Interrupt,
}

impl CountOptions {
    /// The `find` whose results are counted.
    pub(crate) fn into_find(self) -> FindOptions {
        FindOptions {
            filter: self.filter,
            skip: self.skip,
            limit: self.limit,
            hint: self.hint,
            collation: self.collation,
            interrupt: self.interrupt,
            ..FindOptions::default()
        }
    }
}

impl DistinctOptions {
    /// The `find` whose results are looked at.
    pub(crate) fn into_find(self) -> FindOptions {
        FindOptions {
            filter: self.filter,
            hint: self.hint,
            collation: self.collation,
            interrupt: self.interrupt,
            ..FindOptions::default()
        }
    }
}

impl Store {
    /// Starts a `find` on the last committed state. The cursor keeps that state, whatever is
    /// written meanwhile.
    ///
    /// # Errors
    /// MongoDB's for a bad filter, sort, projection or hint.
    pub fn find(&self, namespace: &Namespace, options: FindOptions) -> Result<Cursor> {
        self.find_for(namespace, options, None)
    }

    /// As [`Self::find`]. Of the documents no more is needed than `needs` says, if it is given; they
    /// may come without the rest.
    fn find_for(
        &self,
        namespace: &Namespace,
        mut options: FindOptions,
        needs: Option<Dependencies>,
    ) -> Result<Cursor> {
        let snapshot = self.snapshot();
        snapshot.inherit_collation(namespace, &mut options.collation);
        if snapshot.collection(namespace).is_some_and(|found| found.data().is_none()) {
            if options.interrupt.is_brief() {
                return Err(StoreError::not_brief());
            }
            if options.return_key {
                return Err(StoreError::new(
                    Code::OPTION_NOT_SUPPORTED_ON_VIEW,
                    format!("Namespace {namespace} is a view, which has no keys to return"),
                ));
            }
            return self.find_on_view(namespace, options);
        }
        let mut read = Read::compile(self, options)?;
        read.needs = needs.or(read.needs);
        let Some(data) = snapshot.collection(namespace).and_then(|found| found.data()) else {
            return Ok(Cursor::empty());
        };
        let plan = read.plan(data)?;
        if read.interrupt.is_brief() && !plan.access.leads_to_new_records() {
            return Err(StoreError::not_brief());
        }
        let scan = read.scan(&snapshot, data, &plan)?;
        read.cursor(&plan, scan)
    }

    /// Counts documents.
    ///
    /// # Errors
    /// As [`Store::find`].
    pub fn count(&self, namespace: &Namespace, options: CountOptions) -> Result<u64> {
        let find = options.into_find();
        if find.filter.as_ref().is_none_or(|filter| filter.is_empty())
            && find.hint.is_none()
            && let Some(count) = self.count_all(namespace)?
        {
            let count = count.saturating_sub(find.skip);
            return Ok(if find.limit == 0 { count } else { count.min(find.limit) });
        }
        let mut count = 0;
        self.find_for(namespace, find, Some(Dependencies::default()))?.each(|_| {
            count += 1;
            Take::More
        })?;
        Ok(count)
    }

    /// The number of records of a collection, which the storage keeps; nothing for a view.
    fn count_all(&self, namespace: &Namespace) -> Result<Option<u64>> {
        let snapshot = self.snapshot();
        match snapshot.collection(namespace) {
            None => Ok(Some(0)),
            Some(collection) => match collection.data() {
                Some(data) => snapshot.view(data)?.record_count().map(Some),
                None => Ok(None),
            },
        }
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
        let mut find = options.into_find();
        self.snapshot().inherit_collation(namespace, &mut find.collation);
        let interrupt = SharedInterrupt::new(find.interrupt.clone());
        let context = self.context(None, find.collation.as_deref(), &interrupt)?;
        let mut distinct = Distinct::new(key, context.collation);
        let needs = Dependencies::of_path(key);
        self.find_for(namespace, find, Some(needs))?.try_each(|document| {
            distinct.add(document)?;
            Ok(Take::More)
        })?;
        distinct.finish()
    }
}
