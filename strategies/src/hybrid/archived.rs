//! The strategy `hybrid` with `as_archived = true`: the design that once failed, as a control.
//!
//! Honest code with its three faults, each marked by a comment: logs are read again from the beginning at every rotation,
//! with no offset and no filter by time; the watcher before is never closed; and every line that the sink refuses (it
//! refuses old lines) becomes a retry of its own, without limit, on a connection that it keeps while it waits. Tasks and
//! file descriptors climb until the process has none left, and with that it ends.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper::body::Bytes;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::sync::mpsc;

use super::chain;
use super::jsonfile::Decoder;
use super::tail::Output;
use super::watch::POLL_EVERY;
use crate::delivery::{Backoff, RefusedLine, SinkClient, SinkError};
use crate::discovery::{Container, ContainerEvent};
use crate::files::is_out_of_descriptors;
use crate::metrics::ErrorKind;
use crate::strategy::{Context, Strategy, StrategyError};

const BUFFER_BYTES: usize = 16 << 10;

/// First and longest pause between two tries of a refused line.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Follows the json-file log of every container, without the protections.
#[derive(Debug, Clone, Copy)]
pub struct Archived {
    rotate_every: Duration,
}

impl Archived {
    /// Opens and watches every log anew every `rotate_every`.
    pub fn new(rotate_every: Duration) -> Self {
        Self { rotate_every }
    }
}

impl Strategy for Archived {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let mut discovery = context.discover();
        let mut refused = context.delivery.divert_refused();
        let mut shutdown = context.shutdown.clone();
        let (failed, mut failures) = mpsc::unbounded_channel();
        let mut containers: HashMap<String, Arc<Container>> = HashMap::new();
        let mut rotate = super::ticks(self.rotate_every.max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                event = discovery.next() => match event {
                    ContainerEvent::Started(container) => {
                        watch(&context, &container, &failed);
                        containers.insert(container.id.clone(), container);
                    }
                    ContainerEvent::Stopped { .. } => {}
                    ContainerEvent::Removed { id } => drop(containers.remove(&id)),
                },
                _ = rotate.tick() => for container in containers.values() {
                    watch(&context, container, &failed);
                    context.metrics.stream_rotations.inc();
                },
                Some(line) = refused.recv() => retry(&context, line, &failed),
                Some(error) = failures.recv() => return Err(error),
                () = shutdown.requested() => return Ok(()),
            }
        }
    }
}

type Failures = mpsc::UnboundedSender<StrategyError>;

fn watch(context: &Context, container: &Arc<Container>, failed: &Failures) {
    let Some(live) = container.log_path.clone() else { return };
    let watching = Watching { context: context.clone(), container: Arc::clone(container), live };
    let failed = failed.clone();
    // Fault: the watcher that this one replaces is not closed. Its task, its file and its inotify instance stay.
    tokio::spawn(async move {
        if let Err((path, source)) = watching.follow().await {
            watching.context.metrics.errors.inc(ErrorKind::File);
            if is_out_of_descriptors(&source) {
                let _ = failed.send(StrategyError::File { doing: "cannot open", path, source });
            }
        }
    });
}

fn retry(context: &Context, line: RefusedLine, failed: &Failures) {
    let (context, failed) = (context.clone(), failed.clone());
    // Fault: a task and a connection for every refused line, however many, for as long as the line is refused. It will
    // be for ever: a line that is too old does not become younger.
    tokio::spawn(async move {
        if let Err(error) = retry_until_accepted(&context, line).await {
            let _ = failed.send(error.into());
        }
    });
}

async fn retry_until_accepted(context: &Context, line: RefusedLine) -> Result<(), SinkError> {
    let (config, metrics) = (&context.config, &context.metrics);
    let mut sink = SinkClient::new(&config.sink_socket, &config.name, Arc::clone(metrics));
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let entry = Bytes::from([&line.entry[..], b"\n"].concat());
    loop {
        match sink.post(entry.clone()).await {
            Ok(answer) if answer.refused.is_empty() => {
                metrics.lines_delivered.add(answer.accepted);
                return Ok(());
            }
            Ok(_) => metrics.lines_refused.inc(),
            Err(error) if error.is_out_of_descriptors() => return Err(error),
            Err(_) => metrics.errors.inc(ErrorKind::Sink),
        }
        metrics.retries.inc();
        tokio::time::sleep(backoff.delay()).await;
    }
}

/// One watcher of one log.
struct Watching {
    context: Context,
    container: Arc<Container>,
    live: PathBuf,
}

impl Watching {
    /// Never ends but by an error.
    async fn follow(&self) -> Result<(), (PathBuf, io::Error)> {
        let at_live = |error| (self.live.clone(), error);
        let _counted = self.context.metrics.streams_active.hold();
        let output = Output { delivery: self.context.delivery.clone(), metrics: Arc::clone(&self.context.metrics) };
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        // Fault: from the beginning of the oldest file, whatever was delivered before, and however old it is.
        let mut files = chain::all(&self.live).map_err(at_live)?.into_iter();
        let Some(mut file) = files.next() else { return Ok(()) };
        let mut writes = Writes::of(&self.live);
        loop {
            let count = file.read(&mut buffer).map_err(at_live)?;
            let mut bytes = &buffer[..count];
            while let Some(line) = decoder.next_line(&mut bytes) {
                output.take(&self.container.name, line).await;
            }
            if count == 0 {
                match files.next() {
                    Some(next) => file = next,
                    None => writes.next().await.map_err(at_live)?,
                }
            }
        }
    }
}

/// Tells of writes to one file: by an inotify instance of its own or, when the user has none left, by the clock.
enum Writes {
    Inotify(EventStream<Vec<u8>>),
    Clock,
}

impl Writes {
    fn of(path: &Path) -> Self {
        let events = Inotify::init().and_then(|inotify| {
            inotify.watches().add(path, WatchMask::MODIFY)?;
            inotify.into_event_stream(vec![0; 1024])
        });
        events.map_or(Self::Clock, Self::Inotify)
    }

    async fn next(&mut self) -> io::Result<()> {
        match self {
            Self::Inotify(events) => events.next().await.transpose().map(drop),
            Self::Clock => {
                tokio::time::sleep(POLL_EVERY).await;
                Ok(())
            }
        }
    }
}
