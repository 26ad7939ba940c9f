//! Judging many series and counting what became of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use leaksoak_reports::Outcome;
use leaksoak_reports::analysis::{Growth, Known};
use leaksoak_reports::verdict::decide;
use leaksoak_scenarios::GrowthBy;

use super::classes::{Class, LIMIT, WARMUP_S};
use super::noise::Kind;
use super::peers;

/// What became of the series of one class and one kind of noise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) series: u64,
    pub(crate) pass: u64,
    pub(crate) fail: u64,
    /// The shape was named right.
    pub(crate) named: u64,
    /// The interval holds the true rate.
    pub(crate) covered: u64,
    /// The interval lies above 0: a leak is told, if only a slow one.
    pub(crate) told: u64,
    /// PASS and FAIL of each peer.
    pub(crate) peers: [(u64, u64); peers::ALL.len()],
}

impl Count {
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.series += other.series;
        self.pass += other.pass;
        self.fail += other.fail;
        self.named += other.named;
        self.covered += other.covered;
        self.told += other.told;
        for (sum, peer) in self.peers.iter_mut().zip(other.peers) {
            *sum = (sum.0 + peer.0, sum.1 + peer.1);
        }
        self
    }
}

/// The verdict on a series.
pub(crate) fn judged(points: &[(f64, f64)]) -> (Growth, Outcome) {
    let growth = Growth::of(points, WARMUP_S, &[]);
    let outcome = decide(&growth, Known::ALL, LIMIT, GrowthBy::Steady).outcome;
    (growth, outcome)
}

/// So many series of a class with a kind of noise.
pub(crate) fn of(class: Class, noise: Kind, series: u64) -> Count {
    let mut count = Count { series, ..Count::default() };
    for seed in 0..series {
        let series = class.series(noise, seed);
        let (growth, outcome) = judged(&series.points);
        count.pass += u64::from(outcome == Outcome::Pass);
        count.fail += u64::from(outcome == Outcome::Fail);
        count.named += u64::from(growth.shape.is_some_and(|shape| series.shapes.contains(&shape.word())));
        if let Some(steady) = growth.steady {
            count.covered += u64::from((steady.low..=steady.high).contains(&series.rate));
            count.told += u64::from(steady.low > 0.0);
        }
        let judged = &series.points[series.points.partition_point(|(at_s, _)| *at_s < WARMUP_S)..];
        for (sum, peer) in count.peers.iter_mut().zip(peers::ALL) {
            match (peer.judge)(judged, LIMIT) {
                Outcome::Pass => sum.0 += 1,
                Outcome::Fail => sum.1 += 1,
                _ => {}
            }
        }
    }
    count
}

/// Every class with every kind of noise, on as many threads as there are processors.
pub(crate) fn all(series: u64) -> Vec<(Class, Kind, Count)> {
    let jobs: Vec<(Class, Kind)> =
        Class::ALL.into_iter().flat_map(|class| Kind::ALL.map(|kind| (class, kind))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&(class, kind)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let count = of(class, kind, series);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((class, kind, count));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut counts = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    counts.sort_by_key(|(class, kind, _)| jobs.iter().position(|job| job == &(*class, *kind)));
    counts
}

/// What becomes of a leak of so much a minute under the worst noise.
pub(crate) fn by_rate(series: u64) -> Vec<(f64, Count)> {
    [0.0, 0.5, 1.0, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0, 4.0]
        .map(|rate| (rate, of(Class::Rate(rate), Kind::Ar1Worst, series)))
        .into()
}
