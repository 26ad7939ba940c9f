//! Two runs, compared, on a terminal; and the figures of a comparison as every report shows them.

use std::fmt::Write as _;

use super::columns::aligned;
use crate::analysis::{Comparison, Estimate};
use crate::comparison::{RunComparison, RunName};
use crate::verdict::Outcome;
use crate::words::{count, one_line, utc};

/// What `leaksoak compare` prints; several lines, no newline at the end.
#[must_use]
pub fn comparison(comparison: &RunComparison) -> String {
    let pct = comparison.min_effect_pct;
    let result = match comparison.outcome {
        Outcome::Pass => format!("no regression of more than {pct} %"),
        Outcome::Fail => "B is worse than A".to_owned(),
        Outcome::Inconclusive => "not everything could be compared".to_owned(),
        Outcome::Invalid => "this is no comparison".to_owned(),
    };
    let mut text =
        format!("{}: {result}\n\nA  {}\nB  {}\n", comparison.outcome.word(), run(&comparison.a), run(&comparison.b));
    for arm in &comparison.arms {
        let rows = arm.quantities.iter().filter(|quantity| quantity.difference.is_some()).map(cells);
        let header =
            [arm.subject.trim_end_matches(" (B)"), "A", "B", "B - A (95 %)", "B / A (95 %)"].map(str::to_owned);
        text.push('\n');
        text.push_str(&aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[0]));
    }
    let reasons = comparison.reasons.iter().map(|reason| format!("- {reason}"));
    let lines = comparison.arms.iter().flat_map(|arm| &arm.lines);
    let besides = lines.filter(|line| !comparison.reasons.contains(line)).map(|line| format!("- {line}"));
    let warnings = comparison.warnings.iter().map(|warning| format!("- warning: {warning}"));
    let said: Vec<String> = reasons.chain(besides).chain(warnings).collect();
    if !said.is_empty() {
        text.push('\n');
    }
    for line in said {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", one_line(&line));
    }
    text.truncate(text.trim_end().len());
    text
}

fn run(name: &RunName) -> String {
    let RunName { run_id, scenario, version, started_unix_ms } = name;
    one_line(&format!("{scenario}, run {run_id}, leaksoak {version}, {}", utc(*started_unix_ms)))
}

/// Words, reference, subject, difference, ratio.
pub(super) fn cells(comparison: &Comparison) -> [String; 5] {
    let quantity = comparison.quantity;
    let form = |value: f64| quantity.form(value);
    let value = |estimate: Option<Estimate>| estimate.map_or("?".to_owned(), |estimate| form(estimate.value));
    let bounds = |estimate: Estimate, form: &dyn Fn(f64) -> String| {
        format!("{} ({} to {})", form(estimate.value), form(estimate.low), form(estimate.high))
    };
    [
        quantity.words().to_owned(),
        value(comparison.reference),
        value(comparison.subject),
        comparison.difference.map_or("?".to_owned(), |difference| bounds(difference, &form)),
        comparison.ratio.map_or(String::new(), |ratio| bounds(ratio, &times)),
    ]
}

/// A ratio: `0.65`, `12.4`, `1,250`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a ratio is positive, and `as` saturates")]
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 9.995 => format!("{ratio:.2}"),
        ratio if ratio < 999.5 => format!("{ratio:.1}"),
        ratio => count(ratio.round() as u64),
    }
}
