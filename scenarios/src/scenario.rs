//! The validated scenario: what to run, on what load, for how long, and by which criteria it is judged.
//!
//! Every value here was checked when it was made (`Scenario::try_from(RawScenario)`); code that holds a
//! `Scenario` has nothing left to check. It serialises as the same shape as the TOML, so `run.json` carries
//! the scenario as resolved, and reads it back through the same checks.

use serde::{Deserialize, Serialize};

use crate::criteria::Criteria;
use crate::delivery::Delivery;
use crate::engine_fault::EngineFault;
use crate::raw::RawScenario;
use crate::units::{Bytes, Rate, Span};

/// The least there is of what an arm does over and over.
pub(crate) const MIN_ROTATE_EVERY: Span = Span::from_millis(100);

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "RawScenario", try_from = "RawScenario")]
pub struct Scenario {
    /// Lower-case letters, digits, `-`; 1 to 40 characters. Names the run directory.
    pub name: String,
    /// One line: what the scenario shows.
    pub about: String,
    /// From "every arm is ready and every container runs" to the end of measuring.
    pub duration: Span,
    /// Left out of the judgement; the baseline is the last sample of it. Shorter than `duration`.
    pub warmup: Span,
    /// Distance of two ticks of the sampler. At least 100 ms.
    pub sample_every: Span,
    /// Distance of two checkpoints. Not shorter than `sample_every`, not longer than `duration`.
    pub checkpoint_every: Span,
    /// After the containers have stopped: how long the arms have to deliver what is still in flight.
    pub drain: Span,
    /// End the run once every arm that is to pass has failed for certain.
    pub stop_when_decided: bool,
    /// The arms take turns, each alone with the engine and containers of its own for the whole of `duration`.
    pub isolate: bool,
    /// At least one group, at least one container in all, at most 5,000.
    pub containers: Vec<ContainerGroup>,
    /// Rotation of the containers' json-file logs.
    pub log: LogRotation,
    /// What the engine does wrong, and when. Needs the embedded engine.
    pub engine_faults: Vec<EngineFault>,
    /// How the sink treats what it is sent.
    pub sink: SinkRules,
    /// How every arm hands its lines to the sink.
    pub delivery: Delivery,
    /// At least one; names unique. In a scenario as written, at least one of them is `Expect::Pass`.
    pub arms: Vec<Arm>,
    /// Which share of the containers the arms monitor, and from when: rising to all of them. Empty: all, from the beginning.
    pub stages: Vec<Stage>,
    /// What each arm is held to.
    pub criteria: Criteria,
}

/// Containers of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerGroup {
    /// How many, at least 1.
    pub count: u32,
    /// What each of them prints.
    pub load: Load,
}

/// What one container prints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Evenly spaced lines.
    Steady {
        /// Lines per second of each container.
        rate: Rate,
        /// Length of a line without its newline, padded; 64 B to 1 MiB.
        line_bytes: Bytes,
    },
    /// `burst` lines at once, every `every`.
    Bursty {
        /// Lines per burst, at least 1.
        burst: u32,
        /// Distance of two bursts.
        every: Span,
        /// As in `Steady`.
        line_bytes: Bytes,
    },
    /// No line until the final one: the case in which a blocked reader leaks.
    Silent,
}

/// The engine's `max-size` and `max-file` log options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRotation {
    /// Size at which the log is rotated, at least 16 KiB.
    pub max_size: Bytes,
    /// Files kept, the live one included; at least 2, so that a rotation never throws away unread lines at once.
    pub max_file: u32,
}

/// From when on the arms monitor which share of the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[[stage]]`")]
pub struct Stage {
    /// From the run's zero.
    pub from: Span,
    /// 1 to 100.
    pub share_pct: u32,
}

/// How the sink treats what it is sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SinkRules {
    /// Lines whose own timestamp is older than this are refused, as log stores do. `None`: nothing is refused.
    pub refuse_older_than: Option<Span>,
    /// What it does wrong, and when. Faults may overlap.
    pub faults: Vec<SinkFault>,
}

/// Something that the sink does wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SinkFault {
    /// What.
    pub kind: SinkFaultKind,
    /// When it begins, from the run's zero; before the run's end.
    pub from: Span,
    /// How long it lasts; `None`: to the end of the run.
    pub lasts: Option<Span>,
}

/// What a sink can do wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SinkFaultKind {
    /// It takes no connection and breaks those it has.
    Down,
    /// It breaks the connection without an answer, for so many of a hundred requests; nothing of them is counted.
    Cut {
        /// Above 0, up to 100.
        pct: f64,
    },
    /// It answers with an error status, for so many of a hundred requests; nothing of them is counted.
    Answer {
        /// 429, or 500 to 599.
        status: u16,
        /// Above 0, up to 100.
        pct: f64,
    },
    /// It refuses so many of a hundred lines, one by one, and takes the rest.
    Refuse {
        /// Above 0, up to 100.
        pct: f64,
    },
    /// It answers this much later.
    Slow {
        /// At least 1 ms, at most 1 min.
        delay: Span,
    },
}

impl SinkFaultKind {
    /// As an event of the run tells it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Down => "sink down".into(),
            Self::Cut { pct } => format!("sink cuts {pct} % of the connections"),
            Self::Answer { status, pct } => format!("sink answers {status} to {pct} % of the requests"),
            Self::Refuse { pct } => format!("sink refuses {pct} % of the lines"),
            Self::Slow { delay } => format!("sink answers {delay} late"),
        }
    }
}

/// One strategy under test.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Lower-case letters, digits, `-`; 1 to 40 characters; unique in the scenario; not `engine`, `harness` or `sink`.
    pub name: String,
    /// What it does.
    pub strategy: Strategy,
    /// What the run expects of it.
    pub expect: Expect,
    /// `RLIMIT_NOFILE` of its process, soft and hard. At least 64. Default 1024.
    pub nofile: u64,
    /// Memory limit of its cgroup, where one can be made. Default 512 MiB.
    pub memory: Bytes,
    /// Whether it is started again after it ended. Default `Never`.
    pub restart: Restart,
}

/// The strategies that are built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Strategy {
    /// One shared client, streams that own what they hold.
    Pooled {
        /// Each stream is replaced by a fresh one this often.
        rotate_every: Span,
        /// A busy connection is read at most this often. Zero: whenever something has come.
        coalesce: Span,
        /// How the engine is spoken to.
        http: Http,
    },
    /// A client per request; the reader is abandoned at every rotation.
    Naive {
        /// Each stream is replaced by a fresh one this often.
        rotate_every: Span,
        /// How it is abandoned.
        mistake: Mistake,
    },
    /// The API for discovery, the json-file itself for content.
    Hybrid {
        /// How often the file's identity is checked again.
        rotate_every: Span,
        /// Files are looked at at most this often while they are written to. Zero: at every write.
        coalesce: Span,
        /// Lines older than this are left out, and counted. Zero: none is.
        ignore_older: Span,
        /// What becomes of a container whose log cannot be read as a file.
        fallback: Fallback,
        /// The protections that are taken away, each of them once, in their order.
        without: Vec<Protection>,
    },
    /// An executable that is an arm: started with `--config FILE`, the arm's instructions.
    Program {
        /// Its path; one that is relative counts from where leaksoak runs, and a name without a `/` is looked up in `PATH`.
        program: String,
    },
    /// Does nothing at all: it answers for its health and captures no line. Proves that a run can tell (INVALID).
    Idle,
}

/// The protocol in which an engine is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Http {
    /// HTTP/2 if the engine speaks it without being asked to change to it, else HTTP/1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1, a connection per stream.
    #[serde(rename = "1")]
    One,
    /// HTTP/2, all streams over one connection.
    #[serde(rename = "2")]
    Two,
}

/// What `hybrid` does about a container whose log it cannot read as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// It says why, and leaves the container out.
    #[default]
    None,
    /// It says why, and follows the container over the API, as `pooled` does.
    Pooled,
}

/// What keeps `hybrid` from failing as it once did. Each can be taken away alone; `as_archived` takes all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// Old lines are left out. Without it they are sent, and refused, and sent again.
    TimestampFilter,
    /// A log is read on from where it was. Without it, from its beginning, at every rotation.
    Offsets,
    /// A refused line becomes a dead letter. Without it, a task of its own that tries it for ever.
    RetryLimit,
    /// All requests share a connection. Without it, each retry has one of its own, and keeps it.
    SharedConnection,
    /// A watcher is closed when it is replaced. Without it, it stays: 1 FD of inotify and 1 task at every rotation.
    ClosedWatchers,
}

impl Protection {
    /// Every one of them: what the archived design did without.
    pub const ALL: [Self; 5] =
        [Self::TimestampFilter, Self::Offsets, Self::RetryLimit, Self::SharedConnection, Self::ClosedWatchers];
}

/// How `naive` loses hold of a reader. Each is what people write, and each leaks with every rotation of a silent container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// The reader is spawned and its handle dropped: 1 FD and 2 tasks.
    #[default]
    ForgottenHandle,
    /// A timeout around the spawned reader, which gives up the handle and not the reader: 1 FD and 2 tasks.
    DetachedTimeout,
    /// A task pumps lines into a channel, and learns with the next line only that nobody listens: 1 FD and 2 tasks.
    StuckPump,
    /// The old response's body is kept in a collection: 1 FD and 1 task.
    KeptBody,
    /// A blocking read on a thread of its own, which no abort can end: 1 FD and 1 thread.
    BlockingRead,
}

/// What the run expects of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The arm is judged; its FAIL fails the run.
    Pass,
    /// The arm is a control: if it does not fail, the run could not have seen a leak, and is INVALID.
    Fail,
}

/// Whether an arm that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It stays down; its uptime says so.
    Never,
    /// Started again one second after a crash, at most 100 times.
    OnCrash,
}

impl Scenario {
    /// Containers in all.
    #[must_use]
    pub fn container_count(&self) -> u32 {
        self.containers.iter().map(|group| group.count).sum()
    }

    /// Which containers are monitored at `share_pct`, by their place in the order of [`loads`](Self::loads). Each share is
    /// part of every larger one, is spread over the groups, and has one container at least.
    #[must_use]
    pub fn share(&self, share_pct: u32) -> Vec<usize> {
        // Multiples of the golden ratio, modulo 1, lie evenly however many of them are taken.
        const SPREAD: f64 = 0.618_033_988_749_895;
        let count = self.container_count();
        let wanted = (u64::from(count) * u64::from(share_pct)).div_ceil(100).max(1);
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by(|a, b| (f64::from(*a) * SPREAD).fract().total_cmp(&(f64::from(*b) * SPREAD).fract()));
        let mut share: Vec<usize> =
            order.into_iter().map(|index| index as usize).take(wanted.try_into().unwrap_or(usize::MAX)).collect();
        share.sort_unstable();
        share
    }

    /// What is run at once: all of it, or, where the arms take turns, the same for each arm by itself.
    #[must_use]
    pub fn turns(&self) -> Vec<Self> {
        if !self.isolate {
            return vec![self.clone()];
        }
        self.arms.iter().map(|arm| Self { isolate: false, arms: vec![arm.clone()], ..self.clone() }).collect()
    }

    /// One `Load` per container, in order: container `c01` is the first.
    pub fn loads(&self) -> impl Iterator<Item = Load> + '_ {
        self.containers.iter().flat_map(|group| std::iter::repeat_n(group.load, group.count as usize))
    }
}

impl Strategy {
    /// The word that names it in a scenario: `pooled`, `naive`, `hybrid`, `program`, `idle`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pooled { .. } => "pooled",
            Self::Naive { .. } => "naive",
            Self::Hybrid { .. } => "hybrid",
            Self::Program { .. } => "program",
            Self::Idle => "idle",
        }
    }

    /// The same, with streams that rotate this often; where nothing rotates, the same.
    #[must_use]
    pub fn rotated_every(mut self, every: Span) -> Self {
        match &mut self {
            Self::Pooled { rotate_every, .. }
            | Self::Naive { rotate_every, .. }
            | Self::Hybrid { rotate_every, .. } => {
                *rotate_every = every;
            }
            Self::Program { .. } | Self::Idle => {}
        }
        self
    }

    /// What is wrong with it: key, value, and what to do. For one that did not come out of a scenario.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let every = self.rotate_every().filter(|every| *every < MIN_ROTATE_EVERY)?;
        Some(format!("`rotate_every` is {every}: use {MIN_ROTATE_EVERY} or longer"))
    }

    /// How often its streams rotate; `None` where nothing rotates.
    #[must_use]
    pub fn rotate_every(&self) -> Option<Span> {
        match self {
            Self::Pooled { rotate_every, .. }
            | Self::Naive { rotate_every, .. }
            | Self::Hybrid { rotate_every, .. } => Some(*rotate_every),
            Self::Program { .. } | Self::Idle => None,
        }
    }
}
