//! How far a container's log was captured, so that whatever reads it again knows what is new.
//!
//! What is remembered of each stream (stdout, stderr) is its newest timestamp, and the texts of that very timestamp. A
//! line is new when it is later, or of the same time with another text. So nothing is lost or doubled when a stream is
//! replaced by one that repeats some lines, when several readers share a log, and when the engine itself repeats lines
//! in one response, which dockerd 20.10 does whenever it rotates a log file that is being followed.
//!
//! It relies on the engine stamping the lines of one stream in order. Streams are told apart because they are stamped
//! independently. When the clock is set back, the newest timestamp is given up: lines may then come twice, none is lost.
//!
//! Limit: two lines of one stream with the same text and the same nanosecond are taken for one.

mod join;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::docker_api::logs::LogLine;
use crate::docker_api::timestamp::Timestamp;
use crate::line::StreamKind;

pub(crate) use join::{Join, Pace, Reach};

/// A reading begins this much before the newest line, because a line of the other stream may be in the log after it
/// with an earlier timestamp.
const MARGIN: Duration = Duration::from_secs(1);

/// Of a longer text, only the hash is remembered.
const COPIED_BYTES: usize = 4096;

/// Texts remembered of one timestamp. An engine that stamps more lines than this alike has its repeated lines delivered
/// again, rather than a search through all of them for each.
const MAX_TEXTS: usize = 1024;

/// The newest lines captured of each stream; shared by all who read one container's log.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    newest: Mutex<[Option<Newest>; 2]>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Newest {
    time: Timestamp,
    /// By our clock, which need not be the engine's: what it tells is whether it was set back since.
    claimed_at: Timestamp,
    texts: Texts,
}

/// The texts of one timestamp; nearly always one, which costs less to copy than to hash.
#[derive(Debug, Default)]
struct Texts {
    first: Option<Vec<u8>>,
    hashes: Vec<u64>,
}

impl Progress {
    /// Where a new reading has to begin; `None`: at the beginning of the log.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since_at(wall_clock())
    }

    fn since_at(&self, now: Timestamp) -> Option<Timestamp> {
        // What is printed from now on is earlier than the newest line if the clock was set back.
        let from = |newest: &Newest| if newest.is_given_up(now) { now.min(newest.time) } else { newest.time };
        let newest = self.lock().iter().flatten().map(from).max()?;
        Some(newest.earlier(MARGIN))
    }

    /// The latest timestamp captured.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.lock().iter().flatten().map(|newest| newest.time).max()
    }

    /// True when the line was not captured before; from now on it is. `now` is the [`wall_clock`]'s.
    pub(crate) fn claim(&self, line: &LogLine<'_>, now: Timestamp) -> bool {
        self.claim_at(line.stream, line.time, line.text, now)
    }

    /// Whether the line was captured before.
    pub(crate) fn knows(&self, line: &LogLine<'_>) -> bool {
        self.has(line.stream, line.time, line.text, wall_clock())
    }

    fn has(&self, stream: StreamKind, time: Timestamp, text: &[u8], now: Timestamp) -> bool {
        let newest = self.lock();
        let Some(newest) = &newest[stream as usize] else { return false };
        if time == newest.time {
            return newest.texts.contain(text, &self.hasher);
        }
        time < newest.time && !newest.is_given_up(now)
    }

    fn claim_at(&self, stream: StreamKind, time: Timestamp, text: &[u8], now: Timestamp) -> bool {
        let mut newest = self.lock();
        let Some(newest) = &mut newest[stream as usize] else {
            let mut texts = Texts::default();
            texts.replace_by(text, &self.hasher);
            newest[stream as usize] = Some(Newest { time, claimed_at: now, texts });
            return true;
        };
        if time == newest.time {
            let repeated = newest.texts.contain(text, &self.hasher);
            if !repeated {
                newest.texts.add(text, &self.hasher);
            }
            return !repeated;
        }
        let new = time > newest.time || newest.is_given_up(now);
        if new {
            newest.time = time;
            newest.claimed_at = now;
            newest.texts.replace_by(text, &self.hasher);
        }
        new
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Newest>; 2]> {
        // Nothing under the lock can panic.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newest {
    fn is_given_up(&self, now: Timestamp) -> bool {
        now < self.claimed_at
    }
}

impl Texts {
    fn contain(&self, text: &[u8], hasher: &RandomState) -> bool {
        self.first.as_deref() == Some(text) || (!self.hashes.is_empty() && self.hashes.contains(&hasher.hash_one(text)))
    }

    fn add(&mut self, text: &[u8], hasher: &RandomState) {
        if usize::from(self.first.is_some()) + self.hashes.len() < MAX_TEXTS {
            self.hashes.push(hasher.hash_one(text));
        }
    }

    fn replace_by(&mut self, text: &[u8], hasher: &RandomState) {
        self.hashes.clear();
        if text.len() > COPIED_BYTES {
            self.first = None;
            self.hashes.push(hasher.hash_one(text));
            return;
        }
        let first = self.first.get_or_insert_default();
        first.clear();
        first.extend_from_slice(text);
    }
}

/// To some milliseconds, at the price of a few nanoseconds.
pub(crate) fn wall_clock() -> Timestamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    Timestamp::from_unix_nanos(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::StreamKind::{Stderr, Stdout};
    use super::*;
    use proptest::prelude::*;

    type Entry = (StreamKind, i64);

    const NOW: Timestamp = Timestamp::from_unix_nanos(i64::MAX);

    /// Reads `log` from `since` up to entry `end`; gives the indices claimed.
    fn read(log: &[Entry], progress: &Progress, end: usize) -> Vec<usize> {
        let since = progress.since();
        (0..end)
            .filter(|&index| since.is_none_or(|since| Timestamp::from_unix_nanos(log[index].1) >= since))
            .filter(|&index| claim(log, progress, index))
            .collect()
    }

    fn claim(log: &[Entry], progress: &Progress, index: usize) -> bool {
        let (stream, time) = log[index];
        progress.claim_at(stream, Timestamp::from_unix_nanos(time), index.to_string().as_bytes(), NOW)
    }

    #[test]
    fn lines_of_equal_timestamps_are_told_apart_by_their_text() {
        let log: Vec<Entry> = [5, 5, 5, 5, 6].map(|time| (Stdout, time)).into();
        let progress = Progress::default();
        assert_eq!(read(&log, &progress, 2), [0, 1]);
        assert_eq!(read(&log, &progress, 5), [2, 3, 4]);
    }

    #[test]
    fn a_late_line_of_the_other_stream_is_not_taken_for_an_old_one() {
        let log = [(Stdout, 2_000_000_000), (Stdout, 2_000_000_900), (Stderr, 2_000_000_100), (Stderr, 2_000_000_200)];
        let progress = Progress::default();
        assert_eq!(read(&log, &progress, 2), [0, 1]);
        assert_eq!(read(&log, &progress, 4), [2, 3]);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let progress = Progress::default();
        let claimed = [9_000, 100, 101].map(|time| {
            // The line is read as soon as it is written, by the same clock.
            let time = Timestamp::from_unix_nanos(time);
            progress.claim_at(Stdout, time, b"same text", time)
        });
        assert_eq!(claimed, [true; 3]);
    }

    #[test]
    fn a_stream_opened_after_the_clock_was_set_back_begins_before_what_is_printed_then() {
        let progress = Progress::default();
        let [before, after] = [9_000_000_000, 5_000_000_000].map(Timestamp::from_unix_nanos);
        progress.claim_at(Stdout, before, b"one", before);
        assert_eq!(progress.since_at(before), Some(before.earlier(MARGIN)));
        assert_eq!(progress.since_at(after), Some(after.earlier(MARGIN)));
        assert!(!progress.has(Stdout, after, b"two", after), "what is later by the new clock is no repetition");
    }

    #[test]
    fn an_engine_whose_clock_is_ahead_of_ours_repeats_nothing() {
        let progress = Progress::default();
        let [ours, engines] = [1_000, 9_000].map(Timestamp::from_unix_nanos);
        assert!(progress.claim_at(Stdout, engines, b"one", ours));
        assert!(progress.claim_at(Stdout, Timestamp::from_unix_nanos(9_001), b"two", ours));
        assert!(!progress.claim_at(Stdout, engines, b"one", ours));
    }

    #[test]
    fn of_many_readers_the_first_at_a_line_has_it() {
        let log = [(Stdout, 5), (Stdout, 5), (Stdout, 6)];
        let progress = Progress::default();
        let claims: Vec<_> =
            (0..3).map(|index| [claim(&log, &progress, index), claim(&log, &progress, index)]).collect();
        assert_eq!(claims, [[true, false]; 3]);
    }

    #[test]
    fn texts_of_one_timestamp_are_remembered_up_to_a_limit() {
        let progress = Progress::default();
        let log: Vec<Entry> = (0..2 * MAX_TEXTS).map(|_| (Stdout, 1)).collect();
        assert_eq!(read(&log, &progress, log.len()).len(), log.len());
        assert_eq!(read(&log, &progress, log.len()).len(), MAX_TEXTS, "those beyond the limit come again");
    }

    fn any_log() -> impl Strategy<Value = Vec<Entry>> {
        // Steps of 0 make equal timestamps, large ones go beyond the margin.
        let step = prop_oneof![Just(0_i64), 1..400_000_000_i64];
        proptest::collection::vec((any::<bool>(), step), 1..60).prop_map(|steps| {
            let mut now = 0;
            let at = |(stdout, step)| {
                now += step;
                (if stdout { Stdout } else { Stderr }, now)
            };
            steps.into_iter().map(at).collect()
        })
    }

    proptest! {
        #[test]
        fn any_interruptions_give_every_line_once(
            log in any_log(),
            mut ends in proptest::collection::vec(0_usize..60, 0..8),
        ) {
            ends.sort_unstable();
            ends.push(log.len());
            let progress = Progress::default();
            let captured: Vec<usize> =
                ends.into_iter().flat_map(|end| read(&log, &progress, end.min(log.len()))).collect();
            prop_assert_eq!(captured, (0..log.len()).collect::<Vec<_>>());
        }

        #[test]
        fn an_engine_that_goes_back_in_mid_stream_gives_every_line_once(
            log in any_log(),
            jumps in proptest::collection::vec((0_usize..60, 0_usize..60), 0..8),
        ) {
            let progress = Progress::default();
            let mut captured = Vec::new();
            let mut at = 0;
            for (ahead, back) in jumps.into_iter().chain([(log.len(), 0)]) {
                let to = (at + ahead).min(log.len());
                captured.extend((at..to).filter(|&index| claim(&log, &progress, index)));
                at = to.saturating_sub(back);
            }
            captured.extend((at..log.len()).filter(|&index| claim(&log, &progress, index)));
            prop_assert_eq!(captured, (0..log.len()).collect::<Vec<_>>());
        }
    }
}
