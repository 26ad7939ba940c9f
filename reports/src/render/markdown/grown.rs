//! What grew, and whose it is: descriptors by kind and target, tasks by spawn site, the engine's by what arms left open.

use std::fmt::Write as _;

use super::escape::{code, escape};
use super::judged::UNKNOWN;
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::analysis::engine_side::{ArmConnections, Held};
use crate::analysis::{GroupGrowth, Metric};
use crate::report::Report;
use crate::verdict::{Criterion, TurnVerdict};
use crate::words::{count, counted, rate, signed_count};

/// Groups shown of each subject.
const SHOWN: usize = 5;

pub(super) fn grown(report: &Report<'_>) -> String {
    let mut fds = Table::new([
        ("of", Left),
        ("kind", Left),
        ("target", Left),
        ("first", Right),
        ("last", Right),
        ("change", Right),
        ("per minute", Right),
        ("share", Right),
    ]);
    for (of, group) in most(report, Metric::Fds) {
        let [first, last, change, per_min, share] = figures(group);
        let (kind, target) = (escape(&group.kind), code(&group.target));
        fds.row([of, kind, target, first, last, change, per_min, share]);
    }
    let mut tasks = Table::new([
        ("of", Left),
        ("spawned at", Left),
        ("first", Right),
        ("last", Right),
        ("change", Right),
        ("per minute", Right),
        ("share", Right),
    ]);
    for (of, group) in most(report, Metric::Tasks) {
        let [first, last, change, per_min, share] = figures(group);
        tasks.row([of, code(&group.target), first, last, change, per_min, share]);
    }
    let mut text = String::new();
    if !fds.is_empty() {
        let _ = write!(text, "Open descriptors by kind and target:\n\n{fds}\n");
    }
    if !tasks.is_empty() {
        let _ = write!(text, "Live tasks by the line that spawned them:\n\n{tasks}\n");
    } else if sites_are_missed(report) {
        text.push_str(
            "By which lines the tasks were spawned is not known: the arms do not tell it, as after a build without \
             `--cfg tokio_unstable`.\n",
        );
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "## What grew\n\nFrom the first checkpoint after warm-up to the last, the {SHOWN} that grew most of each.\n\n{text}"
    )
}

/// The groups of a metric, so many of each subject, each with the words for whose it is; they are in the order of the turns, the
/// subjects, and of growth.
fn most<'a>(report: &'a Report<'_>, metric: Metric) -> impl Iterator<Item = (String, &'a GroupGrowth)> {
    let turns = &report.verdict.turns;
    turns.iter().flat_map(move |turn| {
        let whose = move |group: &GroupGrowth| match turns.len() {
            1 => code(&group.subject),
            _ if turn.arms.contains(&group.subject) => code(&group.subject),
            _ => format!("{} beside {}", code(&group.subject), code(&turn.arms.join(", "))),
        };
        let of_metric: Vec<&GroupGrowth> = turn.grown.iter().filter(|group| group.metric == metric).collect();
        let subjects = of_metric.chunk_by(|a, b| a.subject == b.subject);
        let most = subjects.flat_map(|groups| groups.iter().take(SHOWN).map(|group| (whose(group), *group)));
        most.collect::<Vec<_>>()
    })
}

fn figures(group: &GroupGrowth) -> [String; 5] {
    [
        count(group.first),
        count(group.last),
        signed_count(group.last as f64 - group.first as f64),
        group.per_min.map_or(UNKNOWN.to_owned(), rate),
        format!("{:.0} %", group.share_pct),
    ]
}

/// Tasks are known to have grown, and from where is not.
fn sites_are_missed(report: &Report<'_>) -> bool {
    let grew = |result: &crate::verdict::CriterionResult| {
        result.growth.as_ref().and_then(|growth| growth.steady).is_some_and(|steady| steady.low > 0.0)
    };
    let tasks = report.verdict.arms.iter().filter_map(|arm| arm.result(Criterion::TaskGrowth));
    let told = report.recording.turns().iter().any(|turn| !turn.task_groups.is_empty());
    !told && tasks.into_iter().any(grew)
}

/// What the engine's growth has to do with the arms.
pub(super) fn engine(turn: &TurnVerdict) -> String {
    let arms = turn.arms.len();
    let shared = format!(
        "The engine serves {} at once: its growth is not judged, and its counts alone cannot be attributed to one of them. \
         `isolate = true` gives them turns.",
        counted(arms as u64, "arm")
    );
    let side = turn.engine_side.as_ref();
    let Some(side) = side.filter(|side| side.matches) else {
        return if arms > 1 { shared + "\n" } else { String::new() };
    };
    let mut text = if arms > 1 { shared + "\n\n" } else { String::new() };
    let left: f64 = side.arms.iter().map(|arm| arm.per_min).sum();
    let _ = writeln!(
        text,
        "Its open connections grew by {}/min, and {} left {}/min open: what grew in the engine is what {} left behind.{}",
        rate(side.connections_per_min),
        names(&side.arms),
        rate(left),
        if side.arms.len() > 1 { "they" } else { "it" },
        side.held_per_connection.as_ref().map(held).unwrap_or_default()
    );
    text
}

fn names(arms: &[ArmConnections]) -> String {
    let names: Vec<String> = arms.iter().map(|arm| code(&arm.arm)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last} together", rest.join(", ")),
        _ => names.concat(),
    }
}

/// ` Each holds 3.0 FDs there (1.0 inotify, 1.0 socket, 1.0 file) and 5.0 goroutines.`
fn held(held: &Held) -> String {
    let kinds: Vec<String> = held.by_kind.iter().map(|(kind, each)| format!("{each:.1} {}", escape(kind))).collect();
    let tasks = held.tasks.map(|tasks| format!(" and {tasks:.1} goroutines")).unwrap_or_default();
    format!(" Each holds {:.1} FDs there ({}){tasks}.", held.fds, kinds.join(", "))
}
