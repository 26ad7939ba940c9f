//! When streams rotate: each at the same interval, all of them spread over it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The golden ratio's fraction: its multiples, modulo 1, fill an interval evenly however many there are.
const SPREAD: f64 = 0.618_033_988_749_895;

/// Gives every stream its schedule.
#[derive(Debug)]
pub(crate) struct Rotation {
    every: Duration,
    given: AtomicU32,
}

impl Rotation {
    /// An interval of zero counts as one millisecond.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every: every.max(Duration::from_millis(1)), given: AtomicU32::new(0) }
    }

    /// The schedule of one more stream, beginning now.
    pub(crate) fn next_schedule(&self) -> Interval {
        let first = self.first_delay(self.given.fetch_add(1, Ordering::Relaxed));
        let mut interval = tokio::time::interval_at(Instant::now() + first, self.every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    }

    /// Between half an interval and a whole one.
    fn first_delay(&self, index: u32) -> Duration {
        let fraction = (f64::from(index) * SPREAD).fract();
        self.every.mul_f64(1.0 - fraction / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rotations_do_not_come_in_one_burst() {
        let rotation = Rotation::new(Duration::from_secs(30));
        let mut delays: Vec<f64> = (0..8).map(|index| rotation.first_delay(index).as_secs_f64()).collect();
        assert!(delays.iter().all(|delay| (15.0..=30.0).contains(delay)), "{delays:?}");
        delays.sort_by(f64::total_cmp);
        assert!(delays.windows(2).all(|pair| pair[1] - pair[0] > 0.8), "{delays:?}");
    }
}
