//! Logical time, as members of a replica set report it.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bson::Timestamp;

/// Gives timestamps that only ever rise.
#[derive(Debug)]
pub(crate) struct Clock {
    last_write: Mutex<Timestamp>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { last_write: Mutex::new(Timestamp { time: seconds(), increment: 1 }) }
    }

    /// The time of the last write.
    pub(crate) fn last_write(&self) -> Timestamp {
        *self.last_write.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a write that happens now.
    pub(crate) fn tick(&self) -> Timestamp {
        let mut last = self.last_write.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seconds();
        *last = if now > last.time {
            Timestamp { time: now, increment: 1 }
        } else {
            Timestamp { time: last.time, increment: last.increment.saturating_add(1) }
        };
        *last
    }
}

fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_only_rises() {
        let clock = Clock::new();
        let times: Vec<Timestamp> = (0..10).map(|_| clock.tick()).collect();
        let keys: Vec<(u32, u32)> = times.iter().map(|time| (time.time, time.increment)).collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
        assert_eq!(clock.last_write(), times[9]);
    }
}
