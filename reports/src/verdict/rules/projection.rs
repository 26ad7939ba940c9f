//! How long what growing uses up would last: open files, memory, threads, each at its steady rate and to its own limit.
//!
//! PASS: even at the upper end of the interval each lasts at least as long as asked for. FAIL: one does not even at the lower end.

use super::{ArmCase, undecided};
use crate::analysis::{Known, Metric, Trend};
use crate::verdict::decide::more_minutes;
use crate::verdict::{Criterion, CriterionResult, Outcome};
use crate::words::{bytes, count_f64, rate, span};

/// The time to the first limit is at least what the scenario asks for; `None`: it asks for nothing.
pub(super) fn projected_uptime(case: &ArmCase<'_>) -> Option<CriterionResult> {
    let wanted_s = case.recording.info.scenario.criteria.min_projected_uptime?.as_duration().as_secs_f64();
    let results = limits(case).into_iter().map(|(metric, ceiling)| projected(case, metric, ceiling, wanted_s));
    let results: Vec<CriterionResult> = results.collect();
    let outcomes: Vec<Outcome> = results.iter().map(|result| result.outcome).collect();
    let outcome = Outcome::first_of([Outcome::Fail, Outcome::Invalid, Outcome::Inconclusive], &outcomes);
    let measured = results.iter().filter_map(|result| result.measured).reduce(f64::min);
    let more_min = results.iter().filter_map(|result| result.more_min).reduce(f64::max);
    let reasons = results.into_iter().filter(|result| result.outcome == outcome).map(|result| result.reason);
    let reason = reasons.collect::<Vec<_>>().join("; ");
    Some(CriterionResult {
        outcome,
        measured,
        limit: Some(wanted_s),
        more_min,
        ..undecided(Criterion::ProjectedUptime, "seconds", reason)
    })
}

/// What can be used up, and how much of it there is.
pub(super) fn limits(case: &ArmCase<'_>) -> Vec<(Metric, u64)> {
    let fixed = [(Metric::Fds, case.arm.nofile), (Metric::Rss, case.arm.memory.get())];
    fixed.into_iter().chain(case.recording.info.host.threads_max.map(|threads| (Metric::Threads, threads))).collect()
}

fn projected(case: &ArmCase<'_>, metric: Metric, ceiling: u64, wanted_s: f64) -> CriterionResult {
    let window = case.window();
    let growth = window.growth(metric);
    let result =
        |outcome, reason| CriterionResult { outcome, ..undecided(Criterion::ProjectedUptime, "seconds", reason) };
    let amount = |value: f64| {
        if metric == Metric::Rss { bytes(value) } else { format!("{} {}", count_f64(value), metric.word()) }
    };
    let ceiling_words = amount(ceiling as f64);
    let Some((steady, last)) = growth.steady.zip(growth.last) else {
        let missing = growth.steady_missing.unwrap_or_else(|| "not known".to_owned());
        return result(Outcome::Inconclusive, format!("{}: {missing}", metric.word()));
    };
    let left = ceiling as f64 - last;
    let lasts = |per_min: f64| if per_min > 0.0 { (left / per_min * 60.0).max(0.0) } else { f64::INFINITY };
    let (shortest, longest) = (lasts(steady.high), lasts(steady.low));
    let at = if metric == Metric::Rss { per_min_of_bytes(&steady) } else { per_min_of_counts(&steady) };
    let told = format!("{ceiling_words} {}, at {at}", when(lasts(steady.per_min)));
    let known = window.known_of(metric);
    let wanted = span(wanted_s);
    let measured = Some(lasts(steady.per_min)).filter(|seconds| seconds.is_finite());
    if longest < wanted_s {
        CriterionResult { measured, ..result(Outcome::Fail, format!("{told}; less than {wanted}")) }
    } else if shortest < wanted_s {
        let more_min = more_minutes(&steady, left / wanted_s * 60.0, growth.minutes);
        let more = more_min.map_or(String::new(), |more| format!("; about {} more would decide it", span(more * 60.0)));
        let reason = format!("{told}; perhaps in {}, perhaps not before {wanted}{more}", span(shortest));
        CriterionResult { measured, more_min, ..result(Outcome::Inconclusive, reason) }
    } else if known.share < 0.5 || known.until < Known::ENOUGH_UNTIL {
        CriterionResult { measured, ..result(Outcome::Inconclusive, format!("{told}; but not known throughout")) }
    } else {
        CriterionResult { measured, ..result(Outcome::Pass, format!("{told}; at least {wanted}")) }
    }
}

fn when(seconds: f64) -> String {
    if seconds.is_finite() { format!("in {}", span(seconds)) } else { "never".to_owned() }
}

fn per_min_of_counts(steady: &Trend) -> String {
    format!("{}/min ({} to {})", rate(steady.per_min), rate(steady.low), rate(steady.high))
}

fn per_min_of_bytes(steady: &Trend) -> String {
    format!("{}/min ({} to {})", bytes(steady.per_min), bytes(steady.low), bytes(steady.high))
}
