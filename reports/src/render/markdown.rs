//! `summary.md`: the report for people, as it goes on a pull request.
//!
//! Its first line says the verdict, the scenario and the engine. It is readable as text, too: its tables are aligned.

mod compared;
mod escape;
mod grown;
mod judged;
mod recorded;
mod table;

use std::fmt::Write as _;

use escape::{code, escape};
use leaksoak_scenarios::Expect;

use crate::report::Report;
use crate::verdict::{Outcome, Proof};
use crate::words::{bytes, counted, span, utc};

/// The report of one run.
#[must_use]
pub fn markdown(report: &Report<'_>) -> String {
    let sections = [
        head(report),
        judged::arms(report),
        charts(report),
        judged::growth(report),
        judged::per_operation(report),
        judged::other_criteria(report),
        compared::compared(report),
        recorded::lines(report),
        recorded::costs(report),
        grown::grown(report),
        recorded::checkpoints(report),
        recorded::events(report),
        judged::harness_and_engine(report),
        HOW_TO_READ.to_owned(),
        notes(report),
    ];
    paragraphs(&sections)
}

/// Those that say something, with one empty line between them.
fn paragraphs(texts: &[String]) -> String {
    let texts: Vec<&str> = texts.iter().map(|text| text.trim_end()).filter(|text| !text.is_empty()).collect();
    texts.join("\n\n") + "\n"
}

const HOW_TO_READ: &str = "\
## How to read this

- **Steady rate**: the robust (Theil-Sen) slope after warm-up, with its 95 % interval. Growth is judged by it: the whole interval \
below the limit is PASS, the whole interval above is FAIL, else the run was too short to say (INCONCLUSIVE).
- **Cumulative rate**: (last - baseline) / minutes, for comparison. A single step makes it look like a rate that converges, which \
is what dividing a constant by a growing time looks like.
- **INVALID**: no evidence either way. The arm did not do its work, or a control was not caught leaking.
- **Control**: an arm that is expected to fail. It shows that this run could have seen a leak.";

fn head(report: &Report<'_>) -> String {
    let (info, verdict) = (&report.recording.info, report.verdict);
    let mut text = format!(
        "# {}: {} on {} {}\n\n",
        verdict.outcome.word(),
        verdict.scenario,
        escape(&info.engine.kind),
        escape(&info.engine.version)
    );
    if let Some(partial) = &verdict.partial {
        let _ = writeln!(text, "> **Partial report:** {}.\n", escape(partial));
    }
    text.push_str(&because(report));
    let host = &info.host;
    let warmup_s = info.scenario.warmup.as_duration().as_secs_f64();
    let turns = if verdict.turns.len() > 1 {
        format!(" The arms took turns, {} of them, each as long and with containers of its own.", verdict.turns.len())
    } else {
        String::new()
    };
    let _ = write!(
        text,
        "\n{} measured, {} of it warm-up; {}.{turns} Run {}, started {}, leaksoak {}; Linux {}, {}, {} of memory, engine API {}.\n\n{}\n",
        span(verdict.measured_s),
        span(warmup_s.min(verdict.measured_s)),
        counted(u64::from(info.scenario.container_count()), "container"),
        code(&info.run_id),
        utc(info.started_unix_ms),
        escape(&info.version),
        escape(&host.kernel),
        counted(host.cpus.into(), "CPU"),
        bytes(host.memory_bytes as f64),
        escape(&info.engine.api_version),
        code(&info.argv.join(" ")),
    );
    text
}

fn because(report: &Report<'_>) -> String {
    let verdict = report.verdict;
    if verdict.outcome != Outcome::Pass {
        return list(&verdict.reasons);
    }
    let under_test = verdict.arms.iter().any(|arm| arm.expect == Expect::Pass);
    let held = if under_test { "Every arm under test held every criterion." } else { "No arm was under test." };
    let mut text = held.to_owned();
    let controls = verdict.arms.iter().filter(|arm| arm.expect == Expect::Fail);
    for arm in controls {
        let why = arm.proof.as_ref().map(Proof::reason).unwrap_or_default();
        let _ = write!(text, " The control {} was caught leaking: {}.", code(&arm.arm), escape(why));
    }
    text + "\n"
}

fn charts(report: &Report<'_>) -> String {
    let image = |(file, title): (&str, &str)| format!("![{}](charts/{file})", escape(title));
    let charts = report.charts.iter().map(|(file, chart)| image((file, &chart.title)));
    charts.collect::<Vec<_>>().join("\n")
}

fn notes(report: &Report<'_>) -> String {
    let notes = list(&report.verdict.notes);
    if notes.is_empty() { notes } else { format!("## Notes\n\n{notes}") }
}

fn list(texts: &[String]) -> String {
    texts.iter().fold(String::new(), |list, text| list + "- " + &escape(text) + "\n")
}
