//! A file whose new parts are filled some way ahead of where is written.
//!
//! The engine makes its file longer by a large step, which leaves a hole. The first write to each
//! part of a hole has the file system find room for it, and a flush then has to write down where
//! that is as well: it waits for the disk once more. So a part that is filled with zeros once, many
//! pages at a time, makes the many flushes after that shorter.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use redb::StorageBackend;

/// How far ahead of a write is filled, in bytes.
const AHEAD: u64 = 1024 * 1024;

/// A backend that fills ahead.
#[derive(Debug)]
pub(super) struct FilledAhead<B> {
    backend: B,
    /// The end of the file in which nothing was ever written; empty if that is not known.
    hole: Mutex<Range<u64>>,
}

impl<B: StorageBackend> FilledAhead<B> {
    pub(super) fn new(backend: B) -> Self {
        Self { backend, hole: Mutex::new(0..0) }
    }

    /// Fills the hole up to some way behind `end`, where a write from `offset` on ends. Whatever
    /// comes of it, what the write covers is part of the hole no more.
    fn fill(&self, offset: u64, end: u64) {
        let mut hole = self.hole.lock().unwrap_or_else(PoisonError::into_inner);
        if end <= hole.start || hole.is_empty() {
            return;
        }
        let is_near = offset <= hole.start.saturating_add(AHEAD);
        let filled = if is_near { end.saturating_add(AHEAD).min(hole.end) } else { end };
        if is_near && let Ok(len) = usize::try_from(filled - hole.start) {
            // The file holds zeros there already, so a failure changes nothing; if the disk is full,
            // the write itself will say so.
            let _ = self.backend.write(hole.start, &vec![0; len]);
        }
        hole.start = filled;
    }
}

/// Locks are left at "unsupported": the directory's own lock stands for them.
impl<B: StorageBackend> StorageBackend for FilledAhead<B> {
    fn len(&self) -> Result<u64, io::Error> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut hole = self.hole.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.backend.len()?;
        let start = if hole.is_empty() { old } else { hole.start };
        *hole = 0..0;
        self.backend.set_len(len)?;
        *hole = start.min(len)..len;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.fill(offset, offset.saturating_add(len));
        self.backend.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.backend.close()
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn what_was_written_stays_and_the_rest_is_zero() {
        let file = FilledAhead::new(InMemoryBackend::new());
        let mut expected: Vec<u8> = Vec::new();
        let set_len = |expected: &mut Vec<u8>, len: u64| {
            file.set_len(len).unwrap();
            expected.resize(usize::try_from(len).unwrap(), 0);
        };
        let write = |expected: &mut Vec<u8>, offset: u64, byte: u8| {
            file.write(offset, &[byte; 4096]).unwrap();
            expected[usize::try_from(offset).unwrap()..][..4096].fill(byte);
        };
        set_len(&mut expected, 3 * AHEAD);
        write(&mut expected, 8192, 1);
        write(&mut expected, 0, 2);
        // So far ahead that what is between is left alone.
        write(&mut expected, 5 * AHEAD / 2, 3);
        write(&mut expected, 2 * AHEAD, 4);
        set_len(&mut expected, AHEAD);
        set_len(&mut expected, 2 * AHEAD);
        for (offset, byte) in (0..2 * AHEAD - 4096).step_by(65536).zip(5..) {
            write(&mut expected, offset, byte);
        }
        write(&mut expected, 2 * AHEAD - 4096, 1);
        set_len(&mut expected, 2 * AHEAD + 8192);
        write(&mut expected, 2 * AHEAD, 2);
        let mut found = vec![0; expected.len()];
        file.read(0, &mut found).unwrap();
        assert!(found == expected);
    }
}
