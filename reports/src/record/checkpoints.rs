//! `checkpoints.csv`, `fd_groups.csv`, `task_groups.csv` and `latency.csv`: the coarser readings.

use serde::{Deserialize, Serialize};

/// One arm at one checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// 1, 2, 3, ...
    pub checkpoint: u32,
    /// Seconds since the run's zero.
    pub elapsed_s: f64,
    /// Arm name.
    pub arm: String,
    /// As in `samples.csv`.
    pub fds: Option<u64>,
    /// Difference to the baseline.
    pub fds_delta: Option<i64>,
    /// Difference to the baseline over the minutes since the baseline: the figure people put on PRs.
    pub fds_cumulative_per_min: Option<f64>,
    /// Robust slope since the baseline.
    pub fds_steady_per_min: Option<f64>,
    /// As in `samples.csv`.
    pub tasks: Option<u64>,
    /// Difference to the baseline.
    pub tasks_delta: Option<i64>,
    /// As for FDs.
    pub tasks_cumulative_per_min: Option<f64>,
    /// As for FDs.
    pub tasks_steady_per_min: Option<f64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Resident set, bytes.
    pub rss_bytes: Option<u64>,
    /// Lines at the sink so far.
    pub lines_delivered: Option<u64>,
    /// `healthy`, `unhealthy: engine`, `not answering`, `exited: code 1`, ...
    pub status: String,
}

/// Open descriptors of one kind and target, of one subject at one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdGroup {
    /// As in [`Checkpoint`].
    pub checkpoint: u32,
    /// Arm name, `engine` or `harness`.
    pub subject: String,
    /// `socket`, `file`, `deleted`, `inotify`, `pipe`, `eventpoll`, `eventfd`, `device`, `other`.
    pub kind: String,
    /// Peer path of a socket where known, path of a file, else empty.
    pub target: String,
    /// How many.
    pub count: u64,
}

/// Live tasks of one arm at one checkpoint that were spawned by the same line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskGroup {
    /// As in [`Checkpoint`].
    pub checkpoint: u32,
    /// Arm name.
    pub arm: String,
    /// File and line as the arm says: `strategies/src/naive.rs:99`.
    pub spawn_site: String,
    /// How many.
    pub count: u64,
}

/// The latency of one arm's lines that reached the sink since the checkpoint before, microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// As in [`Checkpoint`].
    pub checkpoint: u32,
    /// Arm name.
    pub arm: String,
    /// Lines measured; first arrivals only.
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
