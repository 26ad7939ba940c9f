//! Least-squares fits of the candidate shapes to a thinned series.
//!
//! Each gives its residual sum of squares, what it cost in parameters, and its values; `super` compares them.

/// Points that shapes are fitted to.
pub(in crate::analysis) const BLOCKS: usize = 150;

/// One fitted shape.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Fit {
    /// Residual sum of squares.
    pub(in crate::analysis) rss: f64,
    /// Free parameters, places in time included.
    pub(in crate::analysis) parameters: f64,
    pub(in crate::analysis) form: Form,
    coefficients: Vec<f64>,
}

/// What is fitted.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::analysis) enum Form {
    Flat,
    Linear,
    /// A line with level changes on it, at these times.
    LinearWithSteps(Vec<f64>),
    /// Still until then, a line from there on.
    Onset(f64),
    /// A parabola.
    Bent,
    /// Still until `from_s`, then towards a level, with this time constant.
    Filling {
        from_s: f64,
        tau_s: f64,
    },
}

/// Most columns of a regression, and its right side.
const COLUMNS: usize = 6;

impl Form {
    /// The columns of the regression at a time, the constant first, and how many they are.
    fn columns(&self, at_s: f64) -> ([f64; COLUMNS], usize) {
        let mut columns = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let count = match self {
            Self::Flat => 1,
            Self::Linear => {
                columns[1] = at_s;
                2
            }
            Self::LinearWithSteps(steps) => {
                columns[1] = at_s;
                for (column, step) in columns[2..].iter_mut().zip(steps) {
                    *column = if at_s >= *step { 1.0 } else { 0.0 };
                }
                2 + steps.len().min(COLUMNS - 3)
            }
            Self::Onset(from_s) => {
                columns[1] = (at_s - from_s).max(0.0);
                2
            }
            Self::Bent => {
                columns[1] = at_s;
                columns[2] = at_s * at_s;
                3
            }
            Self::Filling { from_s, tau_s } => {
                columns[1] = 1.0 - (-((at_s - from_s).max(0.0)) / tau_s).exp();
                2
            }
        };
        (columns, count)
    }

    fn parameters(&self) -> f64 {
        match self {
            Self::Flat => 1.0,
            Self::Linear => 2.0,
            Self::LinearWithSteps(steps) => 2.0 + 2.0 * steps.len() as f64,
            Self::Onset(_) | Self::Bent => 3.0,
            Self::Filling { .. } => 4.0,
        }
    }
}

impl Fit {
    /// Least squares of a form; `None` where the points do not determine it.
    pub(in crate::analysis) fn of(points: &[(f64, f64)], form: Form) -> Option<Self> {
        let size = form.columns(0.0).1;
        let mean = points.iter().map(|(_, value)| value).sum::<f64>() / points.len() as f64;
        let mut normal = [[0.0; COLUMNS]; COLUMNS - 1];
        let mut squares = 0.0;
        for (at_s, value) in points {
            let (mut row, _) = form.columns(*at_s);
            row[size] = value - mean;
            squares += row[size] * row[size];
            for (sums, left) in normal[..size].iter_mut().zip(row) {
                for (sum, right) in sums[..=size].iter_mut().zip(&row[..=size]) {
                    *sum += left * right;
                }
            }
        }
        let sides = normal;
        let mut coefficients = solve(normal, size)?;
        let explained: f64 = coefficients.iter().zip(&sides).map(|(coefficient, sums)| coefficient * sums[size]).sum();
        coefficients[0] += mean;
        Some(Self { rss: (squares - explained).max(0.0), parameters: form.parameters(), form, coefficients })
    }

    /// Its value at a time.
    pub(in crate::analysis) fn at(&self, at_s: f64) -> f64 {
        let (columns, _) = self.form.columns(at_s);
        columns.iter().zip(&self.coefficients).map(|(column, coefficient)| column * coefficient).sum()
    }

    /// The coefficient of a column, the constant being 0.
    pub(in crate::analysis) fn coefficient(&self, column: usize) -> f64 {
        self.coefficients.get(column).copied().unwrap_or(0.0)
    }
}

/// What is still, a line, or a line with up to three steps, whatever explains enough for what it costs: what to take out of a
/// series before cycles are looked for in it.
pub(in crate::analysis) fn rough(points: &[(f64, f64)]) -> Fit {
    // As if there were so many independent points: a step has to take a fifth off the residuals.
    const INDEPENDENT: f64 = 30.0;
    let score = |fit: &Fit| INDEPENDENT * fit.rss.max(f64::MIN_POSITIVE).ln() + fit.parameters * INDEPENDENT.ln();
    let fits = std::iter::once(flat(points)).chain(with_steps(points, 3));
    fits.min_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or_else(|| flat(points))
}

/// The mean.
pub(in crate::analysis) fn flat(points: &[(f64, f64)]) -> Fit {
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / points.len().max(1) as f64;
    let rss = points.iter().map(|(_, value)| (value - mean).powi(2)).sum();
    Fit { rss, parameters: 1.0, form: Form::Flat, coefficients: vec![mean] }
}

/// Lines with no step, one, two ..., each step placed where it explains most beside those before it.
pub(in crate::analysis) fn with_steps(points: &[(f64, f64)], most: usize) -> Vec<Fit> {
    let mut fits: Vec<Fit> = Fit::of(points, Form::Linear).into_iter().collect();
    let apart = (points.len() / 25).max(2);
    for _ in 0..most {
        let Some(last) = fits.last() else { break };
        let steps = match &last.form {
            Form::LinearWithSteps(steps) => steps.clone(),
            _ => Vec::new(),
        };
        let taken = |at: usize| {
            steps.iter().any(|step| {
                points[at.saturating_sub(apart)].0 < *step && *step < points[(at + apart).min(points.len() - 1)].0
            })
        };
        let candidates = (apart..points.len().saturating_sub(apart)).filter(|&at| !taken(at));
        let best = best_step(points, last, candidates);
        let Some(at) = best else { break };
        let mut steps = steps;
        steps.push(points[at].0);
        let Some(fit) = Fit::of(points, Form::LinearWithSteps(steps)) else { break };
        fits.push(fit);
    }
    fits
}

/// Where one step more would take most off the residuals: a step beside a line of its own, by running sums.
fn best_step(points: &[(f64, f64)], fit: &Fit, candidates: impl Iterator<Item = usize>) -> Option<usize> {
    let n = points.len() as f64;
    let mean_s = points.iter().map(|(at_s, _)| at_s).sum::<f64>() / n;
    let residuals: Vec<(f64, f64)> =
        points.iter().map(|(at_s, value)| (at_s - mean_s, value - fit.at(*at_s))).collect();
    let spread: f64 = residuals.iter().map(|(at_s, _)| at_s * at_s).sum();
    let mut after = vec![(0.0, 0.0, 0.0); residuals.len() + 1];
    for at in (0..residuals.len()).rev() {
        let (count, times, values) = after[at + 1];
        after[at] = (count + 1.0, times + residuals[at].0, values + residuals[at].1);
    }
    let all = after[0].2;
    let moment: f64 = residuals.iter().map(|(at_s, value)| at_s * value).sum();
    let gain = |at: usize| {
        let (count, times, values) = after[at];
        // The step's column, made orthogonal to the constant and to the line.
        let own = count - count * count / n - times * times / spread;
        let with = values - count / n * all - times / spread * moment;
        if own > 1e-9 { with * with / own } else { 0.0 }
    };
    candidates.max_by(|a, b| gain(*a).total_cmp(&gain(*b)))
}

/// By Gauss, with pivots.
fn solve(mut rows: [[f64; COLUMNS]; COLUMNS - 1], size: usize) -> Option<Vec<f64>> {
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let above = rows[column];
        if above[column].abs() < 1e-9 {
            return None;
        }
        for (_, row) in rows[..size].iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let factor = row[column] / above[column];
            row.iter_mut().zip(&above).for_each(|(value, above)| *value -= factor * above);
        }
    }
    Some((0..size).map(|at| rows[at][size] / rows[at][at]).collect())
}
