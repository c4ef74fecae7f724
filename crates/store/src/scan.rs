//! A scan: the records of a plan that a filter selects, on a snapshot of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::cursor::Take;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::plan::{Execution, Plan, Statistics};
use crate::selector::Selector;
use crate::tables::CommittedView;

/// An interrupt that can be replaced while a cursor is alive: each `getMore` has its own limit.
#[derive(Clone, Debug)]
pub(crate) struct SharedInterrupt(Arc<Replaceable>);

#[derive(Debug)]
struct Replaceable {
    current: Mutex<Interrupt>,
    steps: AtomicU32,
}

/// How many steps of an evaluation pass before the interrupt is looked at.
const STEPS_PER_CHECK: u32 = 32;

impl SharedInterrupt {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        let steps = AtomicU32::new(0);
        Self(Arc::new(Replaceable { current: Mutex::new(interrupt), steps }))
    }

    pub(crate) fn set(&self, interrupt: Interrupt) {
        *self.current() = interrupt;
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.current().check()
    }

    pub(crate) fn is_brief(&self) -> bool {
        self.current().is_brief()
    }

    /// As [`Self::check`], now and then: for loops whose steps are short.
    pub(crate) fn step(&self) -> Result<()> {
        let step = self.0.steps.fetch_add(1, Ordering::Relaxed);
        if step.is_multiple_of(STEPS_PER_CHECK) { self.check() } else { Ok(()) }
    }

    fn current(&self) -> MutexGuard<'_, Interrupt> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many records are looked at before an interrupt is.
const RECORDS_PER_CHECK: u32 = 64;

/// How many records a brief read may look at, and how many bytes of them. A first batch fits.
const BRIEF_RECORDS: u32 = 128;
const BRIEF_BYTES: usize = 128 * 1024;

/// How long a brief read may take. What is in memory is read in far less; what is not may have to be
/// waited for, a record at a time.
const BRIEF_TIME: Duration = Duration::from_millis(1);

/// How many records a brief read looks at before it looks at the time.
const RECORDS_PER_TIME: u32 = 4;

/// What a read has looked at.
#[derive(Clone, Copy)]
struct Examined {
    records: u32,
    bytes: usize,
    begun: Instant,
}

impl Examined {
    fn since(begun: Instant) -> Self {
        Self { records: 0, bytes: 0, begun }
    }

    /// Counts a record of a read that has to be brief.
    ///
    /// # Errors
    /// When it is the one too many.
    fn add(&mut self, document: &RawDocument) -> Result<()> {
        self.records += 1;
        self.bytes += document.as_bytes().len();
        let is_late =
            self.records.is_multiple_of(RECORDS_PER_TIME) && self.begun.elapsed() > BRIEF_TIME;
        if self.records > BRIEF_RECORDS || self.bytes > BRIEF_BYTES || is_late {
            return Err(StoreError::not_brief());
        }
        Ok(())
    }
}

/// Selected records, one at a time.
pub(crate) struct Scan {
    view: CommittedView,
    execution: Execution,
    selector: Selector,
    /// Whether the selector need not be asked.
    selects_all: bool,
    interrupt: SharedInterrupt,
    examined: Examined,
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
        let selects_all = plan.is_exact || selector.selects_all();
        let examined = Examined::since(Instant::now());
        Self { view, execution, selector, selects_all, interrupt, examined, is_over: false }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.execution.statistics()
    }

    fn step(&mut self) -> Result<Option<(u64, RawDocumentBuf)>> {
        loop {
            self.interrupt.check()?;
            match self.execution.next(&self.view)? {
                Some((record, document)) => {
                    if self.interrupt.is_brief() {
                        self.examined.add(&document)?;
                    }
                    if self.selects_all || self.selector.matches(&document)? {
                        return Ok(Some((record, document)));
                    }
                }
                None => return Ok(None),
            }
        }
    }
}

impl Scan {
    /// Shows the selected records with their ids, without copying them; see
    /// [`crate::Cursor::each`].
    pub(crate) fn each(
        &mut self,
        mut take: impl FnMut(u64, &RawDocument) -> Result<Take>,
    ) -> Result<bool> {
        if self.is_over {
            return Ok(true);
        }
        let Self { view, execution, selector, selects_all, interrupt, examined, .. } = self;
        let (is_brief, selects_all) = (interrupt.is_brief(), *selects_all);
        let mut until_check = 0_u32;
        let result = execution.each(view, |record, document| {
            if until_check == 0 {
                interrupt.check()?;
                until_check = RECORDS_PER_CHECK;
            }
            until_check -= 1;
            if is_brief {
                examined.add(document)?;
            }
            match selects_all || selector.matches(document)? {
                true => take(record, document),
                false => Ok(Take::More),
            }
        });
        self.is_over = !matches!(result, Ok(false));
        result
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

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn a_brief_read_ends_after_so_many_records_or_so_long() {
        let document = rawdoc! {"_id": 1};
        let far = Instant::now() + Duration::from_secs(1000);
        let mut quick = Examined::since(far);
        assert!((0..BRIEF_RECORDS).all(|_| quick.add(&document).is_ok()));
        assert!(quick.add(&document).is_err());
        let mut large = Examined::since(far);
        assert!(large.add(&rawdoc! {"x": "x".repeat(BRIEF_BYTES)}).is_err());
        let mut slow = Examined::since(Instant::now().checked_sub(BRIEF_TIME * 2).unwrap());
        let taken = (0..BRIEF_RECORDS).take_while(|_| slow.add(&document).is_ok()).count();
        assert!(taken < usize::try_from(RECORDS_PER_TIME).unwrap());
    }
}
