//! The measuring of a run: ticks on their grid, checkpoints, and what happens between them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, future};
use leaksoak_reports::record::events::Event;
use leaksoak_reports::record::samples::Sample;
use leaksoak_scenarios::Expect;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::board::{CheckpointReadings, Sites};
use super::lifecycle::{Ending, Input};
use super::{Running, Signals, board, next_news};
use crate::arm::client::{ArmClient, NoAnswer};
use crate::clock::{Grid, unix_ms};
use crate::event::RunEvent;
use crate::sampler::process::Depth;
use crate::sampler::{ENGINE, HARNESS};
use crate::sink::Sink;

impl Running<'_> {
    /// Ticks until the lifecycle says that it is over.
    pub(super) async fn measure(&mut self, signals: &mut Signals) -> Ending {
        let scenario = &self.plan.scenario;
        let mut ticks = Grid::new(scenario.sample_every.as_duration());
        let mut checkpoints = Grid::new(scenario.checkpoint_every.as_duration());
        // There is nothing to tell at zero.
        checkpoints.take(Duration::ZERO);
        loop {
            let input = tokio::select! {
                biased;
                Some(signal) = signals.recv() => Input::Signal(signal),
                Some(news) = next_news(&mut self.supervisors) => Input::Arm(news),
                Some(event) = self.watch.next() => Input::Engine(event),
                confirmed = self.early_end.confirmed() => match confirmed {
                    Ok(reasons) => Input::Decided(reasons),
                    Err(error) => {
                        self.warn(format!("whether FAIL is certain cannot be told: {error}"));
                        continue;
                    }
                },
                () = tokio::time::sleep_until(self.clock.zero() + ticks.next_at()) => {
                    let elapsed = self.clock.elapsed();
                    if let Some(tick) = ticks.take(elapsed) {
                        if tick.missed > 0 {
                            self.record(Event::Gap { missed_ticks: u64::from(tick.missed) });
                        }
                        self.tick(elapsed, checkpoints.take(elapsed).is_some()).await;
                    }
                    Input::Elapsed(elapsed)
                }
            };
            let operations = self.lifecycle.on(input);
            if let Some(ending) = self.carry_out_asking(operations).await {
                return ending;
            }
            if let Some(failure) = self.bus.failure() {
                return Ending::RecordFailed(failure.to_owned());
            }
        }
    }

    /// Reads every subject.
    async fn tick(&mut self, elapsed: Duration, checkpoint: bool) {
        let depth = if checkpoint { Depth::Full } else { Depth::Tick };
        let (elapsed_s, now) = (elapsed.as_secs_f64(), unix_ms());
        let mut samples = Vec::with_capacity(self.clients.len() + 2);
        for (subject, reading) in self.sampler.read(depth) {
            let mut sample = Sample::unknown(subject, elapsed_s, now);
            board::enter_reading(&mut sample, reading);
            samples.push(sample);
        }
        let limit = self.plan.scenario.sample_every.as_duration().div_f64(2.0).min(Duration::from_secs(1));
        let mut answers = self.ask_arms(limit, ArmClient::metrics).await;
        let mut sites = BTreeMap::new();
        for sample in &mut samples {
            if sample.subject == HARNESS {
                sample.tasks = Some(tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64);
                sample.connections = self.sink.as_ref().map(Sink::connections);
            }
            if let Some(probe) = self.engine_probe.as_ref().filter(|_| sample.subject == ENGINE) {
                board::enter_self_counts(sample, probe.take());
            }
            match answers.remove(&sample.subject) {
                Some(Ok(Ok(metrics))) => {
                    board::enter_metrics(sample, &metrics);
                    if checkpoint {
                        sites.insert(
                            sample.subject.clone(),
                            metrics.counts_by("log_capturer_tasks_by_spawn_site", "site"),
                        );
                    }
                    self.answered(&sample.subject);
                }
                Some(Ok(Err(no_answer))) => board::miss(sample, &no_answer.to_string()),
                Some(Err(_)) => board::miss(sample, &format!("metrics: no answer in {} ms", limit.as_millis())),
                None => {}
            }
            if let Some(sink) = self.sink.as_ref().filter(|_| self.clients.contains_key(&sample.subject)) {
                sample.lines_delivered = Some(sink.book().delivered(&sample.subject));
            }
        }
        self.board.enter(&samples);
        let missing_lines = match &self.sink {
            Some(sink) => {
                let arms = self.clients.keys();
                arms.filter_map(|arm| Some((arm.clone(), sink.book().missing(arm)?))).collect()
            }
            None => BTreeMap::new(),
        };
        self.bus.send(RunEvent::Sampled { samples, missing_lines });
        if checkpoint {
            self.checkpoint(elapsed_s, limit, sites).await;
        }
    }

    async fn checkpoint(&mut self, elapsed_s: f64, limit: Duration, sites: Sites) {
        let word = |answer: Result<Result<String, NoAnswer>, Elapsed>| match answer {
            Ok(Ok(health)) => health,
            Ok(Err(no_answer)) => format!("not answering: {no_answer}"),
            Err(_) => "not answering".into(),
        };
        let answers = self.ask_arms(limit, ArmClient::health).await;
        let mut status: BTreeMap<_, _> = answers.into_iter().map(|(arm, answer)| (arm, word(answer))).collect();
        status.extend(self.down.clone());
        let (groups, warnings) = self.sampler.fd_groups();
        for warning in warnings {
            self.warn(warning);
        }
        let readings = self.board.checkpoint(elapsed_s, &status, groups, sites);
        if let Some(sink) = &self.sink {
            let CheckpointReadings { checkpoint, rows, groups, tasks } = readings;
            let mut book = sink.book();
            let latency = board::latency_rows(checkpoint, book.take_latency());
            let ledger = book.close(false);
            self.bus.send(RunEvent::Checkpointed { rows, groups, tasks, latency, ledger });
        }
        let (lifecycle, board) = (&self.lifecycle, &self.board);
        let under_test = || self.plan.scenario.arms.iter().filter(|arm| arm.expect == Expect::Pass);
        self.early_end.look(&self.plan.directory, |rule| {
            under_test().next().is_some()
                && under_test().all(|arm| !lifecycle.is_alive(&arm.name) || board.is_over(&arm.name, rule))
        });
    }

    /// Asks every arm that is up the same, all at once; each has `limit` for its answer.
    async fn ask_arms<T>(
        &mut self,
        limit: Duration,
        ask: impl AsyncFn(&mut ArmClient) -> Result<T, NoAnswer>,
    ) -> BTreeMap<String, Result<Result<T, NoAnswer>, Elapsed>> {
        let up = self.clients.iter_mut().filter(|(arm, _)| !self.down.contains_key(*arm));
        let asked = up.map(|(arm, client)| async { (arm.clone(), timeout(limit, ask(client)).await) });
        future::join_all(asked).await.into_iter().collect()
    }
}
