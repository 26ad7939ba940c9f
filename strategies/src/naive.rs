//! The strategy `naive`: ordinary code with the mistake that people make. It is the control of a run: an arm that must
//! be seen to leak.
//!
//! It makes a new client for every request, and at every rotation opens a new stream beside the old one, whose reader is
//! not ended but forgotten. A reader blocked on a container that prints nothing never notices, so each rotation of each
//! container leaves behind one file descriptor and two tasks: the reader, and hyper's task that drives its connection.
//!
//! Apart from that it does its work: forgotten readers go on reading, and whoever comes to a line first delivers it, so
//! nothing is lost or doubled.

mod client;

use std::sync::Arc;
use std::time::Duration;

use crate::docker_api::{Engine, EngineError};
use crate::followers::Followers;
use crate::log_reader::{Captured, LogReader};
use crate::metrics::ErrorKind;
use crate::pooled::Rotation;
use crate::shutdown::Shutdown;
use crate::strategy::{Context, Strategy, StrategyError};
use client::ClientPerRequest;

/// How long the forgotten readers are given at the end: all that is there already is read by then.
const QUIET: Duration = Duration::from_millis(300);

/// Follows every container with a client per request and a forgotten reader per rotation.
#[derive(Debug, Clone, Copy)]
pub struct Naive {
    rotate_every: Duration,
}

impl Naive {
    /// Opens a new stream beside the old one every `rotate_every`.
    pub fn new(rotate_every: Duration) -> Self {
        Self { rotate_every }
    }
}

impl Strategy for Naive {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let rotation = Rotation::new(self.rotate_every);
        let follow = |captured| {
            let follower = Follower { context: context.clone(), captured, shutdown: context.shutdown.clone() };
            follower.run(rotation.next_schedule())
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
    shutdown: Shutdown,
}

impl Follower {
    async fn run(mut self, mut rotate: tokio::time::Interval) {
        if let Err(error) = self.open_stream().await {
            self.count(&error);
        }
        loop {
            tokio::select! {
                _ = rotate.tick() => {}
                () = self.captured.stopped.notified() => {}
                () = self.shutdown.requested() => return,
            }
            match self.rotate().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if error.is_not_found() => return,
                Err(error) => self.count(&error),
            }
        }
    }

    /// False when the container has stopped and its log is complete.
    async fn rotate(&self) -> Result<bool, EngineError> {
        let state = self.engine().inspect(&self.captured.container.id).await?;
        let running = state.is_some_and(|state| state.running);
        if running {
            self.open_stream().await?;
            self.context.metrics.stream_rotations.inc();
        } else {
            LogReader::read_rest(&self.engine(), &self.captured, &self.context).await?;
        }
        Ok(running)
    }

    async fn open_stream(&self) -> Result<(), EngineError> {
        let mut reader = LogReader::follow(&self.engine(), &self.captured, &self.context).await?;
        let metrics = Arc::clone(&self.context.metrics);
        // The mistake: the task's handle is dropped here. That does not end the task, it makes it unreachable: no
        // rotation, nor anything else, can end the reader before the container ends.
        tokio::spawn(async move {
            if reader.read_to_end().await.is_err() {
                metrics.errors.inc(ErrorKind::Engine);
            }
        });
        Ok(())
    }

    /// An engine with a client of its own, for one request.
    fn engine(&self) -> Engine {
        let config = &self.context.config;
        let client = ClientPerRequest::new(config.engine_socket.clone(), Arc::clone(&self.context.metrics));
        Engine::new(client, &config.api_version)
    }

    fn count(&self, error: &EngineError) {
        self.context.metrics.errors.inc(ErrorKind::Engine);
        if error.is_out_of_descriptors() {
            crate::log::say(format_args!("no stream for {}: too many open files", self.captured.container.name));
        }
    }
}
