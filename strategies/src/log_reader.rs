//! From the body of a logs request to delivered lines: decode, leave out what was captured already, count, hand over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::delivery::Delivery;
use crate::discovery::Container;
use crate::docker_api::coalesced::BusySocket;
use crate::docker_api::connection::Settling;
use crate::docker_api::frames::{Demultiplexer, FrameError, RawLine};
use crate::docker_api::logs::{LogLine, LogQuery};
use crate::docker_api::timestamp::Timestamp;
use crate::docker_api::{Body, Engine, EngineError};
use crate::metrics::{DropReason, ErrorKind, GaugeGuard, Metrics};
use crate::progress::{Join, Pace, Progress, Reach, wall_clock};
use crate::strategy::Context;

/// How long a stream that has lines to begin with may take to its first.
const FIRST_LINE: Duration = Duration::from_secs(1);

/// A container, and how far its log was captured; shared by all who read it.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) container: Arc<Container>,
    pub(crate) progress: Progress,
    pub(crate) pace: Pace,
    /// Told when the container has stopped.
    pub(crate) stopped: Notify,
}

/// Why a stream is read no further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It broke off.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its bytes are not what the engine promises.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It begins after what was captured, and lines may lie in between.
    #[error("the stream begins after what was captured before")]
    Apart,
}

impl ReadError {
    /// Whether the engine says that there is no such container.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_not_found())
    }
}

/// One open log stream. Whatever holds this holds the connection.
pub(crate) struct LogReader {
    capture: Capture,
    /// Read already, to look at the first line.
    held: VecDeque<Bytes>,
    stream: OpenStream,
}

/// A stream's body, counted from its opening until it is released.
struct OpenStream {
    body: Body,
    at_end: bool,
    metrics: Arc<Metrics>,
    _counted: GaugeGuard,
}

/// What the bytes of one stream pass through: into lines, past those that were captured already, to the delivery.
pub(crate) struct Capture {
    lines: Demultiplexer,
    /// `None`: the stream begins where the capture ended, or before.
    join: Option<Join>,
    claims: Claims,
}

/// What a line passes through once it is decoded.
struct Claims {
    captured: Arc<Captured>,
    delivery: Delivery,
    metrics: Arc<Metrics>,
}

impl LogReader {
    /// Asks `engine` for the log from where its capture has got to, as far as that is within `reach`, and for what is yet
    /// to come.
    pub(crate) async fn follow(
        engine: &Engine,
        captured: &Arc<Captured>,
        context: &Context,
        reach: Reach,
    ) -> Result<Self, EngineError> {
        let since = captured.progress.since();
        // Of a log that was never read, all is wanted.
        let tail = since.and(reach.tail(&captured.pace));
        Self::open(engine, captured, context, LogQuery { since, tail, follow: true }).await
    }

    /// Reads what a stopped container has left: its followers may have missed the last of it. dockerd 20.10 ends their
    /// streams without what was written at the very end, a last line without a newline above all.
    pub(crate) async fn read_rest(
        engine: &Engine,
        captured: &Arc<Captured>,
        context: &Context,
    ) -> Result<(), ReadError> {
        let query = LogQuery { since: captured.progress.since(), tail: None, follow: false };
        let mut reader = Self::open(engine, captured, context, query).await?;
        reader.read_to_end().await?;
        reader.capture.take_unfinished().await;
        Ok(())
    }

    async fn open(
        engine: &Engine,
        captured: &Arc<Captured>,
        context: &Context,
        query: LogQuery,
    ) -> Result<Self, EngineError> {
        let body = engine.logs(&captured.container.id, query).await?;
        let join = query.tail.map(|_| Join::default());
        let capture = Capture { join, ..Capture::new(captured, context) };
        Ok(Self { capture, held: VecDeque::new(), stream: OpenStream::new(body, &context.metrics) })
    }

    /// Whether the first line is one that was captured, so that nothing lies in between. Of a stream that says nothing it is
    /// found out when it does.
    pub(crate) async fn meets(&mut self) -> Result<bool, ReadError> {
        if self.capture.join.is_none() {
            return Ok(true);
        }
        let captured = Arc::clone(&self.capture.claims.captured);
        let mut lines = Demultiplexer::new(captured.container.tty);
        while let Ok(chunk) = timeout(FIRST_LINE, self.stream.next_chunk()).await {
            let Some(chunk) = chunk? else { break };
            self.held.push_back(chunk.clone());
            if let Some(first) = lines.next_line(&mut &chunk[..])? {
                return Ok(LogLine::parse(first).is_ok_and(|first| captured.progress.knows(&first)));
            }
        }
        Ok(true)
    }

    /// The next bytes; `None` at the stream's end. Cancel-safe.
    pub(crate) async fn next_chunk(&mut self) -> Result<Option<Bytes>, EngineError> {
        if let Some(chunk) = self.held.pop_front() {
            return Ok(Some(chunk));
        }
        self.stream.next_chunk().await
    }

    /// Those of the arm.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.stream.metrics
    }

    /// The socket that all the rest comes from, if it is busy, for whoever reads many that are.
    pub(crate) fn busy(&self) -> Option<BusySocket> {
        if self.held.is_empty() { self.stream.body.busy() } else { None }
    }

    /// Hands over the lines that `chunk` completes. Not to be cancelled: lines already claimed would be lost.
    pub(crate) async fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        self.capture.take(chunk).await
    }

    /// Reads to the stream's end. A line without a newline there is left to [`LogReader::read_rest`]: it may be the
    /// beginning of a longer one.
    pub(crate) async fn read_to_end(&mut self) -> Result<(), ReadError> {
        while let Some(chunk) = self.next_chunk().await? {
            self.take(&chunk).await?;
        }
        Ok(())
    }
}

impl OpenStream {
    fn new(body: Body, metrics: &Arc<Metrics>) -> Self {
        metrics.streams_opened.inc();
        Self { body, at_end: false, metrics: Arc::clone(metrics), _counted: metrics.streams_active.hold() }
    }
}

impl OpenStream {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, EngineError> {
        let chunk = self.body.next_chunk().await?;
        self.at_end = chunk.is_none();
        Ok(chunk)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let settling = Settling::new(Arc::clone(&self.metrics));
        // A stream that is read to its end leaves a connection that is good for another, and one of many streams on a
        // connection has nothing of its own. In both cases it is released with this.
        if let Some(connection) = self.body.connection().upgrade().filter(|_| !self.at_end) {
            connection.ends_with(settling);
        }
    }
}

impl Capture {
    /// For one stream of the container's log, read from where its capture has got to.
    pub(crate) fn new(captured: &Arc<Captured>, context: &Context) -> Self {
        let claims = Claims {
            captured: Arc::clone(captured),
            delivery: context.delivery.clone(),
            metrics: Arc::clone(&context.metrics),
        };
        Self { lines: Demultiplexer::new(captured.container.tty), join: None, claims }
    }

    /// Hands over the lines that `chunk` completes. Not to be cancelled: lines already claimed would be lost.
    pub(crate) async fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        let (name, now) = (self.claims.captured.container.name(), wall_clock());
        let mut input = chunk;
        let mut lines = 0;
        while let Some(raw) = self.lines.next_line(&mut input)? {
            let Some(line) = self.claims.parse(raw) else { continue };
            if let Some(join) = &mut self.join
                && !join.admits(&self.claims.captured.progress, &line, now)
            {
                return Err(ReadError::Apart);
            }
            self.claims.take(&name, &line, raw.cut, now).await;
            lines += 1;
        }
        self.claims.captured.pace.came(lines);
        Ok(())
    }

    /// Hands over what the stream's end has left without a newline.
    async fn take_unfinished(&self) {
        let (name, now) = (self.claims.captured.container.name(), wall_clock());
        for raw in self.lines.unfinished() {
            if let Some(line) = self.claims.parse(raw) {
                self.claims.take(&name, &line, raw.cut, now).await;
            }
        }
    }
}

impl Claims {
    fn parse<'a>(&self, raw: RawLine<'a>) -> Option<LogLine<'a>> {
        let line = LogLine::parse(raw).ok();
        if line.is_none() {
            self.metrics.errors.inc(ErrorKind::Parse);
            self.metrics.lines_dropped.inc(DropReason::Unparsable);
        }
        line
    }

    #[inline]
    async fn take(&self, container: &str, line: &LogLine<'_>, cut: bool, now: Timestamp) {
        if !self.captured.progress.claim(line, now) {
            return;
        }
        if cut {
            self.metrics.errors.inc(ErrorKind::Parse);
        }
        self.metrics.lines_read.inc();
        self.metrics.bytes_read.add(line.text.len() as u64);
        self.delivery.deliver(&line.of(container)).await;
    }
}
