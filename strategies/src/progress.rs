//! How far a container's log was captured, so that a second reading of it takes up where the first left off.
//!
//! A line has a place: its timestamp, and its number among the lines of that timestamp on its stream (stdout, stderr).
//! Every reading of a log comes by the same lines in the same order, so it comes by the same places; comparing places
//! tells what is new, with no loss and no duplicate, lines of equal timestamps included. Streams are told apart because
//! the engine stamps them independently: only within one stream do timestamps never fall, as long as the clock does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::docker_api::timestamp::Timestamp;
use crate::line::StreamKind;

/// A reading begins this much before the newest line, because a line of the other stream may be in the log after it
/// with an earlier timestamp.
const MARGIN: Duration = Duration::from_secs(1);

/// The place of a line on its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    time: Timestamp,
    /// 0 for the first line of this timestamp.
    nth: u32,
}

impl Place {
    /// The place of a line of `time` that follows a line at `previous`.
    fn after(previous: Option<Self>, time: Timestamp) -> Self {
        match previous {
            Some(previous) if previous.time == time => Self { time, nth: previous.nth + 1 },
            _ => Self { time, nth: 0 },
        }
    }
}

/// The last line captured of each stream; shared by all readings of one container's log.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<[Option<Place>; 2]>);

impl Progress {
    /// Where a new reading has to begin; `None`: at the beginning of the log.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        let newest = self.lock().iter().flatten().map(|place| place.time).max()?;
        Some(newest.earlier(MARGIN))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<Place>; 2]> {
        // Nothing under the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether other readings of the same log go on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// None. Once this reading has come by the place where the last one ended, all that follows is new, even when the
    /// clock was set back.
    One,
    /// Some: whoever comes to a place first has the line.
    Many,
}

/// One reading of a log, begun at [`Progress::since`].
#[derive(Debug)]
pub(crate) struct Reading {
    readers: Readers,
    at: [Option<Place>; 2],
    caught_up: [bool; 2],
}

impl Reading {
    pub(crate) fn new(readers: Readers) -> Self {
        Self { readers, at: [None; 2], caught_up: [false; 2] }
    }

    /// Goes past the next line; true when it was not captured before, and from now on is.
    pub(crate) fn claim(&mut self, progress: &Progress, stream: StreamKind, time: Timestamp) -> bool {
        let stream = stream as usize;
        let place = Place::after(self.at[stream], time);
        self.at[stream] = Some(place);
        let captured = &mut progress.lock()[stream];
        let new = self.caught_up[stream] || captured.is_none_or(|captured| place > captured);
        if new {
            *captured = Some(place);
            self.caught_up[stream] = self.readers == Readers::One;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::StreamKind::{Stderr, Stdout};
    use super::*;
    use proptest::prelude::*;

    type Entry = (StreamKind, i64);

    /// Reads `log` from `since` up to entry `end`; gives the indices claimed.
    fn read(log: &[Entry], progress: &Progress, reading: &mut Reading, end: usize) -> Vec<usize> {
        let since = progress.since();
        (0..end)
            .filter(|&index| since.is_none_or(|since| Timestamp::from_unix_nanos(log[index].1) >= since))
            .filter(|&index| reading.claim(progress, log[index].0, Timestamp::from_unix_nanos(log[index].1)))
            .collect()
    }

    #[test]
    fn lines_of_equal_timestamps_are_told_apart_by_their_number() {
        let log: Vec<Entry> = [5, 5, 5, 5, 6].map(|time| (Stdout, time)).into();
        let progress = Progress::default();
        assert_eq!(read(&log, &progress, &mut Reading::new(Readers::One), 2), [0, 1]);
        assert_eq!(read(&log, &progress, &mut Reading::new(Readers::One), 5), [2, 3, 4]);
    }

    #[test]
    fn a_late_line_of_the_other_stream_is_not_taken_for_an_old_one() {
        let log = [(Stdout, 2_000_000_000), (Stdout, 2_000_000_900), (Stderr, 2_000_000_100), (Stderr, 2_000_000_200)];
        let progress = Progress::default();
        assert_eq!(read(&log, &progress, &mut Reading::new(Readers::One), 2), [0, 1]);
        assert_eq!(read(&log, &progress, &mut Reading::new(Readers::One), 4), [2, 3]);
    }

    #[test]
    fn a_clock_that_is_set_back_in_mid_stream_loses_nothing() {
        let log = [(Stdout, 9_000), (Stdout, 100), (Stdout, 101)];
        let progress = Progress::default();
        assert_eq!(read(&log, &progress, &mut Reading::new(Readers::One), 3), [0, 1, 2]);
    }

    #[test]
    fn of_many_readers_the_first_at_a_place_has_the_line() {
        let progress = Progress::default();
        let mut readings = [Reading::new(Readers::Many), Reading::new(Readers::Many)];
        let claims: Vec<[bool; 2]> = [5, 5, 6]
            .map(|time| readings.each_mut().map(|r| r.claim(&progress, Stdout, Timestamp::from_unix_nanos(time))))
            .into();
        assert_eq!(claims, [[true, false]; 3]);
    }

    proptest! {
        /// Time steps of 0 make equal timestamps, large ones go beyond the margin.
        #[test]
        fn any_interruptions_give_every_line_once(
            steps in proptest::collection::vec((any::<bool>(), prop_oneof![Just(0_i64), 1..400_000_000_i64]), 1..60),
            mut ends in proptest::collection::vec(0_usize..60, 0..8),
        ) {
            let mut now = 0;
            let log: Vec<Entry> = steps.into_iter().map(|(stdout, step)| {
                now += step;
                (if stdout { Stdout } else { Stderr }, now)
            }).collect();
            ends.sort_unstable();
            ends.push(log.len());
            let progress = Progress::default();
            let captured: Vec<usize> = ends
                .into_iter()
                .flat_map(|end| read(&log, &progress, &mut Reading::new(Readers::One), end.min(log.len())))
                .collect();
            prop_assert_eq!(captured, (0..log.len()).collect::<Vec<_>>());
        }
    }
}
