//! Cursors that stay open between two commands.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_store::{Cursor, Interrupt, Kill, StoreError, Tail, Take};
use tokio::sync::{Notify, Semaphore};

use crate::{
    batch::{BatchName, BatchReply},
    codes,
    error::CommandError,
    sessions::SessionId,
};

mod ahead;

use ahead::{MAX_READY, Reading, Ready};

/// Documents of a first batch when the client does not say.
pub(crate) const DEFAULT_FIRST_BATCH: u64 = 101;

/// Bytes of documents in one batch, as the server's limit.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a client's first batch of unsaid size after the first. The next one is made while it is
/// read, see [`ahead`]. As long as the client has to wait for that, batches stay as they are: both
/// sides are at work most of the time then. Else they get twice as large each time, since what the
/// client waits for is the network.
const MIN_NEXT_BYTES: usize = 1024 * 1024;

/// Buffers above this size are not kept for other batches.
const MAX_KEPT_BYTES: usize = 4 * MIN_NEXT_BYTES;

/// Most cursors at once.
const MAX_CURSORS: usize = 100_000;

/// Where documents come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The store.
    Store(Box<Cursor>),
    /// A list made beforehand, such as that of the collections.
    List(std::vec::IntoIter<RawDocumentBuf>),
    /// A capped collection, with what will be added to it.
    Tail(Box<Tail>),
}

impl Source {
    /// Whether documents may come after there was none.
    fn may_go_on(&self) -> bool {
        matches!(self, Self::Tail(tail) if !tail.is_over())
    }
}

impl Iterator for Source {
    type Item = Result<RawDocumentBuf, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Store(cursor) => cursor.next().map(|found| found.map_err(CommandError::from)),
            Self::List(documents) => documents.next().map(Ok),
            Self::Tail(tail) => tail.next().map(|found| found.map_err(CommandError::from)),
        }
    }
}

/// A cursor and what goes with it.
#[derive(Debug)]
pub(crate) struct OpenCursor {
    pub(crate) id: i64,
    /// `database.collection`, by which a client must ask for more.
    pub(crate) namespace: String,
    pub(crate) source: Source,
    pub(crate) session: Option<SessionId>,
    pub(crate) no_timeout: bool,
    /// Whether a `getMore` waits for documents when there are none (`awaitData`).
    pub(crate) awaits_data: bool,
    /// What is left of `maxTimeMS`.
    pub(crate) time_left: Option<Duration>,
    /// How many documents may still be given; all without.
    pub(crate) remaining: Option<u64>,
    /// Documents that were taken from the source and not given yet.
    pending: VecDeque<RawDocumentBuf>,
    /// Bytes that the next batch may have when the client does not say how many documents.
    next_bytes: usize,
    /// Whether the last batch was as large as such a one may be.
    goes_on: bool,
    ready: Option<Ready>,
    /// What the next batch may be made in.
    buffer: Vec<u8>,
}

/// A batch, and whether it was the last.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) reply: BatchReply,
    pub(crate) is_last: bool,
}

impl OpenCursor {
    pub(crate) fn new(namespace: String, source: Source, session: Option<SessionId>) -> Self {
        Self {
            id: 0,
            namespace,
            source,
            session,
            no_timeout: false,
            awaits_data: false,
            time_left: None,
            remaining: None,
            pending: VecDeque::new(),
            next_bytes: MIN_NEXT_BYTES,
            goes_on: false,
            ready: None,
            buffer: Vec::new(),
        }
    }

    /// Takes up to `count` documents, and no more bytes than a batch may have.
    ///
    /// # Errors
    /// What the source says; the cursor is of no use then.
    pub(crate) fn batch(
        &mut self,
        name: BatchName,
        count: Option<u64>,
    ) -> Result<Batch, CommandError> {
        let begun = Instant::now();
        let is_sized_here = name == BatchName::Next && count.is_none();
        let max_bytes = if is_sized_here { self.next_bytes } else { MAX_BATCH_BYTES };
        let mut is_full = false;
        let mut reply = BatchReply::new(name, max_bytes, std::mem::take(&mut self.buffer));
        let mut bytes = 0;
        let mut taken = 0;
        let wanted = count.unwrap_or(u64::MAX).min(self.remaining.unwrap_or(u64::MAX));
        let mut is_last = wanted > 0
            && self.each(|document| {
                let len = document.as_bytes().len();
                if taken > 0 && bytes + len > max_bytes {
                    is_full = true;
                    return Take::Not;
                }
                bytes += len;
                taken += 1;
                reply.push(document);
                if taken == wanted { Take::Enough } else { Take::More }
            })?;
        if let Some(remaining) = &mut self.remaining {
            *remaining -= taken;
            is_last |= *remaining == 0;
        }
        if let Some(left) = &mut self.time_left {
            *left = left.saturating_sub(begun.elapsed());
        }
        self.goes_on = is_sized_here
            && is_full
            && self.time_left.is_none()
            && !matches!(self.source, Source::Tail(_));
        Ok(Batch { reply, is_last })
    }

    /// The batch that answers a `getMore`, which may be ready.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub(crate) fn next_batch(&mut self, count: Option<u64>) -> Result<Batch, CommandError> {
        match self.ready.take() {
            None => self.batch(BatchName::Next, count),
            Some(ready) if count.is_none() => ready.batch,
            Some(ready) => {
                let batch = ready.batch?;
                if let Some(remaining) = &mut self.remaining {
                    *remaining += batch.reply.len();
                }
                let later = std::mem::take(&mut self.pending);
                self.pending.extend(batch.reply.into_documents());
                self.pending.extend(later);
                self.batch(BatchName::Next, count)
            }
        }
    }

    /// Shows documents until one is refused or the last for now; says whether none are to come.
    fn each(&mut self, mut take: impl FnMut(&RawDocument) -> Take) -> Result<bool, CommandError> {
        loop {
            let document = match (self.pending.pop_front(), &mut self.source) {
                (Some(document), _) => document,
                (None, Source::Store(cursor)) => return Ok(cursor.each(take)?),
                (None, source) => match source.next().transpose()? {
                    Some(document) => document,
                    None => return Ok(!source.may_go_on()),
                },
            };
            match take(&document) {
                Take::More => {}
                Take::Enough => return Ok(false),
                Take::Not => {
                    self.pending.push_front(document);
                    return Ok(false);
                }
            }
        }
    }

    /// Whether its next batch should be made ahead, and is not.
    fn wants_more(&self) -> bool {
        self.goes_on && self.ready.is_none()
    }

    /// Lets the next batch be larger than the last.
    fn grow(&mut self) {
        self.next_bytes = (self.next_bytes * 2).min(MAX_BATCH_BYTES);
    }

    /// Gives the source the time that is left, and the switch that `killOp` sets.
    pub(crate) fn resume(&mut self, kill: Arc<Kill>) {
        let interrupt = self.time_left.map_or_else(Interrupt::never, Interrupt::after);
        let interrupt = interrupt.or_killed(kill);
        match &mut self.source {
            Source::Store(cursor) => cursor.set_interrupt(interrupt),
            Source::Tail(tail) => tail.set_interrupt(interrupt),
            Source::List(_) => {}
        }
    }
}

/// The open cursors of a server.
#[derive(Debug)]
pub(crate) struct Cursors {
    slots: Mutex<HashMap<i64, Slot>>,
    /// Told when a cursor is back that was read ahead.
    returned: Condvar,
    /// As `returned`, for tasks.
    returned_to_tasks: Notify,
    /// For batches that nobody has asked for yet.
    room: Arc<Semaphore>,
    /// Buffers that batches were sent from, to make others in.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Default for Cursors {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            returned: Condvar::new(),
            returned_to_tasks: Notify::new(),
            buffers: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_READY)),
        }
    }
}

#[derive(Debug)]
struct Slot {
    namespace: String,
    session: Option<SessionId>,
    no_timeout: bool,
    awaits_data: bool,
    last_used: Instant,
    /// The cursor, unless it is in use at the moment: by a `getMore`, or to read ahead.
    cursor: Option<Box<OpenCursor>>,
    reading: Option<Reading>,
    /// Whether the client came for the last batch before it was ready.
    is_awaited: bool,
}

impl Slot {
    fn is_ready(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.ready.is_some())
    }
}

impl Cursors {
    /// Keeps a cursor and gives its id.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn open(&self, mut cursor: OpenCursor) -> Result<i64, CommandError> {
        let mut slots = self.lock();
        if slots.len() >= MAX_CURSORS {
            return Err(CommandError::new(
                codes::BAD_VALUE,
                format!("too many open cursors; the limit is {MAX_CURSORS}"),
            ));
        }
        let id = loop {
            let id = random_id();
            if id != 0 && !slots.contains_key(&id) {
                break id;
            }
        };
        cursor.id = id;
        let slot = Slot {
            namespace: cursor.namespace.clone(),
            session: cursor.session,
            no_timeout: cursor.no_timeout,
            awaits_data: cursor.awaits_data,
            last_used: Instant::now(),
            cursor: Some(Box::new(cursor)),
            reading: None,
            is_awaited: true,
        };
        slots.insert(id, slot);
        Ok(id)
    }

    /// Takes a cursor for a `getMore`; it must be given back or closed. Takes it only if it has its
    /// next batch ready, where nobody may wait (`only_ready`).
    ///
    /// # Errors
    /// [`StoreError::NOT_BRIEF`] if it has none; 43 for an unknown id, 13 for another namespace, 12051
    /// when it is in use, and when it belongs to another session.
    pub(crate) fn check_out(
        &self,
        id: i64,
        namespace: &str,
        session: Option<SessionId>,
        only_ready: bool,
    ) -> Result<Box<OpenCursor>, CommandError> {
        let mut slots = self.lock();
        if only_ready && !slots.get(&id).is_some_and(Slot::is_ready) {
            return Err(CommandError::new(StoreError::NOT_BRIEF.number(), "no batch is ready"));
        }
        while let Some(slot) = slots.get_mut(&id).filter(|slot| slot.reading.is_some()) {
            slot.is_awaited = true;
            slots = self.returned.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
        let slot = slots.get_mut(&id).ok_or_else(|| not_found(id))?;
        if slot.namespace != namespace {
            return Err(CommandError::new(
                codes::UNAUTHORIZED,
                format!(
                    "Requested getMore on namespace '{namespace}', but cursor belongs to a \
                     different namespace {}",
                    slot.namespace
                ),
            ));
        }
        match (slot.session, session) {
            (None, Some(_)) => {
                return Err(CommandError::new(
                    50737,
                    format!(
                        "Cannot run getMore on cursor {id}, which was not created in a session, \
                         in a session"
                    ),
                ));
            }
            (Some(_), None) => {
                return Err(CommandError::new(
                    50736,
                    format!(
                        "Cannot run getMore on cursor {id}, which was created in a session, \
                         without an lsid"
                    ),
                ));
            }
            (created, asked) if created != asked => {
                return Err(CommandError::new(
                    50738,
                    format!(
                        "Cannot run getMore on cursor {id}, which was created in another session"
                    ),
                ));
            }
            _ => {}
        }
        slot.last_used = Instant::now();
        let mut cursor = slot.cursor.take().ok_or_else(|| {
            CommandError::new(codes::CURSOR_IN_USE, format!("cursor id {id} is already in use"))
        })?;
        if cursor.ready.is_none() {
            slot.is_awaited = true;
            cursor.buffer = self.buffer();
        }
        Ok(cursor)
    }

    /// Gives a cursor back; it is dropped when it was killed meanwhile.
    pub(crate) fn check_in(&self, cursor: Box<OpenCursor>) {
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(&cursor.id) {
            slot.last_used = Instant::now();
            slot.cursor = Some(cursor);
        }
    }

    /// Forgets a cursor; says whether it was there.
    pub(crate) fn close(&self, id: i64) -> bool {
        self.lock().remove(&id).is_some()
    }

    /// The namespace of a cursor.
    pub(crate) fn namespace(&self, id: i64) -> Option<String> {
        self.lock().get(&id).map(|slot| slot.namespace.clone())
    }

    /// Whether a `getMore` on a cursor waits for documents.
    pub(crate) fn awaits_data(&self, id: i64) -> bool {
        self.lock().get(&id).is_some_and(|slot| slot.awaits_data)
    }

    /// Closes the cursors of a session.
    pub(crate) fn kill_session(&self, session: SessionId) {
        self.lock().retain(|_, slot| slot.session != Some(session));
    }

    /// Closes the cursors on a namespace that is gone.
    pub(crate) fn kill_namespace(&self, is_gone: impl Fn(&str) -> bool) {
        self.lock().retain(|_, slot| !is_gone(&slot.namespace));
    }

    /// Closes the cursors that nobody has used for `timeout`.
    pub(crate) fn expire(&self, now: Instant, timeout: Duration) {
        let mut slots = self.lock();
        slots.retain(|_, slot| {
            slot.no_timeout
                || slot.cursor.is_none()
                || now.saturating_duration_since(slot.last_used) < timeout
        });
        if slots.is_empty() {
            self.buffers().clear();
        }
    }

    /// Takes back what a reply was sent from, if it is good for a batch.
    pub(crate) fn recycle(&self, buffer: Vec<u8>) {
        if (MIN_NEXT_BYTES..=MAX_KEPT_BYTES).contains(&buffer.capacity()) {
            let mut buffers = self.buffers();
            if buffers.len() < MAX_READY {
                buffers.push(buffer);
            }
        }
    }

    fn buffer(&self) -> Vec<u8> {
        self.buffers().pop().unwrap_or_default()
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn not_found(id: i64) -> CommandError {
    CommandError::new(codes::CURSOR_NOT_FOUND, format!("cursor id {id} not found"))
}

/// An id that nobody guesses; positive, since some clients print it.
fn random_id() -> i64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    let (half, _) = bytes.split_at(8);
    let half: [u8; 8] = half.try_into().unwrap_or_default();
    i64::from_le_bytes(half) & i64::MAX
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn list(count: i32) -> OpenCursor {
        let documents: Vec<_> = (0..count).map(|id| rawdoc! { "_id": id }).collect();
        OpenCursor::new("a.b".into(), Source::List(documents.into_iter()), None)
    }

    #[test]
    fn batches_end_with_the_documents() {
        let mut cursor = list(5);
        let sizes: Vec<(u64, bool)> = (0..3)
            .map(|_| cursor.batch(BatchName::First, Some(2)).unwrap())
            .map(|batch| (batch.reply.len(), batch.is_last))
            .collect();
        assert_eq!(sizes, [(2, false), (2, false), (1, true)]);
    }

    #[test]
    fn a_limit_ends_the_cursor_at_once() {
        let mut cursor = list(5);
        cursor.remaining = Some(2);
        assert!(cursor.batch(BatchName::First, Some(2)).unwrap().is_last);
    }

    #[test]
    fn a_batch_keeps_to_its_bytes() {
        let big = "x".repeat(6 * 1024 * 1024);
        let documents: Vec<_> = (0..4).map(|_| rawdoc! { "x": big.as_str() }).collect();
        let mut cursor = OpenCursor::new("a.b".into(), Source::List(documents.into_iter()), None);
        let first = cursor.batch(BatchName::First, None).unwrap();
        assert_eq!((first.reply.len(), first.is_last), (2, false));
        let second = cursor.batch(BatchName::First, None).unwrap();
        assert_eq!((second.reply.len(), second.is_last), (2, true));
    }

    #[test]
    fn a_cursor_has_one_user_at_a_time() {
        let cursors = Cursors::default();
        let id = cursors.open(list(5)).unwrap();
        let taken = cursors.check_out(id, "a.b", None, false).unwrap();
        assert_eq!(cursors.check_out(id, "a.b", None, false).unwrap_err().code, 12051);
        assert!(cursors.close(id));
        cursors.check_in(taken);
        assert_eq!(cursors.check_out(id, "a.b", None, false).unwrap_err().code, 43);
    }

    #[test]
    fn a_cursor_answers_to_its_namespace_and_session_only() {
        let cursors = Cursors::default();
        let id = cursors.open(OpenCursor { session: Some([1; 16]), ..list(5) }).unwrap();
        assert_eq!(cursors.check_out(id, "a.c", Some([1; 16]), false).unwrap_err().code, 13);
        assert_eq!(cursors.check_out(id, "a.b", Some([2; 16]), false).unwrap_err().code, 50738);
        assert_eq!(cursors.check_out(id, "a.b", None, false).unwrap_err().code, 50736);
        cursors.kill_session([1; 16]);
        assert_eq!(cursors.len(), 0);
    }

    #[test]
    fn unused_cursors_expire() {
        let cursors = Cursors::default();
        cursors.open(list(1)).unwrap();
        cursors.open(OpenCursor { no_timeout: true, ..list(1) }).unwrap();
        cursors.expire(Instant::now() + Duration::from_secs(11), Duration::from_secs(10));
        assert_eq!(cursors.len(), 1);
    }

    #[test]
    fn one_cursor_too_many_is_refused_until_another_is_closed() {
        let cursors = Cursors::default();
        let first = cursors.open(list(0)).unwrap();
        for _ in 1..MAX_CURSORS {
            cursors.open(list(0)).unwrap();
        }
        assert_eq!(cursors.open(list(0)).unwrap_err().code, codes::BAD_VALUE);
        assert!(cursors.close(first));
        cursors.open(list(0)).unwrap();
    }
}
