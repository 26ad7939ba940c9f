//! The pull request that this tool has to be able to settle: 8 containers, 30 minutes, checkpoints every two.

use leaksoak_reports::analysis::{Growth, Known, Shape};
use leaksoak_reports::record::events::Exit;
use leaksoak_reports::verdict::{Criterion, decide};
use leaksoak_reports::{Outcome, RunVerdict, judge};

use leaksoak_scenarios::GrowthBy;

use crate::support::{Plan, SOAK, Script, leaking};

/// FDs over the baseline in the pooled run, by minutes since the baseline: +8, +11, +12, +12, +9, +9, ... +9.
fn pooled_fds(time: f64) -> f64 {
    let over = match (time - 120.0) / 60.0 {
        minutes if minutes < 2.0 => 0.0,
        minutes if minutes < 4.0 => 8.0,
        minutes if minutes < 6.0 => 11.0,
        minutes if minutes < 10.0 => 12.0,
        _ => 9.0,
    };
    31.0 + over
}

fn pooled() -> Script {
    Script::steady("pooled", "pooled").fds(pooled_fds).tasks(|_| 95.0)
}

fn per_request() -> Script {
    Script::steady("per-request", "naive").fds(leaking(15.7)).tasks(leaking(31.4))
}

fn hybrid() -> Script {
    Script::steady("hybrid", "hybrid").fds(leaking(10.0)).tasks(|time| 480.0 + time * 43.0 / 60.0).dies(
        8.0 * 60.0,
        Exit::Code { code: 1 },
        "leaksoak arm hybrid: too many open files",
    )
}

fn steady(verdict: &RunVerdict, arm: usize, criterion: Criterion) -> f64 {
    verdict.arms[arm].result(criterion).unwrap().measured.unwrap()
}

#[test]
fn the_pooled_client_passes_its_converging_rate_being_one_step() {
    for (minutes, cumulative) in [(10, "0.90"), (20, "0.45"), (30, "0.30")] {
        let plan = Plan { duration_s: 120.0 + f64::from(minutes) * 60.0, ..SOAK };
        let verdict = judge(&plan.record(&[pooled()]));
        let fds = verdict.arms[0].result(Criterion::FdGrowth).unwrap();
        let shown = fds.growth.as_ref().unwrap().cumulative_per_min.unwrap();
        assert_eq!(format!("{shown:.2}"), cumulative, "after {minutes} minutes");
        if minutes == 30 {
            assert_eq!(fds.measured, Some(0.0));
            let shape = fds.growth.as_ref().and_then(|growth| growth.shape).unwrap();
            assert!(matches!(shape, Shape::Step { height, .. } if (height - 9.0).abs() < 1.0), "{shape:?}");
            insta::assert_snapshot!(fds.notes.join("\n"), @"+9 FDs since the baseline, but not growing: its cumulative rate of 0.30/min is one change divided by a growing time");
        }
    }
    let verdict = judge(&SOAK.record(&[pooled()]));
    assert_eq!((verdict.outcome, verdict.exit_code()), (Outcome::Pass, 0), "{:?}", verdict.reasons);
}

#[test]
fn the_pooled_client_passes_by_its_fifteen_checkpoints_alone() {
    let over = [0.0, 8.0, 11.0, 12.0, 12.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0];
    let points: Vec<(f64, f64)> =
        over.iter().zip(1_u32..).map(|(over, at)| (f64::from(at) * 120.0, 31.0 + over)).collect();
    let growth = Growth::of(&points, 120.0, &[]);
    let decision = decide(&growth, Known::ALL, 2.0, GrowthBy::Steady);
    assert_eq!(decision.outcome, Outcome::Pass, "{decision:?}");
    assert!(growth.steady.unwrap().per_min.abs() < 1e-9);
    assert!((growth.cumulative_per_min.unwrap() - 0.3).abs() < 1e-9);
    assert!(matches!(growth.shape, Some(Shape::Step { .. } | Shape::Saturating { .. })), "{growth:?}");
}

#[test]
fn the_client_per_request_fails_at_its_rates() {
    let verdict = judge(&SOAK.record(&[per_request()]));
    assert_eq!((verdict.outcome, verdict.exit_code()), (Outcome::Fail, 1));
    assert!((steady(&verdict, 0, Criterion::FdGrowth) - 15.7).abs() < 0.05);
    assert!((steady(&verdict, 0, Criterion::TaskGrowth) - 31.4).abs() < 0.05);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
    per-request: FD growth: 15.7/min (15.7 to 15.7); above the limit of 2/min
    per-request: task growth: 31.4/min (31.4 to 31.4); above the limit of 2/min
    ");
}

#[test]
fn the_hybrid_fails_by_its_growth_and_by_its_crash() {
    let verdict = judge(&SOAK.record(&[hybrid()]));
    assert_eq!(verdict.outcome, Outcome::Fail);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r#"
    hybrid: FD growth: 10.0/min (9.99 to 10.0); above the limit of 2/min
    hybrid: task growth: 43.0/min (43.0 to 43.0); above the limit of 2/min
    hybrid: loss: 115,208 of 153,608 lines (75.00 %)
    hybrid: uptime: up 25.00 % of the time: exited with code 1 at 8 min, saying "leaksoak arm hybrid: too many open files"
    "#);
}

#[test]
fn an_agent_that_was_perhaps_not_monitoring_is_invalid() {
    let verdict = judge(&SOAK.record(&[pooled().streams(0).delivers_nothing()]));
    assert_eq!((verdict.outcome, verdict.exit_code()), (Outcome::Invalid, 4));
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"pooled: work: no line of it reached the sink: what captures nothing leaks nothing");
}

#[test]
fn the_three_side_by_side_pass_when_the_leaking_ones_are_controls() {
    let verdict = judge(&SOAK.record(&[pooled(), per_request().control(), hybrid().control()]));
    assert_eq!((verdict.outcome, verdict.exit_code()), (Outcome::Pass, 0), "{:?}", verdict.reasons);
}
