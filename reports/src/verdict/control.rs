//! Whether a control arm was caught leaking, which is what shows that the run could have seen a leak.
//!
//! Proof is growth over a limit, an OOM kill, the limit of open files reached, or a death that growth led to. A loss of
//! lines is no proof, and neither is a death for another reason: a control that could not even start proves nothing.

use serde::{Deserialize, Serialize};

use super::rules::ArmCase;
use super::{Criterion, CriterionResult, Outcome};
use crate::analysis::trend::trend;
use crate::analysis::{Life, Metric, Window};
use crate::words::{rate, span};

/// What a control has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", content = "reason", rename_all = "snake_case")]
pub enum Proof {
    /// It leaked, and was seen to.
    Caught(String),
    /// It may have leaked; the data does not decide it.
    Undecided(String),
    /// It did not leak, or nothing that it did was a leak.
    NotCaught(String),
}

impl Proof {
    /// The reason in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Caught(reason) | Self::Undecided(reason) | Self::NotCaught(reason) => reason,
        }
    }

    /// What it means for the run, unless the control did what it is for.
    pub(super) fn against_the_run(&self) -> Option<(Outcome, String)> {
        match self {
            Self::Caught(_) => None,
            Self::Undecided(why) => {
                Some((Outcome::Inconclusive, format!("the control was not caught leaking yet: {why}")))
            }
            Self::NotCaught(why) => Some((
                Outcome::Invalid,
                format!("the control was not caught leaking, so this run could not have seen a leak: {why}"),
            )),
        }
    }
}

/// Judges a control by the results of its criteria.
pub(super) fn proof(case: &ArmCase<'_>, criteria: &[CriterionResult]) -> Proof {
    let with = |outcome: Outcome, wanted: fn(Criterion) -> bool| {
        criteria.iter().find(move |result| wanted(result.criterion) && result.outcome == outcome)
    };
    let told = |result: &CriterionResult| format!("{}: {}", result.criterion.words(), result.reason);
    let is_leak = |criterion: Criterion| criterion.is_growth() || criterion == Criterion::OomKills;
    if let Some(leak) = with(Outcome::Fail, is_leak) {
        return Proof::Caught(told(leak));
    }
    if let Some(death) = case.lives.iter().find_map(|life| death_by_growth(case, life)) {
        return Proof::Caught(death);
    }
    if let Some(idle) = with(Outcome::Invalid, |_| true) {
        return Proof::NotCaught(told(idle));
    }
    if let Some(death) = with(Outcome::Fail, |criterion| criterion == Criterion::Uptime) {
        return Proof::NotCaught(format!("it did not end by growing: {}", death.reason));
    }
    match with(Outcome::Inconclusive, Criterion::is_growth) {
        Some(open) => Proof::Undecided(told(open)),
        None => Proof::NotCaught("its growth stayed under the limits".to_owned()),
    }
}

/// A death after growth over the limit, warm-up included: a fast leak kills before anything is judged.
fn death_by_growth(case: &ArmCase<'_>, life: &Life) -> Option<String> {
    let death = life.death()?;
    let window = Window::of_life(case.recording, case.timeline, &case.arm.name, life);
    let criteria = case.recording.info.scenario.criteria;
    let limits = [
        (Metric::Fds, criteria.fd_growth_per_min),
        (Metric::Tasks, criteria.task_growth_per_min),
        (Metric::Threads, criteria.task_growth_per_min),
    ];
    limits.into_iter().find_map(|(metric, limit)| {
        let grown = trend(&window.points(metric)).ok().filter(|trend| trend.low > limit)?;
        let rate = rate(grown.per_min);
        Some(format!("died at {} after its {} had grown by {rate}/min", span(death.at_s), metric.word()))
    })
}
