//! A series made ready for statistics: in order of time, without what is not to be judged, thinned where it is long.
//!
//! Thinning replaces neighbours by one point, at their mean time and with a value from the middle of theirs: for what is judged
//! here nothing is lost but jitter.

/// A stretch of time that is left out of every statistic: a fault, a change of stage, a gap.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Excluded {
    /// Its start, seconds.
    pub from_s: f64,
    /// Its end, seconds.
    pub to_s: f64,
}

impl Excluded {
    /// A time lies within it.
    #[must_use]
    pub fn holds(&self, at_s: f64) -> bool {
        (self.from_s..=self.to_s).contains(&at_s)
    }
}

/// In order of time, without the points in `excluded`.
pub(super) fn ordered(points: &[(f64, f64)], excluded: &[Excluded]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> =
        points.iter().filter(|(at_s, _)| !excluded.iter().any(|window| window.holds(*at_s))).copied().collect();
    if !kept.is_sorted_by(|a, b| a.0 <= b.0) {
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    kept
}

/// At most `most` points, each what `middle` makes of the values in one of equally long stretches of time. Ordered points stay
/// ordered.
pub(super) fn thin(points: &[(f64, f64)], most: usize, middle: fn(&mut [f64]) -> f64) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= most || last.0 <= first.0 {
        return points.to_vec();
    }
    let width = (last.0 - first.0) / most as f64;
    let cell = |point: &(f64, f64)| ((point.0 - first.0) / width).floor().min(most as f64 - 1.0);
    let block = |points: &[(f64, f64)]| {
        let time = points.iter().map(|(time, _)| time).sum::<f64>() / points.len() as f64;
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        (time, middle(&mut values))
    };
    points.chunk_by(|a, b| cell(a).total_cmp(&cell(b)).is_eq()).map(block).collect()
}

/// The mean of the middle half: unlike a median it does not throw away what lies between whole numbers. Of at least one value.
pub(super) fn midmean(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let trimmed = values.len() / 4;
    let half = &values[trimmed..values.len() - trimmed];
    half.iter().sum::<f64>() / half.len() as f64
}

/// The lower of two middles: a block that a step divides is of one side of it, never in between. Of at least one value.
pub(super) fn low_median(values: &mut [f64]) -> f64 {
    nth(values, (values.len() - 1) / 2)
}

/// Neighbours on each side that a spike is told by.
const REACH: usize = 16;
/// A value this many standard deviations from the median of its neighbours is a spike.
const SPIKE: f64 = 3.5;

/// Takes out spikes: what lies far from the median of its neighbours, by their own spread, becomes that median (Hampel, 1974,
/// JASA 69, 383-393). Differences of a few times `resolution` are none. Steps, slopes and cycles stay what they are.
pub(super) fn without_spikes(points: &[(f64, f64)], resolution: f64) -> Vec<(f64, f64)> {
    let mut calm = points.to_vec();
    // Of a short series too many would be neighbours.
    let reach = REACH.min(points.len() / 25);
    let mut near = [0.0; 2 * REACH + 1];
    for (at, point) in calm.iter_mut().enumerate() {
        let around = &points[at.saturating_sub(reach)..(at + reach + 1).min(points.len())];
        let near = &mut near[..around.len()];
        near.iter_mut().zip(around).for_each(|(near, (_, value))| *near = *value);
        let middle = median(near);
        for value in near.iter_mut() {
            *value = (*value - middle).abs();
        }
        let deviation = (1.4826 * median(near)).max(resolution);
        if (point.1 - middle).abs() > SPIKE * deviation {
            point.1 = middle;
        }
    }
    calm
}

/// Of at least one value.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let upper = values.len() / 2;
    let high = nth(values, upper);
    if values.len() % 2 == 1 { high } else { f64::midpoint(nth(values, upper - 1), high) }
}

/// The value that sorting would put at `at`.
pub(super) fn nth(values: &mut [f64], at: usize) -> f64 {
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_excluded_is_gone_and_the_rest_is_in_order() {
        let points = [(3.0, 30.0), (1.0, 10.0), (2.0, 20.0), (4.0, 40.0)];
        let kept = ordered(&points, &[Excluded { from_s: 1.5, to_s: 3.0 }]);
        assert_eq!(kept, [(1.0, 10.0), (4.0, 40.0)]);
    }

    #[test]
    fn spikes_go_and_steps_stay() {
        let value = |tick: i32| {
            if tick == 30 || tick == 31 {
                50.0
            } else if tick >= 60 {
                9.0
            } else {
                0.0
            }
        };
        let points: Vec<(f64, f64)> = (0..100).map(|tick| (f64::from(tick), value(tick))).collect();
        let calm = without_spikes(&points, 1.0);
        assert!(calm.iter().all(|(at_s, value)| (*at_s >= 60.0) == (*value > 8.0) && *value < 10.0), "{calm:?}");
    }

    #[test]
    fn thinning_takes_equally_long_stretches_and_their_medians() {
        let points: Vec<(f64, f64)> = (0..100).map(|tick| (f64::from(tick), f64::from(tick % 10))).collect();
        let thinned = thin(&points, 10, low_median);
        assert_eq!(thinned.len(), 10);
        assert!((thinned[0].0 - 4.5).abs() < 1e-9 && (thinned[0].1 - 4.0).abs() < 1e-9, "{thinned:?}");
        assert_eq!(thin(&points, 100, midmean), points);
        assert_eq!(thin(&[], 10, midmean), []);
    }
}
