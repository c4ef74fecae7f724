//! A read that is compiled and planned, ready to run or to be explained.

use std::borrow::Cow;
use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::sort::Sort;

use crate::aggregate::Start;
use crate::catalog::Data;
use crate::cursor::{Cursor, Take};
use crate::error::Result;
use crate::eval::Context;
use crate::find::FindOptions;
use crate::order::{Budget, SortKeys, Sorted, Sorter};
use crate::plan::{Plan, Wish};
use crate::projector::Projector;
use crate::return_key::ReturnKey;
use crate::scan::{Scan, SharedInterrupt};
use crate::selector::Selector;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// The parts of a `find` that do not depend on a collection, compiled.
pub(crate) struct Read {
    pub(crate) context: Context,
    pub(crate) selector: Selector,
    /// Not empty.
    pub(crate) sort: Option<Sort>,
    pub(crate) projection: Option<RawDocumentBuf>,
    pub(crate) projector: Projector,
    /// What of a document the answer and its order are made of, if that is known.
    pub(crate) needs: Option<Dependencies>,
    pub(crate) skip: usize,
    /// `usize::MAX` for all.
    pub(crate) limit: usize,
    hint: Option<bson::RawBson>,
    min: Option<RawDocumentBuf>,
    max: Option<RawDocumentBuf>,
    show_record_id: bool,
    return_key: bool,
    budget: Budget,
    pub(crate) interrupt: SharedInterrupt,
}

impl Read {
    /// Compiles a `find`.
    ///
    /// # Errors
    /// MongoDB's for a bad filter, sort, projection or collation.
    pub(crate) fn compile(store: &Store, options: FindOptions) -> Result<Self> {
        let interrupt = SharedInterrupt::new(options.interrupt);
        let (variables, collation) = (options.let_variables, options.collation);
        let context = store.context(variables.as_deref(), collation.as_deref(), &interrupt)?;
        let filter = options.filter.unwrap_or_default();
        let selector = Selector::compile(&filter, &context)?;
        let sort = options.sort.as_deref().map(Sort::parse).transpose()?;
        let projector = Projector::compile(options.projection.as_deref(), &context)?;
        // Keys to be returned are taken from the whole document.
        let needs = projector.needs().filter(|_| !options.return_key);
        let needs = needs.and_then(|needs| sorted(needs, sort.as_ref()));
        Ok(Self {
            context,
            selector,
            needs,
            sort: sort.filter(|sort| !sort.is_empty()),
            projection: options.projection.filter(|projection| !projection.is_empty()),
            projector,
            skip: usize::try_from(options.skip).unwrap_or(usize::MAX),
            limit: match options.limit {
                0 => usize::MAX,
                limit => usize::try_from(limit).unwrap_or(usize::MAX),
            },
            hint: options.hint,
            min: options.min.filter(|min| !min.is_empty()),
            max: options.max.filter(|max| !max.is_empty()),
            show_record_id: options.show_record_id,
            return_key: options.return_key,
            budget: store.sort_budget(options.allow_disk_use),
            interrupt,
        })
    }

    /// What a pipeline begins with.
    ///
    /// # Errors
    /// What compiling the filter comes to.
    pub(crate) fn for_pipeline(
        budget: Budget,
        context: Context,
        start: Start,
        hint: Option<bson::RawBson>,
        interrupt: SharedInterrupt,
    ) -> Result<Self> {
        let needs = start.needs.and_then(|needs| sorted(needs, start.sort.as_ref()));
        Ok(Self {
            selector: Selector::new(start.filter, &context)?,
            needs,
            sort: start.sort.filter(|sort| !sort.is_empty()),
            projector: Projector::compile(None, &context)?,
            context,
            projection: None,
            skip: 0,
            limit: start.limit.unwrap_or(usize::MAX),
            hint,
            min: None,
            max: None,
            show_record_id: false,
            return_key: false,
            budget,
            interrupt,
        })
    }

    /// Chooses a plan on a collection.
    ///
    /// # Errors
    /// For a hint that fits no index.
    pub(crate) fn plan(&self, data: &Data) -> Result<Plan> {
        Plan::choose(
            data,
            Wish {
                filter: self.selector.filter(),
                sort: self.sort.as_ref(),
                hint: self.hint.as_ref(),
                min: self.min.as_deref(),
                max: self.max.as_deref(),
                collation: self.context.collation.as_deref(),
                needs: self.needs.as_ref(),
            },
        )
    }

    /// The records that the filter selects, in the order of the plan.
    pub(crate) fn scan(&self, snapshot: &Arc<Snapshot>, data: &Data, plan: &Plan) -> Result<Scan> {
        let view = snapshot.view(data)?;
        Ok(Scan::new(view, plan, self.selector.clone(), self.interrupt.clone()))
    }

    /// Whether rows have to be sorted after the scan.
    pub(crate) fn has_to_sort(&self, plan: &Plan) -> bool {
        self.sort.is_some() && !plan.is_sorted
    }

    /// The results. What need not be sorted is looked at where it is stored.
    pub(crate) fn cursor(self, plan: &Plan, scan: Scan) -> Result<Cursor> {
        let interrupt = self.interrupt.clone();
        if self.has_to_sort(plan) {
            return Ok(Cursor::new(interrupt, self.finish(plan, scan)?));
        }
        let (skip, limit) = (self.skip, self.limit);
        Ok(Cursor::of_scan(interrupt, scan, self.shaper(plan)?, skip, limit))
    }

    /// What makes results of records, unless they are the same.
    fn shaper(self, plan: &Plan) -> Result<Option<Shaper>> {
        let is_plain = self.projection.is_none() && !self.show_record_id && !self.return_key;
        if is_plain {
            return Ok(None);
        }
        let keys = self.return_key.then(|| ReturnKey::of(&plan.access)).transpose()?;
        Ok(Some(Shaper { read: self, keys }))
    }

    /// Sorts if the plan did not, then cuts and projects.
    pub(crate) fn finish(
        self,
        plan: &Plan,
        mut scan: Scan,
    ) -> Result<impl Iterator<Item = Result<RawDocumentBuf>> + Send + 'static> {
        let rows: Sorted = match &self.sort {
            Some(sort) if self.has_to_sort(plan) => {
                let keys = SortKeys::new(sort, self.context.collation.clone())?;
                let wanted = self.skip.saturating_add(self.limit);
                let mut sorter = Sorter::new(keys, wanted, self.budget.clone());
                scan.each(|record, document| {
                    sorter.add(record, document.to_owned())?;
                    Ok(Take::More)
                })?;
                sorter.finish()?
            }
            _ => Box::new(scan),
        };
        let (skip, limit) = (self.skip, self.limit);
        let shaper = self.shaper(plan)?;
        Ok(rows.skip(skip).take(limit).map(move |row| {
            let (record, document) = row?;
            match &shaper {
                Some(shaper) => shaper.shape(record, &document),
                None => Ok(document),
            }
        }))
    }

    /// Projects a selected record, and adds its id if that was asked for.
    pub(crate) fn project(
        &self,
        record: u64,
        document: Cow<'_, RawDocument>,
    ) -> Result<RawDocumentBuf> {
        let mut out = self.projector.apply(&self.selector, document)?;
        if self.show_record_id {
            out.append(bson::raw::cstr!("$recordId"), i64::try_from(record).unwrap_or(i64::MAX));
        }
        Ok(out)
    }
}

/// What is needed of documents that are put into an order as well.
fn sorted(mut needs: Dependencies, sort: Option<&Sort>) -> Option<Dependencies> {
    sort.map_or(Some(()), |sort| needs.add_sort(sort))?;
    Some(needs)
}

/// Makes results that are not the records themselves.
pub(crate) struct Shaper {
    read: Read,
    keys: Option<ReturnKey>,
}

impl Shaper {
    pub(crate) fn shape(&self, record: u64, document: &RawDocument) -> Result<RawDocumentBuf> {
        match &self.keys {
            Some(keys) => keys.in_place_of(document),
            None => self.read.project(record, Cow::Borrowed(document)),
        }
    }
}
