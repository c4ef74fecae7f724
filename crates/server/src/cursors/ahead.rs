//! Reading ahead: the next batch of a large result is made while the client still has the last one
//! to read.
//!
//! Only a `getMore` that leaves the size of the batch to the server, and filled it, is followed by
//! this, and only for so many cursors at once: each keeps a batch in memory.

use std::sync::{Arc, PoisonError};

use fieldveil_store::{Kill, KillReason};
use tokio::sync::OwnedSemaphorePermit;

use super::{Batch, Cursors, OpenCursor, Slot};
use crate::{batch::BatchName, error::CommandError};

/// Cursors that may have a batch ready at once.
pub(super) const MAX_READY: usize = 4;

/// A batch that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Result<Batch, CommandError>,
    /// Room for it.
    _permit: OwnedSemaphorePermit,
}

/// Says that a batch is being made; makes that end when the cursor is closed.
#[derive(Debug)]
pub(super) struct Reading(Arc<Kill>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.set(KillReason::Asked);
    }
}

impl Cursors {
    /// Makes the next batch of a cursor, if that is worth while and nobody has the cursor.
    pub(crate) fn read_ahead(&self, id: i64) {
        let Some((cursor, permit, kill)) = self.begin(id) else { return };
        let mut loan = Loan { cursors: self, id, cursor: Some(cursor) };
        if let Some(cursor) = &mut loan.cursor {
            cursor.resume(kill);
            let batch = cursor.batch(BatchName::Next, None);
            cursor.ready = Some(Ready { batch, _permit: permit });
        }
    }

    /// Lets nobody read ahead any longer.
    pub(crate) fn stop_reading(&self) {
        for slot in self.lock().values_mut() {
            slot.reading = None;
        }
    }

    fn begin(&self, id: i64) -> Option<(Box<OpenCursor>, OwnedSemaphorePermit, Arc<Kill>)> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&id)?;
        if !slot.cursor.as_ref()?.goes_on {
            return None;
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let kill = Arc::new(Kill::default());
        slot.reading = Some(Reading(Arc::clone(&kill)));
        Some((slot.cursor.take()?, permit, kill))
    }
}

/// A cursor that is given back, or closed if reading from it panicked.
struct Loan<'a> {
    cursors: &'a Cursors,
    id: i64,
    cursor: Option<Box<OpenCursor>>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut slots = self.cursors.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if std::thread::panicking() {
            slots.remove(&self.id);
        } else if let Some(slot) = slots.get_mut(&self.id) {
            let Slot { cursor, reading, .. } = slot;
            *cursor = self.cursor.take();
            *reading = None;
        }
        self.cursors.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::cursors::Source;

    /// Sixteen documents of 200 kB, of which the first `getMore` was answered.
    fn large(cursors: &Cursors) -> i64 {
        let text = "x".repeat(200_000);
        let documents: Vec<_> = (0..16).map(|n| rawdoc! { "n": n, "x": text.as_str() }).collect();
        let source = Source::List(documents.into_iter());
        let id = cursors.open(OpenCursor::new("a.b".into(), source, None)).unwrap();
        assert_eq!(next(cursors, id, None), (5, false));
        id
    }

    fn next(cursors: &Cursors, id: i64, count: Option<u64>) -> (u64, bool) {
        let mut cursor = cursors.check_out(id, "a.b", None).unwrap();
        let batch = cursor.next_batch(count).unwrap();
        cursors.check_in(cursor);
        (batch.reply.len(), batch.is_last)
    }

    #[test]
    fn a_batch_that_is_ready_is_given() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        cursors.read_ahead(id);
        assert!(cursors.check_out(id, "a.b", None).is_ok_and(|cursor| {
            let is_ready = cursor.ready.is_some();
            cursors.check_in(cursor);
            is_ready
        }));
        assert_eq!(next(&cursors, id, None), (10, false));
        cursors.read_ahead(id);
        assert_eq!(next(&cursors, id, None), (1, true));
    }

    #[test]
    fn a_batch_that_is_ready_is_split_when_fewer_documents_are_wanted() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        cursors.read_ahead(id);
        assert_eq!(next(&cursors, id, Some(3)), (3, false));
        assert_eq!(next(&cursors, id, Some(6)), (6, false));
        assert_eq!(next(&cursors, id, Some(100)), (2, true));
    }

    #[test]
    fn only_so_many_batches_are_ready() {
        let cursors = Cursors::default();
        let ids: Vec<i64> = (0..=MAX_READY).map(|_| large(&cursors)).collect();
        ids.iter().for_each(|&id| cursors.read_ahead(id));
        assert_eq!(cursors.room.available_permits(), 0);
        cursors.close(ids[0]);
        cursors.read_ahead(ids[MAX_READY]);
        assert_eq!(cursors.room.available_permits(), 0);
        for id in ids {
            cursors.close(id);
        }
        assert_eq!(cursors.room.available_permits(), MAX_READY);
    }
}
