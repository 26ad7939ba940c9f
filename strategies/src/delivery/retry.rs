//! How long to wait before the next try.

use std::time::Duration;

/// Delays that double from a first one up to a limit, each shortened at random by up to a half, so that those who
/// failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// From `first` to `limit`. A limit below `first` counts as `first`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit: limit.max(first), next: first }
    }

    /// The delay before the next try.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.limit);
        delay.mul_f64(1.0 - fastrand::f64() / 2.0)
    }

    /// It worked: the next failure begins with the first delay again.
    pub fn reset(&mut self) {
        self.next = self.first;
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
}
