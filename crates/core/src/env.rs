//! What the outside hands into every step.

use std::time::Duration;

use fieldveil_crypto::Random;

/// Time and randomness, handed in so that nothing here reads a clock or an ambient generator.
pub struct Env<'a> {
    /// A monotonic clock of arbitrary origin; decides what in the caches is still fresh. All steps
    /// of one [`Crypt`](crate::Crypt) must see the same clock.
    pub now: Duration,
    /// Milliseconds since 1970, UTC: dates of new data keys and of signed requests.
    pub wall_clock_ms: i64,
    /// Random bytes fit for keys.
    pub random: &'a mut dyn Random,
}

impl<'a> Env<'a> {
    /// From its parts.
    pub fn new(now: Duration, wall_clock_ms: i64, random: &'a mut dyn Random) -> Self {
        Self { now, wall_clock_ms, random }
    }
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("now", &self.now)
            .field("wall_clock_ms", &self.wall_clock_ms)
            .finish_non_exhaustive()
    }
}
