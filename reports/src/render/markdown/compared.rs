//! Each arm against the first: the sentences, and the figures behind them.

use std::fmt::Write as _;

use super::escape::{code, escape};
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::render::comparison::cells;
use crate::report::Report;

pub(super) fn compared(report: &Report<'_>) -> String {
    let comparisons = &report.verdict.comparisons;
    let Some(first) = comparisons.first() else { return String::new() };
    let lines: Vec<String> =
        comparisons.iter().flat_map(|arm| &arm.lines).map(|line| format!("- {}\n", escape(line))).collect();
    let mut compared = comparisons.iter().flat_map(|arm| &arm.quantities);
    let lines = if !compared.any(|quantity| quantity.difference.is_some()) {
        "Nothing is known of both that could be compared.\n".to_owned()
    } else if lines.is_empty() {
        "Nothing differs by more than chance.\n".to_owned()
    } else {
        lines.concat()
    };
    let mut text = format!(
        "## A against B\n\n{} against each other arm that did its work; what differs by more than chance, allowing for the number of comparisons:\n\n{lines}\n",
        code(&first.subject)
    );
    for arm in comparisons {
        let mut table = Table::new([
            ("", Left),
            ("reference", Right),
            ("subject", Right),
            ("difference (95 %)", Right),
            ("ratio (95 %)", Right),
        ]);
        arm.quantities
            .iter()
            .filter(|quantity| quantity.difference.is_some())
            .for_each(|quantity| table.row(cells(quantity)));
        let summary = format!("{} (subject) against {} (reference)", escape(&arm.subject), escape(&arm.reference));
        let _ = writeln!(text, "<details><summary>{summary}</summary>\n\n{table}\n</details>");
    }
    text
}
