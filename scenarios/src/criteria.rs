//! The limits an arm is held to.

use serde::{Deserialize, Serialize};

/// One limit each; the defaults are the mission's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, `[criteria]`")]
pub struct Criteria {
    /// Growth of `tasks` and of `threads` stays below this, per minute. Default 2.
    pub task_growth_per_min: f64,
    /// Growth of `fds` stays below this, per minute. Default 2.
    pub fd_growth_per_min: f64,
    /// Lines lost, in percent of those expected, stay below this. Default 1.
    pub loss_pct: f64,
    /// Share of the measured time in which the arm was up, in percent, is at least this. Default 99.9.
    pub uptime_pct: f64,
    /// OOM kills allowed. Default 0.
    pub oom_kills: u64,
    /// Connection timeouts (of the arm to the engine or the sink) allowed. Default 0.
    pub connection_timeouts: u64,
}

impl Default for Criteria {
    fn default() -> Self {
        Self {
            task_growth_per_min: 2.0,
            fd_growth_per_min: 2.0,
            loss_pct: 1.0,
            uptime_pct: 99.9,
            oom_kills: 0,
            connection_timeouts: 0,
        }
    }
}
