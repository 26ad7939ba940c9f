//! Taking up a log near its end, without the engine reading all of it.
//!
//! A stream asked for with `since` alone has dockerd 20.10 read the log from its beginning, most of a second for 250,000
//! lines; with `tail` it goes back from the end. So a new stream is asked for with a bounded tail, and is joined to what
//! was captured before by its first line: if that was captured already, so was all before it, and nothing lies in between.
//! If not, the tail was too short, and the stream is opened again with a longer one ([`Reach`]).
//!
//! The engine counts records, and a line of over 16 KiB is several: a tail may begin within a line. Such a rest is never
//! taken for a line. It is the first of its output in the stream, and has the timestamp of its line's beginning, which is
//! no later than the newest line captured: what is both has to be known already, or else the tail is too short as well.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Progress;
use crate::docker_api::logs::LogLine;
use crate::docker_api::timestamp::Timestamp;

/// The shortest tail, and the longest that is near.
const LEAST: u32 = 16;
const NEAR: u32 = 128;

/// How far back a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    /// Far enough while another stream goes on and keeps up: some times what has come at once.
    Next,
    /// Far enough after a short pause: 10 ms of 10,000 lines a second.
    #[default]
    Near,
    /// Some seconds of a busy container.
    Far,
    /// Everything since what was captured.
    All,
}

impl Reach {
    /// Lines at the log's end to ask for; `None`: all.
    pub(crate) fn tail(self, pace: &Pace) -> Option<u32> {
        match self {
            Self::Next => Some(pace.several_times()),
            Self::Near => Some(NEAR),
            Self::Far => Some(8192),
            Self::All => None,
        }
    }

    /// The next further one.
    pub(crate) fn wider(self) -> Self {
        match self {
            Self::Next | Self::Near => Self::Far,
            Self::Far | Self::All => Self::All,
        }
    }
}

/// How many lines come at once: as many as a capture that keeps up is behind by.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU32);

impl Pace {
    /// So many have come at once.
    pub(crate) fn came(&self, lines: u32) {
        self.0.fetch_max(lines, Ordering::Relaxed);
    }

    /// Four times the most that came lately, within limits. What came before the last time this was asked for counts for half.
    fn several_times(&self) -> u32 {
        let lately = self.0.load(Ordering::Relaxed);
        self.0.store(lately / 2, Ordering::Relaxed);
        lately.saturating_mul(4).clamp(LEAST, NEAR)
    }
}

/// Watches the first lines of a stream that begins with a bounded tail.
#[derive(Debug, Default)]
pub(crate) struct Join {
    /// The newest line captured when the first line of the stream came.
    captured_to: Option<Timestamp>,
    /// Outputs whose first line has come.
    met: [bool; 2],
}

impl Join {
    /// Whether all lines before this one are captured, or in this stream. To be asked for every line, in order, before it
    /// is claimed; after the first `false` the stream is of no use.
    pub(crate) fn admits(&mut self, progress: &Progress, line: &LogLine<'_>, now: Timestamp) -> bool {
        let met = &mut self.met[line.stream as usize];
        if !*met {
            let is_later = self.captured_to.is_some_and(|newest| line.time > newest);
            *met = is_later || progress.has(line.stream, line.time, line.text, now);
            self.captured_to = self.captured_to.or_else(|| progress.newest());
        }
        *met
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::StreamKind::{self, Stderr, Stdout};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_unix_nanos(i64::MAX);

    /// One record of a log. A line is one record, or several: equal `line`, equal time.
    #[derive(Debug, Clone, Copy)]
    struct Record {
        output: StreamKind,
        nanos: i64,
        line: usize,
    }

    fn line<'a>(record: &Record, text: &'a str) -> LogLine<'a> {
        let time = Timestamp::from_unix_nanos(record.nanos);
        LogLine { stream: record.output, time, time_text: "", text: text.as_bytes() }
    }

    /// Reads the log's records from `from` to `to` as lines, as long as they are admitted. A line that begins before
    /// `from` is read as the rest that is left of it; one that ends after `to` is not read. Gives the lines claimed, and
    /// whether all were admitted.
    fn read(
        log: &[Record],
        (from, to): (usize, usize),
        progress: &Progress,
        mut join: Option<Join>,
    ) -> (Vec<usize>, bool) {
        let mut claimed = Vec::new();
        for (index, record) in log.iter().enumerate().take(to).skip(from) {
            let last = log.iter().skip(index + 1).all(|later| later.line != record.line);
            if !last {
                continue;
            }
            let rest = log[..from].iter().any(|earlier| earlier.line == record.line);
            let text = if rest { format!("rest of {}", record.line) } else { record.line.to_string() };
            let line = line(record, &text);
            if join.as_mut().is_some_and(|join| !join.admits(progress, &line, NOW)) {
                return (claimed, false);
            }
            if progress.claim_at(line.stream, line.time, line.text, NOW) {
                assert!(!rest, "a rest was taken for a line");
                claimed.push(record.line);
            }
        }
        (claimed, true)
    }

    #[test]
    fn the_next_tail_is_as_long_as_what_comes_at_once_wants_it() {
        let pace = Pace::default();
        let tail = || Reach::Next.tail(&pace).unwrap();
        assert_eq!(tail(), 16);
        for lines in [10, 12, 3] {
            pace.came(lines);
        }
        assert_eq!([tail(), tail(), tail()], [48, 24, 16]);
        pace.came(1_000_000);
        assert_eq!(tail(), 128);
    }

    #[test]
    fn a_tail_that_begins_with_a_captured_line_is_joined() {
        let log = [1, 2, 2, 3].map(|nanos| Record { output: Stdout, nanos, line: 0 });
        let log: Vec<_> = log.into_iter().enumerate().map(|(line, record)| Record { line, ..record }).collect();
        let progress = Progress::default();
        assert_eq!(read(&log, (0, 2), &progress, None), (vec![0, 1], true));
        assert_eq!(
            read(&log, (2, 4), &progress, Some(Join::default())),
            (vec![], false),
            "line 2 has the time of line 1"
        );
        assert_eq!(read(&log, (1, 4), &progress, Some(Join::default())), (vec![2, 3], true));
    }

    #[test]
    fn the_first_line_ever_of_the_other_output_is_no_gap() {
        let log = [(Stdout, 1), (Stdout, 2), (Stderr, 3)];
        let record = |(line, (output, nanos))| Record { output, nanos, line };
        let log: Vec<_> = log.into_iter().enumerate().map(record).collect();
        let progress = Progress::default();
        read(&log, (0, 2), &progress, None);
        assert_eq!(read(&log, (1, 3), &progress, Some(Join::default())), (vec![2], true));
    }

    /// Lines of both outputs, some of several records, between which those of the other output may lie.
    fn any_log() -> impl Strategy<Value = Vec<Record>> {
        let step = prop_oneof![Just(0_i64), 1..1000_i64];
        proptest::collection::vec((any::<bool>(), step, 1..4_usize), 1..40).prop_map(|lines| {
            let mut now = 1;
            let mut open: [Vec<Record>; 2] = Default::default();
            let mut log = Vec::new();
            for (line, (stdout, step, records)) in lines.into_iter().enumerate() {
                let output = if stdout { Stdout } else { Stderr };
                now += step;
                // What the output still has of the line before comes first; the other output's may come in between.
                log.append(&mut open[output as usize]);
                log.push(Record { output, nanos: now, line });
                open[output as usize] = vec![Record { output, nanos: now, line }; records - 1];
            }
            log.extend(open.into_iter().flatten());
            log
        })
    }

    proptest! {
        #[test]
        fn any_tails_give_every_line_once(
            log in any_log(),
            streams in proptest::collection::vec((0_usize..120, 0_usize..20, 1_usize..30), 0..6),
        ) {
            let mut streams: Vec<_> = streams.into_iter().map(|(end, lag, tail)| (end.min(log.len()), lag, tail)).collect();
            streams.sort_unstable_by_key(|(end, ..)| *end);
            streams.push((log.len(), 0, 1));
            let progress = Progress::default();
            let mut captured = Vec::new();
            let mut read_to = 0;
            for (end, lag, tail) in streams {
                // When it is opened, the log is longer by `lag` records than what the one before has read.
                let opened_at = (read_to + lag).min(log.len());
                read_to = end.max(opened_at);
                for tail in [tail, 2 * tail, usize::MAX] {
                    let from = if captured.is_empty() { 0 } else { opened_at - opened_at.min(tail) };
                    let join = (from > 0).then(Join::default);
                    let (lines, joined) = read(&log, (from, read_to), &progress, join);
                    captured.extend(lines);
                    if joined {
                        break;
                    }
                }
            }
            let mut expected: Vec<usize> = log.iter().map(|record| record.line).collect();
            expected.sort_unstable();
            expected.dedup();
            captured.sort_unstable();
            prop_assert_eq!(captured, expected);
        }
    }
}
