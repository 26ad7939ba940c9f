//! Cycles: growth that is given back again and again, such as a garbage collection or a pool that is emptied.
//!
//! A cycle is found by the autocorrelation of the series, its trend and its largest steps taken out first (Box, Jenkins & Reinsel,
//! 1994, Time Series Analysis, chapter 2); its form is the mean of all its turns, folded onto one. Taken out of the series,
//! it leaves what is not given back. A cycle has to have turned at least four times; slower ones are not told from growth.

use super::series::{midmean, thin};

/// Cells of the grid that cycles are looked for on.
const CELLS: usize = 512;
/// Turns that a cycle has to have had.
const MIN_TURNS: f64 = 4.0;
/// Cells that the shortest cycle spans.
const MIN_PERIOD_CELLS: usize = 8;
/// This share of what moves has to repeat itself.
const MIN_CORRELATION: f64 = 0.4;

/// Something that repeats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cycle {
    /// How long one turn takes.
    pub(super) period_s: f64,
    /// From its lowest to its highest.
    pub(super) height: f64,
    /// How many turns were seen.
    pub(super) turns: f64,
    /// One turn, in equal cells, 0 on the average.
    pub(super) profile: Vec<f64>,
    origin_s: f64,
}

/// An even fall over a whole turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fall {
    /// From its highest to its lowest.
    pub(super) depth: f64,
    /// The share of the turn's variance that it explains.
    pub(super) explained: f64,
}

impl Cycle {
    /// The cycle in points that are in order of time, around what they do besides; `None`: there is none.
    pub(super) fn find(points: &[(f64, f64)], besides: impl Fn(f64) -> f64) -> Option<Self> {
        let grid = Grid::of(points, besides)?;
        let period = grid.refined(grid.strongest_lag()? as f64);
        Self::of(&grid, period)
    }

    /// The same, now that what the points do besides is known better.
    pub(super) fn again(self, points: &[(f64, f64)], besides: impl Fn(f64) -> f64) -> Self {
        let again = Grid::of(points, besides).and_then(|grid| Self::of(&grid, self.period_s / grid.width_s));
        again.unwrap_or(self)
    }

    fn of(grid: &Grid, period: f64) -> Option<Self> {
        let folded = grid.folded(period);
        let all: f64 = grid.values.iter().map(|value| value * value).sum();
        if explained(&folded) < all * MIN_CORRELATION {
            return None;
        }
        let mut profile: Vec<f64> =
            folded.iter().map(|(sum, count)| if *count > 0.0 { sum / count } else { 0.0 }).collect();
        let mean = profile.iter().sum::<f64>() / profile.len() as f64;
        for value in &mut profile {
            *value -= mean;
        }
        let (low, high) = profile
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        Some(Self {
            period_s: period * grid.width_s,
            height: high - low,
            turns: grid.values.len() as f64 / period,
            profile,
            origin_s: grid.start_s,
        })
    }

    /// What of a turn is one even fall, and then a jump back: the line through its cells from the place on from which it fits best.
    /// `None`: nothing of it.
    pub(super) fn fall(&self) -> Option<Fall> {
        let cells = self.profile.len() as f64;
        let variance: f64 = self.profile.iter().map(|value| value * value).sum();
        // Centred places 0, 1, ... of a turn; the profile is 0 on the average.
        let spread = cells * (cells * cells - 1.0) / 12.0;
        let slopes = (0..self.profile.len()).map(|from| {
            let turn = self.profile[from..].iter().chain(&self.profile[..from]);
            turn.zip(0_u32..).map(|(value, at)| value * (f64::from(at) - (cells - 1.0) / 2.0)).sum::<f64>() / spread
        });
        let slope = slopes.min_by(f64::total_cmp).filter(|slope| *slope < 0.0)?;
        Some(Fall { depth: -slope * cells, explained: slope * slope * spread / variance })
    }

    /// The points without it.
    pub(super) fn taken_from(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().map(|(at_s, value)| (*at_s, value - self.at(*at_s))).collect()
    }

    /// What it adds at a time; 0 on the average.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cell of the profile")]
    fn at(&self, at_s: f64) -> f64 {
        let cells = self.profile.len();
        let place = ((at_s - self.origin_s) / self.period_s).rem_euclid(1.0) * cells as f64 + cells as f64 - 0.5;
        let (cell, share) = (place as usize, place.fract());
        self.profile[cell % cells] * (1.0 - share) + self.profile[(cell + 1) % cells] * share
    }
}

/// The series on an even grid, its trend and its largest steps taken out; cells without a sample hold 0.
struct Grid {
    start_s: f64,
    width_s: f64,
    values: Vec<f64>,
}

impl Grid {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cells of a grid of at most CELLS")]
    fn of(points: &[(f64, f64)], besides: impl Fn(f64) -> f64) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let span_s = last.0 - first.0;
        let cells = points.len().min(CELLS);
        if span_s <= 0.0 || cells < 4 * MIN_PERIOD_CELLS {
            return None;
        }
        let width_s = span_s / cells as f64;
        let mut values = vec![0.0; cells];
        for (at_s, value) in thin(points, cells, midmean) {
            let cell = (((at_s - first.0) / width_s) as usize).min(cells - 1);
            values[cell] = value - besides(at_s);
        }
        let mean = values.iter().sum::<f64>() / cells as f64;
        for value in &mut values {
            *value -= mean;
        }
        Some(Self { start_s: first.0, width_s, values })
    }

    /// Autocorrelation at a lag.
    fn correlation(&self, lag: usize) -> f64 {
        let cells = self.values.len();
        let variance = self.values.iter().map(|x| x * x).sum::<f64>() / cells as f64;
        if variance <= 0.0 || lag >= cells {
            return 0.0;
        }
        let product: f64 = self.values.iter().zip(&self.values[lag..]).map(|(a, b)| a * b).sum();
        product / (cells - lag) as f64 / variance
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of the cells")]
    fn strongest_lag(&self) -> Option<usize> {
        let longest = (self.values.len() as f64 / MIN_TURNS) as usize;
        let correlations: Vec<f64> = (0..=longest + 1).map(|lag| self.correlation(lag)).collect();
        // Before the first trough the series only resembles its own neighbourhood.
        let trough =
            (1..=longest).find(|&lag| correlations[lag] <= 0.0 || correlations[lag] < correlations[lag + 1])?;
        let peaks = (trough.max(1)..=longest)
            .filter(|&lag| correlations[lag] >= correlations[lag - 1] && correlations[lag] >= correlations[lag + 1]);
        let strongest = peaks.clone().map(|lag| correlations[lag]).fold(0.0, f64::max);
        // Two turns repeat as well as one: the shortest period among the nearly strongest is the cycle.
        let lag = peaks.into_iter().find(|&lag| correlations[lag] >= strongest * 0.85)?;
        if lag < MIN_PERIOD_CELLS {
            return None;
        }
        let again = (2 * lag - 1..=2 * lag + 1).map(|lag| self.correlation(lag)).fold(0.0, f64::max);
        (correlations[lag] >= MIN_CORRELATION && again >= MIN_CORRELATION * 0.6).then_some(lag)
    }

    /// The period in cells, more exactly than a cell: the one that folds the turns onto each other best.
    fn refined(&self, mut period: f64) -> f64 {
        // Over all turns together, an error of the period adds up; it is looked for in quarters of a cell of that.
        let mut step = 0.25 * period / self.values.len() as f64;
        let mut reach = (0.75 / step).ceil();
        for _ in 0..2 {
            let tries = std::iter::successors(Some(-reach), |at| Some(at + 1.0)).take_while(|at| *at <= reach);
            let periods = tries.map(|at| period + at * step).map(|period| (explained(&self.folded(period)), period));
            period = periods.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(period, |(_, period)| period);
            (step, reach) = (step / 5.0, 5.0);
        }
        period
    }

    /// All turns on one: of each of its cells the sum of the values, and their count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cells of one period")]
    fn folded(&self, period: f64) -> Vec<(f64, f64)> {
        let cells = (period.round() as usize).max(MIN_PERIOD_CELLS);
        let mut sums = vec![(0.0, 0.0); cells];
        let step = cells as f64 / period;
        let mut phase = step / 2.0;
        for value in &self.values {
            let (sum, count) = &mut sums[(phase as usize).min(cells - 1)];
            *sum += value;
            *count += 1.0;
            phase += step;
            if phase >= cells as f64 {
                phase -= cells as f64;
            }
        }
        sums
    }
}

/// The squares that a folded cycle takes off the values.
fn explained(folded: &[(f64, f64)]) -> f64 {
    folded.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum * sum / count).sum()
}
