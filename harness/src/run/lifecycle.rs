//! What a run does next: pure decisions. What happened goes in, operations come out; [`crate::run`] carries them out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use leaksoak_reports::record::events::{Event, Exit, Phase};

use leaksoak_scenarios::EngineFaultKind;

use crate::arm::{ArmNews, What};
use crate::engine::EngineEvent;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The containers run and the arms were given their time: the run's zero.
    Zero,
    /// So much time has passed since the zero.
    Elapsed(Duration),
    /// An arm's process started or ended.
    Arm(ArmNews),
    /// An arm answered for the first time since it was started.
    ArmAnswered(String),
    /// The engine told something.
    Engine(EngineEvent),
    /// The engine was asked whether it lives, and answered.
    EngineAlive,
    /// It did not.
    EngineDead(String),
    /// Every arm under test has failed for certain, for these reasons, and the scenario asks to end then.
    Decided(Vec<String>),
    /// The user asks for an early end.
    Signal(&'static str),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Record the event.
    Record(Event),
    /// Sample this process as the arm's.
    Attach {
        /// The arm.
        arm: String,
        /// Its process.
        pid: u32,
    },
    /// Sample nothing as the arm's, for this reason.
    Detach {
        /// The arm.
        arm: String,
        /// Why.
        reason: String,
    },
    /// Have the arms monitor this share of the containers, in percent.
    Monitor {
        /// 1 to 100.
        share_pct: u32,
    },
    /// Ask the engine whether it lives; if so, watch it again.
    AskEngine,
    /// Have the engine do wrong.
    FailEngine(EngineFaultKind),
    /// Stop measuring.
    End(Ending),
}

/// Why measuring ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The time was up.
    Complete,
    /// Every arm is down for good: there is nothing left to measure.
    NoArmLeft,
    /// FAIL is certain, and more time would add nothing.
    Decided,
    /// The user asked for it.
    Interrupted(&'static str),
    /// The engine died.
    EngineLost(String),
    /// The record cannot be written.
    RecordFailed(String),
}

impl Ending {
    /// What was to be done next, had this not ended, can be done still: nobody asked to stop, and nothing is broken.
    #[must_use]
    pub fn allows_more(&self) -> bool {
        match self {
            Self::Complete | Self::NoArmLeft | Self::Decided => true,
            Self::Interrupted(_) | Self::EngineLost(_) | Self::RecordFailed(_) => false,
        }
    }
}

/// The state that decisions are made from.
#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    warmup: Duration,
    duration: Duration,
    /// Arms that are up, or will be again.
    alive: BTreeSet<String>,
    gone: BTreeSet<String>,
    pids: BTreeMap<String, u32>,
    /// What is to be done at its time, the earliest first.
    scheduled: VecDeque<(Duration, Operation)>,
}

impl Lifecycle {
    /// The state before anything was started. What is `scheduled` is done at its time while the run is measured.
    #[must_use]
    pub fn new(
        warmup: Duration,
        duration: Duration,
        arms: &[String],
        mut scheduled: Vec<(Duration, Operation)>,
    ) -> Self {
        scheduled.sort_by_key(|(at, _)| *at);
        Self {
            phase: Phase::Setup,
            warmup,
            duration,
            alive: arms.iter().cloned().collect(),
            gone: BTreeSet::new(),
            pids: BTreeMap::new(),
            scheduled: scheduled.into(),
        }
    }

    /// Where the run is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether `arm` is up, or will be again.
    #[must_use]
    pub fn is_alive(&self, arm: &str) -> bool {
        self.alive.contains(arm)
    }

    /// The process of `arm`, while it is up.
    #[must_use]
    pub fn pid(&self, arm: &str) -> Option<u32> {
        self.pids.get(arm).copied()
    }

    /// Enters a phase that the orchestrator decides on (drain, done).
    pub fn enter(&mut self, phase: Phase) -> Operation {
        self.phase = phase;
        Operation::Record(Event::Phase { phase })
    }

    /// What follows from what happened.
    pub fn on(&mut self, input: Input) -> Vec<Operation> {
        match input {
            Input::Zero => vec![self.enter(Phase::Warmup)],
            Input::Elapsed(elapsed) => self.on_elapsed(elapsed),
            Input::Arm(news) => self.on_arm(news),
            Input::ArmAnswered(arm) => vec![Operation::Record(Event::ArmReady { arm })],
            Input::Engine(EngineEvent::Gone { container, reason }) => self.on_container_gone(container, reason),
            Input::Engine(EngineEvent::Lost { reason }) if self.phase < Phase::Drain => {
                vec![
                    warning(format!("the engine's event stream broke ({reason}); asking whether the engine lives")),
                    Operation::AskEngine,
                ]
            }
            Input::Engine(EngineEvent::Lost { .. }) | Input::EngineAlive => Vec::new(),
            Input::EngineDead(reason) => {
                vec![
                    Operation::Record(Event::EngineLost { reason: reason.clone() }),
                    Operation::End(Ending::EngineLost(reason)),
                ]
            }
            Input::Decided(reasons) => {
                vec![Operation::Record(Event::Decided { reasons }), Operation::End(Ending::Decided)]
            }
            Input::Signal(signal) => {
                vec![
                    Operation::Record(Event::Interrupted { signal: signal.into() }),
                    Operation::End(Ending::Interrupted(signal)),
                ]
            }
        }
    }

    fn on_elapsed(&mut self, elapsed: Duration) -> Vec<Operation> {
        let mut operations = Vec::new();
        if self.phase == Phase::Warmup && elapsed >= self.warmup {
            operations.push(self.enter(Phase::Steady));
        }
        let due = self.scheduled.partition_point(|(at, _)| *at <= elapsed);
        operations.extend(self.scheduled.drain(..due).map(|(_, operation)| operation));
        if elapsed >= self.duration {
            operations.push(Operation::End(Ending::Complete));
        } else if self.alive.is_empty() {
            // They may have ended before the zero.
            operations.push(Operation::End(Ending::NoArmLeft));
        }
        operations
    }

    fn on_arm(&mut self, ArmNews { arm, what }: ArmNews) -> Vec<Operation> {
        match what {
            What::Started { pid } => {
                self.alive.insert(arm.clone());
                self.pids.insert(arm.clone(), pid);
                vec![Operation::Record(Event::ArmStarted { arm: arm.clone(), pid }), Operation::Attach { arm, pid }]
            }
            What::Exited { exit, expected, stays_down, last_words } => {
                self.pids.remove(&arm);
                let reason = describe(exit);
                let mut operations = vec![
                    Operation::Record(Event::ArmExited { arm: arm.clone(), exit, expected, last_words }),
                    Operation::Detach { arm: arm.clone(), reason },
                ];
                if stays_down {
                    operations.extend(self.down(&arm));
                }
                operations
            }
            What::NotStarted { reason } => {
                let mut operations = vec![
                    warning(format!("arm {arm} could not be started: {reason}")),
                    Operation::Detach { arm: arm.clone(), reason: format!("not started: {reason}") },
                ];
                operations.extend(self.down(&arm));
                operations
            }
        }
    }

    /// The arm is down for good.
    fn down(&mut self, arm: &str) -> Option<Operation> {
        self.alive.remove(arm);
        (self.alive.is_empty() && self.phase < Phase::Drain).then_some(Operation::End(Ending::NoArmLeft))
    }

    /// A container that is removed dies first, and is told of once.
    fn on_container_gone(&mut self, container: String, reason: String) -> Vec<Operation> {
        if self.phase >= Phase::Drain || !self.gone.insert(container.clone()) {
            return Vec::new();
        }
        vec![Operation::Record(Event::ContainerGone { container, reason })]
    }
}

/// `exited: code 1`, `killed: signal 9`, `killed: out of memory`.
#[must_use]
pub fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code { code } => format!("exited: code {code}"),
        Exit::Signal { signal } => format!("killed: signal {signal}"),
        Exit::OomKilled => "killed: out of memory".into(),
    }
}

fn warning(message: String) -> Operation {
    Operation::Record(Event::Warning { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn set_up() -> Lifecycle {
        Lifecycle::new(2 * MINUTE, 30 * MINUTE, &["a".into(), "b".into()], Vec::new())
    }

    fn lifecycle() -> Lifecycle {
        let mut lifecycle = set_up();
        lifecycle.on(Input::Zero);
        lifecycle
    }

    fn exited(arm: &str, stays_down: bool) -> Input {
        let what = What::Exited { exit: Exit::Code { code: 1 }, expected: false, stays_down, last_words: None };
        Input::Arm(ArmNews { arm: arm.into(), what })
    }

    fn ends(operations: &[Operation]) -> Option<&Ending> {
        operations.iter().find_map(|operation| if let Operation::End(ending) = operation { Some(ending) } else { None })
    }

    #[test]
    fn a_run_goes_through_its_phases_by_the_clock() {
        let mut run = lifecycle();
        assert_eq!(run.on(Input::Elapsed(MINUTE)), []);
        assert_eq!(run.on(Input::Elapsed(2 * MINUTE)), [Operation::Record(Event::Phase { phase: Phase::Steady })]);
        assert_eq!(run.on(Input::Elapsed(29 * MINUTE)), []);
        assert_eq!(run.on(Input::Elapsed(30 * MINUTE)), [Operation::End(Ending::Complete)]);
    }

    #[test]
    fn what_is_scheduled_is_done_once_at_its_time_and_in_its_order() {
        let event = |name: &str| Operation::Record(Event::Warning { message: name.into() });
        let scheduled = [(3, "third"), (1, "first"), (1, "second")];
        let scheduled = scheduled.map(|(at, name)| (at * MINUTE, event(name))).into();
        let mut run = Lifecycle::new(20 * MINUTE, 30 * MINUTE, &["a".into()], scheduled);
        run.on(Input::Zero);
        assert_eq!(run.on(Input::Elapsed(Duration::ZERO)), []);
        assert_eq!(run.on(Input::Elapsed(2 * MINUTE)), [event("first"), event("second")]);
        assert_eq!(run.on(Input::Elapsed(3 * MINUTE)), [event("third")]);
        assert_eq!(run.on(Input::Elapsed(4 * MINUTE)), []);
    }

    #[test]
    fn a_dead_arm_does_not_end_the_run_but_the_last_one_does() {
        let mut run = lifecycle();
        assert_eq!(ends(&run.on(exited("a", true))), None);
        assert_eq!(ends(&run.on(exited("b", true))), Some(&Ending::NoArmLeft));
    }

    #[test]
    fn arms_that_all_end_before_the_zero_end_the_run_at_its_first_tick() {
        let mut run = set_up();
        run.on(exited("a", true));
        run.on(exited("b", true));
        run.on(Input::Zero);
        assert_eq!(ends(&run.on(Input::Elapsed(Duration::ZERO))), Some(&Ending::NoArmLeft));
    }

    #[test]
    fn an_arm_that_will_be_restarted_keeps_the_run_going() {
        let mut run = lifecycle();
        run.on(exited("a", true));
        assert_eq!(ends(&run.on(exited("b", false))), None);
        let what = What::NotStarted { reason: "no such file".into() };
        assert_eq!(ends(&run.on(Input::Arm(ArmNews { arm: "b".into(), what }))), Some(&Ending::NoArmLeft));
    }

    #[test]
    fn a_run_that_is_decided_ends_and_its_record_says_why() {
        let mut run = lifecycle();
        let reasons = vec!["a: FD growth".to_owned()];
        let operations = run.on(Input::Decided(reasons.clone()));
        assert_eq!(operations, [Operation::Record(Event::Decided { reasons }), Operation::End(Ending::Decided)]);
    }

    #[test]
    fn a_container_removed_in_mid_run_is_told_once() {
        let mut run = lifecycle();
        let gone = |reason: &str| Input::Engine(EngineEvent::Gone { container: "c01".into(), reason: reason.into() });
        assert_eq!(run.on(gone("die")).len(), 1);
        assert_eq!(run.on(gone("destroy")), []);
    }

    #[test]
    fn containers_that_end_in_the_drain_are_as_they_should_be() {
        let mut run = lifecycle();
        run.enter(Phase::Drain);
        assert_eq!(run.on(Input::Engine(EngineEvent::Gone { container: "c01".into(), reason: "die".into() })), []);
        assert_eq!(run.on(Input::Engine(EngineEvent::Lost { reason: "eof".into() })), []);
    }

    #[test]
    fn an_engine_that_is_silent_is_asked_before_the_run_ends() {
        let mut run = lifecycle();
        let operations = run.on(Input::Engine(EngineEvent::Lost { reason: "eof".into() }));
        assert!(operations.contains(&Operation::AskEngine) && ends(&operations).is_none());
        assert_eq!(run.on(Input::EngineAlive), []);
        assert_eq!(ends(&run.on(Input::EngineDead("refused".into()))), Some(&Ending::EngineLost("refused".into())));
    }
}
