//! What a container may do next: pure decisions, as Docker 20.10 takes them. What is asked of it or happens to it goes
//! in, operations come out; [`super::Engine`] carries them out.

use std::time::Duration;

use rustix::process::Signal;

/// Exit code of a process that a signal ended: this much more than the signal's number.
pub const SIGNALLED: i64 = 128;

/// First wait of a restart policy; each further one is twice as long.
const RESTART_WAIT: Duration = Duration::from_millis(100);
/// Longest wait of a restart policy.
const MAX_RESTART_WAIT: Duration = Duration::from_secs(60);
/// A run of this length ends a row of restarts.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// When an ended container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Unless it was stopped by hand. Docker's `always` and `unless-stopped` differ only when the daemon starts.
    Always,
    /// After an exit code other than 0; at most so many times, 0 for ever.
    OnFailure {
        /// As `MaximumRetryCount`.
        most: u32,
    },
}

/// Where a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Never started.
    Created,
    /// Its workload prints.
    Running,
    /// Its workload is held.
    Paused,
    /// Ended, and about to be started again.
    Restarting,
    /// Ended.
    Exited,
}

impl Status {
    /// The API's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }

    /// Whether its workload is there.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// All that decisions are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    policy: RestartPolicy,
    status: Status,
    /// Of the last run that ended.
    exit_code: i64,
    started_ns: Option<u64>,
    finished_ns: Option<u64>,
    /// Runs begun; each workload carries the number of its own.
    runs: u64,
    restarts: u32,
    wait: Duration,
    stopped_by_hand: bool,
}

/// Something asked of a container, or that happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// `start`.
    Start,
    /// `kill`, or a step of `stop`.
    Signal {
        /// Which.
        signal: Signal,
        /// It is to end by it: no restart policy applies.
        to_end: bool,
    },
    /// `stop` while it waits for its restart.
    CancelRestart,
    /// `pause`.
    Pause,
    /// `unpause`.
    Unpause,
    /// The workload of this run has ended.
    Ended {
        /// Which run.
        run: u64,
        /// How.
        exit_code: i64,
    },
    /// The wait of this run's restart is over.
    RestartDue {
        /// Which run was it that ended.
        run: u64,
    },
}

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Start the workload, as this run.
    Run(u64),
    /// Hand the signal to the workload.
    Send(Signal),
    /// Hold the workload.
    Hold,
    /// Let it go on.
    Release,
    /// Its log's run is over.
    EndLog,
    /// Tell an event of this name; with the exit code, or the signal.
    Tell(&'static str, Detail),
    /// Say `RestartDue` after this time.
    RestartAfter(u64, Duration),
    /// It was to be removed when it ends, and has ended.
    MayRemove,
}

/// What an event tells besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// `exitCode`.
    ExitCode(i64),
    /// `signal`.
    Signal(Signal),
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is so already: no error, nothing done.
    Already,
    /// It does not run.
    NotRunning,
    /// It is paused already.
    AlreadyPaused,
    /// It is not paused.
    NotPaused,
    /// It is paused, and cannot be started.
    Paused,
    /// It waits for its restart.
    Restarting,
}

impl Lifecycle {
    /// A container that was never started.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        Self {
            policy,
            status: Status::Created,
            exit_code: 0,
            started_ns: None,
            finished_ns: None,
            runs: 0,
            restarts: 0,
            wait: Duration::ZERO,
            stopped_by_hand: false,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Exit code of the last run that ended; 0 while one lasts.
    #[must_use]
    pub fn exit_code(&self) -> i64 {
        if self.status.is_up() { 0 } else { self.exit_code }
    }

    /// Exit code of the last run that ended, also while the next one lasts.
    #[must_use]
    pub fn last_exit_code(&self) -> i64 {
        self.exit_code
    }

    /// When it was last started.
    #[must_use]
    pub fn started_ns(&self) -> Option<u64> {
        self.started_ns
    }

    /// When it last ended.
    #[must_use]
    pub fn finished_ns(&self) -> Option<u64> {
        self.finished_ns
    }

    /// Restarts by its policy since it was last started by hand.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What follows, at `now_ns` after the Unix epoch.
    ///
    /// # Errors
    /// It is not in a state to do that; nothing has changed.
    pub fn on(&mut self, input: Input, now_ns: u64) -> Result<Vec<Operation>, Refusal> {
        use Operation::{Hold, Release, Send, Tell};
        match (input, self.status) {
            (Input::Start, Status::Running | Status::Restarting) => Err(Refusal::Already),
            (Input::Start, Status::Paused) => Err(Refusal::Paused),
            (Input::Start, Status::Created | Status::Exited) => {
                (self.restarts, self.wait, self.stopped_by_hand) = (0, Duration::ZERO, false);
                Ok(self.run(now_ns))
            }
            (Input::Signal { signal, to_end }, status) if status.is_up() => {
                self.stopped_by_hand |= to_end;
                let mut operations = vec![Tell("kill", Detail::Signal(signal)), Send(signal)];
                if status == Status::Paused {
                    self.status = Status::Running;
                    operations.extend([Release, Tell("unpause", Detail::None)]);
                }
                Ok(operations)
            }
            (Input::CancelRestart, Status::Restarting) => {
                self.stopped_by_hand = true;
                self.status = Status::Exited;
                Ok(vec![Operation::MayRemove])
            }
            (Input::Pause, Status::Running) => {
                self.status = Status::Paused;
                Ok(vec![Hold, Tell("pause", Detail::None)])
            }
            (Input::Pause, Status::Paused) => Err(Refusal::AlreadyPaused),
            (Input::Signal { .. } | Input::Pause, Status::Restarting) => Err(Refusal::Restarting),
            (Input::Unpause, Status::Paused) => {
                self.status = Status::Running;
                Ok(vec![Release, Tell("unpause", Detail::None)])
            }
            (Input::Unpause, _) => Err(Refusal::NotPaused),
            (Input::Ended { run, exit_code }, status) if status.is_up() && run == self.runs => {
                Ok(self.ended(exit_code, now_ns))
            }
            (Input::RestartDue { run }, Status::Restarting) if run == self.runs => {
                self.restarts += 1;
                Ok(self.run(now_ns))
            }
            // Of a run that is over, or of a restart that was cancelled.
            (Input::Ended { .. } | Input::RestartDue { .. } | Input::CancelRestart, _) => Ok(Vec::new()),
            (Input::Signal { .. } | Input::Pause, _) => Err(Refusal::NotRunning),
        }
    }

    /// The run that was to begin did not.
    pub fn could_not_start(&mut self, exit_code: i64) {
        self.exit_code = exit_code;
        self.started_ns = self.started_ns.filter(|_| self.finished_ns.is_some());
        self.status = if self.finished_ns.is_some() { Status::Exited } else { Status::Created };
    }

    fn run(&mut self, now_ns: u64) -> Vec<Operation> {
        self.status = Status::Running;
        self.runs += 1;
        self.started_ns = Some(now_ns);
        vec![Operation::Run(self.runs), Operation::Tell("start", Detail::None)]
    }

    fn ended(&mut self, exit_code: i64, now_ns: u64) -> Vec<Operation> {
        self.exit_code = exit_code;
        self.finished_ns = Some(now_ns);
        let mut operations = vec![Operation::EndLog, Operation::Tell("die", Detail::ExitCode(exit_code))];
        if !self.is_restarted_after(exit_code) {
            self.status = Status::Exited;
            operations.push(Operation::MayRemove);
            return operations;
        }
        let ran = Duration::from_nanos(now_ns.saturating_sub(self.started_ns.unwrap_or(now_ns)));
        self.wait = if ran >= GOOD_RUN { RESTART_WAIT } else { (self.wait * 2).clamp(RESTART_WAIT, MAX_RESTART_WAIT) };
        self.status = Status::Restarting;
        operations.push(Operation::RestartAfter(self.runs, self.wait));
        operations
    }

    fn is_restarted_after(&self, exit_code: i64) -> bool {
        !self.stopped_by_hand
            && match self.policy {
                RestartPolicy::No => false,
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure { most } => exit_code != 0 && (most == 0 || self.restarts < most),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Input = Input::Signal { signal: Signal::TERM, to_end: true };

    fn started(policy: RestartPolicy) -> Lifecycle {
        let mut container = Lifecycle::new(policy);
        container.on(Input::Start, 0).unwrap();
        container
    }

    fn wait(operations: &[Operation]) -> Option<Duration> {
        operations.iter().find_map(|operation| match operation {
            Operation::RestartAfter(_, wait) => Some(*wait),
            _ => None,
        })
    }

    #[test]
    fn it_starts_once_and_ends_once() {
        let mut container = Lifecycle::new(RestartPolicy::No);
        assert_eq!(container.on(TERM, 0), Err(Refusal::NotRunning));
        assert_eq!(container.on(Input::Start, 5).unwrap(), [Operation::Run(1), Operation::Tell("start", Detail::None)]);
        assert_eq!(container.on(Input::Start, 6), Err(Refusal::Already));
        let end = Input::Ended { run: 1, exit_code: 3 };
        assert_eq!(
            container.on(end, 9).unwrap(),
            [Operation::EndLog, Operation::Tell("die", Detail::ExitCode(3)), Operation::MayRemove]
        );
        assert_eq!((container.status(), container.exit_code()), (Status::Exited, 3));
        assert_eq!(container.on(end, 10), Ok(Vec::new()));
    }

    #[test]
    fn the_end_of_an_earlier_run_is_none_of_this_one() {
        let mut container = started(RestartPolicy::No);
        container.on(Input::Ended { run: 1, exit_code: 0 }, 1).unwrap();
        container.on(Input::Start, 2).unwrap();
        container.on(Input::Ended { run: 1, exit_code: 137 }, 3).unwrap();
        assert_eq!(container.status(), Status::Running);
    }

    #[test]
    fn a_signal_releases_a_paused_container() {
        let mut container = started(RestartPolicy::No);
        container.on(Input::Pause, 1).unwrap();
        assert_eq!(container.on(Input::Pause, 1), Err(Refusal::AlreadyPaused));
        assert_eq!(container.on(Input::Start, 1), Err(Refusal::Paused));
        let operations = container.on(Input::Signal { signal: Signal::HUP, to_end: false }, 2).unwrap();
        assert_eq!(operations.last(), Some(&Operation::Tell("unpause", Detail::None)));
        assert_eq!(container.on(Input::Unpause, 3), Err(Refusal::NotPaused));
    }

    #[test]
    fn a_policy_restarts_with_growing_waits_and_a_good_run_ends_the_row() {
        let mut container = started(RestartPolicy::Always);
        let mut waits = Vec::new();
        for run in 1..=3 {
            waits.extend(wait(&container.on(Input::Ended { run, exit_code: 0 }, 0).unwrap()));
            container.on(Input::RestartDue { run }, 0).unwrap();
        }
        assert_eq!(waits, [100, 200, 400].map(Duration::from_millis));
        let after_a_good_run = container.on(Input::Ended { run: 4, exit_code: 0 }, 11_000_000_000).unwrap();
        assert_eq!(wait(&after_a_good_run), Some(RESTART_WAIT));
        assert_eq!(container.restarts(), 3);
    }

    #[test]
    fn what_was_stopped_by_hand_is_not_restarted() {
        let mut container = started(RestartPolicy::Always);
        container.on(TERM, 1).unwrap();
        container.on(Input::Ended { run: 1, exit_code: 0 }, 2).unwrap();
        assert_eq!(container.status(), Status::Exited);
    }

    #[test]
    fn a_restart_that_is_awaited_can_be_cancelled() {
        let mut container = started(RestartPolicy::Always);
        container.on(Input::Ended { run: 1, exit_code: 1 }, 1).unwrap();
        assert_eq!(container.status(), Status::Restarting);
        container.on(Input::CancelRestart, 2).unwrap();
        assert_eq!(container.on(Input::RestartDue { run: 1 }, 3), Ok(Vec::new()));
        assert_eq!(container.status(), Status::Exited);
    }

    #[test]
    fn on_failure_gives_up_after_so_many() {
        let mut container = started(RestartPolicy::OnFailure { most: 2 });
        for run in 1..=2 {
            assert!(wait(&container.on(Input::Ended { run, exit_code: 1 }, 0).unwrap()).is_some());
            container.on(Input::RestartDue { run }, 0).unwrap();
        }
        container.on(Input::Ended { run: 3, exit_code: 1 }, 0).unwrap();
        assert_eq!((container.status(), container.restarts()), (Status::Exited, 2));
        let mut fine = started(RestartPolicy::OnFailure { most: 2 });
        fine.on(Input::Ended { run: 1, exit_code: 0 }, 0).unwrap();
        assert_eq!(fine.status(), Status::Exited);
    }
}
