//! Sudden rises in a series that noise hides from its medians: differences of neighbouring means, of several widths, against their
//! own spread.
//!
//! Noise that depends on its neighbours drowns a level change in a median of many points, but not in a difference of two: it moves
//! slowly, a step does not. White noise is the other way round. So all widths are tried, and the one whose jumps leave the treads between
//! them the most level is taken.

use crate::analysis::series::median;
use crate::analysis::trend::slope_between;

/// Points on each side that are averaged.
const WIDTHS: [usize; 5] = [1, 2, 4, 8, 16];
/// A difference this many standard deviations from the others is a jump.
const JUMP: f64 = 3.5;
/// A tread that rises by less than this share of the whole is level.
const LEVEL: f64 = 0.35;
/// Two jumps are at least this share of the series apart.
const APART: usize = 50;

/// The jumps of a staircase.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Jumps {
    /// When, in order of time.
    pub(super) at_s: Vec<f64>,
    /// By how much on the average.
    pub(super) height: f64,
}

/// The rises between which the series is level, of one that rises by `per_s` on the whole: at least `least` of them, which together
/// are most of it. Points are in order of time and about equally far from each other.
pub(super) fn staircase(points: &[(f64, f64)], per_s: f64, least: usize) -> Option<Jumps> {
    let span_s = points.last()?.0 - points.first()?.0;
    let found = WIDTHS.iter().filter_map(|&width| {
        let jumps = rises(points, width);
        let at_s: Vec<f64> = jumps.iter().map(|(at, _)| points[*at].0).collect();
        let all: f64 = jumps.iter().map(|(_, height)| height).sum();
        let treads = slope_between(points, &at_s)?;
        let enough = jumps.len() >= least && all >= (1.0 - LEVEL) * per_s * span_s;
        let height = all / jumps.len().max(1) as f64;
        (enough && treads.abs() <= LEVEL * per_s).then_some((treads.abs(), Jumps { at_s, height }))
    });
    found.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, jumps)| jumps)
}

/// Index of the first point after each rise, and its height; what falls back at once is none.
fn rises(points: &[(f64, f64)], width: usize) -> Vec<(usize, f64)> {
    let apart = (points.len() / APART).max(width);
    if points.len() < 4 * apart {
        return Vec::new();
    }
    let mut sums = vec![0.0];
    for (_, value) in points {
        sums.push(sums[sums.len() - 1] + value);
    }
    let mean = |from: usize, to: usize| (sums[to] - sums[from]) / (to - from) as f64;
    let differences: Vec<f64> =
        (width..=points.len() - width).map(|at| mean(at, at + width) - mean(at - width, at)).collect();
    let middle = median(&mut differences.clone());
    let deviation = 1.4826 * median(&mut differences.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>());
    let mut order: Vec<usize> = (0..differences.len()).collect();
    order.sort_by(|&a, &b| differences[b].total_cmp(&differences[a]));
    let mut rises: Vec<(usize, f64)> = Vec::new();
    for at in order.into_iter().take_while(|&at| differences[at] - middle > JUMP * deviation) {
        let place = at + width;
        if rises.iter().all(|(taken, _)| taken.abs_diff(place) > apart) {
            // Its height is that of the treads beside it: a burst that is over at once has none.
            let before = place.saturating_sub(apart);
            let after = (place + apart).min(points.len());
            rises.push((place, mean(place, after) - mean(before, place)));
        }
    }
    rises.retain(|(_, height)| *height > 0.0);
    rises.sort_unstable_by_key(|(at, _)| *at);
    rises
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AR(1) noise of 0.9 and a standard deviation of 3 around a value, once a second.
    fn noisy(seed: u64, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut normal = move || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let mut noise = 0.0;
        let point = |tick: u32| {
            noise = noise * 0.9 + normal() * 3.0 * (1.0_f64 - 0.81).sqrt();
            (f64::from(tick), value(f64::from(tick)) + noise)
        };
        (0..1_680).map(point).collect()
    }

    #[test]
    fn a_staircase_is_told_from_a_line_in_noise_that_moves_slowly() {
        let per_s = 9.0 / 150.0;
        let stairs = |seed| staircase(&noisy(seed, |at_s| 9.0 * (at_s / 150.0).floor()), per_s, 4);
        let lines = |seed| staircase(&noisy(seed, |at_s| at_s * per_s), per_s, 4);
        let seen = (0..50).filter_map(stairs).filter(|jumps| (8..=13).contains(&jumps.at_s.len())).count();
        assert!(seen >= 45, "{seen} of 50 seen");
        assert_eq!((0..50).filter_map(lines).count(), 0, "a line has no treads");
    }
}
