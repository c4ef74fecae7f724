//! What the outside hands into every step.

use std::time::Duration;

use fieldveil_crypto::Random;

/// Time and randomness, handed in so that nothing here reads a clock or an ambient generator.
pub struct Env<'a> {
    /// A monotonic clock of arbitrary origin; decides what in the caches is still fresh. All steps
    /// of one [`Crypt`](crate::Crypt) must see the same clock.
    pub now: Duration,
    /// Tells milliseconds since 1970, UTC, for dates of new data keys and of signed requests. Most
    /// steps need none of them, so it is called when one is needed.
    pub wall_clock_ms: fn() -> i64,
    /// Random bytes fit for keys.
    pub random: &'a mut dyn Random,
}

impl<'a> Env<'a> {
    /// From its parts.
    pub fn new(now: Duration, wall_clock_ms: fn() -> i64, random: &'a mut dyn Random) -> Self {
        Self { now, wall_clock_ms, random }
    }
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
