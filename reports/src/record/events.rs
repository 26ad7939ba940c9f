//! `events.jsonl`: what happened, one JSON object a line.

use serde::{Deserialize, Serialize};

/// One event with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Seconds since the run's zero; 0 before it, where `unix_ms` tells the order.
    pub elapsed_s: f64,
    /// Wall clock, for labels only.
    pub unix_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run entered a phase.
    Phase {
        /// The phase that begins now.
        phase: Phase,
    },
    /// An arm's process was started.
    ArmStarted {
        /// Its name.
        arm: String,
        /// Its process.
        pid: u32,
    },
    /// An arm answered on its socket for the first time since it was started.
    ArmReady {
        /// Its name.
        arm: String,
    },
    /// An arm's process ended.
    ArmExited {
        /// Its name.
        arm: String,
        /// How.
        exit: Exit,
        /// The harness asked it to (the end of the run): no loss of uptime.
        expected: bool,
        /// The line of its stderr that tells why, else the last one; see [`Exit::by_itself`].
        last_words: Option<String>,
    },
    /// A container started.
    ContainerStarted {
        /// `c01`, ...
        container: String,
    },
    /// A container went away that should not have: removed, stopped or dead by someone else's hand.
    ContainerGone {
        /// `c01`, ...
        container: String,
        /// What was seen.
        reason: String,
    },
    /// Something begins to go wrong because the scenario says so. Growth is not judged until it has ended.
    FaultBegan {
        /// Which, the same as in its end: `sink down`, `sink refuse 5 %`.
        fault: String,
    },
    /// It is over.
    FaultEnded {
        /// Which.
        fault: String,
    },
    /// Every arm under test has failed for certain, and the scenario asks to end the run then.
    Decided {
        /// Why, an arm each.
        reasons: Vec<String>,
    },
    /// From now on the arms monitor this share of the containers.
    Stage {
        /// In percent.
        share_pct: u32,
        /// So many containers.
        containers: u64,
    },
    /// The engine stopped answering.
    EngineLost {
        /// The error.
        reason: String,
    },
    /// The sampler missed ticks: the samples have a gap there.
    Gap {
        /// How many ticks.
        missed_ticks: u64,
    },
    /// The user asked for an early end.
    Interrupted {
        /// `SIGINT` or `SIGTERM`.
        signal: String,
    },
    /// Something that a reader of the report should know.
    Warning {
        /// What, and what follows from it.
        message: String,
    },
}

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Containers and arms are made.
    Setup,
    /// The run's zero; samples are taken, not judged.
    Warmup,
    /// Samples are judged.
    Steady,
    /// Containers are stopped; arms deliver what is in flight. Samples are not judged.
    Drain,
    /// Everything is removed. A run without this event was killed.
    Done,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Exit {
    /// By itself.
    Code {
        /// Its exit code.
        code: i32,
    },
    /// By a signal that was not the OOM killer's.
    Signal {
        /// Its number.
        signal: i32,
    },
    /// By the kernel's OOM killer, as its cgroup says.
    OomKilled,
}

const SIGABRT: i32 = 6;

impl Exit {
    /// The process ended itself, so that what it said last may be why; who was killed did not know of it.
    #[must_use]
    pub fn by_itself(self) -> bool {
        matches!(self, Self::Code { .. } | Self::Signal { signal: SIGABRT })
    }

    /// What goes before the last words of whoever ended so.
    #[must_use]
    pub fn how_said(self) -> &'static str {
        if self.by_itself() { "saying" } else { "its log's last line was" }
    }
}
