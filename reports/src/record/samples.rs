//! `samples.csv`: one row per tick and subject.

use serde::{Deserialize, Serialize};

/// One reading of one subject at one tick. `None`: not known, with the reason in `missing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the run's zero (every arm ready, every container started), from the monotonic clock.
    pub elapsed_s: f64,
    /// Wall clock, for labels only.
    pub unix_ms: u64,
    /// Arm name, `engine` or `harness`.
    pub subject: String,
    /// Entries of /proc/PID/fd.
    pub fds: Option<u64>,
    /// Entries of /proc/PID/task.
    pub threads: Option<u64>,
    /// Live tasks of the async runtime; of the engine, its goroutines.
    pub tasks: Option<u64>,
    /// Resident set, bytes.
    pub rss_bytes: Option<u64>,
    /// CPU time in user mode since the process started, seconds.
    pub cpu_user_s: Option<f64>,
    /// CPU time in kernel mode since the process started, seconds.
    pub cpu_sys_s: Option<f64>,
    /// Context switches since the process started, voluntary and not.
    pub ctx_switches: Option<u64>,
    /// Log streams (or tailed files) that are open, as the arm says.
    pub streams: Option<u64>,
    /// HTTP connections that are open, as the arm says.
    pub connections: Option<u64>,
    /// Stream rotations so far, as the arm says.
    pub rotations: Option<u64>,
    /// Lines the arm has captured so far, as the arm says.
    pub lines_read: Option<u64>,
    /// Lines of this arm that have reached the sink so far, as the sink says.
    pub lines_delivered: Option<u64>,
    /// Connection timeouts so far, as the arm says.
    pub connection_timeouts: Option<u64>,
    /// Why something above is missing: `process gone`, `metrics: connection refused`, ... Empty where nothing is.
    #[serde(default)]
    pub missing: String,
}

impl Sample {
    /// A sample of which nothing is known yet.
    #[must_use]
    pub fn unknown(subject: &str, elapsed_s: f64, unix_ms: u64) -> Self {
        Self {
            elapsed_s,
            unix_ms,
            subject: subject.to_owned(),
            fds: None,
            threads: None,
            tasks: None,
            rss_bytes: None,
            cpu_user_s: None,
            cpu_sys_s: None,
            ctx_switches: None,
            streams: None,
            connections: None,
            rotations: None,
            lines_read: None,
            lines_delivered: None,
            connection_timeouts: None,
            missing: String::new(),
        }
    }

    /// The arm's `/metrics` could be read: something of it is known.
    #[must_use]
    pub fn has_metrics(&self) -> bool {
        let told =
            [self.streams, self.connections, self.rotations, self.lines_read, self.connection_timeouts, self.tasks];
        told.iter().any(Option::is_some)
    }
}
