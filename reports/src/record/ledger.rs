//! `ledger.json`: the sink's account per arm. Rewritten (atomically) at every checkpoint and at the end.

use serde::{Deserialize, Serialize};

/// The account of a whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// False while the run lives: expected counts are then what has been seen so far, and loss is not known yet.
    pub complete: bool,
    /// One per arm.
    pub arms: Vec<ArmLedger>,
}

/// The account of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmLedger {
    /// Its name.
    pub arm: String,
    /// Sums over its containers.
    pub total: Counts,
    /// From the line's own timestamp to its arrival at the sink; first arrivals only. `None`: no line arrived.
    pub latency: Option<Latency>,
    /// One per container that was expected or seen.
    pub containers: Vec<ContainerLedger>,
}

/// The account of one container's lines through one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerLedger {
    /// `c01`, ...
    pub container: String,
    /// Where `expected` comes from.
    pub expected_from: ExpectedFrom,
    /// The counts.
    pub counts: Counts,
}

/// Lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines the container printed.
    pub expected: u64,
    /// Different ones of them that were accepted by the sink.
    pub delivered: u64,
    /// `expected - delivered`.
    pub lost: u64,
    /// Arrivals of a line that had been accepted before.
    pub duplicated: u64,
    /// First arrivals with a lower sequence number than one that had arrived before.
    pub reordered: u64,
    /// Arrivals that the sink refused by its rules.
    pub refused: u64,
}

/// How the number of lines that a container printed is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedFrom {
    /// Its final line, read from the engine after it had stopped, or delivered by any arm.
    FinalLine,
    /// The highest sequence number that any arm delivered: a lower bound (the container was removed or killed).
    HighestSeen,
}

/// Quantiles, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Lines measured.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Largest.
    pub max_us: u64,
}
