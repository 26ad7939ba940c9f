//! The verdict on a terminal: a table that fits 100 columns, and the reasons below it. No colours, no escapes.

use std::fmt::Write as _;

use leaksoak_scenarios::Expect;

use super::columns::aligned;
use crate::analysis::Growth;
use crate::verdict::{ArmVerdict, Criterion, Outcome, Proof, RunVerdict};
use crate::words::{count_f64, one_line, percent, rate, span};

/// What `leaksoak run` and `leaksoak report` print at their end; several lines, no newline at the end.
#[must_use]
pub fn text(verdict: &RunVerdict) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{}: {} on {} {}, {} of {} measured{}",
        verdict.outcome.word(),
        verdict.scenario,
        one_line(&verdict.engine),
        one_line(&verdict.engine_version),
        span(verdict.measured_s),
        span(verdict.planned_s),
        match (verdict.turns.iter().filter(|turn| turn.begun).count(), verdict.turns.len()) {
            (_, ..=1) => String::new(),
            (begun, all) if begun < all => format!(", {begun} of {all} turns"),
            (_, all) => format!(" in {all} turns"),
        }
    );
    text.push('\n');
    text.push_str(&table(verdict));
    let said = reasons(verdict);
    if !said.is_empty() {
        text.push('\n');
    }
    for line in said {
        let _ = writeln!(text, "{}", one_line(&line));
    }
    text.truncate(text.trim_end().len());
    text
}

fn table(verdict: &RunVerdict) -> String {
    let header = ["arm", "FDs", "FDs/min", "tasks", "tasks/min", "lost", "uptime", "verdict"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(verdict.arms.iter().map(row)).collect();
    aligned(&rows, &[0, 7])
}

fn row(arm: &ArmVerdict) -> [String; 8] {
    let measured = |criterion, form: fn(f64) -> String| {
        arm.result(criterion).and_then(|result| result.measured).map_or("?".to_owned(), form)
    };
    let counts =
        |criterion| arm.result(criterion).and_then(|result| result.growth.as_ref()).map_or("?".to_owned(), moved);
    [
        arm.arm.clone(),
        counts(Criterion::FdGrowth),
        measured(Criterion::FdGrowth, rate),
        counts(Criterion::TaskGrowth),
        measured(Criterion::TaskGrowth, rate),
        measured(Criterion::Loss, percent),
        measured(Criterion::Uptime, percent),
        outcome(arm),
    ]
}

fn moved(growth: &Growth) -> String {
    let value = |value: Option<f64>| value.map_or("?".to_owned(), count_f64);
    format!("{} -> {}", value(growth.baseline), value(growth.last))
}

fn outcome(arm: &ArmVerdict) -> String {
    let word = arm.outcome.word();
    match (&arm.proof, arm.expect) {
        (Some(Proof::Caught(_)), _) if arm.outcome == Outcome::Fail => format!("{word}, as expected"),
        (_, Expect::Fail) => format!("{word}, but it is a control"),
        _ => word.to_owned(),
    }
}

/// What speaks against a PASS; what a reader should know besides; what is only a part.
fn reasons(verdict: &RunVerdict) -> Vec<String> {
    let against = verdict.reasons.iter().map(|reason| format!("- {reason}"));
    let under_test = verdict.arms.iter().filter(|arm| arm.expect == Expect::Pass);
    let besides = under_test.flat_map(|arm| {
        arm.criteria.iter().flat_map(|result| &result.notes).map(|note| format!("- {}: {note}", arm.arm))
    });
    let notes = verdict.notes.iter().map(|note| format!("- note: {note}"));
    against.chain(besides).chain(notes).collect()
}
