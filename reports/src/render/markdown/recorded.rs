//! What was recorded and is shown without judgement: lines, costs, checkpoints, events.

use std::fmt::Write as _;

use super::escape::{code, escape};
use super::judged::UNKNOWN;
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::record::Recording;
use crate::record::checkpoints::Checkpoint;
use crate::record::events::{Event, EventRecord, Exit};
use crate::report::Report;
use crate::words::{bytes, count, latency, rate, signed_count, span};

/// Checkpoints shown of each arm: the first, the last, and evenly between.
const CHECKPOINTS_SHOWN: usize = 16;
/// Events shown.
const EVENTS_SHOWN: usize = 30;

pub(super) fn lines(report: &Report<'_>) -> String {
    let ledgers = || report.recording.turns().iter().filter_map(|turn| turn.ledger.as_ref());
    if ledgers().next().is_none() {
        return String::new();
    }
    let mut table = Table::new([
        ("arm", Left),
        ("expected", Right),
        ("delivered", Right),
        ("lost", Right),
        ("duplicated", Right),
        ("reordered", Right),
        ("refused", Right),
        ("latency p50", Right),
        ("p99", Right),
    ]);
    for (ledger, account) in ledgers().flat_map(|ledger| ledger.arms.iter().map(move |account| (ledger, account))) {
        let total = account.total;
        let quantile = |us: Option<u64>| us.map_or(UNKNOWN.to_owned(), latency);
        // While the account is open, lines on their way are not lost.
        let closed = |lines: u64| if ledger.complete { count(lines) } else { UNKNOWN.to_owned() };
        table.row([
            code(&account.arm),
            closed(total.expected),
            count(total.delivered),
            closed(total.lost),
            count(total.duplicated),
            count(total.reordered),
            count(total.refused),
            quantile(account.latency.map(|latency| latency.p50_us)),
            quantile(account.latency.map(|latency| latency.p99_us)),
        ]);
    }
    format!("## Lines\n\n{table}")
}

pub(super) fn costs(report: &Report<'_>) -> String {
    let mut table = Table::new([
        ("arm", Left),
        ("lines/s", Right),
        ("CPU, % of a core", Right),
        ("CPU s per million lines", Right),
        ("memory, last", Right),
        ("memory, largest", Right),
    ]);
    for (arm, cost) in &report.costs {
        let known = |value: Option<f64>, form: fn(f64) -> String| value.map_or(UNKNOWN.to_owned(), form);
        table.row([
            code(arm),
            known(cost.lines_per_s, rate),
            known(cost.cpu_pct, rate),
            known(cost.cpu_s_per_million_lines, rate),
            known(cost.rss_last_bytes, bytes),
            known(cost.rss_max_bytes, bytes),
        ]);
    }
    format!("## Cost\n\nResident memory, and processor time in user mode and in the kernel, after warm-up.\n\n{table}")
}

pub(super) fn checkpoints(report: &Report<'_>) -> String {
    let mut text = String::new();
    for arm in &report.verdict.arms {
        let turns = report.recording.turns().iter();
        let of_arm = turns.flat_map(|turn| &turn.checkpoints).filter(|row| row.arm == arm.arm);
        let mut rows: Vec<&Checkpoint> = of_arm.collect();
        // Of an arm that stays down, the first row says it all.
        rows.dedup_by(|row, before| row.fds.is_none() && before.fds.is_none() && row.status == before.status);
        if rows.is_empty() {
            continue;
        }
        let every = rows.len().div_ceil(CHECKPOINTS_SHOWN);
        let last = rows.len() - 1;
        let shown = rows.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
        let mut table = Table::new(CHECKPOINT_COLUMNS);
        for (_, row) in shown {
            table.row(checkpoint_row(row));
        }
        let part = if every > 1 { format!(", every {every}th of {}", rows.len()) } else { String::new() };
        let _ = write!(text, "<details><summary>{}{part}</summary>\n\n{table}\n</details>\n", escape(&arm.arm));
    }
    if text.is_empty() { text } else { format!("## Checkpoints\n\n{text}") }
}

const CHECKPOINT_COLUMNS: [(&str, super::table::Align); 13] = [
    ("time", Right),
    ("FDs", Right),
    ("change", Right),
    ("cumulative/min", Right),
    ("steady/min", Right),
    ("tasks", Right),
    ("change", Right),
    ("cumulative/min", Right),
    ("steady/min", Right),
    ("threads", Right),
    ("memory", Right),
    ("lines", Right),
    ("status", Left),
];

fn checkpoint_row(row: &Checkpoint) -> [String; 13] {
    let number = |value: Option<u64>| value.map_or(UNKNOWN.to_owned(), count);
    // Before the end of warm-up there is no baseline to differ from.
    let change = |value: Option<i64>| value.map_or(String::new(), |value| signed_count(value as f64));
    let per_min = |value: Option<f64>| value.map_or(String::new(), rate);
    [
        span(row.elapsed_s),
        number(row.fds),
        change(row.fds_delta),
        per_min(row.fds_cumulative_per_min),
        per_min(row.fds_steady_per_min),
        number(row.tasks),
        change(row.tasks_delta),
        per_min(row.tasks_cumulative_per_min),
        per_min(row.tasks_steady_per_min),
        number(row.threads),
        row.rss_bytes.map_or(UNKNOWN.to_owned(), |rss| bytes(rss as f64)),
        number(row.lines_delivered),
        escape(&row.status),
    ]
}

pub(super) fn events(report: &Report<'_>) -> String {
    let mut text = String::new();
    for (turn, verdict) in report.recording.turns().iter().zip(&report.verdict.turns) {
        let told = events_of(turn);
        if !told.is_empty() && report.verdict.turns.len() > 1 {
            let _ = writeln!(text, "\nTurn of {}:\n", code(&verdict.arms.join(", ")));
        }
        text.push_str(&told);
    }
    if text.is_empty() { text } else { format!("## Events\n\n{}", text.trim_start()) }
}

fn events_of(recording: &Recording) -> String {
    let mut told = recording.events.iter().filter_map(|record| Some((record, worth_telling(&record.event)?)));
    let mut text = String::new();
    for (EventRecord { elapsed_s, .. }, words) in told.by_ref().take(EVENTS_SHOWN) {
        let _ = writeln!(text, "- {}: {words}", if *elapsed_s < 0.0 { "setup".to_owned() } else { span(*elapsed_s) });
    }
    let more = told.count();
    if more > 0 {
        let _ = writeln!(text, "- and {more} more in `events.jsonl`");
    }
    text
}

/// What a reader of the report would want to know of; the ordinary course of a run is not.
fn worth_telling(event: &Event) -> Option<String> {
    match event {
        Event::ArmExited { arm, exit, expected: false, last_words } => {
            let words = last_words.as_deref().map(|words| format!(", {}: {}", exit.how_said(), escape(words)));
            Some(format!("{} {}{}", code(arm), how(*exit), words.unwrap_or_default()))
        }
        Event::ContainerGone { container, reason } => {
            Some(format!("container {} went away: {}", code(container), escape(reason)))
        }
        Event::FaultBegan { fault } => Some(format!("fault begins: {}", escape(fault))),
        Event::FaultEnded { fault } => Some(format!("fault ends: {}", escape(fault))),
        Event::Decided { reasons } => Some(format!("decided, so the run was ended: {}", escape(&reasons.join("; ")))),
        Event::Stage { share_pct, containers } => {
            Some(format!("stage: {share_pct} % of the containers monitored, {containers}"))
        }
        Event::EngineLost { reason } => Some(format!("the engine stopped answering: {}", escape(reason))),
        Event::Gap { missed_ticks } => {
            Some(format!("{} missed by the sampler", crate::words::counted(*missed_ticks, "tick")))
        }
        Event::Interrupted { signal } => Some(format!("interrupted by {}", escape(signal))),
        Event::Warning { message } => Some(escape(message)),
        Event::ArmExited { expected: true, .. }
        | Event::Phase { .. }
        | Event::ArmStarted { .. }
        | Event::ArmReady { .. }
        | Event::ContainerStarted { .. } => None,
    }
}

fn how(exit: Exit) -> String {
    match exit {
        Exit::Code { code } => format!("exited with code {code}"),
        Exit::Signal { signal } => format!("ended by signal {signal}"),
        Exit::OomKilled => "was killed for want of memory".to_owned(),
    }
}
