//! Time, as often as every call asks for it: of the clocks that are read fastest, some milliseconds
//! late at most.

use std::time::Duration;

use fieldveil_core::{Env, Now};
use fieldveil_crypto::Random;

/// What a step gets of the outside, at this moment.
pub(crate) fn env(random: &mut dyn Random) -> Env<'_> {
    Env::new(Now::Read(monotonic_time), unix_time_ms, random)
}

/// Unix time in milliseconds.
fn unix_time_ms() -> i64 {
    let time = read(Clock::Real);
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(time.subsec_millis().into())
}

/// Time since some moment before the first call; never goes back.
fn monotonic_time() -> Duration {
    read(Clock::Monotonic)
}

#[derive(Clone, Copy)]
enum Clock {
    Real,
    Monotonic,
}

#[cfg(target_os = "linux")]
fn read(clock: Clock) -> Duration {
    let id = match clock {
        Clock::Real => libc::CLOCK_REALTIME_COARSE,
        Clock::Monotonic => libc::CLOCK_MONOTONIC_COARSE,
    };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is ours. The clocks exist, so there is no error; if there were one, the
    // time would be 0.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn read(clock: Clock) -> Duration {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    match clock {
        Clock::Real => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        Clock::Monotonic => ORIGIN.get_or_init(Instant::now).elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn it_is_the_time_of_day() {
        let exact = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let exact = i64::try_from(exact).unwrap();
        assert!((exact - unix_time_ms()).abs() < 1000);
    }

    #[test]
    fn it_does_not_go_back() {
        let times: Vec<_> = (0..1000).map(|_| monotonic_time()).collect();
        assert!(times.is_sorted());
    }
}
