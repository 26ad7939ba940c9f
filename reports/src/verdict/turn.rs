//! One turn, judged: the arms that were measured together, and what they ran on.
//!
//! A run has one turn with all arms in it; where the scenario says `isolate`, one for each arm. What grew in the engine beside one
//! arm alone is that arm's doing; beside several it is nobody's alone.

use leaksoak_scenarios::{Arm, Expect};
use serde::{Deserialize, Serialize};

use super::rules::{self, ArmCase, GrowthRule};
use super::{ArmVerdict, Criterion, CriterionResult, Outcome, control};
use crate::analysis::{EngineSide, GroupGrowth, Growth, Life, Metric, PerOperation, Turn, Window};

/// One turn, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnVerdict {
    /// The arms that were measured together.
    pub arms: Vec<String>,
    /// Seconds measured, warm-up included.
    pub measured_s: f64,
    /// Something was recorded of it: else there is nothing to be said of its arms.
    pub begun: bool,
    /// Why it is only a part of what was planned; `None`: it is all of it.
    pub partial: Option<String>,
    /// The growth of the harness itself, held to the same limits.
    pub harness: Vec<CriterionResult>,
    /// The growth of the engine's daemon. Not judged.
    pub engine_growth: Vec<EngineGrowth>,
    /// What grew, by group of descriptors and by spawn site: the arms', the engine's, the harness's, most first.
    pub grown: Vec<GroupGrowth>,
    /// How the engine's growth goes with what the arms left open; `None`: nothing grew that both sides hold.
    pub engine_side: Option<EngineSide>,
}

/// How a metric of the engine's daemon moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineGrowth {
    /// Which.
    pub metric: Metric,
    /// How.
    pub growth: Growth,
}

/// Judges a turn, and the arms in it.
pub(super) fn judge(turn: &Turn<'_>) -> (TurnVerdict, Vec<ArmVerdict>) {
    let arms: Vec<&str> = turn.arms().collect();
    let engine_growth = engine_growth(turn);
    let goroutines = engine_growth.iter().find(|line| line.metric == Metric::Tasks);
    let grown = grown(turn, &arms);
    let verdict = TurnVerdict {
        arms: arms.iter().map(|arm| (*arm).to_owned()).collect(),
        measured_s: turn.timeline.measured_s(),
        begun: !turn.recording.is_empty(),
        partial: turn.timeline.partial.clone(),
        harness: harness(turn),
        engine_side: EngineSide::of(&grown, &arms, goroutines.map(|line| &line.growth)),
        engine_growth,
        grown,
    };
    let arms = &turn.recording.info.scenario.arms;
    (verdict, arms.iter().map(|arm| judge_arm(turn, arm)).collect())
}

impl TurnVerdict {
    /// What speaks against a PASS of the run, beside the arms themselves.
    pub(super) fn findings(&self) -> impl Iterator<Item = (Outcome, String)> + '_ {
        let leaks = self.harness.iter().filter(|result| result.outcome == Outcome::Fail);
        let leaks = leaks.map(|result| {
            let why = format!("the harness itself leaked: {}: {}", result.criterion.words(), result.reason);
            (Outcome::Invalid, why)
        });
        leaks.chain(self.partial.iter().map(|partial| (Outcome::Inconclusive, partial.clone())))
    }
}

fn judge_arm(turn: &Turn<'_>, arm: &Arm) -> ArmVerdict {
    let Turn { recording, timeline } = turn;
    let lives = Life::all_of(recording, &arm.name);
    let case = ArmCase { recording, timeline, arm, lives: &lives };
    let criteria = rules::all(&case);
    let outcomes: Vec<Outcome> = criteria.iter().map(|result| result.outcome).collect();
    ArmVerdict {
        arm: arm.name.clone(),
        strategy: arm.strategy.kind().to_owned(),
        expect: arm.expect,
        outcome: Outcome::first_of([Outcome::Invalid, Outcome::Fail, Outcome::Inconclusive], &outcomes),
        proof: (arm.expect == Expect::Fail).then(|| control::proof(&case, &criteria)),
        per_operation: PerOperation::all_of(recording, &case.window(), &growths(&criteria)),
        criteria,
    }
}

/// The growths among the results of an arm.
pub(super) fn growths(criteria: &[CriterionResult]) -> Vec<(Metric, Growth)> {
    let metric = |criterion| match criterion {
        Criterion::FdGrowth => Some(Metric::Fds),
        Criterion::TaskGrowth => Some(Metric::Tasks),
        Criterion::ThreadGrowth => Some(Metric::Threads),
        _ => None,
    };
    criteria.iter().filter_map(|result| Some((metric(result.criterion)?, result.growth.clone()?))).collect()
}

fn harness(turn: &Turn<'_>) -> Vec<CriterionResult> {
    let window = Window::of_subject(turn.recording, &turn.timeline, "harness").without_connections();
    GrowthRule::all(turn.recording.info.scenario.criteria)
        .into_iter()
        // What the harness does not have, or was killed before it could count, is not held against the arms.
        .filter(|rule| !window.points(rule.metric).is_empty())
        .map(|rule| rules::growth(&window, &rule))
        .collect()
}

fn grown(turn: &Turn<'_>, arms: &[&str]) -> Vec<GroupGrowth> {
    let Turn { recording, timeline } = turn;
    let of_arm = |arm: &&str| {
        let lives = Life::all_of(recording, arm);
        GroupGrowth::all_of(recording, &Window::of_arm(recording, timeline, arm, &lives), arm)
    };
    let of_other = |subject| GroupGrowth::all_of(recording, &Window::of_subject(recording, timeline, subject), subject);
    arms.iter().flat_map(of_arm).chain(["engine", "harness"].into_iter().flat_map(of_other)).collect()
}

fn engine_growth(turn: &Turn<'_>) -> Vec<EngineGrowth> {
    let window = Window::of_subject(turn.recording, &turn.timeline, "engine");
    [Metric::Fds, Metric::Tasks, Metric::Threads]
        .into_iter()
        .filter(|metric| !window.points(*metric).is_empty())
        .map(|metric| EngineGrowth { metric, growth: window.growth(metric) })
        .collect()
}
