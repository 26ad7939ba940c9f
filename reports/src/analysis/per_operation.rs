//! Growth per operation: what a leak costs each time it is met, which is what predicts a faster life.
//!
//! The steady rate with its interval, over how often the operation took place in the judged time. An operation that did not take
//! place, or was not counted, gives no figure.

use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use super::growth::{Metric, Window};
use super::reading::Growth;
use crate::record::Recording;
use crate::record::events::Event;
use crate::record::samples::Sample;

/// What a growth is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A log stream was replaced by a fresh one.
    StreamRotation,
    /// A million lines reached the sink.
    MillionLines,
    /// A container was started.
    ContainerStart,
}

/// A metric's growth by one operation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PerOperation {
    /// What grew.
    pub metric: Metric,
    /// By what it is counted.
    pub operation: Operation,
    /// Growth for each.
    pub growth: Estimate,
    /// How often it took place.
    pub operations_per_min: f64,
}

impl Operation {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::StreamRotation, Self::MillionLines, Self::ContainerStart];

    /// How often it took place in a window, per minute; `None`: never, or not counted.
    fn per_min(self, recording: &Recording, window: &Window<'_>) -> Option<f64> {
        let counted = |value: &dyn Fn(&Sample) -> Option<u64>| {
            let mut known = window.steady.iter().filter_map(|sample| Some((sample.elapsed_s, value(sample)?)));
            let (first, last) = (known.next()?, known.next_back()?);
            Some(last.1.checked_sub(first.1)? as f64 / ((last.0 - first.0) / 60.0))
        };
        let per_min = match self {
            Self::StreamRotation => counted(&|sample| sample.rotations)?,
            Self::MillionLines => counted(&|sample| sample.lines_delivered)? / 1e6,
            Self::ContainerStart => {
                let (from_s, to_s) = (window.steady.first()?.elapsed_s, window.steady.last()?.elapsed_s);
                let started = recording.events.iter().filter(|record| {
                    matches!(record.event, Event::ContainerStarted { .. })
                        && (from_s..=to_s).contains(&record.elapsed_s)
                });
                started.count() as f64 / ((to_s - from_s) / 60.0)
            }
        };
        Some(per_min).filter(|per_min| per_min.is_finite() && *per_min > 0.0)
    }
}

impl PerOperation {
    /// Each of an arm's growths by every operation that took place in its window.
    #[must_use]
    pub fn all_of(recording: &Recording, window: &Window<'_>, growths: &[(Metric, Growth)]) -> Vec<Self> {
        let rates = Operation::ALL.map(|operation| (operation, operation.per_min(recording, window)));
        let of = |(metric, growth): &(Metric, Growth)| {
            let (metric, steady) = (*metric, growth.steady);
            rates.into_iter().filter_map(move |(operation, per_min)| {
                let (steady, operations_per_min) = steady.zip(per_min)?;
                let growth = Estimate { value: steady.per_min, low: steady.low, high: steady.high };
                let growth = growth.map(|per_min| per_min / operations_per_min);
                Some(Self { metric, operation, growth, operations_per_min })
            })
        };
        growths.iter().flat_map(of).collect()
    }
}
