//! Lines out of the engine's json-file log.
//!
//! Format: one JSON object a line, `{"log":"text\n","stream":"stdout","time":"2026-11-23T13:15:57.92Z"}`, with further
//! members sometimes. A `log` without its newline is a part of a longer line (dockerd splits at 16 KiB); parts of both
//! streams may alternate. A part with another timestamp begins another line: the one before has no newline, because its
//! container ended there.
//!
//! Guarantees: a line costs no allocation; however the bytes are cut into chunks, the lines are the same; no input panics; a record that cannot be
//! read is reported and skipped, alone; memory is bounded by [`MAX_RECORD_BYTES`] and [`MAX_LINE_BYTES`].

mod record;

use crate::line::{MAX_LINE_BYTES, StreamKind};
use record::{Record, Text};

/// The longest record accepted: 16 KiB of text, each byte of it escaped, and room for labels many times over.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Memory that is kept for the next line, at most.
const KEPT_BYTES: usize = 64 << 10;

const STREAMS: [StreamKind; 2] = [StreamKind::Stdout, StreamKind::Stderr];

/// A line without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The output it was printed to.
    pub stream: StreamKind,
    /// As the engine wrote it.
    pub time: &'a str,
    /// Its text.
    pub text: &'a str,
    /// It was longer than [`MAX_LINE_BYTES`], and this is its beginning.
    pub cut: bool,
}

/// A record that is not what the format says.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// It is not the JSON that it should be.
    #[error("a log record that cannot be read")]
    Json(#[from] serde_json::Error),
    /// Its end has not come for [`MAX_RECORD_BYTES`].
    #[error("a log record of over {MAX_RECORD_BYTES} bytes")]
    TooLong,
}

/// Takes chunks of a log file, gives lines. A line costs no allocation.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a record whose end has not come yet.
    carried: Vec<u8>,
    /// The rest of a record that is too long is being left out.
    skipping: bool,
    /// A text whose escapes had to be resolved.
    scratch: String,
    parts: [Parts; 2],
    /// The last line that did not lie in one chunk as one record.
    joined: Parts,
}

/// The beginning of a line whose last part has not come yet.
#[derive(Debug, Default)]
struct Parts {
    text: String,
    /// Of the first part; the engine gives the same to all.
    time: String,
    begun: bool,
    /// It is whole, and given out next.
    ended: bool,
    cut: bool,
}

/// What a piece of the input was. It borrows nothing from the decoder.
enum Step<'input> {
    /// A line in one record.
    Line(Record<'input>),
    /// A line that is in `joined`.
    Joined(StreamKind),
    Bad(BadRecord),
    /// Nothing to give out yet.
    Part,
}

impl Decoder {
    /// The next whole line, or `None` when `input` is used up. Takes what it has used off the front of `input`.
    pub fn next_line<'a, 'input: 'a>(&'a mut self, input: &mut &'input [u8]) -> Option<Result<LogLine<'a>, BadRecord>> {
        loop {
            match self.step(input)? {
                Step::Part => {}
                Step::Bad(error) => return Some(Err(error)),
                Step::Joined(stream) => return Some(Ok(self.joined.line(stream))),
                Step::Line(Record { log, stream, time }) => {
                    let text = match log {
                        Text::Plain { text, .. } => text,
                        Text::Scratch => without_newline(&self.scratch).0,
                    };
                    return Some(Ok(LogLine { stream, time, text, cut: false }));
                }
            }
        }
    }

    /// How many of the bytes taken so far do not belong to a line given out; `None` when that cannot be said as a number
    /// of last bytes, because a line in parts is unfinished.
    pub fn bytes_pending(&self) -> Option<usize> {
        let in_parts = self.skipping || self.parts.iter().any(|parts| parts.begun);
        (!in_parts).then_some(self.carried.len())
    }

    /// A line that the log's end has left without a newline; to be asked for until there is none.
    pub fn next_unfinished(&mut self) -> Option<LogLine<'_>> {
        let stream = STREAMS.into_iter().find(|stream| self.parts[*stream as usize].begun)?;
        self.give_out(stream);
        Some(self.joined.line(stream))
    }

    /// Forgets what is unfinished: what comes next is the beginning of a file.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn step<'input>(&mut self, input: &mut &'input [u8]) -> Option<Step<'input>> {
        if let Some(stream) = STREAMS.into_iter().find(|stream| self.parts[*stream as usize].ended) {
            self.give_out(stream);
            return Some(Step::Joined(stream));
        }
        let Some(end) = memchr::memchr(b'\n', input) else { return self.carry(input).map(Step::Bad) };
        let (head, rest) = input.split_at(end);
        *input = &rest[1..];
        if std::mem::take(&mut self.skipping) {
            return Some(Step::Part);
        }
        if self.carried.len() + head.len() > MAX_RECORD_BYTES {
            self.carried.clear();
            return Some(Step::Bad(BadRecord::TooLong));
        }
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = String::new();
        }
        if self.carried.is_empty() {
            return Some(match record::read(head, &mut self.scratch) {
                Err(error) => Step::Bad(error.into()),
                Ok(record) => self.take(record),
            });
        }
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend_from_slice(head);
        let step = match record::read(&bytes, &mut self.scratch) {
            Err(error) => Step::Bad(error.into()),
            Ok(record) => self.add(record),
        };
        bytes.clear();
        self.carried = bytes;
        Some(step)
    }

    /// The input ends within a record. An error when that is longer than any may be, once.
    fn carry(&mut self, input: &mut &[u8]) -> Option<BadRecord> {
        let rest = std::mem::take(input);
        if self.skipping {
            return None;
        }
        if self.carried.len() + rest.len() > MAX_RECORD_BYTES {
            self.skipping = true;
            self.carried = Vec::new();
            return Some(BadRecord::TooLong);
        }
        self.carried.extend_from_slice(rest);
        None
    }

    /// A record, which is a line as a rule.
    fn take<'input>(&mut self, record: Record<'input>) -> Step<'input> {
        let ended = match record.log {
            Text::Plain { newline, .. } => newline,
            Text::Scratch => self.scratch.ends_with('\n'),
        };
        if ended && !self.parts[record.stream as usize].begun { Step::Line(record) } else { self.add(record) }
    }

    /// A record that is not given out as it lies there.
    fn add(&mut self, record: Record<'_>) -> Step<'static> {
        let (text, ended) = match record.log {
            Text::Plain { text, newline } => (text, newline),
            Text::Scratch => without_newline(&self.scratch),
        };
        let parts = &mut self.parts[record.stream as usize];
        if parts.begun && parts.time != record.time {
            // The line before has no newline, because its container ended there.
            std::mem::swap(parts, &mut self.joined);
            parts.begin(record.time);
            parts.append(text);
            parts.ended = ended;
            return Step::Joined(record.stream);
        }
        if !parts.begun {
            parts.begin(record.time);
        }
        parts.append(text);
        if !ended {
            return Step::Part;
        }
        self.give_out(record.stream);
        Step::Joined(record.stream)
    }

    fn give_out(&mut self, stream: StreamKind) {
        let parts = &mut self.parts[stream as usize];
        std::mem::swap(parts, &mut self.joined);
        (parts.begun, parts.ended) = (false, false);
    }
}

impl Parts {
    fn begin(&mut self, time: &str) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        time.clone_into(&mut self.time);
        (self.begun, self.ended, self.cut) = (true, false, false);
    }

    fn append(&mut self, text: &str) {
        let room = MAX_LINE_BYTES - self.text.len();
        let fits = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.cut |= fits < text.len();
        self.text.push_str(&text[..fits]);
    }

    fn line(&self, stream: StreamKind) -> LogLine<'_> {
        LogLine { stream, time: &self.time, text: &self.text, cut: self.cut }
    }
}

/// The text without the newline that it may end with, and whether it did.
fn without_newline(text: &str) -> (&str, bool) {
    text.strip_suffix('\n').map_or((text, false), |text| (text, true))
}

#[cfg(test)]
mod tests {
    use super::StreamKind::{Stderr, Stdout};
    use super::*;
    use proptest::prelude::*;

    const TIME: &str = "2026-11-23T13:15:57.924743081Z";

    fn record(stream: &str, log: &str) -> String {
        format!("{}\n", serde_json::json!({ "log": log, "stream": stream, "time": TIME }))
    }

    /// Texts by stream, or `None` for a record that cannot be read.
    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Option<(StreamKind, String)>>, Decoder) {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        for mut chunk in chunks {
            while let Some(line) = decoder.next_line(&mut chunk) {
                lines.push(line.ok().map(|line| {
                    assert_eq!(line.time, TIME);
                    (line.stream, line.text.to_owned())
                }));
            }
        }
        (lines, decoder)
    }

    fn whole(text: &str) -> Vec<Option<(StreamKind, String)>> {
        decode([text.as_bytes()]).0
    }

    #[test]
    fn a_record_is_a_line() {
        let text = record("stdout", "hello\n") + &record("stderr", "\n");
        assert_eq!(whole(&text), [Some((Stdout, "hello".to_owned())), Some((Stderr, String::new()))]);
    }

    #[test]
    fn every_escape_of_json_is_understood() {
        let text = format!(
            r#"{{"log":"\" \\ \/ \b \f \r \t \u0041 \u00e9 \ud83d\ude00 \u2028\n","stream":"stdout","attrs":{{"a":"b"}},"time":"{TIME}"}}"#
        ) + "\n";
        let expected = "\" \\ / \u{8} \u{c} \r \t A \u{e9} \u{1f600} \u{2028}";
        assert_eq!(whole(&text), [Some((Stdout, expected.to_owned()))]);
    }

    #[test]
    fn parts_are_joined_across_records_of_the_other_stream() {
        let text = record("stdout", "one ")
            + &record("stderr", "err\n")
            + &record("stdout", "two ")
            + &record("stdout", "three\n");
        assert_eq!(whole(&text), [Some((Stderr, "err".to_owned())), Some((Stdout, "one two three".to_owned()))]);
    }

    #[test]
    fn a_part_with_another_timestamp_begins_another_line() {
        let part = |second: u8, log: &str| {
            let time = format!("2026-11-23T13:15:{second}Z");
            format!("{}\n", serde_json::json!({ "log": log, "stream": "stdout", "time": time }))
        };
        let text =
            [part(10, "unfinished"), part(20, "whole\n"), part(30, "unfinished"), part(40, "beg"), part(40, "in\n")];
        let (mut decoder, text) = (Decoder::default(), text.concat());
        let mut input = text.as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = decoder.next_line(&mut input) {
            let line = line.unwrap();
            lines.push(format!("{} {}", &line.time[17..19], line.text));
        }
        assert_eq!(lines, ["10 unfinished", "20 whole", "30 unfinished", "40 begin"]);
        assert_eq!(decoder.bytes_pending(), Some(0));
    }

    #[test]
    fn a_bad_record_is_reported_and_skipped_alone() {
        let text = record("stdout", "a\n") + "{\"log\":\"cut o\n" + "\n" + "{\"log\":1}\n" + &record("stdout", "b\n");
        assert_eq!(whole(&text), [Some((Stdout, "a".to_owned())), None, None, None, Some((Stdout, "b".to_owned()))]);
    }

    #[test]
    fn a_record_that_is_too_long_is_reported_once_and_skipped() {
        let text = "x".repeat(3 * MAX_RECORD_BYTES) + "\n" + &record("stdout", "b\n");
        let (lines, decoder) = decode(text.as_bytes().chunks(65_536));
        assert_eq!(lines, [None, Some((Stdout, "b".to_owned()))]);
        assert!(decoder.carried.capacity() <= 2 * MAX_RECORD_BYTES);
    }

    #[test]
    fn a_line_in_parts_that_is_too_long_is_cut_between_characters() {
        let mut decoder = Decoder::default();
        let part = record("stdout", &"\u{e9}".repeat(300_001));
        for _ in 0..4 {
            assert!(decoder.next_line(&mut part.as_bytes()).is_none());
        }
        let end = record("stdout", "\n");
        let line = decoder.next_line(&mut end.as_bytes()).unwrap().unwrap();
        assert!(line.cut && line.text.len() <= MAX_LINE_BYTES && line.text.len() > MAX_LINE_BYTES - 4);
    }

    #[test]
    fn memory_of_a_long_line_is_given_back_with_the_next() {
        let mut decoder = Decoder::default();
        for _ in 0..2 {
            for text in [&"x".repeat(400_000), "\n"] {
                for piece in record("stdout", text).as_bytes().chunks(4096) {
                    let mut piece = piece;
                    while decoder.next_line(&mut piece).is_some() {}
                }
            }
        }
        for _ in 0..2 {
            for text in ["short ", "line\n"] {
                let text = record("stdout", text);
                while decoder.next_line(&mut text.as_bytes()).is_none() && !text.contains("short") {}
            }
        }
        assert!(decoder.joined.text.capacity() + decoder.parts[0].text.capacity() <= 2 * KEPT_BYTES);
    }

    #[test]
    fn what_is_pending_is_known_but_within_a_line_in_parts() {
        let mut decoder = Decoder::default();
        let first = record("stdout", "a\n");
        let mut input = &first.as_bytes()[..10];
        assert!(decoder.next_line(&mut input).is_none());
        assert_eq!(decoder.bytes_pending(), Some(10));
        let mut input = &first.as_bytes()[10..];
        assert!(decoder.next_line(&mut input).is_some());
        assert_eq!(decoder.bytes_pending(), Some(0));
        assert!(decoder.next_line(&mut record("stdout", "part").as_bytes()).is_none());
        assert_eq!(decoder.bytes_pending(), None);
        assert_eq!(decoder.next_unfinished().unwrap().text, "part");
        assert_eq!(decoder.next_unfinished(), None);
        assert_eq!(decoder.bytes_pending(), Some(0));
    }

    fn any_record() -> impl Strategy<Value = String> {
        prop_oneof![
            (any::<bool>(), ".{0,20}", any::<bool>()).prop_map(|(stdout, text, ended)| {
                record(if stdout { "stdout" } else { "stderr" }, &(text + if ended { "\n" } else { "" }))
            }),
            "[ -~]{0,20}\n",
        ]
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_lines(
            records in proptest::collection::vec(any_record(), 0..12),
            size in 1_usize..40,
        ) {
            let text = records.concat();
            prop_assert_eq!(decode(text.as_bytes().chunks(size)).0, decode([text.as_bytes()]).0);
        }

        #[test]
        fn any_text_comes_back_as_it_was(texts in proptest::collection::vec("[^\n]{0,30}", 0..10)) {
            let file: String = texts.iter().map(|text| record("stderr", &format!("{text}\n"))).collect();
            let expected: Vec<_> = texts.into_iter().map(|text| Some((Stderr, text))).collect();
            prop_assert_eq!(whole(&file), expected);
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
            let mut decoder = Decoder::default();
            for mut chunk in bytes.chunks(size) {
                while decoder.next_line(&mut chunk).is_some() {}
            }
            while decoder.next_unfinished().is_some() {}
        }
    }
}
