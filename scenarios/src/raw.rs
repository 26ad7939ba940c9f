//! The shape of a scenario in TOML and JSON, before it is checked.
//!
//! Here is what may be written, key by key; `raw/check.rs` says which of it makes sense together, and is the only
//! way from here to a [`Scenario`](crate::Scenario). What may be left out is an `Option`: only so can a key that
//! was given where it has no meaning be told from one that was not given.

mod check;
mod write;

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use check::{MAX_CONTAINERS, RuleError, check_delivery, most_of};

use crate::criteria::Criteria;
use crate::delivery::Delivery;
use crate::scenario::{Expect, Fallback, Http, Mistake, Protection, Restart, Stage};
use crate::units::{Bytes, Rate, Span};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a scenario")]
pub(crate) struct RawScenario {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) about: String,
    pub(crate) duration: Span,
    pub(crate) warmup: Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_every: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint_every: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drain: Option<Span>,
    #[serde(default)]
    pub(crate) stop_when_decided: bool,
    #[serde(default)]
    pub(crate) isolate: bool,
    pub(crate) containers: Vec<RawContainers>,
    #[serde(default)]
    pub(crate) log: RawLog,
    #[serde(default, skip_serializing_if = "RawEngine::is_empty")]
    pub(crate) engine: RawEngine,
    #[serde(default)]
    pub(crate) sink: RawSink,
    #[serde(default)]
    pub(crate) delivery: Delivery,
    pub(crate) arms: Vec<RawArm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stage: Vec<Stage>,
    #[serde(default)]
    pub(crate) criteria: Criteria,
}

/// `[[containers]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[[containers]]`")]
pub(crate) struct RawContainers {
    pub(crate) count: u32,
    pub(crate) load: LoadKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line_bytes: Option<Bytes>,
}

/// `load = "..."`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoadKind {
    Steady,
    Bursty,
    Silent,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[log]`")]
pub(crate) struct RawLog {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_size: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_file: Option<u32>,
}

/// `[sink]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[sink]`")]
pub(crate) struct RawSink {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refuse_older_than: Option<Span>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<RawSinkFault>,
}

/// `[[sink.faults]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[[sink.faults]]`")]
pub(crate) struct RawSinkFault {
    pub(crate) kind: SinkFaultWord,
    pub(crate) from: Span,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) lasts: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pct: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<Span>,
}

/// `kind = "..."`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SinkFaultWord {
    Down,
    Cut,
    Answer,
    Refuse,
    Slow,
}

/// `[engine]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[engine]`")]
pub(crate) struct RawEngine {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<RawEngineFault>,
}

impl RawEngine {
    fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

/// `[[engine.faults]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[[engine.faults]]`")]
pub(crate) struct RawEngineFault {
    pub(crate) kind: EngineFaultWord,
    pub(crate) from: Span,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) lasts: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pct: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fds_per_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tasks_per_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_per_min: Option<Bytes>,
}

/// `kind = "..."`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineFaultWord {
    RefuseConnections,
    DropStreams,
    Stall,
    Delay,
    CutFrames,
    Errors,
    Restart,
    Leak,
}

impl EngineFaultWord {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::RefuseConnections => "refuse-connections",
            Self::DropStreams => "drop-streams",
            Self::Stall => "stall",
            Self::Delay => "delay",
            Self::CutFrames => "cut-frames",
            Self::Errors => "errors",
            Self::Restart => "restart",
            Self::Leak => "leak",
        }
    }

    /// The keys that have a meaning with it and not with every kind.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::DropStreams | Self::CutFrames => &[],
            Self::RefuseConnections | Self::Stall | Self::Restart => &["for"],
            Self::Delay => &["for", "by"],
            Self::Errors => &["for", "pct"],
            Self::Leak => &["for", "fds_per_min", "tasks_per_min", "memory_per_min"],
        }
    }
}

/// `[[arms]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, `[[arms]]`")]
pub(crate) struct RawArm {
    pub(crate) name: String,
    pub(crate) strategy: StrategyKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expect: Option<Expect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rotate_every: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coalesce: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<Http>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mistake: Option<Mistake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ignore_older: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<Fallback>,
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub(crate) without: Option<Vec<Protection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_archived: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nofile: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<Restart>,
}

/// Whether `--set` takes a key, given by the segments of its path, for a list of words.
pub(crate) fn is_list_of_words(path: &[&str]) -> bool {
    matches!(path, ["arms", _, "without"])
}

/// A list of words; an error says so, where serde would speak of a sequence.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Protection>>, D::Error> {
    struct Words;

    impl<'de> Visitor<'de> for Words {
        type Value = Vec<Protection>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of words, such as [\"offsets\"]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(items))
        }
    }

    deserializer.deserialize_seq(Words).map(Some)
}

/// `strategy = "..."`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyKind {
    Pooled,
    Naive,
    Hybrid,
    Program,
    Idle,
}

impl LoadKind {
    /// Every one of them.
    pub(crate) const ALL: [Self; 3] = [Self::Steady, Self::Bursty, Self::Silent];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Bursty => "bursty",
            Self::Silent => "silent",
        }
    }

    /// The keys that have a meaning with it and not with every load.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Steady => &["rate", "line_bytes"],
            Self::Bursty => &["burst", "every", "line_bytes"],
            Self::Silent => &[],
        }
    }
}

impl StrategyKind {
    /// Every one of them.
    pub(crate) const ALL: [Self; 5] = [Self::Pooled, Self::Naive, Self::Hybrid, Self::Program, Self::Idle];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Naive => "naive",
            Self::Hybrid => "hybrid",
            Self::Program => "program",
            Self::Idle => "idle",
        }
    }

    /// The keys that have a meaning with it and not with every strategy.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Pooled => &["rotate_every", "coalesce", "http"],
            Self::Naive => &["rotate_every", "mistake"],
            Self::Hybrid => &["rotate_every", "coalesce", "ignore_older", "fallback", "without", "as_archived"],
            Self::Program => &["program"],
            Self::Idle => &[],
        }
    }
}

impl SinkFaultWord {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Cut => "cut",
            Self::Answer => "answer",
            Self::Refuse => "refuse",
            Self::Slow => "slow",
        }
    }

    /// The keys that have a meaning with it and not with every fault; all of them are needed.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Down => &[],
            Self::Cut | Self::Refuse => &["pct"],
            Self::Answer => &["status", "pct"],
            Self::Slow => &["delay"],
        }
    }
}
