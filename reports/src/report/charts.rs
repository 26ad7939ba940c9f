//! What the charts of a run show.

use leaksoak_scenarios::Expect;

use crate::analysis::{Life, Metric, Turn};
use crate::record::Recording;
use crate::record::events::Exit;
use crate::render::png::{Chart, Death, Limit, Line, Unit};
use crate::verdict::{ArmVerdict, Criterion, CriterionResult, Outcome, Proof, RunVerdict};
use crate::words::{counted, one_line, signed_rate, span};

/// FDs, tasks, memory: those of which anything was recorded.
pub(super) fn all(recording: &Recording, verdict: &RunVerdict, turns: &[Turn<'_>]) -> Vec<(&'static str, Chart)> {
    let criteria = recording.info.scenario.criteria;
    // The same in every turn.
    let first = turns.first();
    let faults = first.iter().flat_map(|turn| &turn.timeline.faults);
    let faults: Vec<(f64, f64)> = faults.map(|fault| (fault.from_s, fault.to_s)).collect();
    let stages = first.iter().flat_map(|turn| &turn.timeline.stages);
    let stages: Vec<(f64, String)> = stages.map(|stage| (stage.at_s, format!("{} %", stage.share_pct))).collect();
    let fds = Some((Criterion::FdGrowth, criteria.fd_growth_per_min));
    let tasks = Some((Criterion::TaskGrowth, criteria.task_growth_per_min));
    [
        ("fds.png", "Open file descriptors", Unit::Count, Metric::Fds, fds),
        ("tasks.png", "Live async tasks", Unit::Count, Metric::Tasks, tasks),
        ("rss.png", "Resident memory", Unit::Bytes, Metric::Rss, None),
    ]
    .into_iter()
    .map(|(file, title, unit, metric, criterion)| {
        let line = |arm: &ArmVerdict| Some(line(Turn::of_arm(turns, &arm.arm)?, arm, metric, criterion));
        let chart = Chart {
            title: title.to_owned(),
            subtitle: subtitle(recording, verdict),
            unit,
            lines: verdict.arms.iter().filter_map(line).collect(),
            warmup_end_s: recording.info.scenario.warmup.as_duration().as_secs_f64(),
            faults: faults.clone(),
            stages: stages.clone(),
            end_s: verdict.measured_s,
        };
        (file, chart)
    })
    .filter(|(_, chart)| chart.lines.iter().any(|line| !line.pieces.is_empty()))
    .collect()
}

fn subtitle(recording: &Recording, verdict: &RunVerdict) -> String {
    let containers = counted(u64::from(recording.info.scenario.container_count()), "container");
    let engine = one_line(&format!("{} {}", verdict.engine, verdict.engine_version));
    let length = if verdict.measured_s < verdict.planned_s * 0.99 {
        format!("{} of {}", span(verdict.measured_s), span(verdict.planned_s))
    } else {
        span(verdict.measured_s)
    };
    [verdict.scenario.as_str(), &containers, &engine, &length, verdict.outcome.word()].join("  ·  ")
}

fn line(turn: &Turn<'_>, arm: &ArmVerdict, metric: Metric, criterion: Option<(Criterion, f64)>) -> Line {
    let result = criterion.and_then(|(criterion, per_min)| Some((arm.result(criterion)?, per_min)));
    let baseline = result.and_then(|(result, _)| result.growth.as_ref()?.baseline);
    Line {
        name: arm.arm.clone(),
        pieces: pieces(turn, &arm.arm, metric),
        remark: result.map(|(result, _)| remark(arm, result)),
        limit: result.zip(baseline).map(|((_, per_min), baseline)| Limit { baseline, per_min }),
        leaks: result.map_or(arm.expect == Expect::Fail, |(result, _)| result.outcome == Outcome::Fail),
        deaths: deaths(turn, &arm.arm),
    }
}

/// `+120/min, FAIL as expected`.
fn remark(arm: &ArmVerdict, result: &CriterionResult) -> String {
    let outcome = result.outcome.word();
    let outcome = match (&arm.proof, result.outcome) {
        _ if arm.outcome == Outcome::Invalid => "INVALID",
        (Some(Proof::Caught(_)), Outcome::Fail) => "FAIL as expected",
        _ => outcome,
    };
    match result.measured {
        Some(per_min) => format!("{}/min, {outcome}", signed_rate(per_min)),
        None => outcome.to_owned(),
    }
}

/// The known values, cut where one is missing: a gap is not drawn over.
fn pieces(turn: &Turn<'_>, arm: &str, metric: Metric) -> Vec<Vec<(f64, f64)>> {
    let measured = 0.0..=turn.timeline.end_s;
    let samples = turn.recording.samples.iter();
    let samples: Vec<_> =
        samples.filter(|sample| sample.subject == arm && measured.contains(&sample.elapsed_s)).collect();
    let points = samples.iter().map(|sample| (sample.elapsed_s, metric.of(sample)));
    let points: Vec<(f64, Option<f64>)> = points.collect();
    points
        .split(|(_, value)| value.is_none())
        .map(|piece| piece.iter().filter_map(|(time, value)| Some((*time, (*value)?))).collect::<Vec<_>>())
        .filter(|piece| !piece.is_empty())
        .collect()
}

fn deaths(turn: &Turn<'_>, arm: &str) -> Vec<Death> {
    let lives = Life::all_of(turn.recording, arm);
    let deaths = lives.iter().filter_map(Life::death).filter(|death| (0.0..=turn.timeline.end_s).contains(&death.at_s));
    deaths
        .map(|death| {
            let how = match death.exit {
                Exit::Code { code } => format!("exit {code}"),
                Exit::Signal { signal } => format!("signal {signal}"),
                Exit::OomKilled => "OOM".to_owned(),
            };
            Death { at_s: death.at_s, words: format!("died at {} ({how})", span(death.at_s)) }
        })
        .collect()
}
