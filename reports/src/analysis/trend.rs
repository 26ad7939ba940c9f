//! The steady rate: a slope that a few odd samples cannot move, and its 95 % interval.
//!
//! - **Slope**: Theil-Sen, the median of the slopes of all pairs of samples (Sen, P. K., 1968, JASA 63, 1379-1389), the pairs
//!   between which a step lies left out: then each stretch between steps is a stratum of its own, as the seasons are in Hirsch,
//!   Slack & Smith (1982, Water Resources Research 18, 107-121).
//! - **Interval**: Sen's, from the ranks of those slopes, its width from the variance of Kendall's S with ties
//!   (Gilbert, R. O., 1987, Statistical Methods for Environmental Pollution Monitoring, section 16.4).
//! - **Autocorrelation**: that variance is multiplied by the correction of Hamed & Rao (1998, J. Hydrology 204, 182-196) from
//!   the autocorrelation of the ranks of the detrended samples; `Correlations` below says where it differs.
//! - **Long series** are thinned first to at most [`MAX_POINTS`] stretches of equal length, each to the mean of its middle half:
//!   all pairs of 34,560 samples would be 600 million slopes. For a trend nothing is lost but jitter.
//!
//! Not done: naming the shape of a growth, which is `shape`'s. A step that nobody names shows as a slope here.

use super::series::{median, midmean, nth, ordered, thin};
use crate::words::counted;

/// A steady rate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Trend {
    /// Theil-Sen slope.
    pub per_min: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// How many samples it was computed from, before thinning.
    pub samples: usize,
}

/// Why there is no trend.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoTrend {
    /// There are too few samples to say anything.
    #[error("{} after warm-up, too few: a trend takes {MIN_SAMPLES}", counted(*samples as u64, "sample"))]
    TooFew {
        /// How many there are.
        samples: usize,
    },
    /// A time or a value is not a number.
    #[error("a sample is not a finite number")]
    NotFinite,
    /// A value is so large that its square is no number.
    #[error("a value is too large to be judged")]
    TooLarge,
    /// All samples are of the same moment.
    #[error("all samples have the same time")]
    NoTime,
    /// The samples follow each other so closely that they hold too little of independent information for an interval.
    #[error("the {samples} samples depend on each other so much that they bound no rate")]
    Dependent {
        /// How many there are.
        samples: usize,
    },
}

/// Fewer samples give no trend.
pub const MIN_SAMPLES: usize = 10;
/// Longer series are thinned to this many points: 45 thousand pairs, a millisecond.
pub const MAX_POINTS: usize = 300;
/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_985;

/// The steady rate of a series of (seconds, value), in units of the value per minute.
///
/// # Errors
/// [`NoTrend`], where the series does not allow one.
pub fn trend(points: &[(f64, f64)]) -> Result<Trend, NoTrend> {
    check(points)?;
    trend_between(&ordered(points, &[]), &[], Doubt::default())
}

/// What the points themselves do not show of how unsure their trend is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// The variance of the noise is so many times what is left of it.
    pub(super) narrowed: f64,
    /// By how much their last value may be off against their first beside all noise.
    pub(super) slack: f64,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { narrowed: 1.0, slack: 0.0 }
    }
}

/// Of points in order of time, slopes being taken only between two that no break lies between.
pub(super) fn trend_between(points: &[(f64, f64)], breaks: &[f64], doubt: Doubt) -> Result<Trend, NoTrend> {
    let samples = points.len();
    if samples < MIN_SAMPLES {
        return Err(NoTrend::TooFew { samples });
    }
    let points = thin(points, MAX_POINTS, midmean);
    let strata = strata(&points, breaks);
    let mut slopes = pair_slopes(&strata);
    if slopes.is_empty() {
        return Err(NoTrend::NoTime);
    }
    let slope = median(&mut slopes);
    let reach = Z * (variance(&strata, slope) * doubt.narrowed).sqrt();
    let (below, above) = interval_ranks(reach, slopes.len()).ok_or(NoTrend::Dependent { samples })?;
    let slack = doubt.slack / (points[points.len() - 1].0 - points[0].0);
    let low = slope - (slope - nth(&mut slopes, below)).hypot(slack);
    let high = slope + (nth(&mut slopes, above) - slope).hypot(slack);
    Ok(Trend { per_min: slope * 60.0, low: low * 60.0, high: high * 60.0, samples })
}

/// The slope alone, in units per second; `None` where no two samples differ in time. Points are in order of time.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    slope_between(points, &[])
}

/// The same, from pairs that no break lies between.
pub(super) fn slope_between(points: &[(f64, f64)], breaks: &[f64]) -> Option<f64> {
    let points = thin(points, MAX_POINTS, midmean);
    let mut slopes = pair_slopes(&strata(&points, breaks));
    (!slopes.is_empty()).then(|| median(&mut slopes))
}

pub(super) fn check(points: &[(f64, f64)]) -> Result<(), NoTrend> {
    if points.iter().any(|(time, value)| !time.is_finite() || !value.is_finite()) {
        return Err(NoTrend::NotFinite);
    }
    if points.iter().any(|(_, value)| value.abs() > f64::MAX.sqrt() / 1e6) {
        return Err(NoTrend::TooLarge);
    }
    if points.len() < MIN_SAMPLES { Err(NoTrend::TooFew { samples: points.len() }) } else { Ok(()) }
}

/// The stretches between breaks.
fn strata<'a>(points: &'a [(f64, f64)], breaks: &[f64]) -> Vec<&'a [(f64, f64)]> {
    let stratum = |point: &(f64, f64)| breaks.partition_point(|at_s| *at_s <= point.0);
    points.chunk_by(|a, b| stratum(a) == stratum(b)).collect()
}

fn pair_slopes(strata: &[&[(f64, f64)]]) -> Vec<f64> {
    let mut slopes =
        Vec::with_capacity(strata.iter().map(|points| points.len() * points.len().saturating_sub(1) / 2).sum());
    for points in strata {
        for (at, (time, value)) in points.iter().enumerate() {
            let later = points[at + 1..].iter().filter(|(later, _)| later > time);
            slopes.extend(later.map(|(later, then)| (then - value) / (later - time)));
        }
    }
    slopes
}

/// Which of `slopes` sorted slopes bound the interval, counted from 0. `None`: it is wider than all of them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both ranks lie within 0..slopes")]
fn interval_ranks(reach: f64, slopes: usize) -> Option<(usize, usize)> {
    if reach <= 0.0 {
        return Some(((slopes - 1) / 2, slopes / 2));
    }
    let all = slopes as f64;
    // Gilbert's M1-th and (M2 + 1)-th smallest; rounded outwards.
    let below = f64::midpoint(all, -reach).floor() - 1.0;
    let above = f64::midpoint(all, reach).ceil();
    (below >= 0.0 && above < all).then_some((below as usize, above as usize))
}

/// Variance of Kendall's S, summed over the strata (Hirsch, Slack & Smith, 1982), each with its correction for ties and for
/// autocorrelation.
fn variance(strata: &[&[(f64, f64)]], slope: f64) -> f64 {
    let mut residuals: Vec<f64> = Vec::new();
    for points in strata {
        let mut stratum: Vec<f64> = points.iter().map(|(time, value)| value - slope * time).collect();
        let middle = median(&mut stratum.clone());
        for value in &mut stratum {
            *value -= middle;
        }
        residuals.extend(stratum);
    }
    let lengths: Vec<usize> = strata.iter().map(|points| points.len()).collect();
    let correlations = Correlations::of(&ranks(&residuals), &lengths);
    strata
        .iter()
        .map(|points| {
            let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
            kendall_variance(&values) * correlations.inflation(points.len())
        })
        .sum()
}

/// Variance of Kendall's S for independent samples, with its correction for ties.
fn kendall_variance(values: &[f64]) -> f64 {
    let term = |size: f64| size * (size - 1.0) * (2.0 * size + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tie| term(tie.len() as f64)).sum();
    (term(values.len() as f64) - ties) / 18.0
}

/// How alike the ranks of neighbours are, by distance.
///
/// Hamed & Rao sum over all lags whose autocorrelation is significant. Here the sum runs over the lags before the first that is
/// not positive (the initial positive sequence of Geyer, 1992, Statistical Science 7, 473-483, in its simplest form):
/// single significant lags far out are noise, and a negative one would narrow the interval below that of
/// independent samples. In short series this is still too little, since removing the trend removes some of the
/// autocorrelation; so it is at least what an AR(1) process with the first lag's autocorrelation would give, that
/// one corrected for its bias of about -(2 + 4r)/n. `docs/statistics.md` has the coverage that this gives.
struct Correlations {
    measured: Vec<f64>,
    modelled: f64,
}

impl Correlations {
    /// Of ranks whose strata have these lengths; no pair spans two strata.
    fn of(ranks: &[f64], lengths: &[usize]) -> Self {
        let n = ranks.len() as f64;
        let mean = ranks.iter().sum::<f64>() / n;
        let centred: Vec<f64> = ranks.iter().map(|rank| rank - mean).collect();
        let variance: f64 = centred.iter().map(|x| x * x).sum();
        if variance <= 0.0 {
            return Self { measured: Vec::new(), modelled: 0.0 };
        }
        let correlation = |lag: usize| {
            let mut rest = &centred[..];
            let mut sum = 0.0;
            for &length in lengths {
                let (stratum, others) = rest.split_at(length);
                sum += stratum.iter().zip(stratum.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>();
                rest = others;
            }
            sum / variance
        };
        let first = correlation(1);
        let measured = (1..ranks.len()).map(correlation).take_while(|correlation| *correlation > 0.0).collect();
        Self { measured, modelled: (first + (2.0 + 4.0 * first) / n).clamp(0.0, 0.99) }
    }

    /// By how much the variance of S is larger than that of so many independent samples (n/n* of Hamed & Rao).
    fn inflation(&self, samples: usize) -> f64 {
        let n = samples as f64;
        if samples < 3 {
            return 1.0;
        }
        let modelled = std::iter::successors(Some(self.modelled), |power| Some(power * self.modelled));
        let inflation = |correlations: &mut dyn Iterator<Item = f64>| {
            let weighted = correlations.take(samples - 1).zip(1_u32..).map(|(correlation, lag)| {
                let left = n - f64::from(lag);
                left * (left - 1.0) * (left - 2.0) * correlation
            });
            1.0 + 2.0 * weighted.sum::<f64>() / (n * (n - 1.0) * (n - 2.0))
        };
        inflation(&mut self.measured.iter().copied()).max(inflation(&mut modelled.take_while(|power| *power > 1e-6)))
    }
}

/// The rank of each value, from 1; ties share the mean of theirs. Values closer than rounding can tell apart are tied.
fn ranks(values: &[f64]) -> Vec<f64> {
    let scale = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tie in order.chunk_by(|&a, &b| values[b] - values[a] <= scale * 1e-12) {
        let rank = before as f64 + f64::midpoint(1.0, tie.len() as f64);
        for &at in tie {
            ranks[at] = rank;
        }
        before += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests;
