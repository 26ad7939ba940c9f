//! How a series grew, read as a whole: its baseline, its shape, its steady rate, and the rate that people put on PRs.

use serde::{Deserialize, Serialize};

use super::series::{Excluded, median, nth, ordered};
use super::shape::{Aside, Shape, Shaped, shape};
use super::stages::levelled;
use super::trend::{Trend, check, trend_between};

/// How a series grew from its baseline on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// At the end of warm-up. `None`: never known.
    pub baseline: Option<f64>,
    /// The last known value.
    pub last: Option<f64>,
    /// `(last - baseline)` over the minutes between them: the figure people put on PRs.
    pub cumulative_per_min: Option<f64>,
    /// The steady rate.
    pub steady: Option<Trend>,
    /// Why there is no steady rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_missing: Option<String>,
    /// How it moved; `None` where there is no steady rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// The steady rate is that of the time from here on, seconds: later than the baseline where the shape asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_from_s: Option<f64>,
    /// The rate at which the floor of that part rises, per minute: growth that is given back is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_per_min: Option<f64>,
    /// Steps that the steady rate leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
    /// From the baseline to the last value.
    #[serde(default)]
    pub minutes: f64,
}

/// How much of the time that is judged a series is known in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The share of samples that are known.
    pub share: f64,
    /// The share of the time that the last known sample ends.
    pub until: f64,
}

impl Known {
    /// Everything is known.
    pub const ALL: Self = Self { share: 1.0, until: 1.0 };
    /// Of a series of `rows` rows over the time `from_s..to_s`, of which these points are known, in order of time.
    ///
    /// A row that is not there is as little known as one that is empty, so the time counts: a point speaks for ten times the usual
    /// distance to the next one, at most.
    #[must_use]
    pub fn of(points: &[(f64, f64)], rows: usize, (from_s, to_s): (f64, f64)) -> Self {
        let span_s = to_s - from_s;
        if points.is_empty() || span_s <= 0.0 {
            return Self { share: points.len() as f64 / rows.max(1) as f64, until: 1.0 };
        }
        let mut distances: Vec<f64> = points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        distances.retain(|distance| *distance > 0.0);
        let most = if distances.is_empty() { 0.0 } else { 10.0 * median(&mut distances) };
        let covered: f64 = distances.iter().map(|distance| distance.min(most)).sum();
        let of_rows = points.len() as f64 / rows.max(1) as f64;
        let until = (points[points.len() - 1].0 - from_s) / span_s;
        Self { share: of_rows.min(covered / span_s), until }
    }

    /// What is not known up to here has vanished.
    pub(crate) const ENOUGH_UNTIL: f64 = 0.9;
}

impl Growth {
    /// Of points (seconds, value) that are judged from `from_s` on, the first of them being the baseline; what is before it is
    /// warm-up. What lies in `excluded` is left out of the shape and of the steady rate.
    #[must_use]
    pub fn of(points: &[(f64, f64)], from_s: f64, excluded: &[Excluded]) -> Self {
        Self::of_stages(points, from_s, excluded, &[])
    }

    /// The same of a subject that was given more to do at the times `stages_s`: what it rose by then is no growth.
    #[must_use]
    pub fn of_stages(points: &[(f64, f64)], from_s: f64, excluded: &[Excluded], stages_s: &[f64]) -> Self {
        let all = ordered(points, &[]);
        let judged = &all[all.partition_point(|(at_s, _)| *at_s < from_s)..];
        let (first, last) = (judged.first(), judged.last());
        let cumulative = first.zip(last).filter(|(first, last)| last.0 > first.0);
        let growth = Self {
            baseline: first.map(|(_, value)| *value),
            last: last.map(|(_, value)| *value),
            cumulative_per_min: cumulative.map(|(first, last)| (last.1 - first.1) / (last.0 - first.0) * 60.0),
            minutes: first.zip(last).map_or(0.0, |(first, last)| (last.0 - first.0) / 60.0),
            ..Self::default()
        };
        growth.with_rate(&levelled(&ordered(&all, excluded), stages_s), from_s)
    }

    fn with_rate(mut self, points: &[(f64, f64)], from_s: f64) -> Self {
        let (warmup, judged) = points.split_at(points.partition_point(|(at_s, _)| *at_s < from_s));
        if let Err(reason) = check(judged) {
            // What cannot have a rate has no shape either.
            return Self { steady_missing: Some(reason.to_string()), ..self };
        }
        let Shaped { shape, points, breaks, from_s, doubt, aside } = shape(warmup, judged);
        let part = &points[points.partition_point(|(at_s, _)| *at_s < from_s)..];
        match trend_between(part, &breaks, doubt) {
            Ok(trend) => {
                self.steady = Some(Trend { samples: judged.len(), ..trend });
                self.floor_per_min = floor_per_min(part);
                (self.shape, self.steady_from_s, self.aside) = (Some(shape), Some(from_s), aside);
            }
            Err(reason) => self.steady_missing = Some(reason.to_string()),
        }
        self
    }
}

/// From the lowest tenth of the first quarter to that of the last.
fn floor_per_min(points: &[(f64, f64)]) -> Option<f64> {
    let quarter = points.len() / 4;
    if quarter < 2 {
        return None;
    }
    let floor = |points: &[(f64, f64)]| {
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let tenth = values.len() / 10;
        nth(&mut values, tenth)
    };
    let (first, last) = (&points[..quarter], &points[points.len() - quarter..]);
    let minutes = (last[0].0 - first[0].0) / 60.0;
    (minutes > 0.0).then(|| (floor(last) - floor(first)) / minutes)
}
