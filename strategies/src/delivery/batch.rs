//! Lines gathered for one request.

use tokio::time::Instant;

use super::Limits;
use crate::bytes;
use crate::line::{Line, StreamKind};

/// What a line has besides its texts, at the most.
const FRAME_BYTES: usize = 64;

/// The body of one request as it grows: NDJSON, a newline after every line.
#[derive(Debug, Default)]
pub(super) struct Batch {
    body: Vec<u8>,
    lines: usize,
    /// When its first line came.
    opened: Option<Instant>,
}

impl Batch {
    /// An empty batch in memory that was used before.
    pub(super) fn reusing(mut body: Vec<u8>) -> Self {
        body.clear();
        Self { body, lines: 0, opened: None }
    }

    pub(super) fn push(&mut self, line: &Line<'_>) {
        // What serde_json makes of a `Line`, for a fraction of the time: most texts go as they are.
        let body = &mut self.body;
        body.reserve(line.container.len() + line.time.len() + line.text.len() + FRAME_BYTES);
        body.extend_from_slice(b"{\"container\":\"");
        push_text(body, line.container);
        body.extend_from_slice(match line.stream {
            StreamKind::Stdout => b"\",\"stream\":\"stdout\",\"t\":\"",
            StreamKind::Stderr => b"\",\"stream\":\"stderr\",\"t\":\"",
        });
        push_text(body, &line.time);
        body.extend_from_slice(b"\",\"line\":\"");
        push_text(body, &line.text);
        body.extend_from_slice(b"\"}\n");
        self.lines += 1;
        self.opened.get_or_insert_with(Instant::now);
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.lines >= limits.batch_lines || self.body.len() >= limits.batch_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// When it is to be sent, full or not; `None` while it is empty.
    pub(super) fn due(&self, limits: &Limits) -> Option<Instant> {
        self.opened.map(|opened| opened + limits.batch_wait)
    }

    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Puts a text behind a quote, as JSON has it.
fn push_text(body: &mut Vec<u8>, text: &str) {
    if !bytes::any(text.as_bytes(), bytes::is_escaped_in_json) {
        body.extend_from_slice(text.as_bytes());
        return;
    }
    // serde_json writes both quotes; the second one comes with what follows.
    body.pop();
    // A text cannot fail to become JSON, nor a Vec to take it.
    let written = serde_json::to_writer(&mut *body, text);
    debug_assert!(written.is_ok());
    body.pop();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> Line<'_> {
        Line { container: "c01", stream: StreamKind::Stdout, time: "2026-11-23T13:15:57Z".into(), text: text.into() }
    }

    #[test]
    fn a_line_is_what_the_sink_is_promised() {
        let mut batch = Batch::default();
        batch.push(&line("say \"hi\"\u{1b}\n"));
        insta::assert_snapshot!(
            String::from_utf8(batch.into_body()).unwrap(),
            @r#"{"container":"c01","stream":"stdout","t":"2026-11-23T13:15:57Z","line":"say \"hi\"\u001b\n"}"#
        );
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_json_makes_of_it(container in ".{0,80}", time in "\\PC*", text in any::<String>(), stderr: bool) {
            let stream = if stderr { StreamKind::Stderr } else { StreamKind::Stdout };
            let line = Line { container: &container, stream, time: time.into(), text: text.into() };
            let mut batch = Batch::default();
            batch.push(&line);
            prop_assert_eq!(batch.into_body(), serde_json::to_string(&line).unwrap().into_bytes().into_iter().chain(*b"\n").collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_is_full_by_lines_and_by_bytes() {
        let limits = Limits { batch_lines: 2, batch_bytes: 300, ..Limits::default() };
        let mut batch = Batch::default();
        batch.push(&line("a"));
        assert!(!batch.is_full(&limits));
        batch.push(&line("b"));
        assert!(batch.is_full(&limits), "two lines");
        let mut batch = Batch::default();
        batch.push(&line(&"x".repeat(300)));
        assert!(batch.is_full(&limits), "over 300 bytes");
    }
}
