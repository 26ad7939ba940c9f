//! Whether FAIL is certain while a run still goes on: for `stop_when_decided`.
//!
//! Who looks often finds something by chance. So the 5 % are divided by the number of looks that the run has (Bonferroni; it is the
//! plainest of the spending functions of Lan & DeMets, 1983, Biometrika 70, 659-663, the same at every look) and by the two metrics
//! that are looked at; the interval widens accordingly. Chance is not all: a step, or a pool that fills, looks like a leak for as
//! long as it lasts. So nothing is decided before a quarter of the judged time, and then only what grows over the limit as a whole
//! and in each half. What is decided here is then judged by the verdict's own rules ([`certain`]), so that a run that was ended
//! is a run that failed.
//!
//! There is no early PASS: an arm that holds still may begin to leak in the next minute.

use leaksoak_scenarios::{Expect, Scenario};

use super::{Outcome, judge};
use crate::analysis::estimate::{ALPHA, Estimate};
use crate::analysis::rate_tracker::RateTracker;
use crate::analysis::trend::trend;
use crate::record::Recording;

/// Share of the judged time before which nothing is decided.
const NOT_BEFORE: f64 = 0.25;
/// Open descriptors and tasks.
const METRICS: f64 = 2.0;

/// When to look, and how sure to be.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlyStop {
    not_before_s: f64,
    alpha: f64,
    fds_per_min: f64,
    tasks_per_min: f64,
}

impl EarlyStop {
    /// As a scenario asks for it; `None`: it does not.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let seconds = |span: leaksoak_scenarios::Span| span.as_duration().as_secs_f64();
        let (warmup_s, duration_s) = (seconds(scenario.warmup), seconds(scenario.duration));
        let not_before_s = warmup_s + (duration_s - warmup_s) * NOT_BEFORE;
        let looks = ((duration_s - not_before_s) / seconds(scenario.checkpoint_every)).ceil().max(1.0);
        scenario.stop_when_decided.then_some(Self {
            not_before_s,
            alpha: ALPHA / looks / METRICS,
            fds_per_min: scenario.criteria.fd_growth_per_min,
            tasks_per_min: scenario.criteria.task_growth_per_min,
        })
    }

    /// Whether, at a checkpoint, an arm's growth is over its limit for certain.
    #[must_use]
    pub fn is_over(&self, elapsed_s: f64, fds: &RateTracker, tasks: &RateTracker) -> bool {
        elapsed_s >= self.not_before_s
            && (self.grows(fds.points(), self.fds_per_min) || self.grows(tasks.points(), self.tasks_per_min))
    }

    fn grows(&self, points: &[(f64, f64)], limit: f64) -> bool {
        let (first, last) = points.split_at(points.len() / 2);
        [points, first, last].into_iter().all(|part| {
            let trend =
                trend(part).ok().map(|trend| Estimate { value: trend.per_min, low: trend.low, high: trend.high });
            trend.is_some_and(|trend| trend.at(self.alpha).low > limit)
        })
    }
}

/// By the verdict's own rules: why every arm under test has failed; `None`: one has not.
#[must_use]
pub fn certain(recording: &Recording) -> Option<Vec<String>> {
    let verdict = judge(recording);
    let under_test = || verdict.arms.iter().filter(|arm| arm.expect == Expect::Pass);
    // Where none is under test, there is nothing to decide.
    let failed = under_test().next().is_some() && under_test().all(|arm| arm.outcome == Outcome::Fail);
    let told = |arm: &super::ArmVerdict| {
        let why: Vec<String> =
            arm.deciding().map(|result| format!("{}: {}", result.criterion.words(), result.reason)).collect();
        format!("{}: {}", arm.arm, why.join("; "))
    };
    failed.then(|| under_test().map(told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::{Overrides, load};

    /// 30 minutes, looked at every two.
    fn stop() -> EarlyStop {
        let set = vec!["stop_when_decided=true".to_owned()];
        EarlyStop::of(&load("soak-30m", &Overrides { set, ..Overrides::default() }).unwrap()).unwrap()
    }

    /// When a run of 30 minutes would have been ended, minutes; one sample in ten seconds, looked at every two minutes.
    fn ended(stop: &EarlyStop, mut value: impl FnMut(f64) -> f64) -> Option<u32> {
        let (mut fds, tasks) = (RateTracker::new(120.0), RateTracker::new(120.0));
        (10..=1_800).step_by(10).find_map(|second: u32| {
            let elapsed_s = f64::from(second);
            fds.push(elapsed_s, value(elapsed_s));
            (second.is_multiple_of(120) && stop.is_over(elapsed_s, &fds, &tasks)).then_some(second / 60)
        })
    }

    #[test]
    fn only_a_scenario_that_asks_for_it_is_ended() {
        assert_eq!(EarlyStop::of(&load("soak-30m", &Overrides::default()).unwrap()), None);
    }

    #[test]
    fn a_leak_is_decided_after_a_quarter_of_the_time() {
        assert_eq!(ended(&stop(), |time| (50.0 + time * 16.0 / 60.0).floor()), Some(10));
        assert_eq!(ended(&stop(), |time| (50.0 + time * 1.0 / 60.0).floor()), None, "it is under the limit");
    }

    #[test]
    fn what_looks_like_a_leak_for_a_while_is_not_decided() {
        for step_at in [200.0, 500.0, 590.0, 900.0, 1_400.0] {
            assert_eq!(ended(&stop(), |time| if time < step_at { 50.0 } else { 150.0 }), None, "a step at {step_at}");
        }
        assert_eq!(ended(&stop(), |time| (100.0 - 50.0 * (-time / 200.0).exp()).round()), None, "a pool that fills");
        for period_s in [70.0, 180.0, 290.0] {
            assert_eq!(ended(&stop(), |time| (50.0 + time % period_s / period_s * 20.0).floor()), None, "{period_s}");
        }
        let given_back = |time: f64| 50.0 + if time % 1_500.0 < 180.0 { time % 1_500.0 / 3.0 } else { 0.0 };
        assert_eq!(ended(&stop(), given_back), None);
    }

    #[test]
    fn fifteen_looks_at_noise_around_the_limit_decide_in_fewer_than_one_run_in_twenty() {
        let mut random = fastrand::Rng::with_seed(11);
        let decided = (0..100)
            .filter(|_| {
                let mut noise = 0.0;
                let mut value = |time: f64| {
                    noise = noise * 0.9 + (random.f64() - 0.5) * 3.0;
                    (50.0 + time * 2.0 / 60.0 + noise).round()
                };
                ended(&stop(), &mut value).is_some()
            })
            .count();
        assert!(decided <= 5, "{decided} of 100");
    }
}
