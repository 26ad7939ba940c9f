//! The rates of one metric while the run lives: what a checkpoint row shows.
//!
//! Memory is bounded whatever the length of the run: once there are 1,024 points, neighbours are joined in pairs, and
//! each new point stands for twice as many samples. The verdict is computed from the recording, not from here.

use super::trend::slope;

/// Points kept at most.
const KEEP: usize = 1_024;

/// Collects one metric of one subject, sample by sample.
#[derive(Debug, Clone)]
pub struct RateTracker {
    warmup_s: f64,
    /// (seconds, value); each the mean of `stride` samples.
    points: Vec<(f64, f64)>,
    stride: u32,
    /// Samples that do not make a point yet: how many, and their sums.
    open: (u32, f64, f64),
    baseline: Option<(f64, f64)>,
    last: Option<(f64, f64)>,
}

/// What a checkpoint row says of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Difference to the baseline.
    pub delta: f64,
    /// `delta` over the minutes since the baseline; `None` at the baseline itself.
    pub cumulative_per_min: Option<f64>,
    /// Theil-Sen slope since the baseline; `None` as long as there are too few samples.
    pub steady_per_min: Option<f64>,
}

impl RateTracker {
    /// For a subject whose warm-up ends at `warmup_s`, in the time that samples are pushed with.
    #[must_use]
    pub fn new(warmup_s: f64) -> Self {
        Self { warmup_s, points: Vec::new(), stride: 1, open: (0, 0.0, 0.0), baseline: None, last: None }
    }

    /// Adds a known value; times do not go backwards. The last one of warm-up, or else the first, is the baseline.
    pub fn push(&mut self, elapsed_s: f64, value: f64) {
        let sample = (elapsed_s, value);
        self.last = Some(sample);
        if elapsed_s <= self.warmup_s || self.baseline.is_none() {
            self.baseline = Some(sample);
            self.points.clear();
        }
        let (count, times, values) = self.open;
        self.open = (count + 1, times + elapsed_s, values + value);
        if self.open.0 == self.stride {
            self.close();
        }
        if self.points.len() == KEEP {
            self.points = self.points.chunks(2).map(|pair| mean(pair[0], pair[1])).collect();
            self.stride *= 2;
        }
    }

    /// The value at the end of warm-up.
    #[must_use]
    pub fn baseline(&self) -> Option<f64> {
        self.baseline.map(|(_, value)| value)
    }

    /// What it keeps of the samples since the baseline, as (seconds, value).
    #[must_use]
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The rates as of the last sample; `None` before the first.
    #[must_use]
    pub fn rates(&self) -> Option<Rates> {
        let ((start_s, baseline), (end_s, last)) = self.baseline.zip(self.last)?;
        let delta = last - baseline;
        let minutes = (end_s - start_s) / 60.0;
        let enough = self.points.len() >= super::trend::MIN_SAMPLES;
        Some(Rates {
            delta,
            cumulative_per_min: (minutes > 0.0).then(|| delta / minutes),
            steady_per_min: slope(&self.points).filter(|_| enough).map(|per_s| per_s * 60.0),
        })
    }

    fn close(&mut self) {
        let (count, times, values) = std::mem::take(&mut self.open);
        self.points.push((times / f64::from(count), values / f64::from(count)));
    }
}

fn mean(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (f64::midpoint(a.0, b.0), f64::midpoint(a.1, b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(ticks: u32, every_s: f64, value: impl Fn(f64) -> f64) -> RateTracker {
        let mut tracker = RateTracker::new(120.0);
        for tick in 0..=ticks {
            let elapsed_s = f64::from(tick) * every_s;
            tracker.push(elapsed_s, value(elapsed_s));
        }
        tracker
    }

    #[test]
    fn the_last_value_of_warm_up_is_the_baseline() {
        let tracker = tracked(300, 1.0, |time| if time < 120.0 { time } else { 120.0 });
        assert_eq!(tracker.baseline(), Some(120.0));
        let rates = tracker.rates().unwrap();
        assert_eq!(rates, Rates { delta: 0.0, cumulative_per_min: Some(0.0), steady_per_min: Some(0.0) });
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_say() {
        assert_eq!(RateTracker::new(10.0).rates(), None);
        let rates = tracked(60, 1.0, |_| 5.0).rates().unwrap();
        assert_eq!(rates, Rates { delta: 0.0, cumulative_per_min: None, steady_per_min: None });
    }

    #[test]
    fn a_step_converges_as_a_cumulative_rate_and_is_none_as_a_steady_one() {
        let after = |minutes: u32| tracked(60 * (minutes + 2), 1.0, |time| if time > 240.0 { 49.0 } else { 40.0 });
        let cumulative = [10, 20, 30].map(|minutes| after(minutes).rates().unwrap().cumulative_per_min.unwrap());
        assert_eq!(cumulative.map(|rate| format!("{rate:.2}")), ["0.90", "0.45", "0.30"]);
        assert_eq!(after(30).rates().unwrap().steady_per_min, Some(0.0));
    }

    #[test]
    fn two_days_take_bounded_memory_and_keep_the_rate() {
        let tracker = tracked(345_600, 0.5, |time| 12.0 + time * 0.3 / 60.0);
        assert!(tracker.points.len() < KEEP);
        let steady = tracker.rates().unwrap().steady_per_min.unwrap();
        assert!((steady - 0.3).abs() < 1e-6, "{steady}");
    }
}
