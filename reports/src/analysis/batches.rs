//! Ratios of sums (processor seconds per line, bytes per sample) and how sure they are, from batches of a run.
//!
//! Neighbouring samples depend on each other, so an interval is not computed from samples but from batches of them, long
//! enough to be nearly independent: at most 20, as Schmeiser found that more than 10 to 30 gain nothing (1982, Operations Research 30,
//! 556-568). The interval is the jackknife's over whole batches (Kuensch, H. R., 1989, Annals of Statistics 17, 1217-1241) with
//! Student's quantile. Two arms of one run were loaded and disturbed together: their batches of the same time are left out
//! together. Those of two runs are independent, with Welch's degrees of freedom (1947, Biometrika 34, 28-35).

use super::estimate::{Estimate, student_quantile};

/// Batches of one run at most.
pub(super) const BATCHES: usize = 20;
/// Fewer say nothing of how much they differ.
pub(super) const MIN_BATCHES: usize = 4;

/// Numerator and denominator of each batch; `None` where a batch has none. The same place is the same time.
pub(super) type Batches = Vec<Option<(f64, f64)>>;

/// A difference, and a ratio where one makes sense.
pub(super) struct Contrast {
    pub(super) difference: Estimate,
    pub(super) ratio: Option<Estimate>,
}

/// The ratio of the sums; `None` of too few batches.
pub(super) fn estimate(batches: &Batches, alpha: f64) -> Option<Estimate> {
    let known: Vec<_> = batches.iter().copied().flatten().collect();
    let spread = jackknife(known.len(), |left_out| ratio(&known, left_out))?;
    Some(spread.estimate(alpha, spread.freedom))
}

/// `subject` against `reference`, in batches of the same time.
pub(super) fn paired(subject: &Batches, reference: &Batches, alpha: f64) -> Option<Contrast> {
    let both = subject.iter().zip(reference).filter_map(|(a, b)| (*a).zip(*b));
    let (a, b): (Vec<_>, Vec<_>) = both.unzip();
    let contrast = |of: fn(f64, f64) -> f64| {
        let spread = jackknife(a.len(), |left_out| of(ratio(&a, left_out), ratio(&b, left_out)))?;
        Some(spread.estimate(alpha, spread.freedom))
    };
    Some(Contrast {
        difference: contrast(|a, b| a - b)?,
        ratio: contrast(|a, b| (a / b).ln()).map(|log| log.map(f64::exp)),
    })
}

/// `subject` against `reference`, from two runs.
pub(super) fn unpaired(subject: &Batches, reference: &Batches, alpha: f64) -> Option<Contrast> {
    let (a, b): (Vec<_>, Vec<_>) =
        (subject.iter().copied().flatten().collect(), reference.iter().copied().flatten().collect());
    let contrast = |of: fn(f64) -> f64| {
        let one = jackknife(a.len(), |left_out| of(ratio(&a, left_out)))?;
        let other = jackknife(b.len(), |left_out| of(ratio(&b, left_out)))?;
        let variance = one.variance + other.variance;
        let squared = |spread: &Spread| spread.variance.powi(2) / spread.freedom;
        let freedom = variance.powi(2) / (squared(&one) + squared(&other));
        let freedom = if freedom.is_finite() { freedom } else { one.freedom };
        let difference = Spread { value: one.value - other.value, variance, freedom };
        Some(difference.estimate(alpha, freedom))
    };
    Some(Contrast { difference: contrast(|a| a)?, ratio: contrast(f64::ln).map(|log| log.map(f64::exp)) })
}

fn ratio(batches: &[(f64, f64)], left_out: Option<usize>) -> f64 {
    let kept = batches.iter().enumerate().filter(|(at, _)| Some(*at) != left_out);
    let (numerator, denominator) = kept.fold((0.0, 0.0), |(n, d), (_, batch)| (n + batch.0, d + batch.1));
    numerator / denominator
}

struct Spread {
    value: f64,
    variance: f64,
    freedom: f64,
}

impl Spread {
    fn estimate(&self, alpha: f64, freedom: f64) -> Estimate {
        Estimate::within(self.value, student_quantile(alpha, freedom) * self.variance.sqrt())
    }
}

/// A statistic of so many batches, and its variance from leaving out each once. `None`: too few, or none that is a number.
fn jackknife(batches: usize, statistic: impl Fn(Option<usize>) -> f64) -> Option<Spread> {
    if batches < MIN_BATCHES {
        return None;
    }
    let n = batches as f64;
    let left_out: Vec<f64> = (0..batches).map(|at| statistic(Some(at))).collect();
    let mean = left_out.iter().sum::<f64>() / n;
    let squares: f64 = left_out.iter().map(|value| (value - mean).powi(2)).sum();
    let spread = Spread { value: statistic(None), variance: (n - 1.0) / n * squares, freedom: n - 1.0 };
    (spread.value.is_finite() && spread.variance.is_finite()).then_some(spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::estimate::ALPHA;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Batches {
        values.iter().map(|value| Some((*value, 1.0))).collect()
    }

    #[test]
    fn of_a_mean_the_jackknife_is_the_textbook_s_interval() {
        // n = 5, mean 3, standard error sqrt(2.5 / 5), t(4) = 2.776.
        let mean = estimate(&of(&[1.0, 2.0, 3.0, 4.0, 5.0]), ALPHA).unwrap();
        assert!((mean.value - 3.0).abs() < 1e-12 && (mean.high - 4.963).abs() < 0.005, "{mean:?}");
    }

    #[test]
    fn what_disturbs_both_arms_of_a_run_does_not_widen_their_difference() {
        let load = [1.0, 9.0, 2.0, 7.0, 3.0, 8.0];
        let more: Vec<f64> = load.iter().zip([0.9, 1.1, 1.0, 0.95, 1.05, 1.0]).map(|(x, by)| x + by).collect();
        let paired = paired(&of(&more), &of(&load), ALPHA).unwrap().difference;
        let unpaired = unpaired(&of(&more), &of(&load), ALPHA).unwrap().difference;
        assert!(paired.low > 0.9 && paired.high < 1.1, "{paired:?}");
        assert!(unpaired.low < 0.0, "{unpaired:?}");
    }

    #[test]
    fn too_few_batches_and_such_without_a_denominator_say_nothing() {
        assert_eq!(estimate(&of(&[1.0, 2.0, 3.0]), ALPHA), None);
        assert_eq!(estimate(&vec![Some((1.0, 0.0)); 9], ALPHA), None);
        assert!(unpaired(&of(&[1.0; 5]), &Vec::new(), ALPHA).is_none());
        let still = unpaired(&of(&[1.0; 5]), &of(&[1.0; 5]), ALPHA).unwrap();
        assert_eq!(still.difference, Estimate::within(0.0, 0.0));
    }

    /// Seeded: a 95 % interval of the ratio of two noisy means holds the truth about as often as it says.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut noisy = |mean: f64| -> Batches {
            let noise = |random: &mut fastrand::Rng| (0..6).map(|_| random.f64() - 0.5).sum::<f64>();
            (0..BATCHES).map(|_| Some((mean + noise(&mut random), 1.0))).collect()
        };
        let held = (0..2_000)
            .filter(|_| {
                let contrast = unpaired(&noisy(12.0), &noisy(10.0), ALPHA).unwrap();
                let ratio = contrast.ratio.unwrap();
                ratio.low <= 1.2 && 1.2 <= ratio.high
            })
            .count();
        assert!((1_860..=1_960).contains(&held), "{held} of 2,000");
    }

    proptest! {
        #[test]
        fn no_batches_make_it_panic(
            a in proptest::collection::vec(proptest::option::of((any::<f64>(), any::<f64>())), 0..30),
            b in proptest::collection::vec(proptest::option::of((any::<f64>(), any::<f64>())), 0..30),
        ) {
            for contrast in [paired(&a, &b, ALPHA), unpaired(&a, &b, ALPHA)].into_iter().flatten() {
                prop_assert!(!contrast.difference.value.is_nan());
            }
        }
    }
}
