//! The readings of a run put together: one row per subject and tick, one per arm and checkpoint.

use std::collections::BTreeMap;

use leaksoak_reports::record::checkpoints::{Checkpoint, FdGroup, LatencyRow, TaskGroup};
use leaksoak_reports::record::ledger::Latency;
use leaksoak_reports::record::samples::Sample;
use leaksoak_reports::{EarlyStop, RateTracker, Rates};

use crate::arm::client::Metrics;
use crate::engine::docker::SelfCounts;
use crate::sampler::fd_groups::Group;
use crate::sampler::process::Reading;

/// Spawn sites kept per arm; what smaller ones have is summed as `(others)`.
const MAX_SITES: usize = 40;

/// Live tasks of each arm that tells them, by spawn site.
pub type Sites = BTreeMap<String, BTreeMap<String, u64>>;

/// What is recorded of one checkpoint.
#[derive(Debug)]
pub struct CheckpointReadings {
    /// Its number: 1, 2, 3, ...
    pub checkpoint: u32,
    /// One row per arm.
    pub rows: Vec<Checkpoint>,
    /// What every subject holds open.
    pub groups: Vec<FdGroup>,
    /// The tasks of every arm that tells them.
    pub tasks: Vec<TaskGroup>,
}

/// Enters what /proc said, or why it said nothing.
pub fn enter_reading(sample: &mut Sample, reading: Result<Reading, String>) {
    match reading {
        Ok(reading) => {
            sample.fds = reading.fds;
            sample.threads = reading.threads;
            sample.rss_bytes = reading.rss_bytes;
            sample.cpu_user_s = reading.cpu_user_s;
            sample.cpu_sys_s = reading.cpu_sys_s;
            sample.ctx_switches = reading.ctx_switches;
            sample.missing = reading.missing();
        }
        Err(reason) => miss(sample, &reason),
    }
}

/// Enters what an arm said of itself.
pub fn enter_metrics(sample: &mut Sample, metrics: &Metrics) {
    sample.tasks = metrics.count("log_capturer_tasks").or_else(|| metrics.count("log_capturer_goroutines"));
    sample.streams = metrics.count("log_capturer_container_monitor_streams_active");
    sample.connections = metrics.count("log_capturer_http_client_connections_active");
    sample.rotations = metrics.count("log_capturer_stream_rotations_total");
    sample.lines_read = metrics.count("log_capturer_lines_read_total");
    sample.connection_timeouts = metrics.count("log_capturer_connection_timeouts_total");
}

/// Enters what the engine said of itself. /proc counts its descriptors at every tick where it can.
pub fn enter_self_counts(sample: &mut Sample, said: Result<SelfCounts, String>) {
    match said {
        Ok(counts) => {
            sample.fds = sample.fds.or(counts.fds);
            sample.tasks = counts.goroutines;
        }
        Err(reason) => miss(sample, &reason),
    }
}

/// Adds a reason to those for what is missing.
pub fn miss(sample: &mut Sample, reason: &str) {
    if !sample.missing.is_empty() {
        sample.missing.push_str("; ");
    }
    sample.missing.push_str(reason);
}

/// The growth of every arm so far.
#[derive(Debug)]
pub struct Board {
    warmup_s: f64,
    arms: BTreeMap<String, Growth>,
    checkpoint: u32,
}

#[derive(Debug)]
struct Growth {
    fds: RateTracker,
    tasks: RateTracker,
    last: Option<Sample>,
}

impl Board {
    /// A board for these arms. The last sample of the first `warmup_s` seconds is the baseline.
    #[must_use]
    pub fn new(arms: &[String], warmup_s: f64) -> Self {
        Self { warmup_s, arms: arms.iter().map(|arm| (arm.clone(), Growth::new(warmup_s))).collect(), checkpoint: 0 }
    }

    /// Takes in a tick's samples.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn enter(&mut self, samples: &[Sample]) {
        for sample in samples {
            let Some(growth) = self.arms.get_mut(&sample.subject) else { continue };
            if let Some(fds) = sample.fds {
                growth.fds.push(sample.elapsed_s, fds as f64);
            }
            if let Some(tasks) = sample.tasks {
                growth.tasks.push(sample.elapsed_s, tasks as f64);
            }
            growth.last = Some(sample.clone());
        }
    }

    /// An arm's process was started at `elapsed_s`: what it counts begins anew, with a warm-up of its own.
    pub fn restart(&mut self, arm: &str, elapsed_s: f64) {
        if let Some(growth) = self.arms.get_mut(arm) {
            *growth = Growth::new(elapsed_s + self.warmup_s);
        }
    }

    /// Whether the growth of `arm` is over its limit for certain.
    #[must_use]
    pub fn is_over(&self, arm: &str, stop: &EarlyStop) -> bool {
        let growth = self.arms.get(arm);
        growth.is_some_and(|growth| {
            let last_s = growth.last.as_ref().map_or(0.0, |sample| sample.elapsed_s);
            stop.is_over(last_s, &growth.fds, &growth.tasks)
        })
    }

    /// The next checkpoint: a row per arm, what every subject holds open, and where the arms' tasks were spawned. `status` of
    /// each arm is given.
    pub fn checkpoint(
        &mut self,
        elapsed_s: f64,
        status: &BTreeMap<String, String>,
        groups: Vec<(String, Group, u64)>,
        sites: Sites,
    ) -> CheckpointReadings {
        self.checkpoint += 1;
        let checkpoint = self.checkpoint;
        let rows =
            self.arms.iter().map(|(arm, growth)| growth.row(checkpoint, elapsed_s, arm, status.get(arm))).collect();
        let groups = groups
            .into_iter()
            .map(|(subject, group, count)| FdGroup {
                checkpoint,
                subject,
                kind: group.kind.to_owned(),
                target: group.target,
                count,
            })
            .collect();
        let tasks = sites.into_iter().flat_map(|(arm, sites)| {
            largest(sites).into_iter().map(move |(spawn_site, count)| TaskGroup {
                checkpoint,
                arm: arm.clone(),
                spawn_site,
                count,
            })
        });
        CheckpointReadings { checkpoint, rows, groups, tasks: tasks.collect() }
    }
}

/// What the sink measured since the checkpoint before, as it is recorded.
pub fn latency_rows(checkpoint: u32, latency: BTreeMap<String, Latency>) -> Vec<LatencyRow> {
    latency
        .into_iter()
        .map(|(arm, Latency { count, p50_us, p90_us, p99_us, max_us })| LatencyRow {
            checkpoint,
            arm,
            count,
            p50_us,
            p90_us,
            p99_us,
            max_us,
        })
        .collect()
}

/// The sites with the most tasks, most first.
fn largest(sites: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut sites: Vec<_> = sites.into_iter().collect();
    sites.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others: u64 = sites.drain(MAX_SITES.min(sites.len())..).map(|(_, count)| count).sum();
    sites.extend((others > 0).then(|| ("(others)".to_owned(), others)));
    sites
}

impl Growth {
    fn new(warmup_s: f64) -> Self {
        Self { fds: RateTracker::new(warmup_s), tasks: RateTracker::new(warmup_s), last: None }
    }

    fn row(&self, checkpoint: u32, elapsed_s: f64, arm: &str, status: Option<&String>) -> Checkpoint {
        let last = self.last.as_ref();
        let fds = last.and_then(|sample| sample.fds);
        let tasks = last.and_then(|sample| sample.tasks);
        // Of an arm that is gone, the rates are those of its past: its row has none.
        let fd_rates = fds.and_then(|_| self.fds.rates());
        let task_rates = tasks.and_then(|_| self.tasks.rates());
        Checkpoint {
            checkpoint,
            elapsed_s,
            arm: arm.to_owned(),
            fds,
            fds_delta: fd_rates.map(delta),
            fds_cumulative_per_min: fd_rates.and_then(|rates| rates.cumulative_per_min),
            fds_steady_per_min: fd_rates.and_then(|rates| rates.steady_per_min),
            tasks,
            tasks_delta: task_rates.map(delta),
            tasks_cumulative_per_min: task_rates.and_then(|rates| rates.cumulative_per_min),
            tasks_steady_per_min: task_rates.and_then(|rates| rates.steady_per_min),
            threads: last.and_then(|sample| sample.threads),
            rss_bytes: last.and_then(|sample| sample.rss_bytes),
            lines_delivered: last.and_then(|sample| sample.lines_delivered),
            status: status.cloned().unwrap_or_else(|| "unknown".into()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the difference of two counts")]
fn delta(rates: Rates) -> i64 {
    rates.delta.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(elapsed_s: f64, fds: Option<u64>) -> Sample {
        Sample { fds, ..Sample::unknown("a", elapsed_s, 0) }
    }

    #[test]
    fn the_last_sample_of_the_warm_up_is_the_baseline() {
        let mut board = Board::new(&["a".into()], 60.0);
        for (elapsed_s, fds) in [(0.0, 5), (30.0, 30), (59.0, 40), (60.0, 40), (120.0, 42), (180.0, 44)] {
            board.enter(&[sample(elapsed_s, Some(fds))]);
        }
        let rows = board.checkpoint(180.0, &BTreeMap::new(), Vec::new(), Sites::new()).rows;
        assert_eq!((rows[0].fds, rows[0].fds_delta), (Some(44), Some(4)));
    }

    #[test]
    fn an_arm_that_was_restarted_is_counted_from_there() {
        let mut board = Board::new(&["a".into()], 10.0);
        board.enter(&[sample(10.0, Some(5)), sample(60.0, Some(500))]);
        board.restart("a", 60.0);
        board.enter(&[sample(61.0, Some(4)), sample(70.0, Some(6)), sample(130.0, Some(7))]);
        let rows = board.checkpoint(130.0, &BTreeMap::new(), Vec::new(), Sites::new()).rows;
        assert_eq!((rows[0].fds_delta, rows[0].fds_cumulative_per_min), (Some(1), Some(1.0)));
    }

    #[test]
    fn an_arm_that_is_gone_has_no_counts_and_a_status() {
        let mut board = Board::new(&["a".into()], 0.0);
        board.enter(&[sample(1.0, Some(5))]);
        board.enter(&[sample(2.0, None)]);
        let status = BTreeMap::from([("a".to_owned(), "exited: code 1".to_owned())]);
        let rows = board.checkpoint(2.0, &status, Vec::new(), Sites::new()).rows;
        assert_eq!((rows[0].fds, rows[0].fds_delta, rows[0].status.as_str()), (None, None, "exited: code 1"));
    }

    #[test]
    fn the_spawn_sites_with_few_tasks_are_summed() {
        let sites = (0..60_u64).map(|line| (format!("a.rs:{line:02}"), line + 1)).collect();
        let sites = Sites::from([("a".to_owned(), sites)]);
        let tasks = Board::new(&["a".into()], 0.0).checkpoint(1.0, &BTreeMap::new(), Vec::new(), sites).tasks;
        let told: Vec<_> = tasks.iter().map(|group| (group.spawn_site.as_str(), group.count)).collect();
        assert_eq!((told.len(), told[0], told[40]), (41, ("a.rs:59", 60), ("(others)", (1..=20).sum())));
    }
}
