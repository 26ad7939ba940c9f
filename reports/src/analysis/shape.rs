//! The shape of a growth, named by comparing models, and what of the series its steady rate is to be taken from.
//!
//! - **Candidates**: still; a line; level changes (exact partition, see `levels`); a line with up to three level changes; still
//!   and then a line; a parabola; filling towards a level with a time constant. All are fitted by least squares to the series
//!   without its cycle (see `cycle`), thinned to [`fit::BLOCKS`] medians.
//! - **Choice**: the smallest BIC (Schwarz, 1978, Annals of Statistics 6, 461-464), a place in time counting as a parameter (Yao, 1988,
//!   Statistics & Probability Letters 6, 181-189). The number of points in it is the number of independent ones: n (1 - r) / (1 + r)
//!   for a first autocorrelation of r (Bayley & Hammersley, 1946), r from first and second differences, which no trend disturbs.
//! - **What follows for the rate**: a step is left out of it, since slopes are taken only between points on the same side of it;
//!   of a late onset the part from the onset on counts, of what fills or accelerates the last part.
//!
//! Nothing here knows a limit.

pub(super) mod fit;
mod jumps;
mod levels;

use serde::{Deserialize, Serialize};

use super::cycle::Cycle;
use super::series::{low_median, median, midmean, thin, without_spikes};
use super::trend::{Doubt, slope};
use crate::words::{signed_count, span};
use fit::{Fit, Form};
use levels::{Levels, Rise, partitions};

/// How a series moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Shape {
    /// It held still.
    Flat,
    /// One change that stayed.
    Step {
        /// When, seconds.
        at_s: f64,
        /// By how much.
        height: f64,
    },
    /// Several changes that stayed; from the fourth on a staircase, which is a leak in portions.
    Steps {
        /// How many.
        count: usize,
        /// How high each, on the average.
        height: f64,
        /// From one to the next, on the average, seconds.
        every_s: f64,
    },
    /// It fills towards a level.
    Saturating {
        /// By how much it has grown, or will have.
        height: f64,
        /// Time constant, seconds: 63 % of what is missing is filled in it.
        tau_s: f64,
    },
    /// It grows and gives everything back, again and again.
    Sawtooth {
        /// From one turn to the next, seconds.
        period_s: f64,
        /// From lowest to highest.
        height: f64,
    },
    /// It grows (or falls) evenly.
    Linear,
    /// It grows ever faster.
    Accelerating,
    /// It held still at first, and grew from then on.
    LateOnset {
        /// When it began to grow, seconds.
        at_s: f64,
    },
}

impl Shape {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Step { .. } => "step",
            Self::Steps { .. } => "steps",
            Self::Saturating { .. } => "saturating",
            Self::Sawtooth { .. } => "sawtooth",
            Self::Linear => "linear",
            Self::Accelerating => "accelerating",
            Self::LateOnset { .. } => "late_onset",
        }
    }

    /// What a person wants to know of it; times are seconds of the series.
    #[must_use]
    pub fn words(&self) -> String {
        match *self {
            Self::Flat => "flat".to_owned(),
            Self::Step { at_s, height } => format!("a step of {} at {}", signed_count(height), span(at_s)),
            Self::Steps { count: STAIRCASE.., height, every_s } => {
                format!("a staircase, {} every {}", signed_count(height), span(every_s))
            }
            Self::Steps { count, height, .. } => format!("{count} steps of {} on the average", signed_count(height)),
            Self::Saturating { height, tau_s } => {
                format!("fills by {} with a time constant of {}", signed_count(height), span(tau_s))
            }
            Self::Sawtooth { period_s, height } => {
                format!("a cycle of {} and back every {}", signed_count(height), span(period_s))
            }
            Self::Linear => "a line".to_owned(),
            Self::Accelerating => "ever faster".to_owned(),
            Self::LateOnset { at_s } => format!("still until {}, growing from then on", span(at_s)),
        }
    }
}

/// From so many on, changes are a staircase: growth in portions rather than single events.
pub const STAIRCASE: usize = 4;
/// Level changes looked for.
const MOST_CHANGES: usize = 16;
/// So many changes more that explain too little end the search for more.
const PATIENCE: usize = 4;
/// By how much BIC has to be better for a shape that bends.
const BENT_MARGIN: f64 = 6.0;

/// By how much a trend in whole numbers may be off from one end to the other, as a share of their distance.
const ROUNDING_SLACK: f64 = 0.08;
/// The same of one that a cycle was taken out of, as a share of its height.
const CYCLE_SLACK: f64 = 0.02;
/// Relative to the trend, the treads of a staircase fall evenly: at least this share of its cycle is such a fall.
const TREAD_EXPLAINS: f64 = 0.6;
/// Points of the grid that everything is taken from.
const CELLS: usize = 900;

/// Points that jumps are looked for in: what moves slowly moves least from one to the next.
const FINE_CELLS: usize = 1_800;

/// Steps that a steady rate leaves out: single events, as far as the series tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Aside {
    /// How many.
    pub count: usize,
    /// How high all of them together.
    pub height: f64,
}

/// A series with its shape.
#[derive(Debug, Clone)]
pub(super) struct Shaped {
    pub(super) shape: Shape,
    /// Its judged points, thinned, without spikes and without the cycle.
    pub(super) points: Vec<(f64, f64)>,
    /// Where slopes must not be taken across.
    pub(super) breaks: Vec<f64>,
    /// From where on its steady rate is to be taken.
    pub(super) from_s: f64,
    /// What rounding and the removal of a cycle leave unsure.
    pub(super) doubt: Doubt,
    /// The steps that `breaks` are of.
    pub(super) aside: Option<Aside>,
}

/// Names the shape of the judged points, which are in order of time; `before` them is the warm-up, which only tells of a pool
/// that it has been filling from the start.
pub(super) fn shape(before: &[(f64, f64)], judged: &[(f64, f64)]) -> Shaped {
    let (start_s, end_s) = (judged.first().map_or(0.0, |point| point.0), judged.last().map_or(0.0, |point| point.0));
    let span_s = end_s - start_s;
    let still = |points| Shaped {
        shape: Shape::Flat,
        points,
        breaks: Vec::new(),
        from_s: start_s,
        doubt: Doubt::default(),
        aside: None,
    };
    let Some(resolution) = resolution(judged).filter(|_| span_s > 0.0) else {
        return still(thin(judged, CELLS, midmean));
    };
    let mut shaped = still(without_spikes(&thin(judged, CELLS, midmean), resolution));
    shaped.doubt.slack = ROUNDING_SLACK * resolution;
    let unit = |at_s: f64| (at_s - start_s) / span_s;
    let unit_blocks = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        thin(points, fit::BLOCKS, low_median).iter().map(|(at_s, value)| (unit(*at_s), *value)).collect()
    };

    let with_cycle = shaped.points.clone();
    let mut blocks = unit_blocks(&with_cycle);
    let rough = fit::rough(&blocks);
    let mut cycle = Cycle::find(&with_cycle, |at_s| rough.at(unit(at_s)));
    // What the series does besides its cycle is known better once the cycle is out of it, and the cycle better once that is.
    if let Some(found) = cycle {
        let chosen = choose(&unit_blocks(&found.taken_from(&with_cycle)), resolution);
        let found = found.again(&with_cycle, |at_s| chosen.at(unit(at_s)));
        shaped.points = found.taken_from(&with_cycle);
        // A profile of few turns has taken some of the noise with it, and its edges are not known to the second.
        shaped.doubt.narrowed = found.turns / (found.turns - 1.0);
        shaped.doubt.slack = shaped.doubt.slack.hypot(CYCLE_SLACK * found.height);
        blocks = unit_blocks(&shaped.points);
        cycle = Some(found);
    }
    let choice = choose(&blocks, resolution);
    shaped.follow(&choice, cycle.as_ref(), resolution, |x| start_s + x * span_s);
    if shaped.shape == Shape::Linear {
        let fine = without_spikes(&thin(judged, FINE_CELLS, midmean), resolution);
        shaped.look_for_a_staircase(&fine, resolution);
        if let (Shape::Linear, Some(cycle)) = (shaped.shape, &cycle) {
            shaped.look_for_a_staircase(&cycle.taken_from(&fine), resolution);
        }
    }
    if !matches!(shaped.shape, Shape::Flat | Shape::Saturating { .. } | Shape::Sawtooth { .. }) {
        let warm = without_spikes(&thin(before, CELLS, midmean), resolution);
        let warm = cycle.as_ref().map_or_else(|| warm.clone(), |cycle| cycle.taken_from(&warm));
        let whole: Vec<(f64, f64)> = warm.into_iter().chain(shaped.points.iter().copied()).collect();
        shaped.fill_from_the_start(&whole, resolution);
    }
    shaped
}

impl Shaped {
    /// What looks like a step or two after warm-up may be the end of a filling that began before: `whole` has both.
    fn fill_from_the_start(&mut self, whole: &[(f64, f64)], resolution: f64) {
        let (Some(first), Some(last)) = (whole.first(), whole.last()) else { return };
        let judged_s = self.points.first().map_or(first.0, |point| point.0);
        if judged_s <= first.0 {
            return;
        }
        let span_s = last.0 - first.0;
        let blocks: Vec<(f64, f64)> = thin(whole, fit::BLOCKS, low_median)
            .iter()
            .map(|(at_s, value)| ((at_s - first.0) / span_s, *value))
            .collect();
        let Choice::Fit(fit) = choose(&blocks, resolution) else { return };
        let Form::Filling { from_s, tau_s } = fit.form else { return };
        if first.0 + from_s * span_s < judged_s {
            self.shape = Shape::Saturating { height: fit.coefficient(1), tau_s: tau_s * span_s };
            let filled_s = first.0 + (from_s + 3.0 * tau_s) * span_s;
            self.from_s = filled_s.clamp(judged_s, judged_s + (last.0 - judged_s) * 2.0 / 3.0);
            self.breaks.clear();
            self.aside = None;
        }
    }

    /// What looks like a line may be a staircase in noise. It is a leak as much as the line is: only its name is another.
    fn look_for_a_staircase(&mut self, points: &[(f64, f64)], resolution: f64) {
        let Some(per_s) = slope(points).filter(|per_s| *per_s > 0.0) else { return };
        if let Some(jumps) = jumps::staircase(points, per_s, STAIRCASE).filter(|jumps| jumps.height >= 2.0 * resolution)
        {
            let (first, last) = (jumps.at_s[0], jumps.at_s[jumps.at_s.len() - 1]);
            let every_s = (last - first) / (jumps.at_s.len() - 1) as f64;
            self.shape = Shape::Steps { count: jumps.at_s.len(), height: jumps.height, every_s };
            // None of the steps is a single event.
            self.breaks.clear();
            self.aside = None;
        }
    }

    /// What a choice means.
    fn follow(&mut self, choice: &Choice, cycle: Option<&Cycle>, resolution: f64, at_s: impl Fn(f64) -> f64) {
        match choice {
            Choice::Levels { levels, places } => {
                let mut kept = levels.kept(places.len());
                kept.retain(|rise| rise.height >= resolution);
                let place = |at: usize| at_s(places[at]);
                self.shape = of_rises(&kept, place);
                if kept.len() < STAIRCASE {
                    self.breaks = levels.ups().map(place).collect();
                    self.aside = aside(kept.iter().map(|rise| rise.height));
                }
                // Growth that goes up by the smallest amount there is has no steps, only whole numbers.
                if let Shape::Steps { count: STAIRCASE.., height, .. } = self.shape
                    && height < 2.0 * resolution
                {
                    self.shape = Shape::Linear;
                }
            }
            Choice::Fit(fit) => match &fit.form {
                Form::Flat => {}
                Form::Linear => {
                    let per_turn = cycle.map(|cycle| (cycle, fit.coefficient(1) / cycle.turns));
                    let staircase = per_turn.and_then(|(cycle, per_turn)| staircase(cycle, per_turn, resolution));
                    self.shape = staircase.unwrap_or(Shape::Linear);
                }
                Form::LinearWithSteps(steps) => {
                    self.shape = Shape::Linear;
                    self.breaks = steps.iter().map(|x| at_s(*x - 0.5 / fit::BLOCKS as f64)).collect();
                    self.breaks.sort_by(f64::total_cmp);
                    self.aside = aside((0..steps.len()).map(|step| fit.coefficient(step + 2)));
                }
                Form::Onset(from) => {
                    self.shape = Shape::LateOnset { at_s: at_s(*from) };
                    self.from_s = at_s(*from);
                }
                Form::Bent => {
                    self.shape = Shape::Accelerating;
                    self.from_s = at_s(2.0 / 3.0);
                }
                Form::Filling { from_s, tau_s } => {
                    self.shape = Shape::Saturating { height: fit.coefficient(1), tau_s: at_s(*tau_s) - at_s(0.0) };
                    self.from_s = at_s((from_s + 3.0 * tau_s).clamp(0.0, 2.0 / 3.0));
                }
            },
        }
        // Beside a cycle, what comes to much less than it is not what a person sees.
        if let Some(cycle) = cycle.filter(|cycle| (choice.at(1.0) - choice.at(0.0)).abs() < cycle.height / 4.0) {
            self.shape = Shape::Sawtooth { period_s: cycle.period_s, height: cycle.height };
        }
    }
}

fn aside(heights: impl Iterator<Item = f64>) -> Option<Aside> {
    let (count, height) =
        heights.filter(|height| *height > 0.0).fold((0, 0.0), |(n, sum), height| (n + 1, sum + height));
    (count > 0).then_some(Aside { count, height })
}

/// A line and a cycle that together stand still between jumps of just what the line rises by in a turn.
fn staircase(cycle: &Cycle, per_turn: f64, resolution: f64) -> Option<Shape> {
    let few = cycle.turns <= 25.0 && per_turn >= 2.0 * resolution;
    let fall = cycle.fall().filter(|fall| fall.explained >= TREAD_EXPLAINS)?;
    let alike = (fall.depth / per_turn - 1.0).abs() < 0.4;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of turns")]
    let count = cycle.turns.round() as usize;
    (few && alike).then_some(Shape::Steps { count, height: per_turn, every_s: cycle.period_s })
}

fn of_rises(kept: &[Rise], place: impl Fn(usize) -> f64) -> Shape {
    let largest = kept.iter().max_by(|a, b| a.height.total_cmp(&b.height));
    match (kept, largest) {
        ([], _) | (_, None) => Shape::Flat,
        ([_], Some(rise)) => Shape::Step { at_s: place(rise.at), height: rise.height },
        ([first, .., last], _) => Shape::Steps {
            count: kept.len(),
            height: kept.iter().map(|rise| rise.height).sum::<f64>() / kept.len() as f64,
            every_s: (place(last.at) - place(first.at)) / (kept.len() - 1) as f64,
        },
    }
}

enum Choice {
    /// With where the blocks begin, as shares of the series.
    Levels {
        levels: Levels,
        places: Vec<f64>,
    },
    Fit(Fit),
}

impl Choice {
    fn at(&self, x: f64) -> f64 {
        match self {
            Self::Fit(fit) => fit.at(x),
            Self::Levels { levels, places } => {
                let level = levels.starts.partition_point(|&start| places[start] <= x).max(1);
                levels.heights[level - 1]
            }
        }
    }
}

/// The candidate with the smallest BIC.
fn choose(points: &[(f64, f64)], resolution: f64) -> Choice {
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let count = points.len() as f64;
    // What is counted in whole numbers cannot be known more exactly than that.
    let rounding = resolution * resolution / 12.0;
    let correlation = first_correlation(&values, rounding);
    let independent = (count * (1.0 - correlation) / (1.0 + correlation)).max(4.0);
    let bic = |rss: f64, parameters: f64| independent * (rss / count + rounding).ln() + parameters * independent.ln();
    let scored = |fit: Fit| (bic(fit.rss, fit.parameters), fit);
    let mut lines = fit::with_steps(points, 3);
    let broken = lines.split_off(lines.len().min(1));
    let plain = std::iter::once(fit::flat(points)).chain(lines).map(scored);
    let bent = broken.into_iter().chain(bent(points)).map(scored).map(|(score, fit)| (score + BENT_MARGIN, fit));
    let fit = plain.chain(bent).min_by(|a, b| a.0.total_cmp(&b.0));
    let mut stepped: Option<(f64, Levels)> = None;
    let mut worse = 0;
    partitions(&values, MOST_CHANGES, points.len() / 50, |levels| {
        let score = bic(levels.rss, 2.0 * levels.starts.len() as f64 - 1.0);
        if stepped.as_ref().is_none_or(|(least, _)| score < *least) {
            stepped = Some((score, levels));
            worse = 0;
        } else {
            worse += 1;
        }
        worse < PATIENCE
    });
    match (fit, stepped) {
        (Some((of_fit, _)), Some((of_levels, levels))) if of_levels < of_fit => {
            let middle = |at: usize| if at == 0 { points[0].0 } else { f64::midpoint(points[at - 1].0, points[at].0) };
            Choice::Levels { levels, places: (0..points.len()).map(middle).collect() }
        }
        (Some((_, fit)), _) => Choice::Fit(fit),
        (None, _) => Choice::Fit(fit::flat(points)),
    }
}

/// The best of each kind of shape that bends.
fn bent(points: &[(f64, f64)]) -> Vec<Fit> {
    let best = |forms: &mut dyn Iterator<Item = Form>, holds: fn(&Fit) -> bool| {
        let fits = forms.filter_map(|form| Fit::of(points, form)).filter(holds);
        fits.min_by(|a, b| a.rss.total_cmp(&b.rss))
    };
    let mut onsets = (5..=42).map(|at| Form::Onset(f64::from(at) / 50.0));
    let onset = best(&mut onsets, |fit| fit.coefficient(1) > 0.0);
    let parabola = best(&mut std::iter::once(Form::Bent), |fit| {
        fit.coefficient(2) > 0.0 && fit.coefficient(1) >= -0.2 * fit.coefficient(2)
    });
    let starts = (0..12).map(|at| f64::from(at) / 16.0);
    let mut fillings =
        starts.flat_map(|from_s| (0..9).map(move |at| Form::Filling { from_s, tau_s: 0.02 * 1.45_f64.powi(at) }));
    let filling = best(&mut fillings, |fit| fit.coefficient(1) > 0.0);
    [onset, parabola, filling].into_iter().flatten().collect()
}

/// Autocorrelation of the noise at a distance of one point, from differences: they leave out any trend, and leaving out the
/// largest of them leaves out steps. Rounding adds noise of its own.
fn first_correlation(values: &[f64], rounding: f64) -> f64 {
    let variance = |lag: usize| {
        let mut differences: Vec<f64> = values.iter().zip(values.iter().skip(lag)).map(|(a, b)| b - a).collect();
        if differences.len() < 4 {
            return 0.0;
        }
        let middle = median(&mut differences);
        let mut squares: Vec<f64> = differences.iter().map(|difference| (difference - middle).powi(2)).collect();
        squares.sort_by(f64::total_cmp);
        let kept = squares.len() * 4 / 5;
        squares[..kept].iter().sum::<f64>() / kept as f64 + 2.0 * rounding
    };
    let first = variance(1);
    if first > 0.0 { (variance(2) / first - 1.0).clamp(0.0, 0.9) } else { 0.0 }
}

/// How finely the values are told: 1 where all are whole numbers, else the smallest difference between two, as far as that is
/// small against all of them. `None`: they are all the same.
fn resolution(points: &[(f64, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_unstable_by(f64::total_cmp);
    let range = values.last()? - values.first()?;
    if range <= 0.0 {
        return None;
    }
    if values.iter().all(|value| value.fract() == 0.0) {
        return Some(1.0);
    }
    let gaps = values.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0);
    gaps.reduce(f64::min).map(|gap| gap.min(range / 100.0))
}

#[cfg(test)]
mod tests;
