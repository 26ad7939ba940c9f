//! Which lines are too old to be news.
//!
//! What it has to know of a line is its second; lines of one second are told apart from those of the next by comparing
//! text, so that nothing is parsed but the first line of each. A clock that is set back lets more lines through, never fewer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::docker_api::timestamp::Timestamp;

/// `2026-11-23T13:15:57`: a timestamp up to its second.
const SECOND_BYTES: usize = 19;

#[derive(Debug)]
pub(super) struct AgeFilter {
    /// `None`: no line is too old.
    limit: Option<Duration>,
    now: fn() -> SystemTime,
    /// The second that was asked about last, and the answer.
    last: ([u8; SECOND_BYTES], bool),
}

impl AgeFilter {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, now: SystemTime::now, last: ([0; SECOND_BYTES], false) }
    }

    /// Whether a line of this time is older than the limit. One whose time cannot be read is not.
    pub(super) fn is_too_old(&mut self, time: &str) -> bool {
        let Some(limit) = self.limit else { return false };
        let Some(second) = time.as_bytes().first_chunk() else { return false };
        if *second != self.last.0 {
            let age = || {
                let stamped = u64::try_from(Timestamp::parse(time)?.unix_nanos()).ok()?;
                let now = (self.now)().duration_since(UNIX_EPOCH).ok()?;
                now.checked_sub(Duration::from_nanos(stamped))
            };
            self.last = (*second, age().is_some_and(|age| age > limit));
        }
        self.last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(limit_s: u64, now: fn() -> SystemTime) -> AgeFilter {
        AgeFilter { now, ..AgeFilter::new(Some(Duration::from_secs(limit_s))) }
    }

    /// 2026-11-23T13:15:57Z
    fn then() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_439_757)
    }

    #[test]
    fn what_is_older_than_the_limit_is_too_old() {
        let mut filter = filter(60, then);
        for (time, old) in [
            ("2026-11-23T13:15:57.92Z", false),
            ("2026-11-23T13:14:58.5Z", false),
            ("2026-11-23T13:14:56.5Z", true),
            ("2026-11-23T13:14:56.9Z", true),
            ("2026-11-23T14:14:56.9+01:00", true),
            ("1971-01-01T00:00:00Z", true),
            ("2099-01-01T00:00:00Z", false),
            ("no time", false),
            ("no time but as long as one, or longer", false),
        ] {
            assert_eq!(filter.is_too_old(time), old, "{time}");
        }
        assert!(!AgeFilter::new(None).is_too_old("1971-01-01T00:00:00Z"));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_old() {
        let mut filter = filter(60, || UNIX_EPOCH + Duration::from_secs(1_000));
        assert!(!filter.is_too_old("2026-11-23T13:15:57.92Z"));
    }
}
