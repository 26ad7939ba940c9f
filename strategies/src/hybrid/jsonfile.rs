//! Lines out of the engine's json-file log.
//!
//! Format: one JSON object a line, `{"log":"text\n","stream":"stdout","time":"2026-11-23T13:15:57.92Z"}`, with further
//! members sometimes. A `log` without its newline is a part of a longer line (dockerd splits at 16 KiB); parts of both
//! streams may alternate. A part with another timestamp begins another line: the one before has no newline, because its
//! container ended there.
//!
//! Guarantees: however the bytes are cut into chunks, the lines are the same; no input panics; a record that cannot be
//! read is reported and skipped, alone; memory is bounded by [`MAX_RECORD_BYTES`] and [`MAX_LINE_BYTES`].

use std::borrow::Cow;

use serde::Deserialize;

use crate::line::{MAX_LINE_BYTES, StreamKind};

/// The longest record accepted: 16 KiB of text, each byte of it escaped, and room for labels many times over.
pub(super) const MAX_RECORD_BYTES: usize = 1 << 20;

const STREAMS: [StreamKind; 2] = [StreamKind::Stdout, StreamKind::Stderr];

/// A line without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine<'a> {
    pub(super) stream: StreamKind,
    /// As the engine wrote it.
    pub(super) time: Cow<'a, str>,
    pub(super) text: Cow<'a, str>,
    /// It was longer than [`MAX_LINE_BYTES`], and this is its beginning.
    pub(super) cut: bool,
}

/// A record that is not what the format says.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRecord {
    #[error("a log record that cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("a log record of over {MAX_RECORD_BYTES} bytes")]
    TooLong,
}

/// Takes chunks of a log file, gives lines.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a record whose end has not come yet.
    carried: Vec<u8>,
    /// `carried` holds a record that the last call has given out.
    carried_is_done: bool,
    /// The rest of a record that is too long is being left out.
    skipping: bool,
    parts: [Parts; 2],
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

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: StreamKind,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

impl Decoder {
    /// The next whole line, or `None` when `input` is used up. Takes what it has used off the front of `input`.
    pub(super) fn next_line<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input [u8],
    ) -> Option<Result<LogLine<'a>, BadRecord>> {
        if let Some(line) = self.take_ended() {
            return Some(Ok(line));
        }
        let Self { carried, carried_is_done, skipping, parts } = self;
        loop {
            if std::mem::take(carried_is_done) {
                carried.clear();
            }
            let Some(end) = memchr::memchr(b'\n', input) else {
                let too_long = !*skipping && carried.len() + input.len() > MAX_RECORD_BYTES;
                if too_long || *skipping {
                    *skipping = true;
                    carried.clear();
                } else {
                    carried.extend_from_slice(input);
                }
                *input = &[];
                return too_long.then_some(Err(BadRecord::TooLong));
            };
            let (head, rest) = input.split_at(end);
            *input = &rest[1..];
            if std::mem::take(skipping) {
                continue;
            }
            if carried.len() + head.len() > MAX_RECORD_BYTES {
                carried.clear();
                return Some(Err(BadRecord::TooLong));
            }
            let record = if carried.is_empty() {
                parse(head)
            } else {
                carried.extend_from_slice(head);
                *carried_is_done = true;
                // A record out of `carried` must not be given out while this loop may still clear it: it is made to
                // own what it has.
                parse(carried).map(Record::into_owned)
            };
            match record {
                Err(error) => return Some(Err(error.into())),
                Ok(record) => {
                    let stream = record.stream;
                    if let Some(line) = parts[stream as usize].join(record) {
                        return Some(Ok(line));
                    }
                }
            }
        }
    }

    fn take_ended(&mut self) -> Option<LogLine<'static>> {
        let ended = STREAMS.into_iter().find(|stream| self.parts[*stream as usize].ended)?;
        self.parts[ended as usize].finish(ended)
    }

    /// How many of the bytes taken so far do not belong to a line given out; `None` when that cannot be said as a number
    /// of last bytes, because a line in parts is unfinished.
    pub(super) fn bytes_pending(&self) -> Option<usize> {
        if self.skipping || self.parts.iter().any(|parts| parts.begun) {
            return None;
        }
        Some(if self.carried_is_done { 0 } else { self.carried.len() })
    }

    /// The lines that the log's end has left without a newline.
    pub(super) fn take_unfinished(&mut self) -> Vec<LogLine<'static>> {
        STREAMS.into_iter().filter_map(|stream| self.parts[stream as usize].finish(stream)).collect()
    }

    /// Forgets what is unfinished: what comes next is the beginning of a file.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn parse(record: &[u8]) -> Result<Record<'_>, serde_json::Error> {
    serde_json::from_slice(record)
}

impl Record<'_> {
    fn into_owned(self) -> Record<'static> {
        Record { log: Cow::Owned(self.log.into_owned()), stream: self.stream, time: Cow::Owned(self.time.into_owned()) }
    }
}

impl Parts {
    /// The line that `record` completes.
    fn join<'a>(&mut self, record: Record<'a>) -> Option<LogLine<'a>> {
        let Record { log, stream, time } = record;
        let ended = log.ends_with('\n');
        if self.begun && self.time != time {
            let before = self.finish(stream);
            self.begin(&time);
            self.append(log.strip_suffix('\n').unwrap_or(&log));
            self.ended = ended;
            return before;
        }
        if ended && !self.begun {
            return Some(LogLine { stream, time, text: without_newline(log), cut: false });
        }
        if !self.begun {
            self.begin(&time);
        }
        self.append(log.strip_suffix('\n').unwrap_or(&log));
        if ended { self.finish(stream) } else { None }
    }

    fn begin(&mut self, time: &str) {
        self.begun = true;
        time.clone_into(&mut self.time);
    }

    fn append(&mut self, text: &str) {
        let room = MAX_LINE_BYTES - self.text.len();
        let fits = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.cut |= fits < text.len();
        self.text.push_str(&text[..fits]);
    }

    fn finish(&mut self, stream: StreamKind) -> Option<LogLine<'static>> {
        let parts = std::mem::take(self);
        parts.begun.then_some(LogLine { stream, time: parts.time.into(), text: parts.text.into(), cut: parts.cut })
    }
}

fn without_newline(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix('\n').unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.pop();
            Cow::Owned(text)
        }
    }
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
                    (line.stream, line.text.into_owned())
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
        assert_eq!(decoder.take_unfinished()[0].text, "part");
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
            decoder.take_unfinished();
        }
    }
}
