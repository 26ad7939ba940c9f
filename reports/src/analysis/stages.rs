//! Changes of stage: an arm that is given more containers to monitor holds more, and that is no growth of its own.
//!
//! What a count rises by at a known time is taken out of it: what comes later is lowered by the difference between the neighbours on
//! both sides, each led to the change by the trend of its own stage. A leak goes on through every stage, faster where there is more
//! to leak; a rollout alone is flat.

use super::series::midmean;
use super::trend::slope;

/// Samples on each side that are compared: enough for whole numbers to be known more exactly than they are told.
const NEIGHBOURS: usize = 60;

/// The same without what it rose by at the times `changes_s`. Points and changes are in order of time.
pub(super) fn levelled(points: &[(f64, f64)], changes_s: &[f64]) -> Vec<(f64, f64)> {
    let mut levelled = points.to_vec();
    let bounds: Vec<usize> =
        changes_s.iter().map(|change_s| points.partition_point(|(at_s, _)| at_s < change_s)).collect();
    for (which, (&at, &change_s)) in bounds.iter().zip(changes_s).enumerate() {
        let first = if which == 0 { 0 } else { bounds[which - 1] };
        let end = bounds.get(which + 1).copied().unwrap_or(points.len());
        let (before, after) = (&points[first..at], &points[at..end]);
        let near = (&before[before.len().saturating_sub(NEIGHBOURS)..], &after[..after.len().min(NEIGHBOURS)]);
        let levels = level_at(change_s, before, near.0).zip(level_at(change_s, after, near.1));
        if let Some((before, after)) = levels {
            levelled[at..].iter_mut().for_each(|(_, value)| *value -= after - before);
        }
    }
    levelled
}

/// Where the trend of a stage leads at its end, or comes from at its beginning, by those of its points that are `near` it.
fn level_at(at_s: f64, stage: &[(f64, f64)], near: &[(f64, f64)]) -> Option<f64> {
    let slope = slope(stage).unwrap_or(0.0);
    let mut led: Vec<f64> = near.iter().map(|(time_s, value)| value + slope * (at_s - time_s)).collect();
    (!led.is_empty()).then(|| midmean(&mut led))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHANGES_S: [f64; 2] = [600.0, 1_200.0];

    fn series(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..1_800).map(|second| (f64::from(second), value(f64::from(second)))).collect()
    }

    fn of_stage(time: f64, values: [f64; 3]) -> f64 {
        values[CHANGES_S.partition_point(|change_s| *change_s <= time)]
    }

    #[test]
    fn a_rollout_alone_is_flat() {
        let rollout = series(|time| of_stage(time, [20.0, 60.0, 110.0]));
        assert_eq!(levelled(&rollout, &CHANGES_S), series(|_| 20.0));
    }

    #[test]
    fn changes_before_and_after_all_that_is_known_change_nothing() {
        let known = series(|time| time);
        assert_eq!(levelled(&known, &[-5.0, 0.0, 5_000.0]), known);
        assert_eq!(levelled(&[], &CHANGES_S), []);
    }

    #[test]
    fn a_leak_that_grows_with_the_stages_has_no_steps_between_them() {
        let rate = |time: f64| of_stage(time, [0.1, 0.5, 1.0]);
        let leaked = |time: f64| {
            let in_stage = |from: f64, to: f64| (time.min(to) - from).max(0.0) * rate(from);
            in_stage(0.0, 600.0) + in_stage(600.0, 1_200.0) + in_stage(1_200.0, 1_800.0)
        };
        let added = |time: f64| of_stage(time, [20.0, 60.0, 110.0]);
        let found = levelled(&series(|time| leaked(time) + added(time)), &CHANGES_S);
        for (one, other) in found.iter().zip(series(|time| leaked(time) + 20.0)) {
            assert!((one.1 - other.1).abs() < 1e-6, "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_leak_goes_on_through_every_stage(per_min in 0.0..40.0_f64, first in 0.0..500.0_f64, second in 0.0..500.0_f64) {
            let leak = |time: f64| 20.0 + time * per_min / 60.0;
            let step = |time: f64| of_stage(time, [0.0, first, first + second]);
            let found = levelled(&series(|time| leak(time) + step(time)), &CHANGES_S);
            for (one, other) in found.iter().zip(series(leak)) {
                prop_assert!((one.1 - other.1).abs() < 1e-6, "{one:?} {other:?}");
            }
        }
    }
}
