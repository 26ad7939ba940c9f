//! The way of every line to the sink, the same for all strategies, so that a comparison isolates the monitoring.
//!
//! Lines are gathered into batches (by count, bytes and time) and posted in order over one kept-alive connection.
//!
//! Guarantees:
//! - Memory is bounded: when the queue is full, [`Delivery::deliver`] waits, and with it whoever reads the containers.
//! - At least once: a batch is repeated (exponential backoff with jitter) until it is acknowledged; a batch whose
//!   acknowledgement was lost arrives twice.
//! - A sink that fails again and again is left alone for a while (the circuit breaker), and then tried with one batch.
//! - Nothing is lost silently: what the sink refuses, or does not take within [`Limits::give_up_after`], goes to the
//!   dead-letter files; what even those cannot hold is counted as dropped, with the reason.
//! - A line's [`Ticket`] tells when its fate is decided, so that an offset need not move before.

mod batch;
pub mod breaker;
pub mod dead_letter;
mod limits;
mod queue;
mod retry;
mod sink;
mod worker;

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use limits::Limits;
pub use retry::Backoff;
pub use sink::{Answer, Refusal, SinkClient, SinkError};

use crate::health::Health;
use crate::line::Line;
use crate::metrics::{DropReason, Metrics};
use crate::task::OwnedTask;
use breaker::Breaker;
use dead_letter::{DeadLetterFiles, DeadLetters};
use queue::Queue;
use worker::Worker;

/// A line's place in the order of delivery.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticket {
    /// Lines handed over up to and including it. Tickets are compared by this alone.
    lines: u64,
    /// The batch that it is in.
    batch: u64,
}

impl Ticket {
    /// Whether the fates of both are decided at once.
    pub fn settles_with(self, other: Self) -> bool {
        self.batch == other.batch
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Ticket {}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lines.cmp(&other.lines)
    }
}

/// A line that the sink refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// The line as it was posted: JSON, no newline.
    pub entry: Vec<u8>,
    /// The sink's reason, e.g. `too_old`.
    pub reason: String,
}

/// Where lines are delivered, and where the dead ones are kept.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The sink's Unix socket.
    pub sink_socket: PathBuf,
    /// The arm under whose name the sink keeps account.
    pub arm: String,
    /// The dead-letter files.
    pub dead_letters: DeadLetterFiles,
}

/// Hands lines over; cheap to clone.
#[derive(Debug, Clone)]
pub struct Delivery {
    target: Target,
    metrics: Arc<Metrics>,
}

#[derive(Clone)]
enum Target {
    Sink(Arc<Queue>),
    Function(Arc<dyn Fn(&Line<'_>) + Send + Sync>),
}

/// The running delivery; ended by [`Pipeline::finish`].
#[derive(Debug)]
pub struct Pipeline {
    queue: Arc<Queue>,
    worker: OwnedTask<()>,
}

/// Starts a delivery on the current runtime.
pub fn start(
    destination: &Destination,
    limits: Limits,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
) -> (Delivery, Pipeline) {
    let queue = Arc::new(Queue::new(limits));
    let worker = Worker {
        queue: Arc::clone(&queue),
        sink: SinkClient::new(&destination.sink_socket, &destination.arm, Arc::clone(&metrics)),
        dead_letters: DeadLetters::new(destination.dead_letters.clone(), Arc::clone(&metrics)),
        breaker: Breaker::new(limits.breaker),
        metrics: Arc::clone(&metrics),
        health,
    };
    let pipeline = Pipeline { queue: Arc::clone(&queue), worker: OwnedTask::spawn(worker.run()) };
    (Delivery { target: Target::Sink(queue), metrics }, pipeline)
}

impl Delivery {
    /// Hands every line to a function instead of a sink: for a program that wants the lines itself, and for measuring
    /// what capturing them costs without their delivery. Nothing is acknowledged then, so that nothing is remembered across
    /// restarts either.
    pub fn to_function(take: impl Fn(&Line<'_>) + Send + Sync + 'static, metrics: Arc<Metrics>) -> Self {
        Self { target: Target::Function(Arc::new(take)), metrics }
    }

    /// Hands a line over, waiting while the queue is full. Cancel-safe: a cancelled call has handed nothing over.
    pub async fn deliver(&self, line: &Line<'_>) -> Ticket {
        let queue = match &self.target {
            Target::Sink(queue) => queue,
            Target::Function(take) => {
                take(line);
                return Ticket::default();
            }
        };
        if let Ok(ticket) = queue.push(line) {
            return ticket;
        }
        loop {
            // Asked for before the next try, so that no room made in between goes unnoticed.
            let mut room = std::pin::pin!(queue.room());
            room.as_mut().enable();
            match queue.push(line) {
                Ok(ticket) => return ticket,
                Err(queue::NotTaken::Full) => room.await,
                Err(queue::NotTaken::Closed) => {
                    self.metrics.lines_dropped.inc(DropReason::Closed);
                    return queue.settled();
                }
            }
        }
    }

    /// The last line whose fate is decided, as is that of all before it: acknowledged, in the dead-letter file, or
    /// counted as dropped.
    pub fn settled(&self) -> Ticket {
        self.queue().map_or_else(Ticket::default, Queue::settled)
    }

    /// Whether lines are acknowledged, so that it can be known what need not be handed over again. Those for a function are not.
    pub fn acknowledges(&self) -> bool {
        self.queue().is_some()
    }

    /// From now on, `tell` is called whenever more lines are settled, with the last of them, and before the next batch is
    /// sent: what it saves is behind by one batch at most. It must not wait.
    pub fn when_settled(&self, tell: impl FnMut(Ticket) + Send + 'static) {
        if let Some(queue) = self.queue() {
            queue.when_settled(Box::new(tell));
        }
    }

    /// Waits until [`Delivery::settled`] has reached `ticket`. Cancel-safe.
    pub async fn wait_until_settled(&self, ticket: Ticket) {
        if let Some(queue) = self.queue() {
            queue.wait_until_settled(ticket).await;
        }
    }

    /// Other limits from now on; no line is lost by it.
    pub fn set_limits(&self, limits: Limits) {
        if let Some(queue) = self.queue() {
            queue.set_limits(limits);
        }
    }

    /// From now on, refused lines are not put into the dead-letter file but handed to the caller, without bound.
    pub fn divert_refused(&self) -> mpsc::UnboundedReceiver<RefusedLine> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(queue) = self.queue() {
            queue.divert_refused(sender);
        }
        receiver
    }

    fn queue(&self) -> Option<&Queue> {
        match &self.target {
            Target::Sink(queue) => Some(queue),
            Target::Function(_) => None,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sink(_) => "Sink",
            Self::Function(_) => "Function",
        })
    }
}

impl Pipeline {
    /// Takes no more lines, and waits until those taken are settled. What the sink has not taken after `within` goes to
    /// the dead-letter file.
    pub async fn finish(mut self, within: Duration) {
        self.queue.close(tokio::time::Instant::now() + within);
        if let Err(panicked) = self.worker.join().await {
            crate::log::say(crate::log::Level::Warn, format_args!("the delivery ended early: {panicked}"));
        }
    }
}

impl Destination {
    /// The sink at `sink_socket`, and dead-letter files in `state_dir`.
    pub fn new(sink_socket: &Path, arm: &str, state_dir: &Path) -> Self {
        Self {
            sink_socket: sink_socket.to_owned(),
            arm: arm.to_owned(),
            dead_letters: DeadLetterFiles::in_dir(state_dir),
        }
    }
}
