//! What is judged of a subject: its samples from the end of warm-up to the end of measuring, within one process's life.

use serde::{Deserialize, Serialize};

use super::lives::Life;
use super::reading::{Growth, Known};
use super::series::Excluded;
use super::timeline::Timeline;
use crate::record::Recording;
use crate::record::samples::Sample;

/// What is counted of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Open file descriptors.
    Fds,
    /// Live tasks of the async runtime.
    Tasks,
    /// Threads.
    Threads,
    /// Resident memory, bytes.
    Rss,
    /// Lines that have reached the sink.
    Delivered,
}

impl Metric {
    /// The word for it in a report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fds => "FDs",
            Self::Tasks => "tasks",
            Self::Threads => "threads",
            Self::Rss => "memory",
            Self::Delivered => "lines",
        }
    }

    /// Its value in a sample.
    #[must_use]
    pub fn of(self, sample: &Sample) -> Option<f64> {
        let value = match self {
            Self::Fds => sample.fds,
            Self::Tasks => sample.tasks,
            Self::Threads => sample.threads,
            Self::Rss => sample.rss_bytes,
            Self::Delivered => sample.lines_delivered,
        };
        value.map(|value| value as f64)
    }
}

/// The judged samples of one subject.
///
/// An arm that was started again counts from nothing again, so growth is judged within one life: the one that
/// holds most of the measured time. Each life gets the same warm-up.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    /// From the start of the life to the end of warm-up: the last known value in it is the baseline.
    before: Vec<&'a Sample>,
    /// What is judged.
    pub steady: Vec<&'a Sample>,
    /// What of it says nothing of growth.
    excluded: Vec<Excluded>,
    /// When what is monitored became more.
    stages_s: Vec<f64>,
    /// Connections that it holds for others are not counted.
    without_connections: bool,
}

impl<'a> Window<'a> {
    /// The window of an arm.
    #[must_use]
    pub fn of_arm(recording: &'a Recording, timeline: &Timeline, arm: &str, lives: &[Life]) -> Self {
        let part = |life: &Life| {
            let from_s = timeline.warmup_end_s.max(life.start_s + timeline.warmup_end_s);
            (life.start_s, from_s, life.down_s().min(timeline.end_s))
        };
        let length = |(_, from_s, to_s): &(f64, f64, f64)| (to_s - from_s).max(0.0);
        let longest = lives.iter().map(part).max_by(|a, b| length(a).total_cmp(&length(b)));
        // Without a recorded start there is still what was sampled.
        let (start_s, from_s, to_s) = longest.unwrap_or((f64::NEG_INFINITY, timeline.warmup_end_s, timeline.end_s));
        Self::between(recording, timeline, arm, start_s, from_s, to_s)
    }

    /// The window of the harness or the engine, which live as long as the run.
    #[must_use]
    pub fn of_subject(recording: &'a Recording, timeline: &Timeline, subject: &str) -> Self {
        Self::between(recording, timeline, subject, f64::NEG_INFINITY, timeline.warmup_end_s, timeline.end_s)
    }

    /// Everything of one life, its warm-up included: what is left to look at where an arm died early.
    #[must_use]
    pub fn of_life(recording: &'a Recording, timeline: &Timeline, arm: &str, life: &Life) -> Self {
        let from_s = life.start_s.max(0.0);
        Self::between(recording, timeline, arm, from_s, from_s, life.down_s().min(timeline.end_s))
    }

    fn between(
        recording: &'a Recording,
        timeline: &Timeline,
        subject: &str,
        start_s: f64,
        from_s: f64,
        to_s: f64,
    ) -> Self {
        let (before, steady) = recording
            .samples
            .iter()
            .filter(|sample| sample.subject == subject && (start_s..=to_s).contains(&sample.elapsed_s))
            .partition(|sample| sample.elapsed_s <= from_s);
        Self {
            before,
            steady,
            excluded: timeline.excluded(),
            stages_s: timeline.stages.iter().map(|stage| stage.at_s).collect(),
            without_connections: false,
        }
    }

    /// The same of the harness, whose sink holds a descriptor and a task for each connection of an arm: without those. What an
    /// arm leaks is the arm's.
    #[must_use]
    pub fn without_connections(self) -> Self {
        Self { without_connections: true, ..self }
    }

    /// The same, up to `until_s` only.
    #[must_use]
    pub fn until(mut self, until_s: f64) -> Self {
        self.steady.retain(|sample| sample.elapsed_s <= until_s);
        self
    }

    /// The baseline and the judged values of a metric, where they are known, as (seconds, value).
    #[must_use]
    pub fn points(&self, metric: Metric) -> Vec<(f64, f64)> {
        let [warmup, judged] = self.known(metric);
        warmup.last().copied().into_iter().chain(judged).collect()
    }

    /// The known values of a metric: of warm-up, and judged.
    fn known(&self, metric: Metric) -> [Vec<(f64, f64)>; 2] {
        let others = |sample: &Sample| match metric {
            Metric::Fds | Metric::Tasks if self.without_connections => sample.connections.unwrap_or(0) as f64,
            _ => 0.0,
        };
        let known = |samples: &[&Sample]| {
            let known = |sample: &&Sample| Some((sample.elapsed_s, metric.of(sample)? - others(sample)));
            samples.iter().filter_map(known).collect()
        };
        [known(&self.before), known(&self.steady)]
    }

    /// How much of the window a metric is known in.
    #[must_use]
    pub fn known_of(&self, metric: Metric) -> Known {
        let known = self.steady.iter().filter(|sample| metric.of(sample).is_some()).count();
        let share = known as f64 / self.steady.len().max(1) as f64;
        let last = self.steady.iter().rposition(|sample| metric.of(sample).is_some());
        Known { share, until: last.map_or(0.0, |last| (last + 1) as f64 / self.steady.len() as f64) }
    }

    /// How a metric moved.
    #[must_use]
    pub fn growth(&self, metric: Metric) -> Growth {
        let [warmup, judged] = self.known(metric);
        let from_s = warmup.last().or(judged.first()).map_or(0.0, |point| point.0);
        let points: Vec<(f64, f64)> = warmup.into_iter().chain(judged).collect();
        Growth::of_stages(&points, from_s, &self.excluded, &self.stages_s)
    }
}
