//! A against B: within a run, and between two.

use leaksoak_reports::{Outcome, Recording, RunComparison, compare_runs, judge, render};
use leaksoak_scenarios::Span;

use crate::support::{Plan, SMOKE, SOAK, Script, leaking};

fn pooled() -> Script {
    Script::steady("pooled", "pooled")
}

fn naive() -> Script {
    Script::steady("naive", "naive").fds(leaking(16.0)).tasks(leaking(32.0)).costs(0.005, 260).control()
}

fn run(id: &str, arms: &[Script]) -> Recording {
    let mut recording = SOAK.record(arms);
    recording.info.run_id = String::from(id);
    recording
}

fn before() -> Recording {
    run("before", &[pooled(), naive()])
}

fn after(arm: Script) -> RunComparison {
    compare_runs(&before(), &run("after", &[arm, naive()]), 10.0).unwrap()
}

fn told(comparison: &RunComparison) -> String {
    let reasons: Vec<String> = comparison.reasons.iter().map(|reason| format!("\n- {reason}")).collect();
    format!("{}, exit {}{}", comparison.outcome.word(), comparison.exit_code(), reasons.concat())
}

#[test]
fn within_a_run_each_arm_is_held_against_the_first_in_plain_words() {
    let verdict = judge(&before());
    assert_eq!(verdict.comparisons.len(), 1);
    insta::assert_snapshot!(verdict.comparisons[0].lines.join("\n"));
}

#[test]
fn an_arm_that_did_no_work_is_held_against_nobody() {
    let verdict = judge(&SMOKE.record(&[pooled().delivers_nothing(), naive(), Script::steady("hybrid", "hybrid")]));
    let pairs: Vec<_> = verdict.comparisons.iter().map(|arm| (arm.subject.as_str(), arm.reference.as_str())).collect();
    assert_eq!(pairs, [("naive", "hybrid")]);
}

#[test]
fn the_same_build_twice_is_no_regression() {
    insta::assert_snapshot!(told(&after(pooled())), @"PASS, exit 0");
}

#[test]
fn what_a_comparison_prints_reads_like_this() {
    let comparison = after(pooled().costs(0.006, 900).fds(leaking(3.0)));
    insta::assert_snapshot!("comparison", render::comparison(&comparison));
}

#[test]
fn a_difference_counts_when_it_is_more_than_chance_and_more_than_the_least_effect() {
    let compared = |cpu: f64, min_effect_pct: f64| {
        let after = run("after", &[pooled().costs(cpu, 240), naive()]);
        compare_runs(&before(), &after, min_effect_pct).unwrap().outcome
    };
    assert_eq!(compared(0.0045, 10.0), Outcome::Fail);
    assert_eq!(compared(0.0045, 60.0), Outcome::Pass, "50 % more is less than 60 %");
    assert_eq!(compared(0.00315, 10.0), Outcome::Pass, "5 % more is less than 10 %");
    assert_eq!(compared(0.001, 10.0), Outcome::Pass, "less is better");
    assert_eq!(compared(0.003_000_1, 0.0), Outcome::Pass, "a difference that may be chance");
}

#[test]
fn a_leak_that_is_new_in_b_is_a_regression() {
    insta::assert_snapshot!(told(&after(pooled().fds(leaking(1.0)))));
}

#[test]
fn lines_lost_in_b_are_a_regression() {
    insta::assert_snapshot!(told(&after(pooled().loses(5_000))));
}

#[test]
fn a_control_that_leaks_faster_is_shown_and_held_against_nobody() {
    let faster = naive().fds(leaking(160.0));
    let comparison = compare_runs(&before(), &run("after", &[pooled(), faster]), 10.0).unwrap();
    assert_eq!(comparison.outcome, Outcome::Pass);
    assert!(
        comparison.arms[1].lines[0].starts_with("naive (B) leaks 144 FDs/min more"),
        "{:?}",
        comparison.arms[1].lines
    );
}

#[test]
fn an_arm_that_did_no_work_in_b_makes_the_comparison_invalid() {
    insta::assert_snapshot!(told(&after(pooled().delivers_nothing())));
}

#[test]
fn what_is_known_in_a_and_not_in_b_leaves_it_undecided() {
    let mut lost = run("after", &[pooled(), naive()]);
    lost.ledger = None;
    insta::assert_snapshot!(told(&compare_runs(&before(), &lost, 10.0).unwrap()));
}

#[test]
fn runs_without_a_common_arm_are_refused_with_their_names() {
    let other = run("after", &[Script::steady("hybrid", "hybrid")]);
    let error = compare_runs(&before(), &other, 10.0).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"the runs have no arm in common: A has pooled, naive, B has hybrid; arms are compared by name: run both with the same names");
}

#[test]
fn what_else_differs_is_a_warning() {
    let mut other = Plan { interrupted_s: Some(900.0), ..SOAK }.record(&[pooled(), Script::steady("hybrid", "hybrid")]);
    other.info.run_id = "after".to_owned();
    other.info.engine.version = "28.0.1".to_owned();
    other.info.scenario.drain = Span::from_secs(9);
    other.info.scenario.arms[0].nofile = 512;
    insta::assert_snapshot!(compare_runs(&before(), &other, 10.0).unwrap().warnings.join("\n"));
}

#[test]
fn a_run_compared_with_itself_differs_in_nothing_and_says_so() {
    let comparison = compare_runs(&before(), &before(), 0.0).unwrap();
    assert_eq!((comparison.outcome, comparison.warnings), (Outcome::Pass, vec!["A and B are the same run".to_owned()]));
    for quantity in comparison.arms.iter().flat_map(|arm| &arm.quantities) {
        assert_eq!(quantity.difference.map(|difference| difference.value), Some(0.0), "{quantity:?}");
    }
}

#[test]
fn a_comparison_reads_back_from_its_json() {
    let comparison = after(pooled().costs(0.006, 900));
    let text = render::comparison_json(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<RunComparison>(&text).unwrap(), comparison);
}
