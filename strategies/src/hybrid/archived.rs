//! The strategy `hybrid` with protections taken away: all of them is the design that once failed, as a control.
//!
//! Honest code with its five faults, each where its protection would be, and marked by a comment. Without offsets and
//! without the filter by time, logs are read again from the beginning at every rotation. Without closing them, the watchers before
//! stay. Every line that the sink refuses (it refuses old lines) becomes a retry of its own, without limit, on a connection that
//! it keeps while it waits. Tasks and file descriptors climb until the process has none left, and with that it ends.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper::body::Bytes;
use inotify::{EventStream, Inotify, WatchMask};
use leaksoak_scenarios::Protection;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::age::AgeFilter;
use super::settled::Settled;
use super::tail::{Advance, Output, Tail};
use super::watch::POLL_EVERY;
use super::{HybridSettings, load_offsets};
use crate::delivery::dead_letter::DeadLetterFiles;
use crate::delivery::{Backoff, Limits, RefusedLine, SinkClient, SinkError};
use crate::discovery::{Container, ContainerEvent};
use crate::files::is_out_of_descriptors;
use crate::metrics::{DropReason, ErrorKind};
use crate::pooled::Rotation;
use crate::strategy::{Context, Strategy, StrategyError};

const BUFFER_BYTES: usize = 16 << 10;

/// First and longest pause between two tries of a refused line.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Follows the json-file log of every container, without some of the protections.
#[derive(Debug, Clone)]
pub struct Archived {
    settings: HybridSettings,
}

impl Archived {
    /// Opens and watches every log anew at every rotation, and does without what `settings.without` names.
    pub fn new(settings: HybridSettings) -> Self {
        Self { settings }
    }
}

impl Strategy for Archived {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let without = Without(self.settings.without.clone());
        let (failed, mut failures) = mpsc::unbounded_channel();
        let mut rotate = Rotation::new(self.settings.rotate_every, &context.settings).next_schedule();
        let settled = if without.has(Protection::Offsets) { None } else { Some(load_offsets(&context)?) };
        let mut watchers =
            Watchers { context: context.clone(), settings: self.settings, settled, failed: failed.clone() };
        let mut retries = Retries::new(&context, without.clone(), failed);
        let mut refused = retries.wanted().then(|| context.delivery.divert_refused());
        let mut discovery = context.discover();
        let mut shutdown = context.shutdown.clone();
        let mut watched: HashMap<String, Watched> = HashMap::new();
        loop {
            tokio::select! {
                event = discovery.next() => match event {
                    ContainerEvent::Started(container) => {
                        if let Some(new) = watchers.watched(&container) {
                            let entry = watched.entry(container.id.clone()).or_insert(new);
                            watchers.watch(entry);
                        }
                    }
                    ContainerEvent::Stopped { .. } => {}
                    ContainerEvent::Removed { id } => drop(watched.remove(&id)),
                },
                () = rotate.tick() => for entry in watched.values_mut() {
                    watchers.watch(entry);
                    context.metrics.stream_rotations.inc();
                },
                Some(line) = next(&mut refused) => retries.retry(line).await?,
                Some(error) = failures.recv() => return Err(error),
                () = shutdown.requested() => return Ok(()),
            }
        }
    }
}

async fn next(refused: &mut Option<mpsc::UnboundedReceiver<RefusedLine>>) -> Option<RefusedLine> {
    match refused {
        Some(refused) => refused.recv().await,
        None => std::future::pending().await,
    }
}

type Failures = mpsc::UnboundedSender<StrategyError>;

/// The protections that are taken away.
#[derive(Debug, Clone)]
struct Without(Vec<Protection>);

impl Without {
    fn has(&self, protection: Protection) -> bool {
        self.0.contains(&protection)
    }
}

/// Makes watchers.
struct Watchers {
    context: Context,
    settings: HybridSettings,
    settled: Option<Settled>,
    failed: Failures,
}

/// A container, and the watcher of its log.
struct Watched {
    container: Arc<Container>,
    live: PathBuf,
    /// Where the log was read to.
    tail: Arc<Mutex<Tail>>,
    /// Lets its watcher end when it is dropped.
    hold: Option<oneshot::Sender<()>>,
}

impl Watchers {
    fn watched(&self, container: &Arc<Container>) -> Option<Watched> {
        let live = container.log_path.clone()?;
        let tail = Arc::new(Mutex::new(self.tail(container, &live)));
        Some(Watched { container: Arc::clone(container), live, tail, hold: None })
    }

    fn tail(&self, container: &Arc<Container>, live: &Path) -> Tail {
        // Fault: no filter by time, however old a line is.
        let without = Without(self.settings.without.clone());
        let limit = self.settings.ignore_older.filter(|_| !without.has(Protection::TimestampFilter));
        let resume = self.settled.as_ref().and_then(|settled| settled.get(&container.id));
        Tail::new(container, live, resume, AgeFilter::new(limit))
    }

    fn watch(&mut self, log: &mut Watched) {
        let without = Without(self.settings.without.clone());
        // Fault: from the beginning of the oldest file, whatever was delivered before.
        let tail = if without.has(Protection::Offsets) {
            Arc::new(Mutex::new(self.tail(&log.container, &log.live)))
        } else {
            Arc::clone(&log.tail)
        };
        let (hold, let_go) = oneshot::channel();
        if without.has(Protection::ClosedWatchers) {
            // Fault: the watcher that this one replaces is not closed. Its task, its file and its inotify instance stay.
            std::mem::forget(hold);
        } else {
            log.hold = Some(hold);
        }
        let watcher = Watcher {
            context: self.context.clone(),
            live: log.live.clone(),
            tail,
            output: Output {
                delivery: self.context.delivery.clone(),
                metrics: Arc::clone(&self.context.metrics),
                settled: self.settled.clone(),
            },
        };
        let failed = self.failed.clone();
        tokio::spawn(async move {
            let ended = watcher.follow(let_go).await;
            if let Err(source) = ended {
                watcher.context.metrics.errors.inc(ErrorKind::File);
                if is_out_of_descriptors(&source) {
                    let path = watcher.live.clone();
                    let _ = failed.send(StrategyError::File { doing: "cannot open", path, source });
                }
            }
        });
    }
}

struct Watcher {
    context: Context,
    live: PathBuf,
    tail: Arc<Mutex<Tail>>,
    output: Output,
}

impl Watcher {
    /// Until it is let go, or an error.
    async fn follow(&self, mut let_go: oneshot::Receiver<()>) -> io::Result<()> {
        let _counted = self.context.metrics.streams_active.hold();
        let mut writes = Writes::of(&self.live);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            {
                let mut tail = self.tail.lock().await;
                tail.check_names();
                while tail.advance(&mut buffer, &self.output).await? == Advance::More {}
            }
            tokio::select! {
                written = writes.next() => written?,
                _ = &mut let_go => return Ok(()),
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
            inotify.watches().add(path, WatchMask::MODIFY | WatchMask::MOVE_SELF)?;
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

/// What becomes of refused lines.
struct Retries {
    context: Context,
    without: Without,
    failed: Failures,
    shared: Arc<Mutex<SinkClient>>,
    /// Connections put aside for the next retry.
    kept: Vec<SinkClient>,
}

impl Retries {
    fn new(context: &Context, without: Without, failed: Failures) -> Self {
        let shared = Arc::new(Mutex::new(client(context)));
        Self { context: context.clone(), without, failed, shared, kept: Vec::new() }
    }

    /// Whether refused lines are retried at all; else they are the delivery's affair.
    fn wanted(&self) -> bool {
        self.without.has(Protection::RetryLimit) || self.without.has(Protection::SharedConnection)
    }

    async fn retry(&mut self, line: RefusedLine) -> Result<(), StrategyError> {
        let own_connection = self.without.has(Protection::SharedConnection);
        if !self.without.has(Protection::RetryLimit) {
            return self.retry_once(line).await;
        }
        let sink = if own_connection { Arc::new(Mutex::new(client(&self.context))) } else { Arc::clone(&self.shared) };
        let (context, failed) = (self.context.clone(), self.failed.clone());
        // Fault: a task for every refused line, however many, for as long as the line is refused. It will be for ever: a
        // line that is too old does not become younger. And, where connections are not shared, one that it keeps meanwhile.
        tokio::spawn(async move {
            if let Err(error) = retry_until_accepted(&context, &sink, line).await {
                let _ = failed.send(error.into());
            }
        });
        Ok(())
    }

    /// Tries a line once more, and makes it a dead letter if it is refused again.
    async fn retry_once(&mut self, line: RefusedLine) -> Result<(), StrategyError> {
        let metrics = &self.context.metrics;
        metrics.retries.inc();
        let mut sink = client(&self.context);
        let answer = sink.post(Bytes::from([&line.entry[..], b"\n"].concat())).await;
        // Fault: a connection for this line alone, which is put aside so that the next one need not connect. It connects.
        self.kept.push(sink);
        match answer {
            Ok(answer) if answer.refused.is_empty() => metrics.lines_delivered.add(answer.accepted),
            Err(error) if error.is_out_of_descriptors() => return Err(error.into()),
            refused => {
                if refused.is_err() {
                    metrics.errors.inc(ErrorKind::Sink);
                }
                let limits = Limits::from(&self.context.config.delivery).dead_letters;
                let letters = DeadLetterFiles::in_dir(&self.context.config.state_dir);
                match letters.keep(&line.reason, std::iter::once(&line.entry[..]), limits) {
                    Ok(kept) => {
                        metrics.dead_letters.add(kept.kept);
                        metrics.lines_dropped.add(DropReason::DeadLettersFull, kept.dropped);
                    }
                    Err(_) => metrics.lines_dropped.inc(DropReason::DeadLettersFailed),
                }
            }
        }
        Ok(())
    }
}

fn client(context: &Context) -> SinkClient {
    SinkClient::new(&context.config.sink_socket, &context.config.name, Arc::clone(&context.metrics))
}

async fn retry_until_accepted(context: &Context, sink: &Mutex<SinkClient>, line: RefusedLine) -> Result<(), SinkError> {
    let metrics = &context.metrics;
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let entry = Bytes::from([&line.entry[..], b"\n"].concat());
    loop {
        let answer = sink.lock().await.post(entry.clone()).await;
        match answer {
            Ok(answer) if answer.refused.is_empty() => {
                metrics.lines_delivered.add(answer.accepted);
                return Ok(());
            }
            Ok(_) => metrics.lines_refused.inc(),
            Err(error) if error.is_out_of_descriptors() => return Err(error),
            Err(_) => metrics.errors.inc(ErrorKind::Sink),
        }
        tokio::time::sleep(backoff.delay()).await;
        metrics.retries.inc();
    }
}
