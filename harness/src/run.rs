//! One run, from the first container to the last: the orchestrator.
//!
//! It owns the lifecycle and does the I/O that the pure [`lifecycle`] decides on; it tells everything as
//! [`RunEvent`]s and nothing reaches back. Whatever way a run ends, [`teardown`](Running::teardown) stops the arms, removes the
//! containers and cgroups, and puts back the inotify limit; what a `kill -9` leaves, the next run removes ([`crate::leftovers`]).
//!
//! Order: containers created; arms started and awaited; containers started, which is the zero of the run; measured;
//! containers stopped and their final lines read; arms given time to deliver; arms stopped; everything removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream;
use leaksoak_reports::record::events::{Event, EventRecord, Phase};
use leaksoak_reports::record::run_info::RunInfo;
use leaksoak_scenarios::{EngineFaultKind, Span};
use tokio::sync::mpsc;

use crate::arm::client::ArmClient;
use crate::arm::{ArmNews, Supervisors};
use crate::clock::{Clock, unix_ms};
use crate::engine::docker::{ANSWER_TIMEOUT, Docker};
use crate::engine::embedded::process::EngineControl;
use crate::engine::{Container, EngineError, EngineEvent};
use crate::event::{Bus, RunEvent};
use crate::inotify_limit::Raised;
use crate::plan::Plan;
use crate::run::board::Board;
use crate::run::early_end::EarlyEnd;
use crate::run::engine_probe::EngineProbe;
use crate::run::lifecycle::{Ending, Input, Lifecycle, Operation};
use crate::sampler::Sampler;
use crate::sink::Sink;

pub mod board;
mod early_end;
mod ending;
mod engine_probe;
pub mod lifecycle;
mod measure;
mod schedule;
mod setup;

/// Time for an engine to listen again after a fault that it was asked for.
const AFTER_FAULT: Duration = Duration::from_millis(500);
/// Distance of two looks at something that is awaited.
const POLL: Duration = Duration::from_millis(50);

/// What can keep a run from being carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine does not do what is asked of it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file or socket of the run cannot be made.
    #[error("{what}: {source}\n  is there space, and may this user write there?")]
    Local {
        /// Which.
        what: String,
        /// The system's words.
        source: io::Error,
    },
    /// The user interrupted it before anything was measured.
    #[error("interrupted ({0}) before anything was measured")]
    Interrupted(&'static str),
}

/// Requests of the user to end, as they arrive: `SIGINT`, `SIGTERM`, `SIGHUP`.
pub type Signals = mpsc::UnboundedReceiver<&'static str>;

/// What a run is carried out on.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The engine.
    pub engine: Docker,
    /// Where it is asked for faults, if it is the embedded one.
    pub control: Option<EngineControl>,
    /// Why it is the embedded one, where that was not asked for.
    pub because: Option<String>,
}

/// Carries out `plan`, and tells of it on `bus`.
///
/// # Errors
/// The run could not be set up, or was interrupted before it was. What was made is removed.
pub async fn run(
    plan: Plan,
    info: RunInfo,
    surroundings: Surroundings,
    bus: &Bus,
    signals: &mut Signals,
) -> Result<Ending, RunError> {
    bus.send(RunEvent::Started { info: Box::new(info), directory: plan.directory.clone() });
    let mut running = Running::new(plan, surroundings, bus);
    let set_up = tokio::select! {
        set_up = running.set_up() => set_up,
        Some(signal) = signals.recv() => Err(RunError::Interrupted(signal)),
    };
    let ended = match set_up {
        Ok(()) => {
            let ending = running.measure(signals).await;
            Ok(running.drain(ending, signals).await)
        }
        Err(error) => Err(error),
    };
    running.teardown().await;
    ended
}

/// A run and all that it holds.
struct Running<'a> {
    plan: Plan,
    engine: Docker,
    control: Option<EngineControl>,
    because: Option<String>,
    /// An engine that is made to fail is not lost before this.
    faulty_until: Option<tokio::time::Instant>,
    bus: &'a Bus,
    clock: Clock,
    lifecycle: Lifecycle,
    sampler: Sampler,
    /// What the engine counts of itself, while it is measured.
    engine_probe: Option<EngineProbe>,
    board: Board,
    early_end: EarlyEnd,
    containers: Vec<Container>,
    sink: Option<Sink>,
    supervisors: Option<Supervisors>,
    clients: BTreeMap<String, ArmClient>,
    /// Arms that were started and have not answered yet.
    unanswered: BTreeSet<String>,
    /// Why an arm is down.
    down: BTreeMap<String, String>,
    watch: Pin<Box<dyn stream::Stream<Item = EngineEvent> + Send>>,
    /// The inotify limit, while this run holds it raised.
    raised: Option<Raised>,
    /// From when on the engine's events are this run's.
    began_unix_s: u64,
}

impl<'a> Running<'a> {
    fn new(plan: Plan, surroundings: Surroundings, bus: &'a Bus) -> Self {
        let Surroundings { engine, control, because } = surroundings;
        let scenario = &plan.scenario;
        let names: Vec<String> = plan.arms.iter().map(|arm| arm.config.name.clone()).collect();
        let (warmup, duration) = (scenario.warmup.as_duration(), scenario.duration.as_duration());
        Self {
            clock: Clock::starting_now(),
            lifecycle: Lifecycle::new(warmup, duration, &names, schedule::of(scenario)),
            sampler: Sampler::default(),
            engine_probe: None,
            early_end: EarlyEnd::of(scenario),
            board: Board::new(&names, warmup.as_secs_f64()),
            containers: Vec::new(),
            sink: None,
            supervisors: None,
            clients: plan
                .arms
                .iter()
                .map(|arm| (arm.config.name.clone(), ArmClient::new(&arm.config.own_socket)))
                .collect(),
            unanswered: BTreeSet::new(),
            down: BTreeMap::new(),
            watch: Box::pin(stream::pending()),
            raised: None,
            // A second early: the engine's clock is read in whole ones.
            began_unix_s: (unix_ms() / 1_000).saturating_sub(1),
            plan,
            engine,
            control,
            because,
            faulty_until: None,
            bus,
        }
    }

    /// An arm that was started, or started again, answers for the first time.
    fn answered(&mut self, arm: &str) {
        if self.unanswered.remove(arm) {
            let operations = self.lifecycle.on(Input::ArmAnswered(arm.to_owned()));
            self.carry_out(operations);
        }
    }

    fn on_news(&mut self, news: ArmNews) {
        let operations = self.lifecycle.on(Input::Arm(news));
        self.carry_out(operations);
    }

    async fn carry_out_asking(&mut self, mut operations: Vec<Operation>) -> Option<Ending> {
        for operation in &operations {
            if let Operation::FailEngine(fault) = operation {
                self.fail_engine(*fault).await;
            }
        }
        if operations.contains(&Operation::AskEngine) && !self.wait_for_faulty_engine() {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.engine.ping()).await;
            let input = match answer {
                Ok(Ok(())) => {
                    self.watch = self.watch_engine();
                    Input::EngineAlive
                }
                Ok(Err(error)) => Input::EngineDead(error.to_string()),
                Err(_) => Input::EngineDead(format!("no answer in {} s", ANSWER_TIMEOUT.as_secs())),
            };
            operations.extend(self.lifecycle.on(input));
        }
        self.carry_out(operations)
    }

    /// Has the engine do wrong, as the scenario wants.
    async fn fail_engine(&mut self, fault: EngineFaultKind) {
        let asked = match &self.control {
            Some(control) => control.happen(fault).await,
            None => Err("it is not the embedded one".to_owned()),
        };
        if let Err(error) = asked {
            self.warn(format!("the engine could not be asked for a fault ({}): {error}", fault.word()));
        }
        // What breaks off once is mended at once.
        let lasts = fault.lasts().map_or(Duration::ZERO, Span::as_duration);
        let until = tokio::time::Instant::now() + lasts + AFTER_FAULT;
        self.faulty_until = self.faulty_until.max(Some(until));
    }

    /// True, if the engine fails because it was asked to: then it is looked at again when that is over.
    fn wait_for_faulty_engine(&mut self) -> bool {
        let Some(until) = self.faulty_until.filter(|until| tokio::time::Instant::now() < *until) else { return false };
        self.watch = Box::pin(stream::once(async move {
            tokio::time::sleep_until(until).await;
            EngineEvent::Lost { reason: "a fault that was asked for".into() }
        }));
        true
    }

    fn carry_out(&mut self, operations: impl IntoIterator<Item = Operation>) -> Option<Ending> {
        let mut ending = None;
        for operation in operations {
            match operation {
                Operation::Record(event) => self.record(event),
                Operation::Attach { arm, pid } => {
                    self.sampler.attach(&arm, pid);
                    if self.lifecycle.phase() > Phase::Setup {
                        self.board.restart(&arm, self.clock.elapsed().as_secs_f64());
                    }
                    self.down.remove(&arm);
                    self.unanswered.insert(arm);
                }
                Operation::Detach { arm, reason } => {
                    self.sampler.detach(&arm, &reason);
                    self.unanswered.remove(&arm);
                    self.down.insert(arm, reason);
                }
                Operation::Monitor { share_pct } => self.monitor(share_pct),
                Operation::AskEngine | Operation::FailEngine(_) => {}
                Operation::End(why) => ending = Some(why),
            }
        }
        ending
    }

    /// Has every arm monitor this share of the containers: they read their instructions again when those change.
    fn monitor(&self, share_pct: u32) {
        let names = self.plan.share(share_pct);
        self.record(Event::Stage { share_pct, containers: self.plan.scenario.share(share_pct).len() as u64 });
        for arm in &self.plan.arms {
            if let Err(error) = crate::arm::name_containers(&arm.config.state_dir, names.clone()) {
                self.warn(format!("arm {} stays at the stage before: {error}", arm.config.name));
            }
        }
    }

    /// Everything that has happened to the run's containers, from its beginning; what is told twice is taken in once.
    fn watch_engine(&self) -> Pin<Box<dyn stream::Stream<Item = EngineEvent> + Send>> {
        Box::pin(self.engine.watch(&self.plan.run, self.began_unix_s))
    }

    fn warn(&self, message: String) {
        self.record(Event::Warning { message });
    }

    fn record(&self, event: Event) {
        let elapsed_s = if self.lifecycle.phase() == Phase::Setup { 0.0 } else { self.clock.elapsed().as_secs_f64() };
        self.bus.send(RunEvent::Happened(EventRecord { elapsed_s, unix_ms: unix_ms(), event }));
    }
}

/// The next news of an arm; none, where there are no arms to hear of any more.
async fn next_news(supervisors: &mut Option<Supervisors>) -> Option<ArmNews> {
    match supervisors {
        Some(supervisors) => supervisors.next().await,
        None => None,
    }
}
