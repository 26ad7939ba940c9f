//! The strategy `pooled`: one shared client with a bounded pool, and streams that own what they hold.
//!
//! Every container has a follower. It reads the log from the container's start, and replaces its stream every
//! `rotate_every` by a fresh one that takes up where the old one stopped: the new one is opened before the old one is
//! closed, with the last few lines of the log, and what it repeats is left out. If the two do not meet, it is opened again
//! further back; and if they do not meet there either, because the old one is still far behind, the old one goes on, and is
//! replaced another time. A stream that breaks is opened again in the same way while the container runs.
//!
//! Guarantees: file descriptors and tasks do not grow with the number of rotations; no line is lost or doubled by one.

mod busy;
mod client;
mod exclusive;
mod multiplexed;
mod rotation;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Backoff;
use crate::docker_api::timestamp::Timestamp;
use crate::docker_api::{Engine, EngineError};
use crate::followers::Followers;
use crate::log_reader::{Captured, LogReader, ReadError};
use crate::metrics::ErrorKind;
use crate::progress::Reach;
use crate::shutdown::Shutdown;
use crate::strategy::{Context, Strategy, StrategyError};
use stream::{End, ManagedStream};

pub(crate) use busy::BusyStreams;
pub(crate) use client::request;
pub use client::{ClientSettings, PooledClient};
pub use leaksoak_scenarios::Http;
pub(crate) use rotation::{Rotation, Schedule};

/// First and longest pause between two attempts to open a stream.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Follows every container through the shared client of the [`Context`].
#[derive(Debug, Clone, Copy)]
pub struct Pooled {
    rotate_every: Duration,
}

impl Pooled {
    /// Replaces each stream every `rotate_every`.
    pub fn new(rotate_every: Duration) -> Self {
        Self { rotate_every }
    }
}

impl Strategy for Pooled {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let rotation = Rotation::new(self.rotate_every, &context.settings);
        let busy = BusyStreams::start();
        let follow = |captured| follow(context.clone(), captured, rotation.next_schedule(), busy.clone());
        Followers::default().run(&context, follow).await;
        Ok(())
    }
}

/// Follows one container until its log is complete, or until the arm has to stop.
pub(crate) async fn follow(context: Context, captured: Arc<Captured>, rotate: Schedule, busy: BusyStreams) {
    Follower { context, captured, busy }.run(rotate).await;
}

/// Keeps one container's stream open for as long as the container runs.
struct Follower {
    context: Context,
    captured: Arc<Captured>,
    busy: BusyStreams,
}

/// What a follower does once its stream has ended, or did not open.
enum Next {
    Reopen,
    Finished,
}

impl Follower {
    async fn run(self, mut rotate: Schedule) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut shutdown = self.context.shutdown.clone();
        loop {
            match self.open(Reach::default()).await {
                Ok(reader) => {
                    let (opened, got_to) = (Instant::now(), self.captured.progress.newest());
                    let mut stream = ManagedStream::start(reader, self.busy.clone());
                    let Some(end) = self.follow(&mut stream, &mut rotate, &mut shutdown).await else {
                        stream.drain().await;
                        return;
                    };
                    if let Next::Finished = self.after(end).await {
                        return;
                    }
                    // It was of use: that it broke is no reason to wait longer than after the first that did.
                    if opened.elapsed() >= BACKOFF.1 || self.captured.progress.newest() != got_to {
                        backoff.reset();
                    }
                }
                Err(error) if error.is_not_found() && self.is_gone().await => return,
                Err(_) => self.context.metrics.errors.inc(ErrorKind::Engine),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.delay()) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Until the stream ends; `None`: until the arm has to stop.
    async fn follow(&self, stream: &mut ManagedStream, rotate: &mut Schedule, shutdown: &mut Shutdown) -> Option<End> {
        let metrics = &self.context.metrics;
        let mut reach = Reach::default();
        let mut put_off_at = None;
        loop {
            tokio::select! {
                end = stream.ended() => {
                    if end != End::Apart {
                        return Some(end);
                    }
                    reach = reach.wider();
                    let next = tokio::select! {
                        next = self.open(reach) => next,
                        () = shutdown.requested() => return None,
                    };
                    let Ok(next) = next else { return Some(End::Broken) };
                    stream.replace(next, self.busy.clone()).await;
                    metrics.streams_widened.inc();
                }
                () = rotate.tick() => {
                    let next = tokio::select! {
                        next = self.open_next(&mut put_off_at) => next,
                        () = shutdown.requested() => return None,
                    };
                    match next {
                        Ok(Some(next)) => {
                            if stream.replace(next, self.busy.clone()).await == End::Broken {
                                // The rotation was there before it was noticed.
                                metrics.errors.inc(ErrorKind::Engine);
                                metrics.streams_reopened.inc();
                            }
                            metrics.stream_rotations.inc();
                            reach = Reach::default();
                        }
                        Ok(None) => {}
                        // The old stream is still good, and if it is not, that is found out by reading it.
                        Err(_) => metrics.errors.inc(ErrorKind::Engine),
                    }
                }
                () = shutdown.requested() => return None,
            }
        }
    }

    /// Opens a stream that takes up where the one that is being read has got to. `None` when that is far behind: it has to
    /// go on. Where it has got to is left in `put_off_at`; if it is no further the next time, it is not behind but stuck.
    async fn open_next(&self, put_off_at: &mut Option<Timestamp>) -> Result<Option<LogReader>, ReadError> {
        for reach in [Reach::Next, Reach::Far] {
            let mut next = self.open(reach).await?;
            if reach != Reach::Next {
                self.context.metrics.streams_widened.inc();
            }
            if next.meets().await? {
                *put_off_at = None;
                return Ok(Some(next));
            }
        }
        let got_to = self.captured.progress.newest();
        if std::mem::replace(put_off_at, got_to) != got_to {
            return Ok(None);
        }
        *put_off_at = None;
        Ok(Some(self.open(Reach::All).await?))
    }

    /// The log is complete when its stream has come to its end, the container does not run, and the rest is read.
    async fn after(&self, end: End) -> Next {
        if end == End::Broken {
            self.context.metrics.errors.inc(ErrorKind::Engine);
        }
        let next = async {
            match self.engine().inspect(&self.captured.container.id).await? {
                None => Ok(Next::Finished),
                Some(state) if state.running => {
                    self.context.metrics.streams_reopened.inc();
                    Ok(Next::Reopen)
                }
                Some(_) => {
                    LogReader::read_rest(self.engine(), &self.captured, &self.context).await?;
                    Ok::<_, ReadError>(Next::Finished)
                }
            }
        };
        match next.await {
            Ok(next) => next,
            Err(error) if error.is_not_found() && self.is_gone().await => Next::Finished,
            Err(_) => {
                self.context.metrics.errors.inc(ErrorKind::Engine);
                Next::Reopen
            }
        }
    }

    /// Whether the engine knows the container no more; that its log was not found may be a passing fault.
    async fn is_gone(&self) -> bool {
        matches!(self.engine().inspect(&self.captured.container.id).await, Ok(None))
    }

    async fn open(&self, reach: Reach) -> Result<LogReader, EngineError> {
        LogReader::follow(self.engine(), &self.captured, &self.context, reach).await
    }

    fn engine(&self) -> &Engine {
        &self.context.engine
    }
}
