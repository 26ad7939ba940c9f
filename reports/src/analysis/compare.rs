//! One arm against another: of the same run, or of two runs.
//!
//! Every quantity is one of which less is better. Its difference and ratio travel with 95 % intervals, by the method that fits what
//! is known of it: slopes and shares by their own intervals ([`super::estimate`]), sums over time by batches
//! (`batches`). Where many quantities are compared at once, some differ by chance: a difference counts as
//! **significant** only at a level divided by their number (Bonferroni), which is wider than the interval shown.
//!
//! Not compared: what is not known of either, which says why; nothing is assumed in its place.

use serde::{Deserialize, Serialize};

use super::batches::{self, BATCHES, Batches, Contrast};
use super::estimate::{ALPHA, Estimate};
use super::growth::{Metric, Window};
use super::lives::Life;
use super::reading::Growth;
use super::timeline::Timeline;
use crate::record::Recording;
use crate::record::samples::Sample;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Steady rate of open descriptors, per minute.
    FdGrowth,
    /// Steady rate of live tasks, per minute.
    TaskGrowth,
    /// Steady rate of threads, per minute.
    ThreadGrowth,
    /// Processor seconds per million lines that reached the sink.
    CpuPerMillionLines,
    /// Resident memory, bytes, mean over the judged time.
    Memory,
    /// Median latency of the lines of a checkpoint, microseconds, mean over the checkpoints.
    LatencyP50,
    /// 99th percentile of the same.
    LatencyP99,
    /// Lines lost, percent.
    Loss,
}

/// One quantity of two arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Which.
    pub quantity: Quantity,
    /// Of `reference`, `subject` and `difference`.
    pub unit: String,
    /// What it is compared with.
    pub reference: Option<Estimate>,
    /// What is compared.
    pub subject: Option<Estimate>,
    /// `subject - reference`.
    pub difference: Option<Estimate>,
    /// `subject / reference`; `None` also where either may be 0.
    pub ratio: Option<Estimate>,
    /// The difference is none of chance, at the level that allows for the number of comparisons.
    pub significant: bool,
    /// Why there is no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What is compared of an arm.
#[derive(Debug)]
pub struct Profile<'a> {
    recording: &'a Recording,
    arm: &'a str,
    window: Window<'a>,
    growths: Vec<(Metric, Growth)>,
}

impl Quantity {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::FdGrowth,
        Self::TaskGrowth,
        Self::ThreadGrowth,
        Self::CpuPerMillionLines,
        Self::Memory,
        Self::LatencyP50,
        Self::LatencyP99,
        Self::Loss,
    ];

    /// The unit of its values.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::FdGrowth | Self::TaskGrowth | Self::ThreadGrowth => "per minute",
            Self::CpuPerMillionLines => "CPU seconds per million lines",
            Self::Memory => "bytes",
            Self::LatencyP50 | Self::LatencyP99 => "microseconds",
            Self::Loss => "percent",
        }
    }

    /// The metric whose steady rate it is.
    #[must_use]
    pub fn metric(self) -> Option<Metric> {
        match self {
            Self::FdGrowth => Some(Metric::Fds),
            Self::TaskGrowth => Some(Metric::Tasks),
            Self::ThreadGrowth => Some(Metric::Threads),
            _ => None,
        }
    }
}

impl<'a> Profile<'a> {
    /// The judged time of an arm, and how it grew in it.
    #[must_use]
    pub fn of(recording: &'a Recording, timeline: &Timeline, arm: &'a str, growths: Vec<(Metric, Growth)>) -> Self {
        let lives = Life::all_of(recording, arm);
        Self { recording, arm, window: Window::of_arm(recording, timeline, arm, &lives), growths }
    }

    /// Every quantity of `self` against that of `reference`, `among` so many comparisons in all.
    #[must_use]
    pub fn against(&self, reference: &Self, among: usize) -> Vec<Comparison> {
        Quantity::ALL.iter().map(|quantity| self.compare(reference, *quantity, ALPHA / among.max(1) as f64)).collect()
    }

    fn compare(&self, reference: &Self, quantity: Quantity, strict: f64) -> Comparison {
        let times = if self.is_same_run(reference) { self.common_time(reference) } else { None };
        let (ours, theirs) = (self.known(quantity, times), reference.known(quantity, times));
        let contrast = |alpha| {
            ours.as_ref().ok().zip(theirs.as_ref().ok()).and_then(|(a, b)| a.against(b, times.is_some(), alpha))
        };
        let shown = contrast(ALPHA);
        let missing = || {
            let why = |side: &Self, known: &Result<Known, String>| {
                known.as_ref().err().map(|why| format!("{}: {why}", side.arm))
            };
            why(self, &ours)
                .or(why(reference, &theirs))
                .unwrap_or_else(|| "too few samples to say how much they vary".to_owned())
        };
        Comparison {
            quantity,
            unit: quantity.unit().to_owned(),
            reference: theirs.as_ref().ok().and_then(Known::estimate),
            subject: ours.as_ref().ok().and_then(Known::estimate),
            missing: shown.is_none().then(missing),
            significant: contrast(strict).is_some_and(|contrast| contrast.difference.is_not_zero()),
            difference: shown.as_ref().map(|contrast| contrast.difference),
            ratio: shown.and_then(|contrast| contrast.ratio),
        }
    }

    fn is_same_run(&self, other: &Self) -> bool {
        self.recording.info.run_id == other.recording.info.run_id
    }

    fn time(&self) -> Option<(f64, f64)> {
        let steady = &self.window.steady;
        Some((steady.first()?.elapsed_s, steady.last()?.elapsed_s))
    }

    /// When both were measured; `None`: never at once.
    fn common_time(&self, other: &Self) -> Option<(f64, f64)> {
        let (a, b) = self.time().zip(other.time())?;
        let (from_s, to_s) = (a.0.max(b.0), a.1.min(b.1));
        (from_s < to_s).then_some((from_s, to_s))
    }

    fn known(&self, quantity: Quantity, times: Option<(f64, f64)>) -> Result<Known, String> {
        if let Some(metric) = quantity.metric() {
            let growth = self.growths.iter().find(|(of, _)| *of == metric).map(|(_, growth)| growth);
            let growth = growth.ok_or("it was not judged")?;
            let missing = || growth.steady_missing.clone().unwrap_or_else(|| "no steady rate".to_owned());
            let steady = growth.steady.ok_or_else(missing)?;
            return Ok(Known::Bounded(Estimate { value: steady.per_min, low: steady.low, high: steady.high }));
        }
        let times = times.or(self.time()).ok_or("nothing of it was judged")?;
        match quantity {
            Quantity::CpuPerMillionLines => Ok(Known::Batched(self.cpu(times))),
            Quantity::Memory => Ok(Known::Batched(self.memory(times))),
            Quantity::LatencyP50 => self.latency(times, |row| row.p50_us),
            Quantity::LatencyP99 => self.latency(times, |row| row.p99_us),
            _ => self.loss(),
        }
    }

    fn loss(&self) -> Result<Known, String> {
        let ledger = self
            .recording
            .ledger
            .as_ref()
            .filter(|ledger| ledger.complete)
            .ok_or("the sink's account is not complete")?;
        let account =
            ledger.arms.iter().find(|account| account.arm == self.arm).ok_or("the sink has no account of it")?;
        Ok(Known::Share(account.total.lost, account.total.expected))
    }

    fn latency(
        &self,
        (from_s, to_s): (f64, f64),
        quantile: impl Fn(&crate::record::checkpoints::LatencyRow) -> u64,
    ) -> Result<Known, String> {
        if self.recording.latency.is_empty() {
            return Err("latency was not recorded by checkpoint".to_owned());
        }
        let times = self.recording.checkpoints.iter().filter(|row| row.arm == self.arm);
        let within = times.filter(|row| (from_s..=to_s).contains(&row.elapsed_s)).map(|row| row.checkpoint);
        let rows = self.recording.latency.iter().filter(|row| row.arm == self.arm);
        let by_checkpoint: std::collections::BTreeMap<u32, f64> =
            rows.map(|row| (row.checkpoint, quantile(row) as f64)).collect();
        Ok(Known::Batched(within.map(|number| by_checkpoint.get(&number).map(|us| (*us, 1.0))).collect()))
    }

    fn memory(&self, times: (f64, f64)) -> Batches {
        let sum = |batch: &[&Sample]| {
            let known = batch.iter().filter_map(|sample| sample.rss_bytes);
            let (sum, count) = known.fold((0.0, 0.0), |(sum, count), bytes| (sum + bytes as f64, count + 1.0));
            (count > 0.0).then_some((sum, count))
        };
        self.batches(times, sum)
    }

    fn cpu(&self, times: (f64, f64)) -> Batches {
        let read =
            |sample: &&Sample| Some((sample.cpu_user_s? + sample.cpu_sys_s?, sample.lines_delivered? as f64 / 1e6));
        let increase = |batch: &[&Sample]| {
            let mut known = batch.iter().filter_map(read);
            let first = known.next()?;
            let last = known.next_back()?;
            Some((last.0 - first.0, last.1 - first.1))
        };
        self.batches(times, increase)
    }

    /// What `of` says of each batch: of the samples in it, and the one that the next begins with, so that nothing falls between.
    fn batches(&self, (from_s, to_s): (f64, f64), of: impl Fn(&[&Sample]) -> Option<(f64, f64)>) -> Batches {
        let samples = &self.window.steady;
        let at = |part: usize| {
            samples.partition_point(|sample| sample.elapsed_s < from_s + (to_s - from_s) * part as f64 / BATCHES as f64)
        };
        (0..BATCHES)
            .map(|part| {
                let end = (at(part + 1) + 1).min(samples.len());
                of(&samples[at(part).min(end)..end])
            })
            .collect()
    }
}

/// What is known of a quantity, in the form that its method takes.
enum Known {
    /// With an interval of its own.
    Bounded(Estimate),
    /// So many of so many.
    Share(u64, u64),
    /// Sums by batches.
    Batched(Batches),
}

impl Known {
    fn at(&self, alpha: f64) -> Option<Estimate> {
        match self {
            Self::Bounded(estimate) => Some(estimate.at(alpha)),
            Self::Share(part, all) => Estimate::share(*part, *all, alpha).map(|share| share.map(|share| share * 100.0)),
            Self::Batched(batches) => batches::estimate(batches, alpha),
        }
    }

    fn estimate(&self) -> Option<Estimate> {
        self.at(ALPHA)
    }

    fn against(&self, reference: &Self, same_time: bool, alpha: f64) -> Option<Contrast> {
        match (self, reference) {
            (Self::Batched(ours), Self::Batched(theirs)) if same_time => batches::paired(ours, theirs, alpha),
            (Self::Batched(ours), Self::Batched(theirs)) => batches::unpaired(ours, theirs, alpha),
            _ => {
                let (ours, theirs) = self.at(alpha).zip(reference.at(alpha))?;
                Some(Contrast { difference: ours.minus(theirs), ratio: ours.over(theirs) })
            }
        }
    }
}
