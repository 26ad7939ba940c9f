//! Growth of FDs, tasks and threads: the steady rate's interval against the limit.
//!
//! The interval wholly below the limit: PASS. Wholly above: FAIL. Else INCONCLUSIVE. A metric that was known in fewer than
//! half of the judged samples cannot pass. An arm that has used up its limit of open files has failed, at whatever rate,
//! and is judged on the time before that: from there on it cannot grow.

use leaksoak_scenarios::Criteria;

use super::{ArmCase, is_below, undecided};
use crate::analysis::{Growth, Metric, Trend, Window};
use crate::verdict::{Criterion, CriterionResult, Interval, Outcome};
use crate::words::{rate, signed_count, span};

/// This share of the limit of open files counts as used up: near it, opening fails for whoever needs two.
const USED_UP: f64 = 0.98;

/// What a growth is held to.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct GrowthRule {
    criterion: Criterion,
    /// What grows.
    pub(in crate::verdict) metric: Metric,
    limit_per_min: f64,
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
        .map(|(criterion, metric, limit_per_min)| Self { criterion, metric, limit_per_min, ceiling: None })
    }
}

/// The three growths of an arm.
pub(super) fn of_arm(case: &ArmCase<'_>) -> Vec<CriterionResult> {
    let nofile = case.arm.nofile;
    let used_up_s = case.samples().find(|sample| is_used_up(sample.fds, nofile)).map(|sample| sample.elapsed_s);
    let window = case.window();
    let window = match used_up_s {
        Some(at_s) => window.until(at_s),
        None => window,
    };
    GrowthRule::all(case.recording.info.scenario.criteria)
        .into_iter()
        .map(|rule| {
            if rule.metric != Metric::Fds {
                return growth(&window, &rule);
            }
            // Who is dead runs out of nothing any more.
            let ceiling = case.lives.last().is_none_or(|life| life.death().is_none()).then_some(nofile);
            let result = growth(&window, &GrowthRule { ceiling, ..rule });
            match used_up_s {
                Some(at_s) => used_up(result, nofile, at_s),
                None => result,
            }
        })
        .collect()
}

fn is_used_up(fds: Option<u64>, nofile: u64) -> bool {
    fds.is_some_and(|fds| fds as f64 >= nofile as f64 * USED_UP)
}

fn used_up(result: CriterionResult, nofile: u64, at_s: f64) -> CriterionResult {
    CriterionResult {
        outcome: Outcome::Fail,
        reason: format!("used up its limit of {nofile} FDs at {}; until then: {}", span(at_s), result.reason),
        notes: Vec::new(),
        ..result
    }
}

/// One growth of one subject.
pub(in crate::verdict) fn growth(window: &Window<'_>, rule: &GrowthRule) -> CriterionResult {
    let growth = window.growth(rule.metric);
    let known = window.known_share(rule.metric);
    let (outcome, reason) = match (&growth.steady, &growth.steady_missing) {
        (Some(steady), _) => against_limit(steady, rule, known, minutes(window, rule.metric)),
        (None, Some(missing)) => (Outcome::Inconclusive, missing.clone()),
        (None, None) => (Outcome::Inconclusive, "no steady rate".to_owned()),
    };
    CriterionResult {
        criterion: rule.criterion,
        outcome,
        measured: growth.steady.map(|steady| steady.per_min),
        interval: growth.steady.map(|steady| Interval { low: steady.low, high: steady.high }),
        limit: Some(rule.limit_per_min),
        notes: notes(&growth, rule, outcome),
        growth: Some(growth),
        ..undecided(rule.criterion, "per minute", reason)
    }
}

fn against_limit(steady: &Trend, rule: &GrowthRule, known: f64, minutes: f64) -> (Outcome, String) {
    let limit = rule.limit_per_min;
    let measured = format!("{}/min ({} to {})", rate(steady.per_min), rate(steady.low), rate(steady.high));
    if steady.low > limit {
        (Outcome::Fail, format!("{measured}, above the limit of {limit}/min"))
    } else if !is_below(steady.high, limit) {
        let more = more_minutes(steady, limit, minutes);
        (Outcome::Inconclusive, format!("{measured}, on both sides of the limit of {limit}/min; {more}"))
    } else if known < 0.5 {
        let pct = (known * 100.0).round();
        (Outcome::Inconclusive, format!("{measured}, but known in only {pct} % of the judged samples"))
    } else {
        (Outcome::Pass, format!("{measured}, below the limit of {limit}/min"))
    }
}

/// How much longer a run has to be for its interval to leave the limit on one side: at a given distance of the samples, the
/// standard error of a slope falls with the length of the series to the power of 3/2.
fn more_minutes(steady: &Trend, limit: f64, minutes: f64) -> String {
    let gap = (limit - steady.per_min).abs();
    let reach = if steady.per_min < limit { steady.high - steady.per_min } else { steady.per_min - steady.low };
    let more = minutes * ((reach / gap).powf(2.0 / 3.0) - 1.0);
    if more.is_finite() && more < minutes * 20.0 {
        format!("about {} more would decide it", span((more * 60.0).max(60.0)))
    } else {
        "the rate is so near the limit that a longer run is not likely to decide it".to_owned()
    }
}

fn minutes(window: &Window<'_>, metric: Metric) -> f64 {
    let points = window.points(metric);
    points.first().zip(points.last()).map_or(0.0, |(first, last)| (last.0 - first.0) / 60.0)
}

fn notes(growth: &Growth, rule: &GrowthRule, outcome: Outcome) -> Vec<String> {
    let Some(steady) = growth.steady else { return Vec::new() };
    let what = rule.metric.word();
    let mut notes = Vec::new();
    if steady.low > 0.0 {
        let per_min = rate(steady.per_min);
        let left = rule.ceiling.zip(growth.last).map(|(ceiling, last)| (ceiling, ceiling as f64 - last));
        let when = left.map(|(ceiling, left)| format!(", {ceiling} {what} in {}", span(left / steady.per_min * 60.0)));
        let kind = if outcome == Outcome::Pass { "slow leak under the limit" } else { "at this rate" };
        if outcome == Outcome::Pass || when.is_some() {
            notes.push(format!("{kind}: {what} grow by {per_min}/min{}", when.unwrap_or_default()));
        }
    } else if let Some(cumulative) = growth.cumulative_per_min.filter(|cumulative| *cumulative > steady.high) {
        let delta = growth.baseline.zip(growth.last).map_or(0.0, |(baseline, last)| last - baseline);
        notes.push(format!(
            "{} {what} since the baseline, but not growing: its cumulative rate of {}/min is one change divided by a growing time",
            signed_count(delta),
            rate(cumulative)
        ));
    }
    notes
}
