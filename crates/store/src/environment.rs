//! What the store takes from outside: the time of day, randomness, and wishes to stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
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

/// Why an operation has to stop before its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// Somebody asked for it (`killOp`, `killSessions`).
    Asked,
    /// The server ends.
    Shutdown,
    /// The client is gone, so nobody waits for the answer.
    Disconnected,
}

impl KillReason {
    const ALL: [Self; 3] = [Self::Asked, Self::Shutdown, Self::Disconnected];

    /// The error of an operation that stops for this reason.
    #[must_use]
    pub fn error(self) -> StoreError {
        let (code, message) = match self {
            Self::Asked => (Code::INTERRUPTED, "operation was interrupted"),
            Self::Shutdown => (Code::INTERRUPTED_AT_SHUTDOWN, "interrupted at shutdown"),
            Self::Disconnected => {
                (Code::CLIENT_DISCONNECT, "operation was interrupted because a client disconnected")
            }
        };
        StoreError::new(code, message)
    }
}

/// A switch that ends an operation; whoever may end it shares it with the operation.
#[derive(Debug, Default)]
pub struct Kill(AtomicU8);

impl Kill {
    /// Ends the operation; it looks at this between documents. A reason given before stays.
    pub fn set(&self, reason: KillReason) {
        let number = 1 + reason as u8;
        // That it was set already is no failure.
        let _ = self.0.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Makes it good for another operation.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether the operation has to end, and why.
    #[must_use]
    pub fn reason(&self) -> Option<KillReason> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            number => KillReason::ALL.get(usize::from(number) - 1).copied(),
        }
    }
}

/// When an operation has to stop before it is done.
///
/// The default never stops. Operations look at it between documents.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    deadline: Option<Instant>,
    kill: Option<Arc<Kill>>,
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

    /// Also stops as soon as `kill` is set (`killOp`, a closed connection, shutdown).
    #[must_use]
    pub fn or_killed(mut self, kill: Arc<Kill>) -> Self {
        self.kill = Some(kill);
        self
    }

    /// Also stops as soon as a `find` or `count` turns out to look at more than a few records, or to
    /// take long over them since they are not in memory, with the code [`StoreError::NOT_BRIEF`].
    /// Whoever may not wait for long tries a read so, and has another thread do it from the beginning
    /// when that fails.
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
    /// `MaxTimeMSExpired` past the deadline, that of [`KillReason`] when killed.
    pub fn check(&self) -> Result<()> {
        if let Some(reason) = self.kill.as_ref().and_then(|kill| kill.reason()) {
            return Err(reason.error());
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
        let kill = Arc::new(Kill::default());
        let interrupt = Interrupt::never().or_killed(Arc::clone(&kill));
        assert!(interrupt.check().is_ok());
        for (reason, code) in [
            (KillReason::Asked, Code::INTERRUPTED),
            (KillReason::Shutdown, Code::INTERRUPTED_AT_SHUTDOWN),
            (KillReason::Disconnected, Code::CLIENT_DISCONNECT),
        ] {
            kill.clear();
            kill.set(reason);
            kill.set(KillReason::Asked);
            assert_eq!(kill.reason(), Some(reason));
            assert!(interrupt.check().unwrap_err().is(code));
        }
    }
}
