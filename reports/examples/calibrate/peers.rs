//! What others do with the same series.

use leaksoak_reports::Outcome;

/// One way of judging.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) judge: fn(&[(f64, f64)], f64) -> Outcome,
}

pub(crate) const ALL: [Peer; 3] = [
    Peer { name: "(last - first) / minutes", judge: last_minus_first },
    Peer { name: "least squares", judge: least_squares },
    Peer { name: "Mann-Kendall", judge: mann_kendall },
];

/// Below the limit, or not.
fn last_minus_first(points: &[(f64, f64)], limit: f64) -> Outcome {
    let (first, last) = (points[0], points[points.len() - 1]);
    if (last.1 - first.1) / (last.0 - first.0) * 60.0 < limit { Outcome::Pass } else { Outcome::Fail }
}

/// The slope with its textbook 95 % interval against the limit.
fn least_squares(points: &[(f64, f64)], limit: f64) -> Outcome {
    let n = points.len() as f64;
    let (mean_s, mean) = points.iter().fold((0.0, 0.0), |(t, v), (at_s, value)| (t + at_s / n, v + value / n));
    let spread: f64 = points.iter().map(|(at_s, _)| (at_s - mean_s).powi(2)).sum();
    let slope = points.iter().map(|(at_s, value)| (at_s - mean_s) * (value - mean)).sum::<f64>() / spread;
    let rss: f64 = points.iter().map(|(at_s, value)| (value - mean - slope * (at_s - mean_s)).powi(2)).sum();
    let reach = 1.96 * (rss / (n - 2.0) / spread).sqrt();
    if (slope - reach) * 60.0 > limit {
        Outcome::Fail
    } else if (slope + reach) * 60.0 < limit {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    }
}

/// A significant upward trend, at 5 %, as if the samples were independent.
fn mann_kendall(points: &[(f64, f64)], _: f64) -> Outcome {
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let n = values.len() as f64;
    let term = |size: f64| size * (size - 1.0) * (2.0 * size + 5.0);
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let ties = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tie| tie.len() as f64);
    let tied_pairs: f64 = ties.clone().map(|size| size * (size - 1.0) / 2.0).sum();
    let variance = (term(n) - ties.map(term).sum::<f64>()) / 18.0;
    let falling = inversions(&mut values) as f64;
    let rising = n * (n - 1.0) / 2.0 - tied_pairs - falling;
    if rising - falling > 1.96 * variance.sqrt() { Outcome::Fail } else { Outcome::Pass }
}

/// Pairs of which the later is smaller, by merging.
fn inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if r == right.len() || (l < left.len() && left[l] <= right[r]) {
            merged.push(left[l]);
            l += 1;
        } else {
            count += (left.len() - l) as u64;
            merged.push(right[r]);
            r += 1;
        }
    }
    values.copy_from_slice(&merged);
    count
}
