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
        // Whoever answered the last `getMore` may come so late that another one was answered since.
        if !slot.cursor.as_ref()?.wants_more() {
            return None;
        }
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            slot.cursor.as_mut()?.grow();
            return None;
        };
        let kill = Arc::new(Kill::default());
        slot.reading = Some(Reading(Arc::clone(&kill)));
        let mut cursor = slot.cursor.take()?;
        if !std::mem::replace(&mut slot.is_awaited, false) {
            cursor.grow();
        }
        cursor.buffer = self.buffer();
        Some((cursor, permit, kill))
    }

    /// Whether reading ahead is worth while for a cursor.
    pub(crate) fn goes_on(&self, id: i64) -> bool {
        let slots = self.lock();
        slots.get(&id).and_then(|slot| slot.cursor.as_ref()).is_some_and(|it| it.wants_more())
    }

    /// Waits until nobody reads ahead from a cursor.
    pub(crate) async fn settled(&self, id: i64) {
        loop {
            let mut returned = std::pin::pin!(self.returned_to_tasks.notified());
            returned.as_mut().enable();
            match self.lock().get_mut(&id) {
                Some(slot) if slot.reading.is_some() => slot.is_awaited = true,
                _ => return,
            }
            returned.await;
        }
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
        drop(slots);
        self.cursors.returned.notify_all();
        self.cursors.returned_to_tasks.notify_waiters();
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
        let mut cursor = cursors.check_out(id, "a.b", None, false).unwrap();
        let batch = cursor.next_batch(count).unwrap();
        cursors.check_in(cursor);
        (batch.reply.len(), batch.is_last)
    }

    #[test]
    fn a_batch_that_is_ready_is_given() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        assert_eq!(cursors.check_out(id, "a.b", None, true).unwrap_err().code, -1);
        assert!(cursors.goes_on(id));
        cursors.read_ahead(id);
        let cursor = cursors.check_out(id, "a.b", None, true).unwrap();
        assert!(cursor.ready.is_some());
        cursors.check_in(cursor);
        assert_eq!(next(&cursors, id, None), (5, false));
        // Nobody had to wait for that one.
        cursors.read_ahead(id);
        assert_eq!(next(&cursors, id, None), (6, true));
    }

    #[tokio::test]
    async fn batches_do_not_grow_while_the_client_waits_for_them() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        cursors.settled(id).await;
        let (cursor, _permit, _kill) = cursors.begin(id).unwrap();
        let loan = Loan { cursors: &cursors, id, cursor: Some(cursor) };
        tokio::join!(cursors.settled(id), async { drop(loan) });
        let (cursor, ..) = cursors.begin(id).unwrap();
        assert_eq!(cursor.next_bytes, super::super::MIN_NEXT_BYTES);
    }

    #[test]
    fn buffers_are_kept_while_there_are_cursors() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        cursors.recycle(Vec::with_capacity(10));
        cursors.recycle(Vec::with_capacity(100 << 20));
        assert_eq!(cursors.buffer().capacity(), 0);
        (0..2 * MAX_READY).for_each(|_| cursors.recycle(Vec::with_capacity(2 << 20)));
        assert_eq!(cursors.buffers().len(), MAX_READY);
        cursors.read_ahead(id);
        assert_eq!(cursors.buffers().len(), MAX_READY - 1);
        let (now, second) = (std::time::Instant::now(), std::time::Duration::from_secs(1));
        cursors.expire(now, second);
        assert_eq!(cursors.buffers().len(), MAX_READY - 1);
        cursors.close(id);
        cursors.expire(now, second);
        assert_eq!(cursors.buffers().len(), 0);
    }

    #[test]
    fn reading_ahead_twice_loses_nothing() {
        let cursors = Cursors::default();
        let id = large(&cursors);
        cursors.read_ahead(id);
        cursors.read_ahead(id);
        assert!(!cursors.goes_on(id));
        let (mut count, mut is_last) = (5, false);
        while !is_last {
            let (more, last) = next(&cursors, id, None);
            (count, is_last) = (count + more, last);
            cursors.read_ahead(id);
            cursors.read_ahead(id);
        }
        assert_eq!(count, 16);
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
