//! What can be made to go wrong with an engine, when, and for how long. Only the embedded engine can be done this to.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Span};

/// Something that the engine does wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineFault {
    /// When it begins, from the run's zero.
    pub from: Span,
    /// What, and for how long.
    pub kind: EngineFaultKind,
}

/// What an engine can do wrong. As JSON it is what its control socket takes: `{"kind": "stall", "for": "5s"}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EngineFaultKind {
    /// Nobody listens; connections that are there stay.
    RefuseConnections {
        /// How long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Every stream (logs, events, stats, attach, wait) breaks off, once.
    DropStreams,
    /// Nothing is answered and no stream goes on.
    Stall {
        /// How long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Every answer is late.
    Delay {
        /// By so much.
        by: Span,
        /// How long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Every log stream breaks off in the middle of its next frame, once.
    CutFrames,
    /// Requests are answered with 500.
    Errors {
        /// So many of them, percent.
        pct: f64,
        /// How long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Every connection is closed and nobody listens, as while a daemon restarts; containers live on, and state is kept.
    Restart {
        /// How long nobody listens.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// The engine loses what it opens, at this rate, and never gives it back.
    Leak {
        /// File descriptors a minute.
        #[serde(default)]
        fds_per_min: u32,
        /// Tasks a minute.
        #[serde(default)]
        tasks_per_min: u32,
        /// Memory a minute.
        #[serde(default)]
        memory_per_min: Option<Bytes>,
        /// How long it goes on losing.
        #[serde(rename = "for")]
        lasts: Span,
    },
}

impl EngineFaultKind {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::RefuseConnections { .. } => "refuse-connections",
            Self::DropStreams => "drop-streams",
            Self::Stall { .. } => "stall",
            Self::Delay { .. } => "delay",
            Self::CutFrames => "cut-frames",
            Self::Errors { .. } => "errors",
            Self::Restart { .. } => "restart",
            Self::Leak { .. } => "leak",
        }
    }

    /// As an event of the run tells it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Delay { by, .. } => format!("engine answers {by} late"),
            Self::Errors { pct, .. } => format!("engine answers 500 to {pct} % of the requests"),
            Self::Leak { fds_per_min, tasks_per_min, memory_per_min, .. } => {
                let counts =
                    [(*fds_per_min, "FDs"), (*tasks_per_min, "tasks")].into_iter().filter(|(count, _)| *count > 0);
                let counts = counts.map(|(count, what)| format!("{count} {what}/min"));
                let memory = memory_per_min.map(|memory| format!("{memory}/min of memory"));
                format!("engine leaks {}", counts.chain(memory).collect::<Vec<_>>().join(", "))
            }
            other => format!("engine: {}", other.word()),
        }
    }

    /// How long it lasts; `None`: it happens once.
    #[must_use]
    pub fn lasts(&self) -> Option<Span> {
        match *self {
            Self::RefuseConnections { lasts }
            | Self::Stall { lasts }
            | Self::Delay { lasts, .. }
            | Self::Errors { lasts, .. }
            | Self::Restart { lasts }
            | Self::Leak { lasts, .. } => Some(lasts),
            Self::DropStreams | Self::CutFrames => None,
        }
    }
}
