//! The handles. A process has one library at most; it counts its analyzers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::raw::{RawDocument, RawDocumentBuf};
use fieldveil_analysis::Analyzer;

use crate::status::Failure;

/// The library handle of the C interface. It holds nothing: its address is what counts.
#[derive(Debug)]
pub struct Library {
    // Not of size zero, so that each has an address of its own.
    _place: u8,
}

/// An analyzer of the C interface. Callers make one for each command, so what is worth keeping, the
/// compiled schemas, belongs to the library.
#[derive(Debug)]
pub struct QueryAnalyzer {
    analyzer: Arc<Analyzer>,
}

/// The library that is alive.
struct Live {
    /// Address of the handle.
    handle: usize,
    /// How many analyzers it has.
    analyzers: usize,
    analyzer: Arc<Analyzer>,
}

static LIVE: Mutex<Option<Live>> = Mutex::new(None);

fn live() -> MutexGuard<'static, Option<Live>> {
    // Nothing panics while it is locked; and what it guards is whole at any time.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Library {
    pub(crate) fn create() -> Result<*mut Self, Failure> {
        let mut live = live();
        if live.is_some() {
            return Err(Failure::AlreadyInitialized);
        }
        let handle = Box::into_raw(Box::new(Self { _place: 0 }));
        *live = Some(Live { handle: handle.addr(), analyzers: 0, analyzer: Arc::default() });
        Ok(handle)
    }

    /// Frees the handle if it is the one that is alive; any other address is refused unread.
    pub(crate) fn destroy(handle: *mut Self) -> Result<(), Failure> {
        let mut live = live();
        match live.as_ref() {
            None => Err(Failure::NotInitialized),
            Some(known) if known.handle != handle.addr() => Err(Failure::InvalidHandle),
            Some(known) if known.analyzers > 0 => Err(Failure::AnalyzersLeft),
            Some(_) => {
                *live = None;
                // SAFETY: the address is that of the live handle, which `create` boxed and which
                // nothing else frees.
                drop(unsafe { Box::from_raw(handle) });
                Ok(())
            }
        }
    }
}

impl QueryAnalyzer {
    pub(crate) fn create(library: *mut Library) -> Result<*mut Self, Failure> {
        let mut live = live();
        match live.as_mut() {
            None => Err(Failure::NotInitialized),
            Some(known) if known.handle != library.addr() => Err(Failure::InvalidHandle),
            Some(known) => {
                known.analyzers += 1;
                let analyzer = Arc::clone(&known.analyzer);
                Ok(Box::into_raw(Box::new(Self { analyzer })))
            }
        }
    }

    pub(crate) fn analyze(
        &self,
        namespace: &str,
        request: &RawDocument,
    ) -> Result<RawDocumentBuf, Failure> {
        Ok(self.analyzer.analyze_request_on(namespace, request)?)
    }
}

impl Drop for QueryAnalyzer {
    fn drop(&mut self) {
        if let Some(known) = live().as_mut() {
            known.analyzers = known.analyzers.saturating_sub(1);
        }
    }
}
