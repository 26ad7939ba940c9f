//! When a run was measured, and how it ended.

use super::lives::Life;
use super::series::Excluded;
use crate::record::Recording;
use crate::record::events::{Event, Phase};
use crate::words::span;

/// The times of a run, in seconds since its zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// End of warm-up: what comes after is judged.
    pub warmup_end_s: f64,
    /// End of measuring: the containers are stopped from here on. Of a killed run: its last sample.
    pub end_s: f64,
    /// How long measuring was to take.
    pub planned_s: f64,
    /// Times at which something was made to go wrong.
    pub faults: Vec<Excluded>,
    /// The stages of a rollout, but for the first: what the arms hold more from then on is no growth.
    pub stages: Vec<Stage>,
    /// Why the run is only a part of what was planned; `None`: it is all of it.
    pub partial: Option<String>,
    /// Measuring ended because every arm was down for good: nothing that was planned is missing.
    pub no_arm_left: bool,
}

/// From now on the arms monitor more of the containers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// When, seconds.
    pub at_s: f64,
    /// Which share, percent.
    pub share_pct: u32,
}

/// What was measured together, and when: all arms of a run, or one of those that took turns.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// What was recorded.
    pub recording: &'a Recording,
    /// When.
    pub timeline: Timeline,
}

impl<'a> Turn<'a> {
    /// The turns of a run, in their order.
    #[must_use]
    pub fn all_of(recording: &'a Recording) -> Vec<Self> {
        recording.turns().iter().map(|recording| Self { recording, timeline: Timeline::of(recording) }).collect()
    }

    /// Its arms, in the order of the scenario.
    pub fn arms(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.recording.info.scenario.arms.iter().map(|arm| arm.name.as_str())
    }

    /// The turn of an arm.
    #[must_use]
    pub fn of_arm<'t>(turns: &'t [Self], arm: &str) -> Option<&'t Self> {
        turns.iter().find(|turn| turn.arms().any(|name| name == arm))
    }
}

impl Timeline {
    /// The times of one run.
    #[must_use]
    pub fn of(recording: &Recording) -> Self {
        let scenario = &recording.info.scenario;
        let began = |wanted: Phase| {
            recording.events.iter().find_map(|record| match record.event {
                Event::Phase { phase } if phase == wanted => Some(record.elapsed_s),
                _ => None,
            })
        };
        let last_sample = recording.samples.iter().map(|sample| sample.elapsed_s).fold(0.0, f64::max);
        let end_s = began(Phase::Drain).or(began(Phase::Done)).unwrap_or(last_sample);
        let planned_s = scenario.duration.as_duration().as_secs_f64();
        let tick_s = scenario.sample_every.as_duration().as_secs_f64();
        let ended = format!("after {} of {}", span(end_s.max(0.0)), span(planned_s));
        let stages = stages(recording);
        let early = end_s + 2.0 * tick_s < planned_s * 0.99;
        let no_arm_left = early && began(Phase::Done).is_some() && all_are_down(recording);
        let partial = if let Some(signal) = interruption(recording) {
            Some(format!("interrupted by {signal} {ended}"))
        } else if recording.events.iter().any(|record| matches!(record.event, Event::Decided { .. })) {
            Some(format!("`stop_when_decided`: FAIL was certain {ended}"))
        } else if let Some(reason) = engine_loss(recording) {
            Some(format!("the engine was lost {ended}: {reason}"))
        } else if recording.is_empty() {
            Some("it was not begun".to_owned())
        } else if began(Phase::Done).is_none() {
            Some(format!("the run was killed {ended}, or is still going on: its last event is missing"))
        } else if early && !no_arm_left {
            Some(format!("the run ended {ended}"))
        } else {
            None
        };
        Self {
            warmup_end_s: scenario.warmup.as_duration().as_secs_f64(),
            end_s,
            planned_s,
            faults: faults(recording, end_s),
            stages,
            no_arm_left: no_arm_left && partial.is_none(),
            partial,
        }
    }

    /// The times that say nothing of growth: faults and changes of stage, with the time to settle after them.
    #[must_use]
    pub fn excluded(&self) -> Vec<Excluded> {
        let faults = self.faults.iter().map(|fault| Excluded { to_s: fault.to_s + SETTLE_S, ..*fault });
        let stages = self.stages.iter().map(|stage| Excluded { from_s: stage.at_s, to_s: stage.at_s + STAGE_SETTLE_S });
        faults.chain(stages).collect()
    }

    /// How long was measured, or would have been but that there was nothing left to measure: what uptime is a share of.
    #[must_use]
    pub fn due_s(&self) -> f64 {
        if self.no_arm_left { self.planned_s } else { self.measured_s() }
    }

    /// How long was measured, warm-up included.
    #[must_use]
    pub fn measured_s(&self) -> f64 {
        self.end_s.max(0.0)
    }
}

/// What is released asynchronously is given this long after a fault.
const SETTLE_S: f64 = 2.0;

/// Streams to the containers that were added are opened meanwhile.
const STAGE_SETTLE_S: f64 = 5.0;

/// The first stage is what the run begins with.
fn stages(recording: &Recording) -> Vec<Stage> {
    let stages = recording.events.iter().filter_map(|record| match record.event {
        Event::Stage { share_pct, .. } => Some(Stage { at_s: record.elapsed_s, share_pct }),
        _ => None,
    });
    stages.skip(1).collect()
}

/// From the beginning of each fault to its end; one that has none lasts as long as the run.
fn faults(recording: &Recording, end_s: f64) -> Vec<Excluded> {
    let began = recording.events.iter().enumerate().filter_map(|(at, record)| match &record.event {
        Event::FaultBegan { fault } => Some((at, record.elapsed_s, fault)),
        _ => None,
    });
    began
        .map(|(at, from_s, name)| {
            let end = recording.events[at..]
                .iter()
                .find(|record| matches!(&record.event, Event::FaultEnded { fault } if fault == name));
            Excluded { from_s, to_s: end.map_or(end_s, |record| record.elapsed_s) }
        })
        .collect()
}

/// Every arm has ended without being asked to, and was not started again.
fn all_are_down(recording: &Recording) -> bool {
    let mut arms = recording.info.scenario.arms.iter();
    arms.all(|arm| Life::all_of(recording, &arm.name).last().is_some_and(|life| life.death().is_some()))
}

fn interruption(recording: &Recording) -> Option<&str> {
    recording.events.iter().find_map(|record| match &record.event {
        Event::Interrupted { signal } => Some(signal.as_str()),
        _ => None,
    })
}

fn engine_loss(recording: &Recording) -> Option<&str> {
    recording.events.iter().find_map(|record| match &record.event {
        Event::EngineLost { reason } => Some(reason.as_str()),
        _ => None,
    })
}
