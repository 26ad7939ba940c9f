//! One rule per criterion. Each compares what was measured with its limit, gives the reason in words, and says
//! INCONCLUSIVE rather than guess.

mod deaths;
mod growth;
mod lines;
mod projection;
mod work;

use leaksoak_scenarios::Arm;

use super::decide::is_below;
use super::{Criterion, CriterionResult, Outcome};
use crate::analysis::{Life, Timeline, Window};
use crate::record::Recording;
use crate::record::samples::Sample;

pub(super) use growth::{GrowthRule, growth};

/// What the rules are given of an arm.
#[derive(Clone, Copy)]
pub(super) struct ArmCase<'a> {
    pub(super) recording: &'a Recording,
    pub(super) timeline: &'a Timeline,
    pub(super) arm: &'a Arm,
    pub(super) lives: &'a [Life],
}

/// Every criterion of an arm.
pub(super) fn all(case: &ArmCase<'_>) -> Vec<CriterionResult> {
    let mut results = vec![work::work(case)];
    results.extend(growth::of_arm(case));
    results.extend(projection::projected_uptime(case));
    results.extend([
        deaths::oom_kills(case),
        lines::connection_timeouts(case),
        lines::loss(case),
        deaths::uptime(case),
    ]);
    results
}

impl<'a> ArmCase<'a> {
    pub(super) fn window(&self) -> Window<'a> {
        Window::of_arm(self.recording, self.timeline, &self.arm.name, self.lives)
    }

    /// All samples of the arm that were taken while it was measured, warm-up included.
    fn samples(&self) -> impl Iterator<Item = &'a Sample> {
        let (name, end_s) = (&self.arm.name, self.timeline.end_s);
        self.recording.samples.iter().filter(move |sample| sample.subject == *name && sample.elapsed_s <= end_s)
    }

    /// Why nothing is known of what one of the arm's metrics tells.
    fn never_told(&self, metric: &str) -> String {
        self.lacks(metric).unwrap_or_else(|| "the arm's metrics were never read".to_owned())
    }

    /// Says that the metric is not among those that the arm tells, where it tells any.
    fn lacks(&self, metric: &str) -> Option<String> {
        self.samples().any(Sample::has_metrics).then(|| format!("the arm's /metrics has no `{metric}`"))
    }
}

/// A result without anything measured yet.
fn undecided(criterion: Criterion, unit: &str, reason: impl Into<String>) -> CriterionResult {
    CriterionResult {
        criterion,
        outcome: Outcome::Inconclusive,
        measured: None,
        interval: None,
        limit: None,
        unit: unit.to_owned(),
        growth: None,
        more_min: None,
        reason: reason.into(),
        notes: Vec::new(),
    }
}
