//! Estimates with their intervals, and what two of them say of each other.
//!
//! - **Difference and ratio of two estimates that have intervals already** (slopes, shares): the method of variance estimates
//!   recovery, which takes the distance of each bound from its estimate for what the estimate may be off by (Zou, G. Y. & Donner,
//!   A., 2008, Statistics in Medicine 27, 1693-1702; the ratio: Donner & Zou, 2012, Statistical Methods in Medical Research
//!   21, 347-359). It takes them for independent: of two arms that were disturbed together the interval is too wide, not too narrow.
//! - **Share** of lines lost: Wilson's score interval (1927, JASA 22, 209-212); with the above for a difference it is Newcombe's
//!   (1998, Statistics in Medicine 17, 873-890).
//! - **Quantiles** of the normal and of Student's distribution: Abramowitz & Stegun (1964), 26.2.23 and 26.7.5.
//!
//! Nothing here knows what is compared.

use serde::{Deserialize, Serialize};

/// The level that every interval shown has: 1 - 0.05.
pub const ALPHA: f64 = 0.05;

/// A value and the bounds that it is known within.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Estimate {
    /// `value` within `reach` of itself.
    #[must_use]
    pub fn within(value: f64, reach: f64) -> Self {
        Self { value, low: value - reach, high: value + reach }
    }

    /// The share of `part` in `all`, at a level of `1 - alpha`; `None` of nothing.
    #[must_use]
    pub fn share(part: u64, all: u64, alpha: f64) -> Option<Self> {
        if all == 0 {
            return None;
        }
        let (n, p, z) = (all as f64, part.min(all) as f64 / all as f64, normal_quantile(alpha));
        let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let reach = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        // Rounding must not put the share itself outside.
        Some(Self { value: p, low: (centre - reach).clamp(0.0, p), high: (centre + reach).clamp(p, 1.0) })
    }

    /// An interval of the level `1 - ALPHA` at another one, by the quantiles of the normal distribution.
    #[must_use]
    pub fn at(self, alpha: f64) -> Self {
        let by = normal_quantile(alpha) / normal_quantile(ALPHA);
        let Self { value, low, high } = self;
        Self { value, low: value - (value - low) * by, high: value + (high - value) * by }
    }

    /// `self - other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let value = self.value - other.value;
        let below = (self.value - self.low).hypot(other.high - other.value);
        let above = (self.high - self.value).hypot(other.value - other.low);
        Self { value, low: value - below, high: value + above }
    }

    /// `self / other`; `None` where either may be 0 or less, and a ratio says nothing.
    #[must_use]
    pub fn over(self, other: Self) -> Option<Self> {
        if self.low <= 0.0 || other.low <= 0.0 {
            return None;
        }
        let product = self.value * other.value;
        // With `a` in the numerator: the bound of the ratio that belongs to the bounds `a` and `b` of the two.
        let root =
            |a: f64, b: f64| (product * product - a * b * (2.0 * self.value - a) * (2.0 * other.value - b)).sqrt();
        let below = |a: f64, b: f64| (product - root(a, b)) / (b * (2.0 * other.value - b));
        let above = |a: f64, b: f64| (product + root(a, b)) / (b * (2.0 * other.value - b));
        let estimate = Self {
            value: self.value / other.value,
            low: below(self.low, other.high),
            high: above(self.high, other.low),
        };
        // Bounds twice as far as the value and more have no solution there.
        let sound = estimate.low.is_finite() && estimate.high.is_finite() && estimate.low <= estimate.value;
        (sound && estimate.value <= estimate.high).then_some(estimate)
    }

    /// It lies wholly above or wholly below 0.
    #[must_use]
    pub fn is_not_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// With everything in it put through `scale`, which does not fall.
    #[must_use]
    pub fn map(self, scale: impl Fn(f64) -> f64) -> Self {
        Self { value: scale(self.value), low: scale(self.low), high: scale(self.high) }
    }
}

/// What a normal variable exceeds, in size, with the probability `alpha`.
fn normal_quantile(alpha: f64) -> f64 {
    let t = (-2.0 * (alpha / 2.0).ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - numerator / denominator
}

/// The same of Student's distribution with so many degrees of freedom.
pub(super) fn student_quantile(alpha: f64, freedom: f64) -> f64 {
    let z = normal_quantile(alpha);
    let odd = |power: i32| z.powi(power);
    let terms = [
        (odd(3) + z) / 4.0,
        (5.0 * odd(5) + 16.0 * odd(3) + 3.0 * z) / 96.0,
        (3.0 * odd(7) + 19.0 * odd(5) + 17.0 * odd(3) - 15.0 * z) / 384.0,
        (79.0 * odd(9) + 776.0 * odd(7) + 1_482.0 * odd(5) - 1_920.0 * odd(3) - 945.0 * z) / 92_160.0,
    ];
    terms.iter().zip(1_i32..).fold(z, |sum, (term, power)| sum + term / freedom.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (alpha, table) in [(0.05, 1.960), (0.01, 2.576), (0.001, 3.291)] {
            assert!((normal_quantile(alpha) - table).abs() < 0.001, "{alpha}");
        }
        for (alpha, freedom, table) in
            [(0.05, 4.0, 2.776), (0.05, 19.0, 2.093), (0.01, 9.0, 3.250), (0.002, 4.0, 7.173)]
        {
            assert!((student_quantile(alpha, freedom) / table - 1.0).abs() < 0.01, "{alpha} {freedom}");
        }
    }

    #[test]
    fn newcombe_s_worked_example_comes_out() {
        // Newcombe (1998), table II, method 10: 56/70 - 48/80 = 0.2000, 0.0524 to 0.3339.
        let difference = Estimate::share(56, 70, ALPHA).unwrap().minus(Estimate::share(48, 80, ALPHA).unwrap());
        let rounded = difference.map(|x| (x * 1e3).round() / 1e3);
        assert_eq!(rounded, Estimate { value: 0.2, low: 0.052, high: 0.334 });
    }

    #[test]
    fn a_ratio_with_what_may_be_nothing_is_none() {
        let sure = Estimate::within(10.0, 1.0);
        assert_eq!(sure.over(Estimate::within(1.0, 1.0)), None);
        assert_eq!(Estimate::within(0.0, 0.5).over(sure), None);
        let ratio = sure.over(Estimate::within(5.0, 0.5)).unwrap();
        assert!((ratio.value - 2.0).abs() < 1e-12 && ratio.low > 1.7 && ratio.high < 2.4, "{ratio:?}");
    }

    proptest! {
        #[test]
        fn a_difference_turned_round_is_the_same_with_its_sign_turned(
            a in -1e6..1e6_f64, b in -1e6..1e6_f64, below in 0.0..1e3_f64, above in 0.0..1e3_f64,
        ) {
            let (a, b) = (Estimate { value: a, low: a - below, high: a + above }, Estimate::within(b, above));
            let (one, other) = (a.minus(b), b.minus(a));
            prop_assert_eq!((one.value, one.low, one.high), (-other.value, -other.high, -other.low));
            prop_assert!(one.low <= one.value && one.value <= one.high);
        }

        #[test]
        fn a_ratio_lies_within_its_bounds_and_they_within_the_extremes(
            a in 1.0..1e6_f64, b in 1.0..1e6_f64, of_a in 0.0..0.9_f64, of_b in 0.0..0.9_f64,
        ) {
            let (a, b) = (Estimate::within(a, a * of_a), Estimate::within(b, b * of_b));
            if let Some(ratio) = a.over(b) {
                prop_assert!(ratio.low <= ratio.value && ratio.value <= ratio.high, "{ratio:?}");
                let slack = 1.0 + 1e-9;
                prop_assert!(ratio.low * slack >= a.low / b.high && ratio.high <= a.high / b.low * slack, "{ratio:?}");
            }
        }

        #[test]
        fn a_share_is_within_its_bounds_and_they_between_none_and_all(part in 0_u64..10_000, more in 0_u64..1_000_000) {
            let share = Estimate::share(part, part + more, ALPHA);
            prop_assert_eq!(share.is_none(), part + more == 0);
            if let Some(share) = share {
                prop_assert!(0.0 <= share.low && share.low <= share.value && share.value <= share.high && share.high <= 1.0);
            }
        }
    }
}
