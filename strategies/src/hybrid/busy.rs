//! Which logs are written to so often that there is no use in being told: they are looked at on every tick anyhow.

use std::time::Duration;

use tokio::time::Instant;

/// So many looks in a row that find something make a log busy.
const IN_A_ROW: u32 = 8;

/// How busy one log is.
#[derive(Debug)]
pub(super) struct Busy {
    /// At most from one find to the next; zero: no log is busy.
    within: Duration,
    in_a_row: u32,
    last_found: Option<Instant>,
    /// Bytes found so far.
    bytes: u64,
}

impl Busy {
    /// Of a log that is looked at once in `coalesce` at most.
    pub(super) fn new(coalesce: Duration) -> Self {
        Self { within: 2 * coalesce, in_a_row: 0, last_found: None, bytes: 0 }
    }

    /// Whether it is, after a look that has found it to have so many bytes in all.
    pub(super) fn after_look(&mut self, now: Instant, bytes: u64) -> bool {
        let in_time = !self.within.is_zero() && self.last_found.is_some_and(|found| now - found <= self.within);
        if !in_time {
            self.in_a_row = 0;
        }
        if bytes > self.bytes {
            self.bytes = bytes;
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.last_found = Some(now);
        }
        self.in_a_row >= IN_A_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn a_log_is_busy_while_nearly_every_look_finds_something() {
        let mut busy = Busy::new(TICK);
        let (mut now, mut bytes) = (Instant::now(), 0);
        let mut look = |after: Duration, more: u64| {
            now += after;
            bytes += more;
            busy.after_look(now, bytes)
        };
        assert_eq!([(); 9].map(|()| look(TICK, 1)), [false, false, false, false, false, false, false, true, true]);
        assert!(look(TICK, 0), "one look in vain is nothing");
        assert!(look(TICK, 1));
        assert_eq!([(); 3].map(|()| look(TICK, 0)), [true, true, false]);
        assert!([(); 20].map(|()| look(3 * TICK, 1)).iter().all(|busy| !busy), "too seldom");
    }

    #[test]
    fn without_a_tick_no_log_is_busy() {
        let mut busy = Busy::new(Duration::ZERO);
        let now = Instant::now();
        assert!((1..20).all(|bytes| !busy.after_look(now, bytes)));
    }
}
