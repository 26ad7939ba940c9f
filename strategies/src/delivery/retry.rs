//! How long to wait before the next try.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Delays that double from a first one up to a limit, each shortened at random by up to a half, so that those who
/// failed together do not come back together.
#[derive(Debug)]
pub struct Backoff {
    policy: ExponentialBuilder,
    delays: ExponentialBackoff,
    limit: Duration,
}

impl Backoff {
    /// From `first` to `limit`. A limit below `first` counts as `first`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        let limit = limit.max(first);
        // The jitter adds up to as much again: half the delay is certain, the other half is chance.
        let policy = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(first / 2)
            .with_max_delay(limit / 2)
            .without_max_times()
            .with_jitter();
        Self { delays: policy.build(), policy, limit }
    }

    /// The delay before the next try.
    pub fn delay(&mut self) -> Duration {
        // Without a number of tries it does not end.
        self.delays.next().unwrap_or(self.limit)
    }

    /// It worked: the next failure begins with the first delay again.
    pub fn reset(&mut self) {
        self.delays = self.policy.build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_within_their_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for full in [100, 200, 350, 350] {
            let full = Duration::from_millis(full);
            let delay = backoff.delay();
            assert!((full / 2..=full).contains(&delay), "{delay:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }

    #[test]
    fn they_do_not_end_and_do_not_leave_the_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(5));
        for _ in 0..10_000 {
            assert!(backoff.delay() <= Duration::from_secs(5));
        }
    }
}
