//! The strategy `naive`: ordinary code with a mistake that people make. It is the control of a run: an arm that must be
//! seen to leak.
//!
//! It makes a new client for every request, and at every rotation goes on to a new stream while the reader of the old one
//! is not ended but lost hold of, in one of five ways ([`Mistake`]). A reader blocked on a container that prints nothing
//! never notices, so each rotation of each such container leaves something behind.
//!
//! Apart from that it does its work: whoever comes to a line first delivers it, so nothing is lost or doubled.

mod blocking;
mod client;
mod mistakes;

use std::sync::Arc;
use std::time::Duration;

use leaksoak_scenarios::Mistake;

use crate::docker_api::{Engine, EngineError};
use crate::followers::Followers;
use crate::log_reader::{Captured, LogReader, ReadError};
use crate::metrics::ErrorKind;
use crate::pooled::{Rotation, Schedule};
use crate::progress::Reach;
use crate::shutdown::Shutdown;
use crate::strategy::{Context, Strategy, StrategyError};
use client::ClientPerRequest;

/// How long readers are given at the end: all that is there already is read by then.
const QUIET: Duration = Duration::from_millis(300);

/// Follows every container with a client per request, and loses hold of a reader per rotation.
#[derive(Debug, Clone, Copy)]
pub struct Naive {
    rotate_every: Duration,
    mistake: Mistake,
}

impl Naive {
    /// Goes on to a new stream every `rotate_every`, and makes this mistake with the old one.
    pub fn new(rotate_every: Duration, mistake: Mistake) -> Self {
        Self { rotate_every, mistake }
    }
}

impl Strategy for Naive {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let rotation = Rotation::new(self.rotate_every, &context.settings);
        let follow = |captured| {
            let turn = Turn {
                rotate: rotation.next_schedule(),
                captured: Arc::clone(&captured),
                shutdown: context.shutdown.clone(),
            };
            let follower = Follower {
                context: context.clone(),
                captured,
                mistake: self.mistake,
                streams: 0,
                replaced: Vec::new(),
            };
            follower.run(turn)
        };
        Followers::default().run(&context, follow).await;
        tokio::time::sleep(QUIET).await;
        Ok(())
    }
}

/// Rotates one container's streams for as long as the container runs.
struct Follower {
    context: Context,
    captured: Arc<Captured>,
    mistake: Mistake,
    /// Opened so far.
    streams: u64,
    /// Where [`Mistake::KeptBody`] puts them.
    replaced: Vec<LogReader>,
}

/// A stream's time, which the next rotation ends, or the container's stop, or the arm's.
struct Turn {
    rotate: Schedule,
    captured: Arc<Captured>,
    shutdown: Shutdown,
}

impl Turn {
    /// Cancel-safe.
    async fn over(&mut self) {
        tokio::select! {
            () = self.rotate.tick() => {}
            () = self.captured.stopped.notified() => {}
            () = self.shutdown.requested() => {}
        }
    }
}

impl Follower {
    async fn run(mut self, mut turn: Turn) {
        loop {
            let read = self.read(&mut turn).await;
            if let Err(error) = &read {
                self.count(error);
                turn.over().await;
            }
            if turn.shutdown.is_requested() {
                return;
            }
            match self.is_finished().await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => self.count(&error),
            }
        }
    }

    /// Opens a stream and reads it until `turn` is over.
    async fn read(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        match self.mistake {
            Mistake::ForgottenHandle => self.forget_handle(turn).await,
            Mistake::DetachedTimeout => self.detach_by_timeout(turn).await,
            Mistake::StuckPump => self.leave_pump(turn).await,
            Mistake::KeptBody => self.keep_body(turn).await,
            Mistake::BlockingRead => self.read_blocking(turn).await,
        }
    }

    /// Whether the container has stopped and its log is complete.
    async fn is_finished(&self) -> Result<bool, ReadError> {
        let Some(state) = self.engine().inspect(&self.captured.container.id).await? else { return Ok(true) };
        if !state.running {
            match LogReader::read_rest(&self.engine(), &self.captured, &self.context).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(!state.running)
    }

    async fn open(&mut self) -> Result<LogReader, EngineError> {
        let reader = LogReader::follow(&self.engine(), &self.captured, &self.context, Reach::All).await?;
        self.opened();
        Ok(reader)
    }

    fn opened(&mut self) {
        if self.streams > 0 {
            self.context.metrics.stream_rotations.inc();
        }
        self.streams += 1;
    }

    /// An engine with a client of its own, for one request.
    fn engine(&self) -> Engine {
        let config = &self.context.config;
        let client = ClientPerRequest::new(config.engine.clone(), Arc::clone(&self.context.metrics));
        Engine::new(client, &config.api_version)
    }

    fn count(&self, error: &ReadError) {
        self.context.metrics.errors.inc(ErrorKind::Engine);
        if matches!(error, ReadError::Engine(error) if error.is_out_of_descriptors()) {
            crate::log::say(
                crate::log::Level::Warn,
                format_args!("no stream for {}: too many open files", self.captured.container.name()),
            );
        }
    }
}
