//! What was judged: arms, growth, the other criteria, the harness.

use super::escape::{code, escape};
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::analysis::{Growth, Metric, Operation};
use crate::report::Report;
use crate::verdict::{ArmVerdict, Criterion, CriterionResult, Outcome, Proof};
use crate::words::{count_f64, counted, percent, rate, signed_count};

/// A value that is not known.
pub(super) const UNKNOWN: &str = "?";

pub(super) fn arms(report: &Report<'_>) -> String {
    let mut table = Table::new([("arm", Left), ("strategy", Left), ("verdict", Left), ("why", Left)]);
    for arm in &report.verdict.arms {
        table.row([code(&arm.arm), escape(&arm.strategy), verdict_of(arm), why(arm)]);
    }
    let notes: String = report
        .verdict
        .arms
        .iter()
        .flat_map(|arm| arm.criteria.iter().map(move |result| (arm, result)))
        .flat_map(|(arm, result)| result.notes.iter().map(|note| format!("- {}: {}\n", code(&arm.arm), escape(note))))
        .collect();
    format!("## Arms\n\n{table}\n{notes}")
}

fn verdict_of(arm: &ArmVerdict) -> String {
    let word = bold_unless_pass(arm.outcome);
    match (&arm.proof, arm.outcome) {
        (Some(Proof::Caught(_)), Outcome::Fail) => "FAIL, as expected".to_owned(),
        (Some(_), _) => format!("{word}, a control"),
        (None, _) => word,
    }
}

fn why(arm: &ArmVerdict) -> String {
    match &arm.proof {
        Some(Proof::Caught(reason)) => return format!("caught leaking: {}", escape(reason)),
        Some(Proof::NotCaught(reason) | Proof::Undecided(reason)) => {
            return format!("not caught leaking: {}", escape(reason));
        }
        None => {}
    }
    let deciding = arm.deciding().map(|result| format!("{}: {}", result.criterion.words(), escape(&result.reason)));
    let reasons: Vec<String> = deciding.collect();
    if reasons.is_empty() { "held every criterion".to_owned() } else { reasons.join("; ") }
}

pub(super) fn bold_unless_pass(outcome: Outcome) -> String {
    if outcome == Outcome::Pass { outcome.word().to_owned() } else { format!("**{}**", outcome.word()) }
}

const GROWTH_COLUMNS: [(&str, super::table::Align); 9] = [
    ("arm", Left),
    ("of", Left),
    ("baseline", Right),
    ("last", Right),
    ("change", Right),
    ("cumulative/min", Right),
    ("steady/min (95 %)", Right),
    ("limit/min", Right),
    ("verdict", Left),
];

pub(super) fn growth(report: &Report<'_>) -> String {
    let mut table = Table::new(GROWTH_COLUMNS);
    for arm in &report.verdict.arms {
        for result in arm.criteria.iter().filter(|result| result.criterion.is_growth()) {
            table.row(growth_row(&arm.arm, result));
        }
    }
    format!("## Growth\n\n{table}")
}

fn growth_row(subject: &str, result: &CriterionResult) -> [String; 9] {
    let of = match result.criterion {
        Criterion::FdGrowth => Metric::Fds.word(),
        Criterion::TaskGrowth => Metric::Tasks.word(),
        _ => Metric::Threads.word(),
    };
    let limit = result.limit.map_or(UNKNOWN.to_owned(), |limit| format!("{limit}"));
    growth_cells(subject, of, result.growth.as_ref(), limit, bold_unless_pass(result.outcome))
}

fn growth_cells(subject: &str, of: &str, growth: Option<&Growth>, limit: String, verdict: String) -> [String; 9] {
    let known = |value: Option<f64>, form: fn(f64) -> String| value.map_or(UNKNOWN.to_owned(), form);
    let (baseline, last) = (growth.and_then(|growth| growth.baseline), growth.and_then(|growth| growth.last));
    let steady = growth.and_then(|growth| growth.steady).map_or(UNKNOWN.to_owned(), |steady| {
        format!("{} ({} to {})", rate(steady.per_min), rate(steady.low), rate(steady.high))
    });
    [
        code(subject),
        of.to_owned(),
        known(baseline, count_f64),
        known(last, count_f64),
        known(baseline.zip(last).map(|(baseline, last)| last - baseline), signed_count),
        known(growth.and_then(|growth| growth.cumulative_per_min), rate),
        steady,
        limit,
        verdict,
    ]
}

/// Of what grows: by the operations that it may grow by.
pub(super) fn per_operation(report: &Report<'_>) -> String {
    let mut table = Table::new([
        ("arm", Left),
        ("of", Left),
        ("per stream rotation", Right),
        ("per million lines", Right),
        ("per container start", Right),
    ]);
    for arm in &report.verdict.arms {
        for metric in [Metric::Fds, Metric::Tasks, Metric::Threads] {
            let growths = arm.per_operation.iter().filter(|growth| growth.metric == metric);
            if !growths.clone().any(|growth| growth.growth.low > 0.0) {
                continue;
            }
            let by = |operation| {
                let growth = growths.clone().find(|growth| growth.operation == operation)?.growth;
                let form = |each: f64| if each.abs() < 1_000.0 { rate(each) } else { count_f64(each) };
                Some(format!("{} ({} to {})", form(growth.value), form(growth.low), form(growth.high)))
            };
            let [rotation, lines, start] = Operation::ALL.map(|operation| by(operation).unwrap_or_default());
            table.row([code(&arm.arm), metric.word().to_owned(), rotation, lines, start]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    format!(
        "## Growth per operation\n\nThe steady rate over how often each took place after warm-up; of what grows.\n\n{table}"
    )
}

pub(super) fn other_criteria(report: &Report<'_>) -> String {
    let mut table = Table::new([
        ("arm", Left),
        ("work", Left),
        ("loss", Left),
        ("uptime", Left),
        ("OOM kills", Left),
        ("connection timeouts", Left),
    ]);
    for arm in &report.verdict.arms {
        let cell = |criterion, form: fn(f64) -> String| {
            arm.result(criterion).map_or(String::new(), |result| judged(result, form))
        };
        table.row([
            code(&arm.arm),
            arm.result(Criterion::Work).map_or(String::new(), |result| bold_unless_pass(result.outcome)),
            cell(Criterion::Loss, percent),
            cell(Criterion::Uptime, percent),
            cell(Criterion::OomKills, count_f64),
            cell(Criterion::ConnectionTimeouts, count_f64),
        ]);
    }
    let criteria = report.recording.info.scenario.criteria;
    format!(
        "## Other criteria\n\n{table}\nLimits: loss below {} %, uptime at least {} %, at most {} and {}.\n",
        criteria.loss_pct,
        criteria.uptime_pct,
        counted(criteria.oom_kills, "OOM kill"),
        counted(criteria.connection_timeouts, "connection timeout")
    )
}

/// The value, and the verdict where it is not a PASS.
fn judged(result: &CriterionResult, form: fn(f64) -> String) -> String {
    match (result.measured, result.outcome) {
        (Some(measured), Outcome::Pass) => form(measured),
        (Some(measured), outcome) => format!("{} {}", form(measured), bold_unless_pass(outcome)),
        (None, outcome) => bold_unless_pass(outcome),
    }
}

pub(super) fn harness_and_engine(report: &Report<'_>) -> String {
    let turns = &report.verdict.turns;
    let mut paragraphs = vec!["## The harness and the engine".to_owned()];
    for turn in turns {
        let mut table = Table::new(GROWTH_COLUMNS);
        for result in &turn.harness {
            table.row(growth_row("harness", result));
        }
        for line in &turn.engine_growth {
            let not_judged = "not judged".to_owned();
            let of = match line.metric {
                Metric::Tasks if report.verdict.engine == "docker" => "goroutines",
                metric => metric.word(),
            };
            table.row(growth_cells("engine", of, Some(&line.growth), String::new(), not_judged));
        }
        if table.is_empty() {
            continue;
        }
        if turns.len() > 1 {
            paragraphs.push(format!("Beside {} alone:", code(&turn.arms.join(", "))));
        }
        paragraphs.push(table.to_string());
        if !turn.engine_growth.is_empty() {
            paragraphs.push(super::grown::engine(turn));
        }
    }
    if paragraphs.len() == 1 { String::new() } else { super::paragraphs(&paragraphs) }
}
