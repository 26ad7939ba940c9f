//! The shape of a scenario in TOML and JSON, before it is checked.
//!
//! Here is what may be written, key by key; `raw/check.rs` says which of it makes sense together, and is the only
//! way from here to a [`Scenario`](crate::Scenario). What may be left out is an `Option`: only so can a key that
//! was given where it has no meaning be told from one that was not given.

mod check;
mod write;

use serde::{Deserialize, Serialize};

pub(crate) use check::{MAX_CONTAINERS, RuleError};

use crate::criteria::Criteria;
use crate::scenario::{Expect, Mistake, Restart};
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
    pub(crate) containers: Vec<RawContainers>,
    #[serde(default)]
    pub(crate) log: RawLog,
    #[serde(default)]
    pub(crate) sink: RawSink,
    pub(crate) arms: Vec<RawArm>,
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
    pub(crate) mistake: Option<Mistake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_archived: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nofile: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<Restart>,
}

/// `strategy = "..."`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyKind {
    Pooled,
    Naive,
    Hybrid,
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
    pub(crate) const ALL: [Self; 4] = [Self::Pooled, Self::Naive, Self::Hybrid, Self::Idle];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Naive => "naive",
            Self::Hybrid => "hybrid",
            Self::Idle => "idle",
        }
    }

    /// The keys that have a meaning with it and not with every strategy.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Pooled => &["rotate_every"],
            Self::Naive => &["rotate_every", "mistake"],
            Self::Hybrid => &["rotate_every", "as_archived"],
            Self::Idle => &[],
        }
    }
}
