//! Loss and connection timeouts.

use super::{ArmCase, is_below, undecided};
use crate::record::ledger::{ArmLedger, ExpectedFrom};
use crate::verdict::{Criterion, CriterionResult, Outcome};
use crate::words::{count, counted, percent};

const TIMEOUTS_METRIC: &str = "log_capturer_connection_timeouts_total";

/// Lost lines stay below so many percent. Only a complete ledger knows what was lost.
pub(super) fn loss(case: &ArmCase<'_>) -> CriterionResult {
    let limit = case.recording.info.scenario.criteria.loss_pct;
    let undecided =
        |reason: &str| CriterionResult { limit: Some(limit), ..undecided(Criterion::Loss, "percent", reason) };
    let Some(ledger) = &case.recording.ledger else {
        return undecided("the sink gave no account");
    };
    let Some(account) = ledger.arms.iter().find(|account| account.arm == case.arm.name) else {
        return undecided("the sink's account has nothing of this arm");
    };
    if !ledger.complete {
        return undecided("the sink's account is not complete: lines may still have been on their way");
    }
    let total = account.total;
    if total.expected == 0 {
        return undecided("no line was expected, so none could have been lost");
    }
    let lost = total.lost as f64 / total.expected as f64 * 100.0;
    let outcome = if is_below(lost, limit) { Outcome::Pass } else { Outcome::Fail };
    let reason = format!("{} of {} ({})", count(total.lost), counted(total.expected, "line"), percent(lost));
    CriterionResult { outcome, measured: Some(lost), reason, notes: lower_bounds(account), ..undecided("") }
}

fn lower_bounds(account: &ArmLedger) -> Vec<String> {
    let unsure = account.containers.iter().filter(|container| container.expected_from == ExpectedFrom::HighestSeen);
    let names: Vec<&str> = unsure.map(|container| container.container.as_str()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the loss is a lower bound: no final line of {} was found, lines after the last one that any arm saw are not counted",
        names.join(", ")
    )]
}

/// Connection timeouts are at most so many, warm-up included.
pub(super) fn connection_timeouts(case: &ArmCase<'_>) -> CriterionResult {
    let limit = case.recording.info.scenario.criteria.connection_timeouts;
    let result =
        CriterionResult { limit: Some(limit as f64), ..undecided(Criterion::ConnectionTimeouts, "timeouts", "") };
    let Some(timeouts) = total(case) else {
        return CriterionResult { reason: case.never_told(TIMEOUTS_METRIC), ..result };
    };
    let known = case.samples().filter(|sample| sample.connection_timeouts.is_some()).count();
    // An arm that is gone has no metrics: only the samples of a living one can be missed.
    let alive = case.samples().filter(|sample| sample.fds.is_some() || sample.connection_timeouts.is_some()).count();
    let (outcome, reason) = if timeouts > limit {
        (Outcome::Fail, format!("{}, {limit} allowed", counted(timeouts, "timeout")))
    } else if known * 2 < alive {
        (
            Outcome::Inconclusive,
            format!("the arm's metrics could be read in only {known} of {}", counted(alive as u64, "sample")),
        )
    } else {
        (Outcome::Pass, counted(timeouts, "timeout"))
    };
    CriterionResult { outcome, measured: Some(timeouts as f64), reason, ..result }
}

/// A counter starts again with its process: each fall begins a new one.
fn total(case: &ArmCase<'_>) -> Option<u64> {
    let mut known = case.samples().filter_map(|sample| sample.connection_timeouts);
    let first = known.next()?;
    let (past, now) =
        known.fold((0, first), |(past, now), next| if next < now { (past + now, next) } else { (past, next) });
    Some(past + now)
}
