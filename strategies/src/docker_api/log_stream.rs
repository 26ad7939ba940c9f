//! A container's log, line by line.

use hyper::body::Bytes;

use crate::docker_api::frames::Demultiplexer;
use crate::docker_api::logs::LogLine;
use crate::docker_api::{Body, EngineError};

/// A log as it comes. Dropping it ends the request, and closes its connection unless others share that.
#[derive(Debug)]
pub struct LogStream {
    body: Body,
    lines: Demultiplexer,
    chunk: Bytes,
}

/// Lines that have come.
#[derive(Debug)]
pub struct Lines<'a> {
    lines: &'a mut Demultiplexer,
    rest: &'a [u8],
}

impl LogStream {
    pub(super) fn new(body: Body, tty: bool) -> Self {
        Self { body, lines: Demultiplexer::new(tty), chunk: Bytes::new() }
    }

    /// Waits for more of the log; `None` at its end. The end of a followed log is that of its container, or of its
    /// connection: ask the engine which. Cancel-safe.
    pub async fn next_lines(&mut self) -> Result<Option<Lines<'_>>, EngineError> {
        let Some(chunk) = self.body.next_chunk().await? else { return Ok(None) };
        self.chunk = chunk;
        Ok(Some(Lines { lines: &mut self.lines, rest: &self.chunk }))
    }

    /// After the end: what it has left without a newline.
    pub fn unfinished(&self) -> impl Iterator<Item = Result<LogLine<'_>, EngineError>> {
        self.lines.unfinished().map(|line| Ok(LogLine::parse(line)?))
    }
}

impl Lines<'_> {
    /// The next line; `None`: wait for more.
    #[expect(clippy::should_implement_trait, reason = "a line borrows from here, which no iterator's item can")]
    pub fn next(&mut self) -> Result<Option<LogLine<'_>>, EngineError> {
        let Some(line) = self.lines.next_line(&mut self.rest)? else { return Ok(None) };
        Ok(Some(LogLine::parse(line)?))
    }
}
