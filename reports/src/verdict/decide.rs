//! The one rule by which growth is judged, of an arm's counts and of any other series (`leaksoak analyze`).
//!
//! | what is seen | verdict |
//! | --- | --- |
//! | fewer than 10 samples, all at one time, or not bounding any rate | INCONCLUSIVE |
//! | a value that is not a number | INVALID |
//! | steady rate's interval above the limit, floor too | FAIL |
//! | the same, but the floor does not rise that fast: given back | INCONCLUSIVE |
//! | the same, but filling towards a level | INCONCLUSIVE |
//! | interval on both sides of the limit | INCONCLUSIVE |
//! | interval below, but known in under half of the samples, or not known up to the end | INCONCLUSIVE |
//! | interval below, but two or three steps that together exceed it | INCONCLUSIVE |
//! | interval below, anything else: flat, one step, filled, a cycle, a slow leak | PASS |
//!
//! The steady rate is already that of the shape (`analysis::shape`): of a late onset that of the time since, of what fills or
//! accelerates that of the last part, with single steps set aside; a staircase of four or more is growth.
//! By the cumulative rate, where a scenario asks for that, there is nothing to weigh: it is below the limit, or it is not.

use super::Outcome;
use crate::analysis::{Growth, Known, Shape, Trend};
use crate::words::{rate, signed_count, span};
use leaksoak_scenarios::GrowthBy;

/// What a rule says, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
    /// Minutes more that would decide what is not decided, where longer would.
    pub more_min: Option<f64>,
}

impl Decision {
    /// Of what has used up its ceiling, such as a `limit of 1024 FDs`: it has failed, whatever is said of it `until_then`.
    #[must_use]
    pub fn used_up(ceiling: &str, at_s: f64, until_then: &str) -> Self {
        fail(format!("used up its {ceiling} at {}; until then: {until_then}", span(at_s)))
    }
}

/// This share of a limit of open files counts as used up: near it, opening fails for whoever needs two.
const USED_UP: f64 = 0.98;

/// So near to its ceiling, what grows counts as having reached it.
#[must_use]
pub fn is_used_up(value: f64, ceiling: f64) -> bool {
    value >= ceiling * USED_UP
}

/// A slower leak than this, per minute, is not worth a word.
const TOLD: f64 = 0.005;

/// "Stays below" a limit; a limit of 0 is one that 0 holds.
pub(super) fn is_below(value: f64, limit: f64) -> bool {
    value < limit || (value <= 0.0 && limit <= 0.0)
}

/// Judges a growth against a limit per minute.
#[must_use]
pub fn decide(growth: &Growth, known: Known, limit: f64, by: GrowthBy) -> Decision {
    match by {
        GrowthBy::Steady => steady(growth, known, limit),
        GrowthBy::Cumulative => cumulative(growth, known, limit),
    }
}

fn steady(growth: &Growth, known: Known, limit: f64) -> Decision {
    let Some((steady, shape)) = growth.steady.zip(growth.shape) else {
        let missing = growth.steady_missing.clone().unwrap_or_else(|| "there is no steady rate".to_owned());
        return undecided(missing, None);
    };
    if !(steady.low.is_finite() && steady.high.is_finite()) {
        return undecided("the values are so large that their rate has no bounds".to_owned(), None);
    }
    let measured = measured(&steady, shape);
    if steady.low > limit {
        over(growth, &steady, shape, limit, &measured)
    } else if !is_below(steady.high, limit) {
        let more = more_minutes(&steady, limit, growth.minutes);
        undecided(format!("{measured}; on both sides of the limit of {limit}/min"), more)
    } else if let Some(unknown) = unknown(known) {
        undecided(format!("{measured}; but {unknown}"), None)
    } else if let Some(steps) =
        growth.aside.filter(|steps| steps.count > 1 && !is_below(steady.per_min + steps.height / growth.minutes, limit))
    {
        // So much later, the same steps and no other would be below the limit.
        let more = steps.height / (limit - steady.high).max(limit / 10.0) - growth.minutes;
        let total = signed_count(steps.height);
        let why = format!("{total} in {} steps: one more of them, and it is a leak in portions", steps.count);
        undecided(format!("{measured}; but {why}"), Some(more).filter(|more| more.is_finite()))
    } else {
        let leak = if steady.low > 0.0 && steady.per_min >= TOLD { ", a slow leak" } else { "" };
        pass(format!("{measured}{leak}; below the limit of {limit}/min"))
    }
}

/// The interval is above the limit: a leak, unless it is given back or comes to an end by itself.
fn over(growth: &Growth, steady: &Trend, shape: Shape, limit: f64, measured: &str) -> Decision {
    if let Shape::Saturating { tau_s, .. } = shape {
        let more = tau_s / 60.0 * (steady.high / limit).ln();
        return undecided(format!("{measured}; above the limit of {limit}/min, but levelling off"), Some(more));
    }
    match growth.floor_per_min {
        Some(floor) if floor <= limit => {
            let why = format!("but its floor rises by only {}/min: it gives back", rate(floor));
            undecided(format!("{measured}; above the limit of {limit}/min, {why}"), Some(growth.minutes))
        }
        _ => fail(format!("{measured}; above the limit of {limit}/min")),
    }
}

fn cumulative(growth: &Growth, known: Known, limit: f64) -> Decision {
    let Some(per_min) = growth.cumulative_per_min else {
        return undecided("there is no cumulative rate: it takes two samples at different times".to_owned(), None);
    };
    if !per_min.is_finite() {
        return undecided("the cumulative rate is not a number".to_owned(), None);
    }
    let measured = format!("{}/min cumulative", rate(per_min));
    if !is_below(per_min, limit) {
        fail(format!("{measured}; not below the limit of {limit}/min"))
    } else if let Some(unknown) = unknown(known) {
        undecided(format!("{measured}; but {unknown}"), None)
    } else {
        pass(format!("{measured}; below the limit of {limit}/min"))
    }
}

fn measured(steady: &Trend, shape: Shape) -> String {
    let interval = format!("{}/min ({} to {})", rate(steady.per_min), rate(steady.low), rate(steady.high));
    match shape {
        Shape::Flat | Shape::Linear => interval,
        shape => format!("{interval}, {}", shape.words()),
    }
}

/// What is not known cannot pass.
fn unknown(known: Known) -> Option<String> {
    let pct = |share: f64| (share * 100.0).round();
    if known.share < 0.5 {
        Some(format!("known in only {} % of the judged samples", pct(known.share)))
    } else if known.until < Known::ENOUGH_UNTIL {
        Some(format!("not known any more after {} % of the judged time", pct(known.until)))
    } else {
        None
    }
}

/// How much longer a run has to be for its interval to leave the limit on one side: at a given distance of the samples, the
/// standard error of a slope falls with the length of the series to the power of 3/2. `None`: no reasonable length would do.
pub(super) fn more_minutes(steady: &Trend, limit: f64, minutes: f64) -> Option<f64> {
    let gap = (limit - steady.per_min).abs();
    let reach = if steady.per_min < limit { steady.high - steady.per_min } else { steady.per_min - steady.low };
    let more = minutes * ((reach / gap).powf(2.0 / 3.0) - 1.0);
    (more.is_finite() && more < minutes * 20.0).then_some(more)
}

fn pass(reason: String) -> Decision {
    Decision { outcome: Outcome::Pass, reason, more_min: None }
}

fn fail(reason: String) -> Decision {
    Decision { outcome: Outcome::Fail, reason, more_min: None }
}

fn undecided(mut reason: String, more_min: Option<f64>) -> Decision {
    let more_min = more_min.map(|more| more.max(1.0));
    if let Some(more) = more_min {
        reason = format!("{reason}; about {} more would decide it", span(more * 60.0));
    }
    Decision { outcome: Outcome::Inconclusive, reason, more_min }
}

#[cfg(test)]
mod tests;
