//! The one task that posts batches, and decides what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::batch::Batch;
use super::dead_letter::DeadLetters;
use super::queue::Queue;
use super::sink::{Answer, Refusal, SinkClient};
use super::{Backoff, RefusedLine};
use crate::health::{Dependency, Health};
use crate::metrics::{ErrorKind, Metrics};

/// First and longest pause between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) sink: SinkClient,
    pub(super) dead_letters: DeadLetters,
    pub(super) give_up_after: Duration,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
}

/// How the tries for one batch ended.
enum Outcome {
    Answered(Answer),
    /// Not one line of it was taken, for this reason.
    GivenUp(&'static str),
}

impl Worker {
    /// Posts until the queue is closed and empty.
    pub(super) async fn run(mut self) {
        self.probe().await;
        while let Some(batch) = self.queue.next_batch().await {
            let lines = batch.lines();
            let body = self.settle(batch).await;
            self.queue.settle(lines, body);
        }
    }

    /// Tries the sink until it answers once, so that the arm is healthy before there is a line to deliver.
    async fn probe(&mut self) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let queue = Arc::clone(&self.queue);
        let reached = async {
            while let Err(error) = self.sink.probe().await {
                self.metrics.errors.inc(ErrorKind::Sink);
                self.health.failed(Dependency::Sink, &error);
                tokio::time::sleep(backoff.delay()).await;
            }
            self.health.ok(Dependency::Sink);
        };
        tokio::select! {
            () = reached => {}
            () = queue.time_is_up() => {}
        }
    }

    /// Gives the memory back.
    async fn settle(&mut self, batch: Batch) -> Vec<u8> {
        let body = Bytes::from(batch.into_body());
        match self.post(&body).await {
            Outcome::Answered(answer) => {
                self.metrics.lines_delivered.add(answer.accepted);
                self.refuse(&body, answer.refused);
            }
            Outcome::GivenUp(reason) => self.dead_letters.keep(reason, entries(&body)),
        }
        // No copy is made: the request that shared this memory is over.
        Vec::from(body)
    }

    async fn post(&mut self, body: &Bytes) -> Outcome {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            outcome = self.try_until_settled(body) => outcome,
            () = queue.time_is_up() => Outcome::GivenUp("shutdown"),
        }
    }

    async fn try_until_settled(&mut self, body: &Bytes) -> Outcome {
        let started = Instant::now();
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            let error = match self.sink.post(body.clone()).await {
                Ok(answer) => {
                    self.health.ok(Dependency::Sink);
                    return Outcome::Answered(answer);
                }
                Err(error) => error,
            };
            self.metrics.errors.inc(ErrorKind::Sink);
            if !error.is_passing() {
                crate::log::say(format_args!("a batch goes to the dead letters: {}", crate::log::chain(&error)));
                return Outcome::GivenUp("rejected");
            }
            self.health.failed(Dependency::Sink, &error);
            if started.elapsed() >= self.give_up_after {
                crate::log::say(format_args!("a batch goes to the dead letters: {}", crate::log::chain(&error)));
                return Outcome::GivenUp("sink_unavailable");
            }
            tokio::time::sleep(backoff.delay()).await;
            self.metrics.retries.inc();
        }
    }

    fn refuse(&mut self, body: &Bytes, mut refused: Vec<Refusal>) {
        self.metrics.lines_refused.add(refused.len() as u64);
        refused.sort_by_key(|refusal| refusal.index);
        let mut entries = entries(body).enumerate();
        for Refusal { index, reason } in refused {
            let Some((_, entry)) = entries.by_ref().find(|(at, _)| *at == index) else {
                self.metrics.errors.inc(ErrorKind::Sink);
                crate::log::say(format_args!("the sink refused line {index}, which its batch does not have"));
                return;
            };
            let line = RefusedLine { entry: entry.to_vec(), reason };
            if let Err(line) = self.queue.hand_refused(line) {
                self.dead_letters.keep(&line.reason, std::iter::once(&line.entry[..]));
            }
        }
    }
}

/// The lines of a batch, without their newlines.
fn entries(body: &Bytes) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n').filter(|entry| !entry.is_empty())
}
