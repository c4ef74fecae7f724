//! Ends the daemon when nobody has asked anything for a while.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// When the last request began or ended, and how many are running.
#[derive(Debug)]
pub(crate) struct Activity {
    origin: Instant,
    last_millis: AtomicU64,
    running: AtomicUsize,
}

/// Marks a request as running until it is dropped.
pub(crate) struct Busy<'a>(&'a Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            last_millis: AtomicU64::new(0),
            running: AtomicUsize::new(0),
        }
    }

    pub(crate) fn begin(&self) -> Busy<'_> {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.touch();
        Busy(self)
    }

    /// Waits until no request has been running for `limit`.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last_millis.load(Ordering::Acquire));
            let end = self.origin + last + limit;
            if self.running.load(Ordering::Acquire) == 0 && Instant::now() >= end {
                return;
            }
            // While a request runs, its end is what counts; look again after a whole period.
            tokio::time::sleep_until(end.max(Instant::now() + limit.min(Duration::from_secs(1))))
                .await;
        }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.fetch_max(millis, Ordering::AcqRel);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_puts_the_end_off() {
        let activity = Activity::new();
        let limit = Duration::from_secs(60);
        tokio::time::sleep(Duration::from_secs(50)).await;
        drop(activity.begin());
        let begun = Instant::now();
        activity.idle_for(limit).await;
        assert!(begun.elapsed() >= limit && begun.elapsed() < limit + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_request_is_not_idleness() {
        let activity = Activity::new();
        let busy = activity.begin();
        let limit = Duration::from_secs(1);
        let waited = tokio::time::timeout(Duration::from_secs(500), activity.idle_for(limit)).await;
        assert!(waited.is_err());
        drop(busy);
        activity.idle_for(limit).await;
    }
}
