//! The plots of `docs/statistics.md`: one series of each class as the charts of a run show it, with its verdict.

use std::path::Path;

use leaksoak_reports::Outcome;
use leaksoak_reports::render::png::{Chart, Limit, Line, Unit, draw as draw_chart};

use super::classes::{Class, LIMIT, SECONDS, WARMUP_S};
use super::count::judged;
use super::noise::Kind;

/// Writes them into a directory.
pub(crate) fn draw(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(directory)?;
    let calm = [
        (Class::OneStep, Kind::Ar1, 6),
        (Class::Filling, Kind::White, 3),
        (Class::Cycle, Kind::White, 2),
        (Class::Still, Kind::Bursts, 4),
    ];
    let leaks = [
        (Class::Leak, Kind::Sawtooth, 1),
        (Class::Staircase, Kind::White, 2),
        (Class::LateLeak, Kind::Ar1Worst, 3),
        (Class::SlowLeak, Kind::Ar1, 5),
    ];
    for (file, title, series) in
        [("no-leaks.png", "Growth that is no leak", calm), ("leaks.png", "Leaks, the last one under the limit", leaks)]
    {
        let chart = Chart {
            title: title.to_owned(),
            subtitle: "simulated  ·  one second a sample  ·  as judged".to_owned(),
            unit: Unit::Count,
            lines: series.into_iter().enumerate().map(|(at, of)| line(at, of)).collect(),
            warmup_end_s: WARMUP_S,
            faults: Vec::new(),
            stages: Vec::new(),
            end_s: f64::from(SECONDS),
        };
        std::fs::write(directory.join(file), draw_chart(&chart)?)?;
    }
    Ok(())
}

/// Each line starts higher than the one before, so that they can be told apart.
fn line(at: usize, (class, noise, seed): (Class, Kind, u64)) -> Line {
    let series = class.series(noise, seed);
    let (growth, outcome) = judged(&series.points);
    let lift = 90.0 * at as f64;
    let points: Vec<(f64, f64)> = series.points.iter().map(|(at_s, value)| (*at_s, value + lift)).collect();
    let word = growth.shape.map_or("?", |shape| shape.word());
    let rate = growth.steady.map_or(f64::NAN, |steady| steady.per_min);
    let baseline = growth.baseline.unwrap_or(0.0) + lift;
    Line {
        name: word.to_owned(),
        remark: Some(format!("{rate:.2}/min, {}", outcome.word())),
        limit: (outcome == Outcome::Fail).then_some(Limit { baseline, per_min: LIMIT }),
        leaks: false,
        deaths: Vec::new(),
        pieces: vec![points],
    }
}
