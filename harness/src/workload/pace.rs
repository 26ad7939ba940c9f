//! When a workload's lines are due. Pure arithmetic on the time since the start.

use std::time::Duration;

use leaksoak_scenarios::Load;

/// A schedule of lines, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Line `k` is due at `(k - 1) / rate`.
    Steady {
        /// Time between two lines, nanoseconds.
        gap_ns: f64,
    },
    /// `burst` lines are due at every multiple of `every`.
    Bursty {
        /// Lines per burst, at least 1.
        burst: u64,
        /// Distance of two bursts, above zero.
        every: Duration,
    },
    /// No line is ever due.
    Silent,
}

impl Pace {
    /// The pace of a scenario's load.
    #[must_use]
    pub fn of(load: Load) -> Self {
        match load {
            Load::Steady { rate, .. } => Self::steady(rate.per_second()),
            Load::Bursty { burst, every, .. } => Self::Bursty { burst: u64::from(burst), every: every.as_duration() },
            Load::Silent => Self::Silent,
        }
    }

    /// Evenly spaced lines, `per_second` of them; above zero.
    #[must_use]
    pub fn steady(per_second: f64) -> Self {
        Self::Steady { gap_ns: 1e9 / per_second }
    }

    /// How many lines are due by `elapsed`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a u64 of lines outlasts the f64"
    )]
    pub fn due_by(&self, elapsed: Duration) -> u64 {
        match *self {
            Self::Steady { gap_ns } => {
                let guess = (elapsed.as_nanos() as f64 / gap_ns) as u64 + 1;
                // The division may round up onto a line that is due a nanosecond later: `due_at` decides.
                if self.due_at(guess).is_some_and(|at| at > elapsed) { guess - 1 } else { guess }
            }
            Self::Bursty { burst, every } => burst * (elapsed.as_nanos() / every.as_nanos().max(1) + 1) as u64,
            Self::Silent => 0,
        }
    }

    /// When line `number` (from 1) is due; `None`: never.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as in `due_by`")]
    pub fn due_at(&self, number: u64) -> Option<Duration> {
        let before = number.saturating_sub(1);
        match *self {
            Self::Steady { gap_ns } => Some(Duration::from_nanos((before as f64 * gap_ns).ceil() as u64)),
            Self::Bursty { burst, every } => {
                let bursts = u32::try_from(before / burst.max(1)).unwrap_or(u32::MAX);
                Some(every.saturating_mul(bursts))
            }
            Self::Silent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_lines_a_second_are_864_000_a_day() {
        assert_eq!(Pace::steady(10.0).due_by(Duration::from_secs(86_400) - Duration::from_nanos(1)), 864_000);
    }

    #[test]
    fn bursts_come_whole() {
        let pace = Pace::Bursty { burst: 50, every: Duration::from_secs(5) };
        assert_eq!(pace.due_by(Duration::from_millis(4_999)), 50);
        assert_eq!(pace.due_by(Duration::from_secs(5)), 100);
        assert_eq!(pace.due_at(51), Some(Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn a_line_is_due_from_its_time_on_and_not_before(rate in 0.01_f64..100_000.0, number in 1_u64..10_000_000) {
            let pace = Pace::steady(rate);
            let at = pace.due_at(number).unwrap();
            prop_assert!(pace.due_by(at) >= number);
            if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
                prop_assert!(pace.due_by(before) < number);
            }
        }
    }
}
