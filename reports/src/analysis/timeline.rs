//! When a run was measured, and how it ended.

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
        Self { warmup_end_s: scenario.warmup.as_duration().as_secs_f64(), end_s, planned_s, partial }
    }

    /// How long was measured, warm-up included.
    #[must_use]
    pub fn measured_s(&self) -> f64 {
        self.end_s.max(0.0)
    }
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
