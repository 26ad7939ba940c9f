//! The work check: an arm that did not monitor cannot pass, and cannot serve as a control.
//!
//! INVALID: no line of it reached the sink although lines were printed, or it held fewer streams than there were running
//! containers (of those that the stage of a rollout has) in more than half of its judged samples. Only samples of the living arm count. An arm that
//! died before it could be judged is left to its uptime, which fails: a crash is a result, not a lack of one.

use leaksoak_scenarios::Load;

use super::{ArmCase, undecided};
use crate::record::events::{Event, EventRecord};
use crate::record::samples::Sample;
use crate::verdict::{Criterion, CriterionResult, Outcome};
use crate::words::counted;

const STREAMS_METRIC: &str = "log_capturer_container_monitor_streams_active";

/// The arm captured and delivered.
pub(super) fn work(case: &ArmCase<'_>) -> CriterionResult {
    let (outcome, reason) = judged(case);
    CriterionResult { outcome, ..undecided(Criterion::Work, "", reason) }
}

fn judged(case: &ArmCase<'_>) -> (Outcome, String) {
    let window = case.window();
    let alive: Vec<&Sample> = window.steady.iter().copied().filter(|sample| is_alive(sample)).collect();
    if alive.is_empty() {
        return (Outcome::Inconclusive, "no sample of it after warm-up: there is nothing to judge".to_owned());
    }
    let Some(delivered) = delivered(case) else {
        return (Outcome::Inconclusive, "whether any line of it reached the sink is not known".to_owned());
    };
    if delivered == 0 && lines_were_printed(case) {
        return (Outcome::Invalid, "no line of it reached the sink: what captures nothing leaks nothing".to_owned());
    }
    let running = Running::of(case);
    let known: Vec<(u64, u64)> = alive
        .iter()
        .filter_map(|sample| sample.streams.map(|streams| (streams, running.at(sample.elapsed_s))))
        .collect();
    let short = known.iter().filter(|(streams, running)| streams < running).count();
    let delivered = counted(delivered, "line");
    if known.is_empty() {
        let why = case.never_told(STREAMS_METRIC);
        (Outcome::Inconclusive, format!("{delivered} delivered, but how many streams it held is not known: {why}"))
    } else if short * 2 > known.len() {
        let (streams, running) = known[known.len() / 2];
        let of =
            format!("in {short} of {} (such as {streams} of {running})", counted(known.len() as u64, "judged sample"));
        (Outcome::Invalid, format!("fewer streams than running containers {of}: it did not monitor them all"))
    } else if short > 0 {
        (
            Outcome::Pass,
            format!("{delivered} delivered, short of streams in {short} of {}", counted(known.len() as u64, "sample")),
        )
    } else {
        (Outcome::Pass, format!("{delivered} delivered, a stream for every container"))
    }
}

fn is_alive(sample: &Sample) -> bool {
    sample.fds.is_some() || sample.tasks.is_some() || sample.streams.is_some()
}

/// Lines at the sink, as far as anything knows.
fn delivered(case: &ArmCase<'_>) -> Option<u64> {
    let ledger = case.recording.ledger.iter().flat_map(|ledger| &ledger.arms);
    let by_ledger = ledger.filter(|account| account.arm == case.arm.name).map(|account| account.total.delivered);
    let by_samples = case.samples().filter_map(|sample| sample.lines_delivered);
    by_ledger.chain(by_samples).max()
}

/// A silent container prints its only line at its end, which a killed run never saw.
fn lines_were_printed(case: &ArmCase<'_>) -> bool {
    let complete = case.recording.ledger.as_ref().is_some_and(|ledger| ledger.complete);
    complete || case.recording.info.scenario.loads().any(|load| !matches!(load, Load::Silent))
}

/// When containers started, and when they went away; both in order of time.
struct Running {
    started_s: Vec<f64>,
    gone_s: Vec<f64>,
    /// From when on the arms were to monitor how many of them.
    stages: Vec<(f64, u64)>,
}

impl Running {
    fn of(case: &ArmCase<'_>) -> Self {
        let times = |wanted: fn(&Event) -> bool| {
            let events = case.recording.events.iter().filter(|record| wanted(&record.event));
            let mut times: Vec<f64> = events.map(|record| record.elapsed_s).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        Self {
            started_s: times(|event| matches!(event, Event::ContainerStarted { .. })),
            gone_s: times(|event| matches!(event, Event::ContainerGone { .. })),
            stages: case.recording.events.iter().filter_map(stage).collect(),
        }
    }

    /// Containers that were running at a time, as far as they were to be monitored.
    fn at(&self, at_s: f64) -> u64 {
        let until = |times: &[f64]| times.partition_point(|time| *time <= at_s);
        let running = until(&self.started_s).saturating_sub(until(&self.gone_s)) as u64;
        let stage = self.stages.iter().rev().find(|(from_s, _)| *from_s <= at_s);
        stage.map_or(running, |(_, containers)| running.min(*containers))
    }
}

fn stage(record: &EventRecord) -> Option<(f64, u64)> {
    match record.event {
        Event::Stage { containers, .. } => Some((record.elapsed_s, containers)),
        _ => None,
    }
}
