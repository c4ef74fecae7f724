//! The time of day, as often as every call asks for it.

/// Unix time in milliseconds, of the clock that is read fastest: some milliseconds late at most.
#[cfg(target_os = "linux")]
pub(crate) fn unix_time_ms() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is ours. The clock exists, so there is no error; if there were one, the
    // time would be 1970.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut time) };
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Unix time in milliseconds.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unix_time_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
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
}
