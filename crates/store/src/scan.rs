//! A scan: the records of a plan that a filter selects, on a snapshot of its own.

use std::sync::{Arc, Mutex, PoisonError};

use bson::raw::RawDocumentBuf;

use crate::environment::Interrupt;
use crate::error::Result;
use crate::plan::{Execution, Plan, Statistics};
use crate::selector::Selector;
use crate::tables::CommittedView;

/// An interrupt that can be replaced while a cursor is alive: each `getMore` has its own limit.
#[derive(Clone, Debug)]
pub(crate) struct SharedInterrupt(Arc<Mutex<Interrupt>>);

impl SharedInterrupt {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self(Arc::new(Mutex::new(interrupt)))
    }

    pub(crate) fn set(&self, interrupt: Interrupt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = interrupt;
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).check()
    }
}

/// Selected records, one at a time.
pub(crate) struct Scan {
    view: CommittedView,
    execution: Execution,
    selector: Selector,
    interrupt: SharedInterrupt,
    is_over: bool,
}

impl Scan {
    pub(crate) fn new(
        view: CommittedView,
        plan: &Plan,
        selector: Selector,
        interrupt: SharedInterrupt,
    ) -> Self {
        let execution = Execution::new(&plan.access);
        Self { view, execution, selector, interrupt, is_over: false }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.execution.statistics()
    }

    fn step(&mut self) -> Result<Option<(u64, RawDocumentBuf)>> {
        loop {
            self.interrupt.check()?;
            match self.execution.next(&self.view)? {
                Some((record, document)) => {
                    if self.selector.matches(&document)? {
                        return Ok(Some((record, document)));
                    }
                }
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(u64, RawDocumentBuf)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.step();
        self.is_over = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
