//! Logical time, as members of a replica set report it.

use std::time::{SystemTime, UNIX_EPOCH};

use bson::Timestamp;
use tokio::sync::watch;

/// Gives timestamps that only ever rise, and tells who waits for writes.
#[derive(Debug)]
pub(crate) struct Clock {
    last_write: watch::Sender<Timestamp>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let (last_write, _) = watch::channel(Timestamp { time: seconds(), increment: 1 });
        Self { last_write }
    }

    /// The time of the last write.
    pub(crate) fn last_write(&self) -> Timestamp {
        *self.last_write.borrow()
    }

    /// Changes with every write from now on.
    pub(crate) fn writes(&self) -> watch::Receiver<Timestamp> {
        self.last_write.subscribe()
    }

    /// The time of a write that happens now.
    pub(crate) fn tick(&self) -> Timestamp {
        let now = seconds();
        let mut next = Timestamp { time: now, increment: 1 };
        self.last_write.send_modify(|last| {
            if now <= last.time {
                next.time = last.time;
                next.increment = last.increment.saturating_add(1);
            }
            *last = next;
        });
        next
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
