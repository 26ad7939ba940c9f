//! When a run was measured, and how it ended.

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
    /// Times at which something was made to go wrong, with the time to settle after it: growth is not judged in them.
    pub excluded: Vec<Excluded>,
    /// Why the run is only a part of what was planned; `None`: it is all of it.
    pub partial: Option<String>,
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
        let partial = if let Some(signal) = interruption(recording) {
            Some(format!("interrupted by {signal} {ended}"))
        } else if recording.events.iter().any(|record| matches!(record.event, Event::Decided { .. })) {
            Some(format!("`stop_when_decided`: FAIL was certain {ended}"))
        } else if let Some(reason) = engine_loss(recording) {
            Some(format!("the engine was lost {ended}: {reason}"))
        } else if began(Phase::Done).is_none() {
            Some(format!("the run was killed {ended}, or is still going on: its last event is missing"))
        } else if end_s + 2.0 * tick_s < planned_s * 0.99 {
            Some(format!("the run ended {ended}"))
        } else {
            None
        };
        Self {
            warmup_end_s: scenario.warmup.as_duration().as_secs_f64(),
            end_s,
            planned_s,
            excluded: faults(recording, end_s),
            partial,
        }
    }

    /// How long was measured, warm-up included.
    #[must_use]
    pub fn measured_s(&self) -> f64 {
        self.end_s.max(0.0)
    }
}

/// What is released asynchronously is given this long after a fault.
const SETTLE_S: f64 = 2.0;

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
            Excluded { from_s, to_s: end.map_or(end_s, |record| record.elapsed_s + SETTLE_S) }
        })
        .collect()
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
