//! Logical time, as members of a replica set report it.

use std::time::{SystemTime, UNIX_EPOCH};

use bson::{RawBsonRef, Timestamp};
use tokio::sync::watch;

use crate::{
    arguments::{Arguments, type_name},
    codes,
    error::CommandError,
};

/// How far ahead of this machine's clock a client's time may be, in seconds: a year, as MongoDB has it.
const MAX_DRIFT: u32 = 365 * 24 * 60 * 60;

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

/// Checks the `$clusterTime` that a client of a replica set passes on from other replies.
///
/// # Errors
/// `TypeMismatch` and 40414 for what is no time; `ClusterTimeFailsRateLimiter` for one that no
/// member can have given, since a session that has taken it would be ahead of the set for ever.
pub(crate) fn check_gossip(arguments: &Arguments<'_>) -> Result<(), CommandError> {
    let Some(gossip) = arguments.document("$clusterTime")? else { return Ok(()) };
    let time = match gossip.get("clusterTime") {
        Ok(Some(RawBsonRef::Timestamp(time))) => time,
        Ok(Some(value)) => {
            return Err(CommandError::type_mismatch(format!(
                "BSON field '$clusterTime.clusterTime' is the wrong type '{}', expected type \
                 'timestamp'",
                type_name(value)
            )));
        }
        Ok(None) | Err(_) => {
            return Err(CommandError::new(
                codes::MISSING_FIELD,
                "BSON field '$clusterTime.clusterTime' is missing but a required field",
            ));
        }
    };
    let now = seconds();
    if time.time > now.saturating_add(MAX_DRIFT) {
        return Err(CommandError::new(
            codes::CLUSTER_TIME_FAILS_RATE_LIMITER,
            format!(
                "New cluster time, {}, is too far from this node's wall clock time, {now}.",
                time.time
            ),
        ));
    }
    Ok(())
}

fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn gossip_code(gossip: bson::RawBson) -> Option<i32> {
        let body = rawdoc! { "find": "c", "$clusterTime": gossip };
        check_gossip(&Arguments::new("find", &body).unwrap()).err().map(|error| error.code)
    }

    #[test]
    fn only_a_time_that_can_be_is_taken_from_a_client() {
        let at = |time| rawdoc! { "clusterTime": Timestamp { time, increment: 1 } };
        let now = seconds();
        for time in [1, now, now + MAX_DRIFT / 2] {
            assert_eq!(gossip_code(at(time).into()), None, "{time}");
        }
        assert_eq!(gossip_code(at(u32::MAX).into()), Some(206));
        assert_eq!(gossip_code(rawdoc! { "clusterTime": {} }.into()), Some(14));
        assert_eq!(gossip_code(rawdoc! {}.into()), Some(40414));
        assert_eq!(gossip_code(bson::RawBson::Int32(1)), Some(14));
    }

    #[test]
    fn time_only_rises() {
        let clock = Clock::new();
        let times: Vec<Timestamp> = (0..10).map(|_| clock.tick()).collect();
        let keys: Vec<(u32, u32)> = times.iter().map(|time| (time.time, time.increment)).collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
        assert_eq!(clock.last_write(), times[9]);
    }
}
