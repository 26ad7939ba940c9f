//! Lines out of the engine's multiplexed log stream ("stdcopy").
//!
//! Format: frames of an 8-byte header (stream type, three zero bytes, length as a big-endian `u32`) and that many bytes.
//! A frame is not a line: a line may span frames, of which those of the other stream may lie in between. dockerd splits
//! lines of over 16 KiB so, and repeats the line's timestamp at the head of every further part; that is taken out again.
//! A part with another timestamp begins another line: the one before has no newline, because its container ended there.
//! A container with a TTY has no frames: its stream is the text itself, with the repeated timestamps in it all the same.
//!
//! Guarantees: however the bytes are cut into chunks, the lines are the same; no input panics; memory is bounded by
//! [`MAX_LINE_BYTES`] per stream, a longer line being cut and marked. It copies only lines that span chunks or frames.
//!
//! Does not: look into the text, beyond that timestamp.

use crate::docker_api::timestamp::Timestamp;
use crate::line::{MAX_LINE_BYTES, StreamKind};

/// The longest frame accepted. dockerd's end at 16 KiB; what is beyond this is not a length but a stream out of step.
pub const MAX_FRAME_BYTES: u32 = 16 << 20;

/// Text of one record of a log. dockerd makes several records of a longer line.
const PART_BYTES: usize = 16 << 10;

const HEADER_BYTES: usize = 8;

/// The stream is not what the engine promises; nothing after this point can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Neither stdout nor stderr.
    #[error("a log frame of unknown stream type {0}")]
    UnknownStream(u8),
    /// Longer than any frame is.
    #[error("a log frame of {bytes} bytes, over the limit of {MAX_FRAME_BYTES}")]
    Oversized {
        /// The length that its header gives.
        bytes: u32,
    },
}

/// A line without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// Output it was printed to.
    pub stream: StreamKind,
    /// What the engine sent: the timestamp, where one was asked for, and the text.
    pub bytes: &'a [u8],
    /// It was longer than [`MAX_LINE_BYTES`], and this is its beginning.
    pub cut: bool,
}

/// Takes chunks of a log stream, gives lines.
#[derive(Debug)]
pub struct Demultiplexer {
    state: State,
    lines: [LineBuffer; 2],
    /// What the last call has given out, to be cleared by the next.
    given_out: Option<GivenOut>,
}

/// The buffered line of a stream.
#[derive(Debug, Clone, Copy)]
enum GivenOut {
    /// All that is buffered.
    Whole(StreamKind),
    /// What was there before the last part; `then_whole` tells that the part is a whole line as well.
    BeforePart { stream: StreamKind, then_whole: bool },
}

#[derive(Debug)]
enum State {
    /// A header, of which this much is here.
    Header { bytes: [u8; HEADER_BYTES], have: usize },
    /// A frame's content, of which this much is missing.
    Frame { stream: StreamKind, left: usize },
    /// A TTY: text without end.
    Raw,
}

impl Demultiplexer {
    /// For a stream of frames or, with `tty`, of plain text.
    pub fn new(tty: bool) -> Self {
        let state = if tty { State::Raw } else { State::next_header() };
        Self { state, lines: Default::default(), given_out: None }
    }

    /// The next whole line, or `None` when `input` is used up. Takes what it has used off the front of `input`.
    pub fn next_line<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<RawLine<'a>>, FrameError> {
        if let Some(stream) = self.clear_given_out() {
            self.given_out = Some(GivenOut::Whole(stream));
            return Ok(Some(self.lines[stream as usize].line(stream)));
        }
        while !input.is_empty() {
            let (stream, available) = match &mut self.state {
                State::Header { bytes, have } => {
                    let take = input.len().min(HEADER_BYTES - *have);
                    bytes[*have..*have + take].copy_from_slice(&input[..take]);
                    *have += take;
                    *input = &input[take..];
                    if *have == HEADER_BYTES {
                        let header = *bytes;
                        self.state = self.start_frame(header)?;
                    }
                    continue;
                }
                State::Frame { stream, left } => (*stream, input.len().min(*left)),
                State::Raw => (StreamKind::Stdout, input.len()),
            };
            let newline = memchr::memchr(b'\n', &input[..available]);
            let (text, rest) = input.split_at(newline.unwrap_or(available));
            *input = newline.map_or(rest, |_| &rest[1..]);
            let frame_ended = self.consume(text.len() + usize::from(newline.is_some()));

            let buffer = &mut self.lines[stream as usize];
            let in_parts = matches!(self.state, State::Raw) && buffer.bytes.len() + text.len() > PART_BYTES;
            if newline.is_some() && buffer.is_empty() && !in_parts {
                return Ok(Some(RawLine::new(stream, text)));
            }
            buffer.append(text);
            let then_whole = newline.is_some();
            if then_whole && in_parts {
                buffer.join_parts();
            }
            if (then_whole || frame_ended) && buffer.end_part() == Part::OfAnotherLine {
                self.given_out = Some(GivenOut::BeforePart { stream, then_whole });
                return Ok(Some(self.lines[stream as usize].line_before_part(stream)));
            }
            if then_whole {
                self.given_out = Some(GivenOut::Whole(stream));
                return Ok(Some(self.lines[stream as usize].line(stream)));
            }
        }
        Ok(None)
    }

    /// The lines that the stream's end has left without a newline; to be called then, after the last call of
    /// [`Demultiplexer::next_line`] has given `None`.
    pub fn unfinished(&self) -> impl Iterator<Item = RawLine<'_>> {
        [StreamKind::Stdout, StreamKind::Stderr]
            .into_iter()
            .map(|stream| self.lines[stream as usize].line(stream))
            .filter(|line| !line.bytes.is_empty())
    }

    /// Gives the stream whose next line is buffered already, if there is one.
    fn clear_given_out(&mut self) -> Option<StreamKind> {
        match self.given_out.take()? {
            GivenOut::Whole(stream) => {
                self.lines[stream as usize].clear();
                None
            }
            GivenOut::BeforePart { stream, then_whole } => {
                self.lines[stream as usize].keep_part();
                then_whole.then_some(stream)
            }
        }
    }

    fn start_frame(&mut self, header: [u8; HEADER_BYTES]) -> Result<State, FrameError> {
        let [kind, _, _, _, length @ ..] = header;
        let stream = match kind {
            1 => StreamKind::Stdout,
            2 => StreamKind::Stderr,
            other => return Err(FrameError::UnknownStream(other)),
        };
        let bytes = u32::from_be_bytes(length);
        if bytes > MAX_FRAME_BYTES {
            return Err(FrameError::Oversized { bytes });
        }
        if bytes == 0 {
            return Ok(State::next_header());
        }
        self.lines[stream as usize].start_part();
        Ok(State::Frame { stream, left: bytes as usize })
    }

    /// Counts `bytes` off the frame; true when that ends it.
    fn consume(&mut self, bytes: usize) -> bool {
        let State::Frame { left, .. } = &mut self.state else { return false };
        *left -= bytes;
        let ended = *left == 0;
        if ended {
            self.state = State::next_header();
        }
        ended
    }
}

impl State {
    const fn next_header() -> Self {
        Self::Header { bytes: [0; HEADER_BYTES], have: 0 }
    }
}

impl<'a> RawLine<'a> {
    fn new(stream: StreamKind, bytes: &'a [u8]) -> Self {
        let cut = bytes.len() > MAX_LINE_BYTES;
        Self { stream, bytes: &bytes[..bytes.len().min(MAX_LINE_BYTES)], cut }
    }
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the part begins that is being received, or was last.
    part_start: usize,
    cut: bool,
}

impl LineBuffer {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn start_part(&mut self) {
        self.part_start = self.bytes.len();
    }

    fn append(&mut self, text: &[u8]) {
        let room = MAX_LINE_BYTES - self.bytes.len();
        self.cut |= text.len() > room;
        self.bytes.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// Takes the line's own timestamp off the head of a further part. Text that happens to look so is safe unless it
    /// is the same to the nanosecond.
    fn end_part(&mut self) -> Part {
        let (line, part) = self.bytes.split_at(self.part_start);
        match (timestamp_and_space(line), timestamp_and_space(part)) {
            (Some(of_line), Some(of_part)) if of_line == of_part => {
                let repeated = self.part_start..self.part_start + of_part.len();
                self.bytes.drain(repeated);
                Part::OfThisLine
            }
            (Some(_), Some(_)) => Part::OfAnotherLine,
            _ => Part::OfThisLine,
        }
    }

    /// The same for all parts of a line that came without frames to tell them apart.
    fn join_parts(&mut self) {
        let Some(stamp) = timestamp_and_space(&self.bytes).map(<[u8]>::to_vec) else { return };
        let mut from = stamp.len();
        while let Some(at) = memchr::memmem::find(&self.bytes[from..], &stamp) {
            from += at;
            self.bytes.drain(from..from + stamp.len());
        }
    }

    /// Of all that is buffered, only the last part is still to be given out.
    fn keep_part(&mut self) {
        self.bytes.drain(..self.part_start);
        self.part_start = 0;
        self.cut = false;
    }

    fn line_before_part(&self, stream: StreamKind) -> RawLine<'_> {
        RawLine { stream, bytes: &self.bytes[..self.part_start], cut: self.cut }
    }

    fn line(&self, stream: StreamKind) -> RawLine<'_> {
        RawLine { stream, bytes: &self.bytes, cut: self.cut }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        // One long line must not keep its memory for the rest of a stream's life.
        self.bytes.shrink_to(64 << 10);
        self.part_start = 0;
        self.cut = false;
    }
}

/// Which line a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    OfThisLine,
    OfAnotherLine,
}

/// The timestamp at the head of `bytes`, and the space after it.
fn timestamp_and_space(bytes: &[u8]) -> Option<&[u8]> {
    let (_, rest) = Timestamp::parse_prefix(bytes)?;
    let after = rest.strip_prefix(b" ")?;
    Some(&bytes[..bytes.len() - after.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use StreamKind::{Stderr, Stdout};
    use proptest::prelude::*;

    fn frame(stream: StreamKind, payload: &[u8]) -> Vec<u8> {
        let kind = if stream == Stdout { 1 } else { 2 };
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], payload].concat()
    }

    type Owned = (StreamKind, Vec<u8>);

    fn lines_of<'a>(tty: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Owned>, FrameError> {
        let mut demultiplexer = Demultiplexer::new(tty);
        let mut lines = Vec::new();
        for mut chunk in chunks {
            while let Some(line) = demultiplexer.next_line(&mut chunk)? {
                lines.push((line.stream, line.bytes.to_vec()));
            }
        }
        lines.extend(demultiplexer.unfinished().map(|line| (line.stream, line.bytes.to_vec())));
        Ok(lines)
    }

    #[test]
    fn a_frame_may_hold_many_lines_and_a_line_many_frames() {
        let bytes = [frame(Stdout, b"one\ntwo\nthr"), frame(Stderr, b"oops\n"), frame(Stdout, b"ee\n")].concat();
        let lines = lines_of(false, [&bytes[..]]).unwrap();
        let expected: [Owned; 4] = [
            (Stdout, b"one".to_vec()),
            (Stdout, b"two".to_vec()),
            (Stderr, b"oops".to_vec()),
            (Stdout, b"three".to_vec()),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_timestamp_that_dockerd_repeats_in_a_split_line_is_taken_out() {
        let stamp = b"2026-11-23T13:15:57.924743081Z ";
        let part = |text: &[u8]| frame(Stdout, &[&stamp[..], text].concat());
        let bytes = [part(b"aaa"), part(b"bbb"), frame(Stderr, b"between\n"), part(b"ccc\n"), part(b"next\n")].concat();
        let lines = lines_of(false, bytes.chunks(7)).unwrap();
        assert_eq!(lines[1].1, [&stamp[..], b"aaabbbccc"].concat());
        assert_eq!(lines[2].1, [&stamp[..], b"next"].concat());
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_line_without_an_end_is_given_when_the_stream_ends() {
        let bytes = [frame(Stdout, b"done\n"), frame(Stdout, b"unter"), frame(Stdout, b"minated")].concat();
        let lines = lines_of(false, [&bytes[..]]).unwrap();
        assert_eq!(lines, [(Stdout, b"done".to_vec()), (Stdout, b"unterminated".to_vec())]);
    }

    #[test]
    fn a_part_with_another_timestamp_begins_another_line() {
        let part = |second: u8, text: &str| frame(Stdout, format!("2026-11-23T13:15:{second}Z {text}").as_bytes());
        let bytes =
            [part(10, "unfinished"), part(20, "whole\n"), part(30, "unfinished"), part(40, "beg"), part(40, "in\n")];
        for size in [1, 1000] {
            let lines = lines_of(false, bytes.concat().chunks(size)).unwrap();
            let texts: Vec<_> = lines.iter().map(|(_, line)| std::str::from_utf8(&line[21..]).unwrap()).collect();
            assert_eq!(texts, ["unfinished", "whole", "unfinished", "begin"]);
        }
    }

    #[test]
    fn a_tty_has_no_frames() {
        let lines = lines_of(true, [&b"one\r\ntw"[..], b"o\r\n"]).unwrap();
        assert_eq!(lines, [(Stdout, b"one\r".to_vec()), (Stdout, b"two\r".to_vec())]);
    }

    #[test]
    fn the_timestamps_repeated_in_a_long_line_of_a_tty_are_taken_out() {
        let stamp = b"2026-11-23T13:15:57.924743081Z ";
        let (full, rest) = (vec![b'x'; PART_BYTES], b"rest\r\n");
        let bytes = [&stamp[..], &full, stamp, &full, stamp, rest, stamp, b"next\r\n"].concat();
        for size in [1000, 1 << 20] {
            let lines = lines_of(true, bytes.chunks(size)).unwrap();
            let expected: [Owned; 2] =
                [(Stdout, [&stamp[..], &full, &full, b"rest\r"].concat()), (Stdout, [&stamp[..], b"next\r"].concat())];
            assert!(lines == expected, "in chunks of {size}");
        }
    }

    #[test]
    fn an_unknown_stream_type_is_an_error() {
        let bytes = [frame(Stdout, b"one\n"), vec![7, 0, 0, 0, 0, 0, 0, 1, b'x']].concat();
        assert_eq!(lines_of(false, [&bytes[..]]), Err(FrameError::UnknownStream(7)));
    }

    #[test]
    fn a_length_that_no_frame_has_is_an_error_before_anything_is_kept() {
        let bytes = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(lines_of(false, [&bytes[..]]), Err(FrameError::Oversized { bytes: u32::MAX }));
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_marked_and_the_next_is_whole() {
        let long = vec![b'x'; MAX_LINE_BYTES + 10];
        let bytes = [frame(Stdout, &long), frame(Stdout, b"\nnext\n")].concat();
        let mut demultiplexer = Demultiplexer::new(false);
        let mut input = &bytes[..];
        let line = demultiplexer.next_line(&mut input).unwrap().unwrap();
        assert_eq!((line.bytes.len(), line.cut), (MAX_LINE_BYTES, true));
        let line = demultiplexer.next_line(&mut input).unwrap().unwrap();
        assert_eq!((line.bytes, line.cut), (&b"next"[..], false));
        assert!(demultiplexer.lines[0].bytes.capacity() <= 64 << 10, "the long line's memory is given back");
    }

    fn any_stream() -> impl Strategy<Value = StreamKind> {
        prop_oneof![Just(Stdout), Just(Stderr)]
    }

    fn any_payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|text| [
                b"2026-11-23T13:15:57.924743081Z ",
                &text[..]
            ]
            .concat()),
        ]
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_lines(
            frames in proptest::collection::vec((any_stream(), any_payload()), 0..12),
            cuts in proptest::collection::vec(1_usize..30, 1..40),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(stream, payload)| frame(*stream, payload)).collect();
            let mut rest = &bytes[..];
            let chunks: Vec<&[u8]> = cuts.iter().cycle().map_while(|&cut| {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                rest = after;
                (!chunk.is_empty()).then_some(chunk)
            }).collect();
            prop_assert_eq!(lines_of(false, chunks), lines_of(false, [&bytes[..]]));
        }

        #[test]
        fn frames_carry_the_text_of_each_stream_unchanged(
            frames in proptest::collection::vec((any_stream(), proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(stream, payload)| frame(*stream, payload)).collect();
            let lines = lines_of(false, [&bytes[..]]).unwrap();
            for kind in [Stdout, Stderr] {
                let text: Vec<u8> = frames.iter().filter(|(stream, _)| *stream == kind).flat_map(|(_, p)| p.clone()).collect();
                let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
                if expected.last() == Some(&&b""[..]) {
                    expected.pop();
                }
                let got: Vec<&[u8]> = lines.iter().filter(|(stream, _)| *stream == kind).map(|(_, line)| &line[..]).collect();
                prop_assert_eq!(got, expected);
            }
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), tty: bool) {
            let _ = lines_of(tty, bytes.chunks(5));
        }
    }
}
