//! A container's log over the API: what is asked for, and the lines that come back.

use std::borrow::Cow;

use crate::docker_api::encode;
use crate::docker_api::frames::RawLine;
use crate::docker_api::timestamp::Timestamp;
use crate::line::{Line, StreamKind};

/// Which part of a container's log, and whether to wait for more. Timestamps are always asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// Only lines of this moment or later. The engine compares whole nanoseconds: lines of this very moment come too.
    pub since: Option<Timestamp>,
    /// Of those, only this many at the log's end; what is printed later comes in any case. The engine finds them from
    /// the end, where `since` alone has it read the whole log.
    pub tail: Option<u32>,
    /// Keep the stream open while the container runs.
    pub follow: bool,
}

impl LogQuery {
    pub(crate) fn path(self, container_id: &str) -> String {
        let follow = u8::from(self.follow);
        let since = self.since.map(|since| format!("&since={since}")).unwrap_or_default();
        let tail = self.tail.map(|tail| format!("&tail={tail}")).unwrap_or_default();
        let id = encode(container_id);
        format!("/containers/{id}/logs?stdout=1&stderr=1&timestamps=1&follow={follow}{since}{tail}")
    }
}

/// A line of a log stream, its timestamp told from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Output it was printed to.
    pub stream: StreamKind,
    /// When the engine received it.
    pub time: Timestamp,
    /// The same as the engine wrote it.
    pub time_text: &'a str,
    /// What the container printed, without the newline.
    pub text: &'a [u8],
}

/// A line that does not begin with a timestamp and a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log line without the timestamp that was asked for")]
pub struct NoTimestamp;

impl<'a> LogLine<'a> {
    /// Splits a line as the engine sent it.
    pub fn parse(raw: RawLine<'a>) -> Result<Self, NoTimestamp> {
        let (time, rest) = Timestamp::parse_prefix(raw.bytes).ok_or(NoTimestamp)?;
        let time_text = &raw.bytes[..raw.bytes.len() - rest.len()];
        let time_text = std::str::from_utf8(time_text).map_err(|_| NoTimestamp)?;
        let text = rest.strip_prefix(b" ").ok_or(NoTimestamp)?;
        Ok(Self { stream: raw.stream, time, time_text, text })
    }

    /// The line as the sink is told of it.
    pub fn of<'b>(&self, container: &'b str) -> Line<'b>
    where
        'a: 'b,
    {
        Line {
            container,
            stream: self.stream,
            time: Cow::Borrowed(self.time_text),
            // Nearly always text, which is found out faster without the exact place where it is not.
            text: std::str::from_utf8(self.text).map_or_else(|_| String::from_utf8_lossy(self.text), Cow::Borrowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: &[u8]) -> RawLine<'_> {
        RawLine { stream: StreamKind::Stderr, bytes, cut: false }
    }

    #[test]
    fn the_timestamp_is_told_from_the_text() {
        let line = LogLine::parse(raw(b"2026-11-23T13:15:57.924743081Z  two spaces")).unwrap();
        assert_eq!(line.time_text, "2026-11-23T13:15:57.924743081Z");
        assert_eq!(line.time.unix_nanos() % 1_000_000_000, 924_743_081);
        assert_eq!(line.text, b" two spaces");
    }

    #[test]
    fn an_empty_line_is_a_line() {
        assert_eq!(LogLine::parse(raw(b"2026-11-23T13:15:57.924743081Z ")).unwrap().text, b"");
    }

    #[test]
    fn a_line_without_a_timestamp_is_an_error() {
        for bytes in [&b""[..], b"hello", b"2026-11-23T13:15:57Zhello"] {
            assert_eq!(LogLine::parse(raw(bytes)), Err(NoTimestamp));
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_not_lost() {
        let line = LogLine::parse(raw(b"2026-11-23T13:15:57Z a\xffb")).unwrap();
        assert_eq!(line.of("c").text, "a\u{fffd}b");
    }

    #[test]
    fn the_query_asks_for_timestamps_and_for_the_nanosecond() {
        let since = Some(Timestamp::from_unix_nanos(1_000_000_005));
        assert_eq!(
            LogQuery { since, tail: Some(10), follow: true }.path("abc"),
            "/containers/abc/logs?stdout=1&stderr=1&timestamps=1&follow=1&since=1.000000005&tail=10"
        );
    }
}
