//! Seeded noise: the same series on every machine.

/// `SplitMix64` (Steele, Lea & Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Mean 0, standard deviation 1 (Box & Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// What disturbs a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Independent, standard deviation up to 3.
    White,
    /// Each value resembles the one before by up to 0.9, standard deviation up to 3.
    Ar1,
    /// The worst of those: 0.9 and 3.
    Ar1Worst,
    /// Spikes of 5 to 50 for 1 to 10 s, one a minute.
    Bursts,
    /// A cycle of 1 to 5 min and a height of up to 20.
    Sawtooth,
    /// As `Ar1`, a twentieth of the ticks missing.
    Missing,
    /// All of them at once.
    Mixed,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::White, Self::Ar1, Self::Ar1Worst, Self::Bursts, Self::Sawtooth, Self::Missing, Self::Mixed];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Ar1 => "AR(1)",
            Self::Ar1Worst => "AR(1), 0.9 and 3",
            Self::Bursts => "bursts",
            Self::Sawtooth => "sawtooth",
            Self::Missing => "5 % missing",
            Self::Mixed => "all at once",
        }
    }

    /// The counts of a run: what they would be without noise, at every second that is not missing, with noise, in whole
    /// numbers.
    pub(crate) fn disturb(self, noise: &mut Noise, seconds: u32, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let phi = match self {
            Self::White | Self::Bursts | Self::Sawtooth => 0.0,
            Self::Ar1Worst => 0.9,
            Self::Ar1 | Self::Missing | Self::Mixed => noise.between(0.0, 0.9),
        };
        let sd = match self {
            Self::Ar1Worst => 3.0,
            _ => noise.between(0.0, 3.0),
        };
        let bursts = matches!(self, Self::Bursts | Self::Mixed);
        let cycles = matches!(self, Self::Sawtooth | Self::Mixed);
        let missing = if matches!(self, Self::Missing | Self::Mixed) { 0.05 } else { 0.0 };
        let (period, height, phase) = (noise.between(60.0, 300.0), noise.between(0.0, 20.0), noise.uniform());
        let mut wobble = noise.normal() * sd;
        let (mut burst_until, mut burst) = (0.0, 0.0);
        let mut points = Vec::with_capacity(seconds as usize);
        for at_s in (0..=seconds).map(f64::from) {
            wobble = phi * wobble + sd * (1.0 - phi * phi).sqrt() * noise.normal();
            if bursts && at_s >= burst_until && noise.uniform() < 1.0 / 60.0 {
                (burst_until, burst) = (at_s + noise.between(1.0, 10.0), noise.between(5.0, 50.0));
            }
            let spike = if at_s < burst_until { burst } else { 0.0 };
            let tooth = if cycles { height * (at_s / period + phase).fract() } else { 0.0 };
            if noise.uniform() >= missing {
                points.push((at_s, (100.0 + value(at_s) + wobble + spike + tooth).round()));
            }
        }
        points
    }
}
