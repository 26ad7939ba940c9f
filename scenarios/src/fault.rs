//! What can be made to go wrong with an engine, and for how long.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Span};

/// Something that goes wrong at a time of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// From the run's zero.
    pub at: Span,
    /// What.
    pub what: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Nobody listens; connections that are there stay.
    RefuseConnections {
        /// How long.
        lasts: Span,
    },
    /// Every stream (logs, events, stats, attach, wait) breaks off, once.
    DropStreams,
    /// Nothing is answered and no stream goes on.
    Stall {
        /// How long.
        lasts: Span,
    },
    /// Every answer is late.
    Delay {
        /// By so much.
        by: Span,
        /// How long.
        lasts: Span,
    },
    /// Every log stream breaks off in the middle of its next frame, once.
    CutFrames,
    /// Requests are answered with 500.
    Errors {
        /// So many of them, percent.
        share_pct: f64,
        /// How long.
        lasts: Span,
    },
    /// Every connection is closed and nobody listens, as while a daemon restarts; containers live on, and state is kept.
    Restart {
        /// How long nobody listens.
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
        lasts: Span,
    },
}

impl FaultKind {
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
