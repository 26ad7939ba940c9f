//! What the analysis and the verdict of a recorded run cost: nobody waits for an answer that the run already holds.
//!
//! The runs are made up: four arms, every column recorded, one of them a leak.

#![expect(clippy::unwrap_used, reason = "what a helper of the tests unwraps ends the bench, as it should")]

use divan::{AllocProfiler, Bencher};
use leaksoak_reports::{Recording, judge, write_reports};

#[path = "../tests/reports/support.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use support::{Plan, SOAK, Script, leaking, write};

/// Peaks of memory stand beside the times.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// As `nightly-48h`: a sample every 5 s for two days.
const NIGHTLY: Plan =
    Plan { duration_s: 172_800.0, warmup_s: 600.0, sample_every_s: 5.0, checkpoint_every_s: 600.0, ..SOAK };

fn recorded(plan: &Plan) -> Recording {
    plan.record(&[
        Script::steady("pooled", "pooled").fds(|at_s| 30.0 + (at_s / 7.0).sin() * 3.0).tasks(|at_s| 24.0 + at_s % 5.0),
        Script::steady("naive", "naive").fds(leaking(0.3)).tasks(leaking(0.6)).control(),
        Script::steady("hybrid", "hybrid").fds(|at_s| if at_s > 900.0 { 39.0 } else { 30.0 }),
        Script::steady("saw", "pooled").fds(|at_s| 30.0 + at_s % 240.0 / 12.0),
    ])
}

#[divan::bench(sample_count = 20)]
fn half_an_hour_at_a_second(bencher: Bencher) {
    let recording = recorded(&SOAK);
    bencher.bench(|| judge(&recording));
}

#[divan::bench(sample_count = 10)]
fn two_days_at_five_seconds(bencher: Bencher) {
    let recording = recorded(&NIGHTLY);
    bencher.bench(|| judge(&recording));
}

/// With the reading of its files, and the reports: what `leaksoak report` does.
#[divan::bench(sample_count = 10)]
fn half_an_hour_from_its_directory(bencher: Bencher) {
    report(bencher, &SOAK);
}

#[divan::bench(sample_count = 5)]
fn two_days_from_their_directory(bencher: Bencher) {
    report(bencher, &NIGHTLY);
}

fn report(bencher: Bencher, plan: &Plan) {
    let dir = tempfile::tempdir().unwrap();
    write(&recorded(plan), dir.path());
    bencher.bench(|| write_reports(dir.path()).unwrap());
}
