//! Whether each arm leaks, and whether the run may say so.
//!
//! - A **criterion** is judged by one rule (`verdict/rules/`); each rule can say that the data does not decide it. Nothing passes
//!   on missing data.
//! - An **arm** is INVALID where it did not do its work (a monitor that captures nothing leaks nothing), whatever its
//!   counts; else FAIL where any criterion fails; else INCONCLUSIVE where any is undecided; else PASS.
//! - A **control** (`expect = "fail"`) has to be seen leaking: see [`Proof`].
//! - The **run** is FAIL where an arm under test fails: a leak that was seen stays seen, whatever else went wrong. Else
//!   INVALID where an arm is, a control was not caught, or the harness itself leaked. Else INCONCLUSIVE where an arm
//!   or a control is undecided, or the run ended before its time. Else PASS.
//!
//! Pure: the same recording gives the same verdict.

mod control;
mod decide;
pub mod early;
mod rules;
mod turn;

use leaksoak_scenarios::Expect;
use serde::{Deserialize, Serialize};

use crate::analysis::{Growth, Metric, PerOperation, Turn};
use crate::comparison::{self, ArmComparison};
use crate::record::Recording;
pub use control::Proof;
pub use decide::{Decision, decide, is_used_up};
pub use turn::{EngineGrowth, TurnVerdict};

/// The answer, for a criterion, an arm, or a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// It held.
    Pass,
    /// It did not.
    Fail,
    /// The data does not decide it.
    Inconclusive,
    /// The data is not evidence at all.
    Invalid,
}

/// What an arm is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// It captured and delivered: without this, nothing else counts.
    Work,
    /// Growth of open file descriptors.
    FdGrowth,
    /// Growth of the async runtime's live tasks.
    TaskGrowth,
    /// Growth of threads.
    ThreadGrowth,
    /// Time until what grows has used up its limit.
    ProjectedUptime,
    /// Times that the kernel's OOM killer ended it.
    OomKills,
    /// Connection timeouts it counted.
    ConnectionTimeouts,
    /// Lines lost.
    Loss,
    /// Share of the measured time in which it was up.
    Uptime,
}

/// One criterion, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// Which.
    pub criterion: Criterion,
    /// The answer.
    pub outcome: Outcome,
    /// What is compared with the limit; `None`: not known, or nothing is measured.
    pub measured: Option<f64>,
    /// 95 % interval of `measured`, where it has one.
    pub interval: Option<Interval>,
    /// What `measured` is held against.
    pub limit: Option<f64>,
    /// Unit of `measured`, `interval` and `limit`.
    pub unit: String,
    /// The counts behind a growth.
    pub growth: Option<Growth>,
    /// Minutes more that would decide what is not decided, where longer would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_min: Option<f64>,
    /// Why this outcome, in words.
    pub reason: String,
    /// What a reader should know besides: a slow leak under the limit, when the limit of open files is reached, ...
    pub notes: Vec<String>,
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// One arm, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmVerdict {
    /// Its name.
    pub arm: String,
    /// `pooled`, `naive`, ...
    pub strategy: String,
    /// What the run expects of it.
    pub expect: Expect,
    /// The answer.
    pub outcome: Outcome,
    /// Of a control: whether it was caught leaking.
    pub proof: Option<Proof>,
    /// Every criterion.
    pub criteria: Vec<CriterionResult>,
    /// Its growths by rotations, lines and container starts, as far as there were any.
    pub per_operation: Vec<PerOperation>,
}

/// The run, judged. This is `verdict.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// As in `run.json`.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Kind of the engine.
    pub engine: String,
    /// Version of the engine.
    pub engine_version: String,
    /// The answer.
    pub outcome: Outcome,
    /// Why this outcome, in words, the weightiest first.
    pub reasons: Vec<String>,
    /// Why the run is only a part of what was planned; `None`: it is all of it.
    pub partial: Option<String>,
    /// Seconds measured, warm-up included; of several turns, in the longest.
    pub measured_s: f64,
    /// Seconds that were to be measured, in each turn.
    pub planned_s: f64,
    /// In the order of the scenario.
    pub arms: Vec<ArmVerdict>,
    /// What was measured together: all arms in one turn, or, with `isolate`, each in its own.
    pub turns: Vec<TurnVerdict>,
    /// Each arm against the first.
    pub comparisons: Vec<ArmComparison>,
    /// What was torn or missing in the recording, and what else a reader should know.
    pub notes: Vec<String>,
}

impl Outcome {
    /// `PASS`, `FAIL`, `INCONCLUSIVE`, `INVALID`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
        }
    }

    /// The exit code of a command that ends with it: 0 pass, 1 fail, 3 inconclusive, 4 invalid.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 3,
            Self::Invalid => 4,
        }
    }

    /// The first of `ranked` that is among `outcomes`; else PASS.
    fn first_of(ranked: [Self; 3], outcomes: &[Self]) -> Self {
        ranked.into_iter().find(|outcome| outcomes.contains(outcome)).unwrap_or(Self::Pass)
    }
}

impl Criterion {
    /// The words for it in a report.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::FdGrowth => "FD growth",
            Self::TaskGrowth => "task growth",
            Self::ThreadGrowth => "thread growth",
            Self::ProjectedUptime => "projected uptime",
            Self::OomKills => "OOM kills",
            Self::ConnectionTimeouts => "connection timeouts",
            Self::Loss => "loss",
            Self::Uptime => "uptime",
        }
    }

    /// It is about growth.
    #[must_use]
    pub fn is_growth(self) -> bool {
        matches!(self, Self::FdGrowth | Self::TaskGrowth | Self::ThreadGrowth)
    }
}

impl ArmVerdict {
    /// The criteria that made the outcome what it is; for a PASS none.
    pub fn deciding(&self) -> impl Iterator<Item = &CriterionResult> {
        let pass = self.outcome == Outcome::Pass;
        self.criteria.iter().filter(move |result| !pass && result.outcome == self.outcome)
    }

    /// How its counts grew.
    #[must_use]
    pub fn growths(&self) -> Vec<(Metric, Growth)> {
        turn::growths(&self.criteria)
    }

    /// The result of one criterion; `None` where the arm is not held to it.
    #[must_use]
    pub fn result(&self, criterion: Criterion) -> Option<&CriterionResult> {
        self.criteria.iter().find(|result| result.criterion == criterion)
    }
}

impl RunVerdict {
    /// The exit code of `leaksoak run` and `leaksoak report`: 0 pass, 1 fail, 3 inconclusive, 4 invalid.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }
}

/// Judges a recording.
#[must_use]
pub fn judge(recording: &Recording) -> RunVerdict {
    let scenario = &recording.info.scenario;
    let measured = Turn::all_of(recording);
    let (turns, arms): (Vec<TurnVerdict>, Vec<Vec<ArmVerdict>>) = measured.iter().map(turn::judge).unzip();
    let arms = arms.concat();
    let findings = findings(&arms, &turns);
    let outcomes: Vec<Outcome> = findings.iter().map(|(outcome, _)| *outcome).collect();
    let ranked = [Outcome::Fail, Outcome::Invalid, Outcome::Inconclusive];
    let reasons = ranked.iter().flat_map(|rank| findings.iter().filter(move |(outcome, _)| outcome == rank));
    let parts: Vec<String> =
        turns.iter().filter_map(|turn| Some(in_turn(turn, &turns, turn.partial.clone()?))).collect();
    RunVerdict {
        run_id: recording.info.run_id.clone(),
        scenario: scenario.name.clone(),
        engine: recording.info.engine.kind.clone(),
        engine_version: recording.info.engine.version.clone(),
        outcome: Outcome::first_of(ranked, &outcomes),
        reasons: reasons.map(|(_, reason)| reason.clone()).collect(),
        partial: (!parts.is_empty()).then(|| parts.join("; ")),
        measured_s: turns.iter().map(|turn| turn.measured_s).fold(0.0, f64::max),
        planned_s: scenario.duration.as_duration().as_secs_f64(),
        comparisons: comparison::within(&measured, &arms),
        notes: notes(recording, &turns, &arms),
        arms,
        turns,
    }
}

fn notes(recording: &Recording, turns: &[TurnVerdict], arms: &[ArmVerdict]) -> Vec<String> {
    let of_turns = recording.turns().iter().zip(turns);
    let mut notes: Vec<String> = of_turns
        .flat_map(|(recording, turn)| recording.notes.iter().map(|note| in_turn(turn, turns, note.clone())))
        .collect();
    if !arms.iter().any(|arm| arm.expect == Expect::Fail) {
        notes.push(
            "no control arm (`expect = \"fail\"`): nothing shows that this run could have seen a leak".to_owned(),
        );
    }
    notes
}

/// `words` about one turn, with whose it is where there are several.
fn in_turn(turn: &TurnVerdict, turns: &[TurnVerdict], words: String) -> String {
    if turns.len() > 1 { format!("turn of {}: {words}", turn.arms.join(", ")) } else { words }
}

/// What speaks against a PASS of the run, each with its weight.
fn findings(arms: &[ArmVerdict], turns: &[TurnVerdict]) -> Vec<(Outcome, String)> {
    let mut findings = Vec::new();
    let begun = |arm: &&ArmVerdict| turns.iter().any(|turn| turn.begun && turn.arms.contains(&arm.arm));
    for arm in arms.iter().filter(begun) {
        if let Some(proof) = &arm.proof {
            findings.extend(proof.against_the_run().map(|(outcome, why)| (outcome, format!("{}: {why}", arm.arm))));
        } else {
            findings.extend(
                arm.deciding().map(|result| {
                    (arm.outcome, format!("{}: {}: {}", arm.arm, result.criterion.words(), result.reason))
                }),
            );
        }
    }
    findings.extend(
        turns.iter().flat_map(|turn| turn.findings().map(move |(outcome, why)| (outcome, in_turn(turn, turns, why)))),
    );
    findings
}
