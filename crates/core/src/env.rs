//! What the outside hands into every step.

use std::time::Duration;

use fieldveil_crypto::Random;

/// Time and randomness, handed in so that nothing here reads a clock or an ambient generator.
pub struct Env<'a> {
    now: Now,
    /// Tells milliseconds since 1970, UTC, for dates of new data keys and of signed requests. Most
    /// steps need none of them, so it is called when one is needed.
    pub wall_clock_ms: fn() -> i64,
    /// Random bytes fit for keys.
    pub random: &'a mut dyn Random,
}

/// The time on a monotonic clock of arbitrary origin; it decides what in the caches is still fresh. All
/// steps of one [`Crypt`](crate::Crypt) must see the same clock.
#[derive(Debug, Clone, Copy)]
pub enum Now {
    /// This.
    At(Duration),
    /// What this clock says when a step first needs the time; many need it not at all.
    Read(fn() -> Duration),
}

impl From<Duration> for Now {
    fn from(time: Duration) -> Self {
        Self::At(time)
    }
}

impl<'a> Env<'a> {
    /// From its parts.
    pub fn new(
        now: impl Into<Now>,
        wall_clock_ms: fn() -> i64,
        random: &'a mut dyn Random,
    ) -> Self {
        Self { now: now.into(), wall_clock_ms, random }
    }

    /// The time, which is the same throughout a step.
    pub(crate) fn now(&mut self) -> Duration {
        let now = match self.now {
            Now::At(time) => time,
            Now::Read(clock) => clock(),
        };
        self.now = Now::At(now);
        now
    }
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
