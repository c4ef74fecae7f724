//! The records that an update or delete is about.

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::sort::Sort;

use super::WriteOptions;
use crate::catalog::Data;
use crate::error::Result;
use crate::eval::Context;
use crate::namespace::Namespace;
use crate::order::{Budget, SortKeys, Sorter};
use crate::plan::{Execution, Plan, Wish};
use crate::scan::SharedInterrupt;
use crate::selector::Selector;
use crate::tables::View;
use crate::transaction::Transaction;

/// A filter with what decides which of the matching records comes first.
pub(crate) struct Target {
    pub(crate) selector: Selector,
    pub(crate) context: Context,
    sort: Option<Sort>,
    hint: Option<RawBson>,
}

impl Target {
    /// Compiles the parts that a client sent.
    pub(crate) fn compile(
        transaction: &Transaction<'_>,
        namespace: &Namespace,
        filter: &RawDocument,
        sort: Option<&RawDocument>,
        hint: Option<&RawBson>,
        collation: Option<&RawDocument>,
        options: &WriteOptions,
    ) -> Result<Self> {
        let collation = transaction.catalog().collation(namespace, collation);
        let variables = options.let_variables.as_deref();
        let interrupt = SharedInterrupt::new(options.interrupt.clone());
        let context =
            crate::store::context(transaction.now_ms(), variables, collation, &interrupt)?;
        let selector = Selector::compile(filter, &context)?;
        let sort = sort.map(Sort::parse).transpose()?.filter(|sort| !sort.is_empty());
        Ok(Self { selector, context, sort, hint: hint.cloned() })
    }

    /// The array element that the positional `$` means in a matching document.
    pub(crate) fn position(&self, document: &RawDocument) -> Result<Option<usize>> {
        Ok(self.selector.matcher().find_position(document)?.flatten())
    }

    pub(crate) fn plan(&self, data: &Data) -> Result<Plan> {
        Plan::choose(
            data,
            Wish {
                filter: self.selector.filter(),
                sort: self.sort.as_ref(),
                hint: self.hint.as_ref(),
                min: None,
                max: None,
                collation: self.context.collation.as_deref(),
                needs: None,
            },
        )
    }

    /// The first record that matches.
    pub(crate) fn first(
        &self,
        data: &Data,
        view: &dyn View,
        options: &WriteOptions,
    ) -> Result<Option<(u64, RawDocumentBuf)>> {
        let plan = self.plan(data)?;
        let mut execution = Execution::new(&plan.access);
        let mut sorter = match &self.sort {
            Some(sort) if !plan.is_sorted => {
                let keys = SortKeys::new(sort, self.context.collation.clone())?;
                Some(Sorter::new(keys, 1, Budget::UNLIMITED))
            }
            _ => None,
        };
        while let Some((record, document)) = execution.next(view)? {
            options.interrupt.check()?;
            if !self.selector.matches(&document)? {
                continue;
            }
            match &mut sorter {
                Some(sorter) => sorter.add(record, document)?,
                None => return Ok(Some((record, document))),
            }
        }
        match sorter {
            Some(sorter) => sorter.finish()?.next().transpose(),
            None => Ok(None),
        }
    }

    /// All records that match. They are all known before the first is changed, so none is met a
    /// second time in its new place.
    pub(crate) fn all(
        &self,
        data: &Data,
        view: &dyn View,
        options: &WriteOptions,
    ) -> Result<Vec<u64>> {
        let plan = self.plan(data)?;
        let mut execution = Execution::new(&plan.access);
        let mut records = Vec::new();
        while let Some((record, document)) = execution.next(view)? {
            options.interrupt.check()?;
            if self.selector.matches(&document)? {
                records.push(record);
            }
        }
        Ok(records)
    }
}
