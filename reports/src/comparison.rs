//! A against B, judged: the arms of one run against its first, and the same arm in two runs.
//!
//! Within a run nothing is a regression: the lines say who is better at what. Between runs one is, where an arm under test
//! is worse in B by more than chance **and** by more than the least effect that counts. It fails closed: what was known in A and
//! is not in B leaves the comparison undecided, and an arm that did not do its work in either run makes it invalid.

mod scenarios;
mod sentence;

use leaksoak_scenarios::{Criteria, Expect};
use serde::{Deserialize, Serialize};

use crate::analysis::{Comparison, Profile, Quantity, Turn};
use crate::record::Recording;
use crate::verdict::{ArmVerdict, Outcome, RunVerdict, judge};
use sentence::{lines, sentence};

/// Two arms, or one arm in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmComparison {
    /// What it is compared with.
    pub reference: String,
    /// What is compared.
    pub subject: String,
    /// Every quantity.
    pub quantities: Vec<Comparison>,
    /// What differs significantly, a line each.
    pub lines: Vec<String>,
}

/// Two runs. This is what `leaksoak compare --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunComparison {
    /// FAIL: there is a regression. INVALID: an arm under test did no work. INCONCLUSIVE: something is not known in B.
    pub outcome: Outcome,
    /// Why this outcome, in words.
    pub reasons: Vec<String>,
    /// The least effect that counts, percent.
    pub min_effect_pct: f64,
    /// The run before.
    pub a: RunName,
    /// The run after.
    pub b: RunName,
    /// In the order of B's scenario; `reference` is the arm in A, `subject` the one in B.
    pub arms: Vec<ArmComparison>,
    /// In what the runs differ besides, and what could not be compared.
    pub warnings: Vec<String>,
}

/// One of two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunName {
    /// As in `run.json`.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Version of leaksoak.
    pub version: String,
    /// Wall clock at its start.
    pub started_unix_ms: u64,
}

/// Two runs that have no arm in common.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the runs have no arm in common: A has {a}, B has {b}; arms are compared by name: run both with the same names"
)]
pub struct NothingInCommon {
    a: String,
    b: String,
}

/// Each arm of a run against its first one; those that did no work are left out.
#[must_use]
pub(crate) fn within(turns: &[Turn<'_>], arms: &[ArmVerdict]) -> Vec<ArmComparison> {
    let worked = arms.iter().filter(|arm| arm.outcome != Outcome::Invalid);
    let mut profiles = worked.filter_map(|arm| Some((arm.arm.as_str(), profile(turns, arm)?)));
    let Some((subject, ours)) = profiles.next() else { return Vec::new() };
    let others: Vec<_> = profiles.collect();
    let among = others.len() * Quantity::ALL.len();
    others
        .iter()
        .map(|(reference, theirs)| {
            let quantities = ours.against(theirs, among);
            let lines = lines(&quantities, subject, reference);
            ArmComparison { reference: (*reference).to_owned(), subject: subject.to_owned(), quantities, lines }
        })
        .collect()
}

fn profile<'a>(turns: &[Turn<'a>], arm: &'a ArmVerdict) -> Option<Profile<'a>> {
    let Turn { recording, timeline } = Turn::of_arm(turns, &arm.arm)?;
    Some(Profile::of(recording, timeline, &arm.arm, arm.growths()))
}

/// The arms of run `b` against those of the same name in run `a`; an effect below `min_effect_pct` is no regression.
///
/// # Errors
/// They have no arm in common.
pub fn compare_runs(a: &Recording, b: &Recording, min_effect_pct: f64) -> Result<RunComparison, NothingInCommon> {
    let (judged_a, judged_b) = (judge(a), judge(b));
    let pairs: Vec<(&ArmVerdict, &ArmVerdict)> = judged_b
        .arms
        .iter()
        .filter_map(|after| Some((judged_a.arms.iter().find(|before| before.arm == after.arm)?, after)))
        .collect();
    if pairs.is_empty() {
        let names =
            |verdict: &RunVerdict| verdict.arms.iter().map(|arm| arm.arm.as_str()).collect::<Vec<_>>().join(", ");
        return Err(NothingInCommon { a: names(&judged_a), b: names(&judged_b) });
    }
    let (turns_a, turns_b) = (Turn::all_of(a), Turn::all_of(b));
    let among = pairs.len() * Quantity::ALL.len();
    let mut findings: Vec<(Outcome, String)> = Vec::new();
    let mut arms = Vec::new();
    for (before, after) in pairs {
        let name = after.arm.as_str();
        let profiles = profile(&turns_b, after).zip(profile(&turns_a, before));
        let quantities = profiles.map_or_else(Vec::new, |(ours, theirs)| ours.against(&theirs, among));
        let (reference, subject) = (format!("{name} (A)"), format!("{name} (B)"));
        // A control leaks as it must; how much is shown, and held against nobody.
        if before.expect == Expect::Pass && after.expect == Expect::Pass {
            findings.extend(against(before, after, &quantities, b.info.scenario.criteria, min_effect_pct));
        }
        let lines = lines(&quantities, &subject, &reference);
        arms.push(ArmComparison { reference, subject, quantities, lines });
    }
    let ranked = [Outcome::Invalid, Outcome::Fail, Outcome::Inconclusive];
    let outcome =
        ranked.into_iter().find(|rank| findings.iter().any(|(found, _)| found == rank)).unwrap_or(Outcome::Pass);
    let reasons = ranked.iter().flat_map(|rank| findings.iter().filter(move |(found, _)| found == rank));
    Ok(RunComparison {
        outcome,
        reasons: reasons.map(|(_, reason)| reason.clone()).collect(),
        min_effect_pct,
        a: RunName::of(a),
        b: RunName::of(b),
        arms,
        warnings: warnings((a, &judged_a), (b, &judged_b)),
    })
}

/// What speaks against an arm in B.
fn against(
    before: &ArmVerdict,
    after: &ArmVerdict,
    quantities: &[Comparison],
    criteria: Criteria,
    min_effect_pct: f64,
) -> Vec<(Outcome, String)> {
    let idle = [("A", before), ("B", after)].into_iter().filter(|(_, arm)| arm.outcome == Outcome::Invalid);
    let mut findings: Vec<(Outcome, String)> = idle
        .map(|(run, arm)| {
            let why: Vec<&str> = arm.deciding().map(|result| result.reason.as_str()).collect();
            (Outcome::Invalid, format!("{} in {run} did not do its work: {}", arm.arm, why.join("; ")))
        })
        .collect();
    if quantities.iter().all(|quantity| quantity.difference.is_none()) {
        findings.push((Outcome::Inconclusive, format!("{}: nothing of it is known in both runs", after.arm)));
    }
    for quantity in quantities {
        if is_regression(quantity, criteria, min_effect_pct) {
            let told = sentence(quantity, &format!("{} (B)", after.arm), &format!("{} (A)", after.arm));
            findings.extend(told.map(|told| (Outcome::Fail, told)));
        } else if let (Some(_), Some(missing)) = (quantity.reference, &quantity.missing) {
            let what = quantity.quantity.words();
            findings.push((Outcome::Inconclusive, format!("{}: {what} cannot be compared: {missing}", after.arm)));
        }
    }
    findings
}

/// Resident memory has pages of files in it, which the kernel drops and brings back as it likes: of an arm that is smaller than this,
/// a share of this counts.
const LEAST_MEMORY_BYTES: f64 = (32 << 20) as f64;

/// Worse by more than chance, and by more than counts: a share of the value before, or of the limit where that is more.
fn is_regression(quantity: &Comparison, criteria: Criteria, min_effect_pct: f64) -> bool {
    let limit = match quantity.quantity {
        Quantity::FdGrowth => criteria.fd_growth_per_min,
        Quantity::TaskGrowth | Quantity::ThreadGrowth => criteria.task_growth_per_min,
        Quantity::Loss => criteria.loss_pct,
        Quantity::Memory => LEAST_MEMORY_BYTES,
        _ => 0.0,
    };
    let Some((before, difference)) = quantity.reference.zip(quantity.difference) else { return false };
    let least = before.value.abs().max(limit) * min_effect_pct / 100.0;
    quantity.significant && difference.value > least
}

fn warnings(a: (&Recording, &RunVerdict), b: (&Recording, &RunVerdict)) -> Vec<String> {
    let mut warnings = Vec::new();
    if a.0.info.run_id == b.0.info.run_id {
        warnings.push("A and B are the same run".to_owned());
    }
    let differ = scenarios::differences(&a.0.info.scenario, &b.0.info.scenario);
    if !differ.is_empty() {
        warnings.push(format!("the scenarios differ: {}", differ.join("; ")));
    }
    let (info_a, info_b) = (&a.0.info, &b.0.info);
    let facts = [
        (
            "engines",
            format!("{} {}", info_a.engine.kind, info_a.engine.version),
            format!("{} {}", info_b.engine.kind, info_b.engine.version),
        ),
        ("kernels", info_a.host.kernel.clone(), info_b.host.kernel.clone()),
        ("numbers of CPUs", info_a.host.cpus.to_string(), info_b.host.cpus.to_string()),
    ];
    for (what, in_a, in_b) in facts.into_iter().filter(|(_, in_a, in_b)| in_a != in_b) {
        warnings.push(format!("the {what} differ: {in_a} in A, {in_b} in B"));
    }
    for (run, (_, verdict), other) in [("A", a, b.1), ("B", b, a.1)] {
        warnings.extend(verdict.partial.iter().map(|partial| format!("{run} is only a part: {partial}")));
        let alone = verdict.arms.iter().filter(|arm| other.arms.iter().all(|theirs| theirs.arm != arm.arm));
        warnings.extend(alone.map(|arm| format!("{} is only in {run}", arm.arm)));
    }
    for after in &b.1.arms {
        let before = a.1.arms.iter().find(|before| before.arm == after.arm);
        if let Some(before) = before.filter(|before| before.outcome != after.outcome) {
            warnings.push(format!("{}: {} in A, {} in B", after.arm, before.outcome.word(), after.outcome.word()));
        }
    }
    warnings
}

impl RunName {
    fn of(recording: &Recording) -> Self {
        let info = &recording.info;
        Self {
            run_id: info.run_id.clone(),
            scenario: info.scenario.name.clone(),
            version: info.version.clone(),
            started_unix_ms: info.started_unix_ms,
        }
    }
}

impl RunComparison {
    /// As for a verdict: 0 no regression, 1 regression, 3 undecided, 4 invalid.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }
}
