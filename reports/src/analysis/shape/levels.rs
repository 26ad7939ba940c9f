//! Level changes: the exact best partition of a series into constant levels, for every number of changes.
//!
//! Segment neighbourhood search (Auger & Lawrence, 1989, Bulletin of Mathematical Biology 51, 39-54): dynamic programming over all
//! partitions, which on a thinned series costs less than a millisecond.

/// A series as constant levels.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::analysis) struct Levels {
    /// Index of the first point of each level.
    pub(in crate::analysis) starts: Vec<usize>,
    /// Their heights.
    pub(in crate::analysis) heights: Vec<f64>,
    /// Residual sum of squares.
    pub(in crate::analysis) rss: f64,
}

/// Offers the best partitions with 1, 2, ... `most` changes in turn, as long as it is asked to go on; each level is at least
/// `shortest` points long.
pub(in crate::analysis) fn partitions(
    values: &[f64],
    most: usize,
    shortest: usize,
    mut offer: impl FnMut(Levels) -> bool,
) {
    let count = values.len();
    let shortest = shortest.max(1);
    let mut sums = vec![(0.0, 0.0); count + 1];
    let mean = values.iter().sum::<f64>() / count.max(1) as f64;
    for (at, value) in values.iter().enumerate() {
        let centred = value - mean;
        sums[at + 1] = (sums[at].0 + centred, sums[at].1 + centred * centred);
    }
    let cost = |from: usize, to: usize| {
        let (sum, squares) = (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
        (squares - sum * sum / (to - from) as f64).max(0.0)
    };
    // best[to]: cost of the first `to` points with so many changes; came[changes][to]: where the last level begins.
    let mut best: Vec<f64> = (0..=count).map(|to| if to >= shortest { cost(0, to) } else { f64::INFINITY }).collect();
    let mut came: Vec<Vec<usize>> = vec![vec![0; count + 1]];
    for _ in 1..=most {
        let mut next = vec![f64::INFINITY; count + 1];
        let mut from = vec![0; count + 1];
        for to in 2 * shortest..=count {
            for (split, before) in best.iter().enumerate().take(to - shortest + 1).skip(shortest) {
                let total = before + cost(split, to);
                if total < next[to] {
                    next[to] = total;
                    from[to] = split;
                }
            }
        }
        if !next[count].is_finite() {
            break;
        }
        best = next;
        came.push(from);
        if !offer(traced(&came, values, best[count])) {
            break;
        }
    }
}

fn traced(came: &[Vec<usize>], values: &[f64], rss: f64) -> Levels {
    let mut starts = Vec::with_capacity(came.len());
    let mut end = values.len();
    for from in came.iter().rev() {
        end = from[end];
        starts.push(end);
    }
    starts.reverse();
    let ends = starts[1..].iter().copied().chain([values.len()]);
    let heights =
        starts.iter().zip(ends).map(|(&from, to)| values[from..to].iter().sum::<f64>() / (to - from) as f64).collect();
    Levels { starts, heights, rss }
}

/// A level change that was never given back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::analysis) struct Rise {
    /// Index of the first point after it.
    pub(in crate::analysis) at: usize,
    /// Its height.
    pub(in crate::analysis) height: f64,
}

impl Levels {
    /// Where it goes up: the index of the first point after each rise.
    pub(in crate::analysis) fn ups(&self) -> impl Iterator<Item = usize> {
        let pairs = self.heights.windows(2).zip(&self.starts[1..]);
        pairs.filter(|(pair, _)| pair[1] > pair[0]).map(|(_, start)| *start)
    }

    /// What was kept of the rises: of each level only what no later level falls below.
    ///
    /// Rises within a block or two are one; one that follows a rise four times as high before a tenth of the series has gone by is
    /// part of its settling; and a twentieth of the largest is not worth a name.
    pub(in crate::analysis) fn kept(&self, points: usize) -> Vec<Rise> {
        let (near, settling) = (points / 50, points / 10);
        let mut kept = self.heights.clone();
        for at in (0..kept.len().saturating_sub(1)).rev() {
            kept[at] = kept[at].min(kept[at + 1]);
        }
        let mut rises: Vec<Rise> = Vec::with_capacity(kept.len());
        for at in (1..kept.len()).filter(|at| kept[*at] > kept[at - 1]) {
            let rise = Rise { at: self.starts[at], height: kept[at] - kept[at - 1] };
            match rises.last_mut() {
                Some(before) if rise.at - before.at <= near => {
                    before.at = if rise.height > before.height { rise.at } else { before.at };
                    before.height += rise.height;
                }
                Some(before) if rise.at - before.at <= settling && rise.height <= before.height / 4.0 => {
                    before.height += rise.height;
                }
                _ => rises.push(rise),
            }
        }
        let largest = rises.iter().map(|rise| rise.height).fold(0.0, f64::max);
        rises.retain(|rise| rise.height > largest / 20.0);
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_where_they_are() {
        let values: Vec<f64> = (0..60)
            .map(|at| {
                if at < 20 {
                    1.0
                } else if at < 45 {
                    10.0
                } else {
                    15.0
                }
            })
            .collect();
        let mut found = Vec::new();
        partitions(&values, 4, 3, |levels| {
            found.push(levels);
            true
        });
        assert_eq!(found[1].starts, [0, 20, 45]);
        assert_eq!(found[1].kept(60), [Rise { at: 20, height: 9.0 }, Rise { at: 45, height: 5.0 }]);
        assert!(found[1].rss < 1e-9 && found[0].rss > 1.0);
    }

    #[test]
    fn what_is_given_back_is_not_kept() {
        let levels = Levels { starts: vec![0, 20, 40, 60, 80], heights: vec![0.0, 8.0, 11.0, 12.0, 9.0], rss: 0.0 };
        assert_eq!(levels.kept(200), [Rise { at: 20, height: 9.0 }]);
        let cycle = Levels { starts: vec![0, 20, 40, 60], heights: vec![0.0, 8.0, 0.0, 8.0], rss: 0.0 };
        assert_eq!(cycle.kept(100), [Rise { at: 60, height: 8.0 }]);
    }
}
