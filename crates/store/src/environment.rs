//! What the store takes from outside: the time of day, randomness, and wishes to stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bson::oid::ObjectId;

use crate::code::Code;
use crate::error::{Result, StoreError};

/// The time of day and a source of randomness: a seam, so that tests can fix both.
pub trait Environment: Send + Sync + fmt::Debug {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Fills `out` with random bytes.
    fn random(&self, out: &mut [u8]);
}

/// The operating system's clock and randomness.
#[derive(Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        }
    }

    fn random(&self, out: &mut [u8]) {
        // Ids need to be unique, not secret; a version 4 UUID brings 122 random bits.
        for chunk in out.chunks_mut(6) {
            let bytes = bson::Uuid::new().bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

/// Makes ObjectIds as drivers do: seconds, five bytes fixed for the process, a counter.
#[derive(Debug)]
pub(crate) struct ObjectIds {
    process: [u8; 5],
    counter: AtomicU32,
}

impl ObjectIds {
    pub(crate) fn new(environment: &dyn Environment) -> Self {
        let mut seed = [0; 9];
        environment.random(&mut seed);
        let [a, b, c, d, e, f, g, h, _] = seed;
        Self { process: [a, b, c, d, e], counter: AtomicU32::new(u32::from_be_bytes([0, f, g, h])) }
    }

    pub(crate) fn next(&self, environment: &dyn Environment) -> ObjectId {
        let seconds = u32::try_from(environment.now_ms() / 1000).unwrap_or(0);
        let [_, a, b, c] = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        ObjectId::from_parts(seconds, self.process, [a, b, c])
    }
}

/// When an operation has to stop before it is done.
///
/// The default never stops. Operations look at it between documents.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    deadline: Option<Instant>,
    killed: Option<Arc<AtomicBool>>,
    is_brief: bool,
}

impl Interrupt {
    /// Never stops.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Stops after `limit` from now (`maxTimeMS`).
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..Self::default() }
    }

    /// Stops at `deadline`.
    #[must_use]
    pub fn at(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// Also stops as soon as `killed` is set (`killOp`, a closed connection, shutdown).
    #[must_use]
    pub fn or_killed(mut self, killed: Arc<AtomicBool>) -> Self {
        self.killed = Some(killed);
        self
    }

    /// Also stops as soon as a `find` or `count` turns out to look at more than a few records,
    /// with the code [`StoreError::NOT_BRIEF`]. Whoever may not wait for long
    /// tries a read so, and has another thread do it from the beginning when that fails.
    #[must_use]
    pub fn briefly(self) -> Self {
        Self { is_brief: true, ..self }
    }

    /// See [`Self::briefly`].
    pub(crate) fn is_brief(&self) -> bool {
        self.is_brief
    }

    /// Tells whether to go on.
    ///
    /// # Errors
    /// `MaxTimeMSExpired` past the deadline, `Interrupted` when killed.
    pub fn check(&self) -> Result<()> {
        if self.killed.as_ref().is_some_and(|killed| killed.load(Ordering::Relaxed)) {
            return Err(StoreError::new(Code::INTERRUPTED, "operation was interrupted"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(StoreError::new(
                Code::MAX_TIME_MS_EXPIRED,
                "operation exceeded time limit",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_count_up() {
        let environment = SystemEnvironment;
        let ids = ObjectIds::new(&environment);
        let (first, second) = (ids.next(&environment), ids.next(&environment));
        assert_ne!(first, second);
        assert_eq!(first.bytes()[4..9], second.bytes()[4..9]);
    }

    #[test]
    fn interrupts_have_codes() {
        assert!(Interrupt::never().check().is_ok());
        assert!(
            Interrupt::after(Duration::ZERO).check().unwrap_err().is(Code::MAX_TIME_MS_EXPIRED)
        );
        let killed = Arc::new(AtomicBool::new(true));
        let interrupt = Interrupt::never().or_killed(killed);
        assert!(interrupt.check().unwrap_err().is(Code::INTERRUPTED));
    }
}
