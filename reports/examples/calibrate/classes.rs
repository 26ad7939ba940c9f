//! The classes of series that the verdict is measured on, each with what is asked of it.

use super::noise::{Kind, Noise};

/// Seconds of a run, warm-up included.
pub(crate) const SECONDS: u32 = 1_800;
/// Seconds of warm-up.
pub(crate) const WARMUP_S: f64 = 120.0;
/// Per minute.
pub(crate) const LIMIT: f64 = 2.0;

/// Shares that are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) pass_least: f64,
    pub(crate) pass_most: f64,
    pub(crate) fail_least: f64,
    pub(crate) fail_most: f64,
}

const ANY: Asked = Asked { pass_least: 0.0, pass_most: 1.0, fail_least: 0.0, fail_most: 1.0 };

impl Asked {
    pub(crate) fn words(&self) -> String {
        let pct = |share: f64| format!("{} %", share * 100.0);
        let parts = [
            (self.pass_least > 0.0).then(|| format!("PASS >= {}", pct(self.pass_least))),
            (self.pass_most < 1.0).then(|| format!("PASS <= {}", pct(self.pass_most))),
            (self.fail_least > 0.0).then(|| format!("FAIL >= {}", pct(self.fail_least))),
            (self.fail_most < 1.0).then(|| format!("FAIL <= {}", pct(self.fail_most))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// One class of series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Class {
    Still,
    OneStep,
    Filling,
    SeveralSteps,
    Staircase,
    Cycle,
    Leak,
    SlowLeak,
    LateLeak,
    /// A leak of so much a minute: for the table by rate.
    Rate(f64),
}

/// One series of a class.
pub(crate) struct Series {
    /// (seconds, count).
    pub(crate) points: Vec<(f64, f64)>,
    /// The true rate per minute of what is a line; else 0.
    pub(crate) rate: f64,
    /// The shapes that are right.
    pub(crate) shapes: &'static [&'static str],
}

impl Class {
    pub(crate) const ALL: [Self; 9] = [
        Self::Still,
        Self::OneStep,
        Self::Filling,
        Self::SeveralSteps,
        Self::Cycle,
        Self::SlowLeak,
        Self::Leak,
        Self::Staircase,
        Self::LateLeak,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::OneStep => "one step of 1 to 100 before minute 25",
            Self::Filling => "fills to 50, time constant 0.5 to 5 min",
            Self::SeveralSteps => "two or three such steps",
            Self::Staircase => "staircase of 9 every 2 to 3 min",
            Self::Cycle => "grows 20/min for 3 min, gives all back",
            Self::Leak => "leak of 3 to 20/min",
            Self::SlowLeak => "leak of 0.3 to 1/min",
            Self::LateLeak => "leak of 4/min from half time on",
            Self::Rate(_) => "leak",
        }
    }

    pub(crate) fn asked(self) -> Asked {
        match self {
            Self::Still | Self::OneStep | Self::Filling => Asked { pass_least: 0.95, fail_most: 0.01, ..ANY },
            Self::SeveralSteps | Self::Cycle => Asked { fail_most: 0.01, ..ANY },
            Self::Staircase | Self::Leak => Asked { pass_most: 0.001, fail_least: 0.99, ..ANY },
            Self::SlowLeak => Asked { pass_least: 0.95, ..ANY },
            Self::LateLeak => Asked { pass_most: 0.01, ..ANY },
            Self::Rate(_) => ANY,
        }
    }

    /// It is a line, whose rate the interval should hold.
    pub(crate) fn is_line(self) -> bool {
        matches!(self, Self::Leak | Self::SlowLeak | Self::Rate(_))
    }

    /// The shapes that are right. Of what has filled within warm-up nothing is left to be seen, and small cycles drown in noise.
    fn shapes(self, noise: Kind, left: f64) -> &'static [&'static str] {
        let cycles = matches!(noise, Kind::Sawtooth | Kind::Mixed);
        match self {
            Self::Still if cycles => &["flat", "sawtooth"],
            Self::Still => &["flat"],
            Self::OneStep => &["step"],
            Self::Filling if left < 5.0 => &["saturating", "flat"],
            Self::Filling => &["saturating"],
            Self::SeveralSteps | Self::Staircase => &["steps"],
            Self::Cycle => &["sawtooth"],
            Self::Leak | Self::SlowLeak | Self::Rate(_) => &["linear"],
            Self::LateLeak => &["late_onset", "accelerating"],
        }
    }

    /// The series of a seed.
    pub(crate) fn series(self, kind: Kind, seed: u64) -> Series {
        let noise = &mut Noise(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        let (mut rate, mut left) = (0.0, 0.0);
        let value: Box<dyn Fn(f64) -> f64> = match self {
            Self::Still => Box::new(|_| 0.0),
            Self::OneStep => steps(noise, 1),
            Self::SeveralSteps => {
                let count = if noise.uniform() < 0.5 { 2 } else { 3 };
                steps(noise, count)
            }
            Self::Filling => {
                let tau = noise.between(30.0, 300.0);
                left = 50.0 * (-WARMUP_S / tau).exp();
                Box::new(move |at_s| 50.0 * (1.0 - (-at_s / tau).exp()))
            }
            Self::Staircase => staircase(noise),
            Self::Cycle => cycle(noise),
            Self::Leak | Self::SlowLeak | Self::Rate(_) => {
                rate = match self {
                    // Most of them near 3, where it is hard.
                    Self::Leak => 3.0 + 17.0 * noise.uniform().powi(3),
                    Self::Rate(rate) => rate,
                    _ => noise.between(0.3, 1.0),
                };
                Box::new(move |at_s| rate * at_s / 60.0)
            }
            Self::LateLeak => Box::new(|at_s| (at_s - f64::from(SECONDS) / 2.0).max(0.0) * 4.0 / 60.0),
        };
        Series { points: kind.disturb(noise, SECONDS, value), rate, shapes: self.shapes(kind, left) }
    }
}

fn steps(noise: &mut Noise, count: usize) -> Box<dyn Fn(f64) -> f64> {
    let steps: Vec<(f64, f64)> =
        (0..count).map(|_| (noise.between(120.0, 1_500.0), noise.between(1.0, 100.0))).collect();
    Box::new(move |at_s| steps.iter().filter(|(step_s, _)| at_s >= *step_s).map(|(_, height)| height).sum())
}

/// Evenly, or each tread of a length of its own.
fn staircase(noise: &mut Noise) -> Box<dyn Fn(f64) -> f64> {
    let even = (noise.uniform() < 0.5).then(|| noise.between(120.0, 180.0));
    let mut edges = Vec::new();
    let mut at_s = noise.between(0.0, 120.0);
    while at_s < f64::from(SECONDS) {
        edges.push(at_s);
        at_s += even.unwrap_or_else(|| noise.between(120.0, 180.0));
    }
    Box::new(move |at_s| 9.0 * edges.iter().filter(|edge| at_s >= **edge).count() as f64)
}

/// Back at once, back as slowly as it grew, or back at once and then a minute of rest.
fn cycle(noise: &mut Noise) -> Box<dyn Fn(f64) -> f64> {
    let (kind, phase) = (noise.uniform(), noise.uniform());
    let (period, back_s) = match kind {
        kind if kind < 1.0 / 3.0 => (180.0, 0.0),
        kind if kind < 2.0 / 3.0 => (360.0, 180.0),
        _ => (240.0, 0.0),
    };
    Box::new(move |at_s| {
        let at = (at_s / period + phase).fract() * period;
        if at < 180.0 {
            at / 3.0
        } else if back_s > 0.0 {
            60.0 - (at - 180.0) / 3.0
        } else {
            0.0
        }
    })
}
