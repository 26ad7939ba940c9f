//! Growth of FDs, tasks and threads, each by the rule of `verdict::decide`.
//!
//! An arm that has used up its limit of open files has failed, at whatever rate, and is judged on the time before that: from
//! there on it cannot grow.

use leaksoak_scenarios::{Criteria, GrowthBy};

use super::projection::limits;
use super::{ArmCase, undecided};
use crate::analysis::{Growth, Metric, Window};
use crate::verdict::decide::{Decision, decide, is_used_up};
use crate::verdict::{Criterion, CriterionResult, Interval, Outcome};
use crate::words::{rate, signed_counted, span};

const TASKS_METRIC: &str = "log_capturer_tasks";

/// What a growth is held to.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct GrowthRule {
    criterion: Criterion,
    /// What grows.
    pub(in crate::verdict) metric: Metric,
    limit_per_min: f64,
    by: GrowthBy,
    /// Where growing ends.
    ceiling: Option<u64>,
}

impl GrowthRule {
    /// FDs, tasks, threads.
    pub(in crate::verdict) fn all(criteria: Criteria) -> [Self; 3] {
        [
            (Criterion::FdGrowth, Metric::Fds, criteria.fd_growth_per_min),
            (Criterion::TaskGrowth, Metric::Tasks, criteria.task_growth_per_min),
            (Criterion::ThreadGrowth, Metric::Threads, criteria.task_growth_per_min),
        ]
        .map(|(criterion, metric, limit_per_min)| Self {
            criterion,
            metric,
            limit_per_min,
            by: criteria.growth,
            ceiling: None,
        })
    }
}

/// The three growths of an arm.
pub(super) fn of_arm(case: &ArmCase<'_>) -> Vec<CriterionResult> {
    let nofile = case.arm.nofile;
    let used_up_s = case
        .samples()
        .find(|sample| sample.fds.is_some_and(|fds| is_used_up(fds as f64, nofile as f64)))
        .map(|sample| sample.elapsed_s);
    let window = case.window();
    let window = match used_up_s {
        Some(at_s) => window.until(at_s),
        None => window,
    };
    GrowthRule::all(case.recording.info.scenario.criteria)
        .into_iter()
        .map(|rule| {
            // Who is dead runs out of nothing any more.
            let alive = case.lives.last().is_none_or(|life| life.death().is_none());
            let ceiling = limits(case).into_iter().find(|(metric, _)| alive && *metric == rule.metric);
            let result = growth(&window, &GrowthRule { ceiling: ceiling.map(|(_, most)| most), ..rule });
            match used_up_s.filter(|_| rule.metric == Metric::Fds) {
                Some(at_s) => used_up(result, nofile, at_s),
                None if rule.metric == Metric::Tasks => with_untold_tasks(case, result),
                None => result,
            }
        })
        .collect()
}

/// Tasks that the arm does not tell have no samples, however long the run: the metric is what is missing.
fn with_untold_tasks(case: &ArmCase<'_>, result: CriterionResult) -> CriterionResult {
    let untold = case.samples().all(|sample| sample.tasks.is_none());
    match case.lacks(TASKS_METRIC).filter(|_| untold) {
        Some(reason) => CriterionResult { reason, ..result },
        None => result,
    }
}

fn used_up(result: CriterionResult, nofile: u64, at_s: f64) -> CriterionResult {
    let Decision { outcome, reason, more_min } =
        Decision::used_up(&format!("limit of {nofile} FDs"), at_s, &result.reason);
    CriterionResult { outcome, reason, more_min, notes: Vec::new(), ..result }
}

/// One growth of one subject.
pub(in crate::verdict) fn growth(window: &Window<'_>, rule: &GrowthRule) -> CriterionResult {
    let growth = window.growth(rule.metric);
    let decision = decide(&growth, window.known_of(rule.metric), rule.limit_per_min, rule.by);
    let (measured, interval) = match rule.by {
        GrowthBy::Steady => {
            let interval = growth.steady.map(|steady| Interval { low: steady.low, high: steady.high });
            (growth.steady.map(|steady| steady.per_min), interval)
        }
        GrowthBy::Cumulative => (growth.cumulative_per_min, None),
    };
    CriterionResult {
        criterion: rule.criterion,
        outcome: decision.outcome,
        measured,
        interval,
        limit: Some(rule.limit_per_min),
        more_min: decision.more_min,
        notes: notes(&growth, rule, decision.outcome),
        growth: Some(growth),
        ..undecided(rule.criterion, "per minute", decision.reason)
    }
}

fn notes(growth: &Growth, rule: &GrowthRule, outcome: Outcome) -> Vec<String> {
    let Some(steady) = growth.steady else { return Vec::new() };
    let what = rule.metric.word();
    let mut notes = Vec::new();
    if steady.low > 0.0 && steady.per_min >= 0.005 {
        let per_min = rate(steady.per_min);
        let left = rule.ceiling.zip(growth.last).map(|(ceiling, last)| (ceiling, ceiling as f64 - last));
        let when = left.map(|(ceiling, left)| format!(", {ceiling} {what} in {}", span(left / steady.per_min * 60.0)));
        let kind = if outcome == Outcome::Pass { "slow leak under the limit" } else { "at this rate" };
        if outcome == Outcome::Pass || when.is_some() {
            notes.push(format!("{kind}: {what} grow by {per_min}/min{}", when.unwrap_or_default()));
        }
    } else if let Some(cumulative) =
        growth.cumulative_per_min.filter(|cumulative| outcome == Outcome::Pass && *cumulative > steady.high)
    {
        let delta = growth.baseline.zip(growth.last).map_or(0.0, |(baseline, last)| last - baseline);
        notes.push(format!(
            "{} since the baseline, but not growing: its cumulative rate of {}/min is one change divided by a growing time",
            signed_counted(delta, what),
            rate(cumulative)
        ));
    }
    notes
}
