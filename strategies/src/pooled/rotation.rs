//! When streams rotate: each at the same interval, all of them spread over it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::settings::LiveSettings;

/// The golden ratio's fraction: its multiples, modulo 1, fill an interval evenly however many there are.
const SPREAD: f64 = 0.618_033_988_749_895;

/// Gives every stream its schedule.
#[derive(Debug)]
pub(crate) struct Rotation {
    every: Every,
    given: AtomicU32,
}

/// The interval: what the settings say, or else what the strategy was made with.
#[derive(Debug, Clone)]
struct Every {
    own: Duration,
    settings: LiveSettings,
}

/// When one stream rotates.
#[derive(Debug)]
pub(crate) struct Schedule {
    next: Instant,
    every: Every,
}

impl Every {
    /// An interval of zero counts as one millisecond.
    fn now(&self) -> Duration {
        self.settings.now().rotate_every.unwrap_or(self.own).max(Duration::from_millis(1))
    }
}

impl Rotation {
    /// Every `own`, unless and until the settings say otherwise.
    pub(crate) fn new(own: Duration, settings: &LiveSettings) -> Self {
        Self { every: Every { own, settings: settings.clone() }, given: AtomicU32::new(0) }
    }

    /// The schedule of one more stream, beginning now.
    pub(crate) fn next_schedule(&self) -> Schedule {
        let first = first_delay(self.every.now(), self.given.fetch_add(1, Ordering::Relaxed));
        Schedule { next: Instant::now() + first, every: self.every.clone() }
    }
}

impl Schedule {
    /// Waits until it is time. Cancel-safe. Whoever is late is not made to catch up.
    pub(crate) async fn tick(&mut self) {
        loop {
            tokio::select! {
                () = sleep_until(self.next) => {
                    self.next = Instant::now() + self.every.now();
                    return;
                }
                // A shorter interval counts from now; a longer one from the next rotation on.
                () = self.every.settings.changed() => self.next = self.next.min(Instant::now() + self.every.now()),
            }
        }
    }
}

/// Between half an interval and a whole one.
fn first_delay(every: Duration, index: u32) -> Duration {
    let fraction = (f64::from(index) * SPREAD).fract();
    every.mul_f64(1.0 - fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, settings};

    #[test]
    fn first_rotations_do_not_come_in_one_burst() {
        let every = Duration::from_secs(30);
        let mut delays: Vec<f64> = (0..8).map(|index| first_delay(every, index).as_secs_f64()).collect();
        assert!(delays.iter().all(|delay| (15.0..=30.0).contains(delay)), "{delays:?}");
        delays.sort_by(f64::total_cmp);
        assert!(delays.windows(2).all(|pair| pair[1] - pair[0] > 0.8), "{delays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_interval_holds_from_when_the_settings_say_so() {
        let with = |every: u64| Settings {
            rotate_every: Some(Duration::from_secs(every)),
            delivery: leaksoak_scenarios::Delivery::default(),
            log_level: crate::log::Level::Info,
            containers: None,
        };
        let (sender, live) = settings(with(30));
        let mut schedule = Rotation::new(Duration::ZERO, &live).next_schedule();
        let start = Instant::now();
        schedule.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(30));
        sender.set(with(5));
        schedule.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(35));
        sender.set(with(60));
        schedule.tick().await;
        schedule.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(100));
    }
}
