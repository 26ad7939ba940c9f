//! Time that decides something: the grid of ticks, and the clock it is read from.
//!
//! Arithmetic is on the monotonic clock; the wall clock is for labels only. [`Grid`] is pure, so that 48 hours
//! of ticks can be tested in a moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The two clocks of a run, read together. Its zero is where it was made, or where it was last [set](Clock::set_zero).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    pub fn starting_now() -> Self {
        Self { zero: Instant::now() }
    }

    /// Makes now the zero.
    pub fn set_zero(&mut self) {
        self.zero = Instant::now();
    }

    /// The instant of the zero.
    #[must_use]
    pub fn zero(&self) -> Instant {
        self.zero
    }

    /// Time since the zero.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.zero.elapsed()
    }
}

/// Milliseconds since the Unix epoch; 0 on a machine whose clock stands before it.
#[must_use]
pub fn unix_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch; 0 on a machine whose clock stands before it.
#[must_use]
pub fn unix_ns() -> u64 {
    u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Ticks at whole multiples of a period. A late reader gets the latest tick that is due, once, and is told how
/// many it missed: never a burst of ticks to catch up.
#[derive(Debug, Clone)]
pub struct Grid {
    period: Duration,
    next: u32,
}

/// One tick that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Its place on the grid.
    pub index: u32,
    /// Ticks between this one and the one before it that nobody read.
    pub missed: u32,
}

impl Grid {
    /// A grid whose first tick is at zero. `period` is taken as at least one millisecond.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        Self { period: period.max(Duration::from_millis(1)), next: 0 }
    }

    /// When the next tick is due, counted from zero.
    #[must_use]
    pub fn next_at(&self) -> Duration {
        self.period.saturating_mul(self.next)
    }

    /// The latest tick that is due at `elapsed`, if there is one that was not taken.
    pub fn take(&mut self, elapsed: Duration) -> Option<Tick> {
        let due = u32::try_from(elapsed.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
        let missed = due.checked_sub(self.next)?;
        self.next = due.saturating_add(1);
        Some(Tick { index: due, missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ticks_keep_their_grid() {
        let mut grid = Grid::new(SECOND);
        assert_eq!(grid.take(Duration::ZERO), Some(Tick { index: 0, missed: 0 }));
        assert_eq!(grid.take(Duration::from_millis(999)), None);
        assert_eq!(grid.take(Duration::from_millis(1_400)), Some(Tick { index: 1, missed: 0 }));
        assert_eq!(grid.next_at(), 2 * SECOND);
    }

    #[test]
    fn a_late_reader_gets_one_tick_and_the_number_missed() {
        let mut grid = Grid::new(SECOND);
        grid.take(Duration::ZERO);
        assert_eq!(grid.take(Duration::from_millis(5_200)), Some(Tick { index: 5, missed: 4 }));
        assert_eq!(grid.take(Duration::from_millis(5_900)), None);
        assert_eq!(grid.next_at(), 6 * SECOND);
    }

    #[test]
    fn two_days_of_ticks_do_not_drift() {
        let period = Duration::from_millis(100);
        let mut grid = Grid::new(period);
        for index in 0..1_728_000 {
            assert_eq!(grid.take(period * index + Duration::from_micros(300)), Some(Tick { index, missed: 0 }));
        }
    }
}
