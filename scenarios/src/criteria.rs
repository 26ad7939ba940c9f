//! The limits an arm is held to.

use serde::{Deserialize, Serialize};

use crate::units::Span;

/// The rate that growth is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrowthBy {
    /// The robust slope, with its interval and its shape.
    #[default]
    Steady,
    /// Plainly (last - baseline) / minutes, for those whose rule says so.
    Cumulative,
}

/// One limit each; the defaults are the mission's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, `[criteria]`")]
pub struct Criteria {
    /// Growth of `tasks` and of `threads` stays below this, per minute. Default 2.
    pub task_growth_per_min: f64,
    /// Growth of `fds` stays below this, per minute. Default 2.
    pub fd_growth_per_min: f64,
    /// The rate that those two hold for. Default `steady`.
    pub growth: GrowthBy,
    /// What is used up by growing (open files, memory, threads) lasts at least this long at the rate seen. Default: not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_projected_uptime: Option<Span>,
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
            growth: GrowthBy::Steady,
            min_projected_uptime: None,
            loss_pct: 1.0,
            uptime_pct: 99.9,
            oom_kills: 0,
            connection_timeouts: 0,
        }
    }
}
