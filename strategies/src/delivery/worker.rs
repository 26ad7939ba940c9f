//! The one task that posts batches, and decides what becomes of them.

use std::sync::Arc;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::RefusedLine;
use super::batch::Batch;
use super::breaker::{Breaker, Change};
use super::dead_letter::DeadLetters;
use super::queue::Queue;
use super::sink::{Answer, Refusal, SinkClient, SinkError};
use crate::health::{Dependency, Health};
use crate::metrics::{ErrorKind, Metrics};

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) sink: SinkClient,
    pub(super) dead_letters: DeadLetters,
    pub(super) breaker: Breaker,
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
        let queue = Arc::clone(&self.queue);
        let mut backoff = queue.limits().backoff();
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
            Outcome::GivenUp(reason) => self.keep(reason, entries(&body)),
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
        let limits = self.queue.limits();
        self.breaker.set_limits(limits.breaker);
        let give_up_at = started + limits.give_up_after;
        let mut backoff = limits.backoff();
        let mut tried = false;
        loop {
            if let Err(until) = self.breaker.ask(Instant::now()) {
                if until > give_up_at {
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!("a batch goes to the dead letters: the breaker was open too long"),
                    );
                    tokio::time::sleep_until(give_up_at).await;
                    return Outcome::GivenUp("sink_unavailable");
                }
                tokio::time::sleep_until(until).await;
                continue;
            }
            if std::mem::replace(&mut tried, true) {
                self.metrics.retries.inc();
            }
            let error = match self.sink.post(body.clone()).await {
                Ok(answer) => {
                    self.answered();
                    return Outcome::Answered(answer);
                }
                Err(error) => error,
            };
            self.metrics.errors.inc(ErrorKind::Sink);
            if !error.is_passing() {
                self.answered();
                crate::log::say(
                    crate::log::Level::Warn,
                    format_args!("a batch goes to the dead letters: {}", crate::log::chain(&error)),
                );
                return Outcome::GivenUp("rejected");
            }
            self.failed(&error);
            crate::log::say(crate::log::Level::Debug, format_args!("a batch is tried again: {error}"));
            if Instant::now() >= give_up_at {
                crate::log::say(
                    crate::log::Level::Warn,
                    format_args!("a batch goes to the dead letters: {}", crate::log::chain(&error)),
                );
                return Outcome::GivenUp("sink_unavailable");
            }
            tokio::time::sleep(backoff.delay()).await;
        }
    }

    fn answered(&mut self) {
        self.health.ok(Dependency::Sink);
        let change = self.breaker.succeeded();
        self.note(change);
    }

    fn failed(&mut self, error: &SinkError) {
        self.health.failed(Dependency::Sink, error);
        let change = self.breaker.failed(Instant::now());
        if change == Some(Change::Opened) {
            crate::log::say(crate::log::Level::Warn, format_args!("the breaker opens: {}", crate::log::chain(error)));
        }
        self.note(change);
    }

    fn note(&self, change: Option<Change>) {
        match change {
            Some(Change::Opened) => {
                self.metrics.breaker_openings.inc();
                self.metrics.breaker_open.set(1);
            }
            Some(Change::Closed) => {
                crate::log::say(
                    crate::log::Level::Info,
                    format_args!("the breaker closes: the sink takes lines again"),
                );
                self.metrics.breaker_open.set(0);
            }
            None => {}
        }
    }

    fn keep<'a>(&mut self, reason: &str, entries: impl Iterator<Item = &'a [u8]> + Clone) {
        match self.dead_letters.keep(reason, entries, self.queue.limits().dead_letters) {
            Ok(()) => self.health.ok(Dependency::Disk),
            Err(error) => self.health.failed(Dependency::Disk, &error),
        }
    }

    fn refuse(&mut self, body: &Bytes, mut refused: Vec<Refusal>) {
        self.metrics.lines_refused.add(refused.len() as u64);
        refused.sort_by_key(|refusal| refusal.index);
        let mut entries = entries(body).enumerate();
        let mut kept = Vec::new();
        for Refusal { index, reason } in refused {
            let Some((_, entry)) = entries.by_ref().find(|(at, _)| *at == index) else {
                self.metrics.errors.inc(ErrorKind::Sink);
                crate::log::say(
                    crate::log::Level::Warn,
                    format_args!("the sink refused line {index}, which its batch does not have"),
                );
                break;
            };
            let line = RefusedLine { entry: entry.to_vec(), reason };
            if let Err(line) = self.queue.hand_refused(line) {
                kept.push(line);
            }
        }
        // What was refused for one reason is written at once.
        for alike in kept.chunk_by(|a, b| a.reason == b.reason) {
            self.keep(&alike[0].reason, alike.iter().map(|line| &line.entry[..]));
        }
    }
}

/// The lines of a batch, without their newlines.
fn entries(body: &Bytes) -> impl Iterator<Item = &[u8]> + Clone {
    body.split(|byte| *byte == b'\n').filter(|entry| !entry.is_empty())
}
