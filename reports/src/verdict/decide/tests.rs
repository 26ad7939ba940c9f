//! The rule's table, by examples: what is seen, and what is said.

use super::*;

/// 28 minutes at one sample a second, after two of warm-up.
fn seen(value: impl Fn(f64) -> f64) -> Growth {
    let points: Vec<(f64, f64)> = (0..=1_800).map(f64::from).map(|at_s| (at_s, value(at_s).floor())).collect();
    Growth::of(&points, 120.0, &[])
}

fn after(at_s: f64, begin_s: f64, height: f64) -> f64 {
    if at_s >= begin_s { height } else { 0.0 }
}

fn told(growth: &Growth) -> String {
    let decision = decide(growth, Known::ALL, 2.0, GrowthBy::Steady);
    format!("{}: {}", decision.outcome.word(), decision.reason)
}

#[test]
fn the_table_of_examples() {
    let minute = |at_s: f64| at_s / 60.0;
    let examples: [(&str, Growth); 12] = [
        ("still", seen(|_| 30.0)),
        ("one step", seen(|at_s| 30.0 + after(at_s, 600.0, 60.0))),
        ("two small steps", seen(|at_s| 30.0 + after(at_s, 600.0, 20.0) + after(at_s, 1_200.0, 9.0))),
        ("two large steps", seen(|at_s| 30.0 + after(at_s, 600.0, 60.0) + after(at_s, 1_200.0, 40.0))),
        ("a staircase", seen(|at_s| 30.0 + 9.0 * (minute(at_s) / 2.5).floor())),
        ("filling", seen(|at_s| 80.0 - 50.0 * (-at_s / 240.0).exp())),
        ("a cycle", seen(|at_s| 30.0 + 20.0 * (minute(at_s) % 3.0))),
        ("a leak", seen(|at_s| 30.0 + 15.7 * minute(at_s))),
        ("a slow leak", seen(|at_s| 30.0 + 0.5 * minute(at_s))),
        ("a late leak", seen(|at_s| 30.0 + 4.0 * (minute(at_s) - 15.0).max(0.0))),
        ("ever faster", seen(|at_s| 30.0 + 0.15 * minute(at_s).powi(2))),
        ("shrinking", seen(|at_s| 300.0 - 5.0 * minute(at_s))),
    ];
    let table: Vec<String> = examples.iter().map(|(what, growth)| format!("{what}: {}", told(growth))).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn what_has_used_up_its_ceiling_has_failed_whatever_it_did_until_then() {
    let Decision { outcome, reason, more_min } = Decision::used_up("limit of 1024 FDs", 462.0, "levelling off");
    assert_eq!((outcome, more_min), (Outcome::Fail, None));
    assert_eq!(reason, "used up its limit of 1024 FDs at 7.7 min; until then: levelling off");
    assert!(is_used_up(1_004.0, 1_024.0) && !is_used_up(1_003.0, 1_024.0));
}

#[test]
fn what_is_known_of_too_little_does_not_pass() {
    let still = seen(|_| 30.0);
    for (known, words) in [
        (Known { share: 0.3, until: 1.0 }, "known in only 30 % of the judged samples"),
        (Known { share: 0.8, until: 0.8 }, "not known any more after 80 % of the judged time"),
    ] {
        for by in [GrowthBy::Steady, GrowthBy::Cumulative] {
            let decision = decide(&still, known, 2.0, by);
            assert_eq!(decision.outcome, Outcome::Inconclusive);
            assert!(decision.reason.contains(words), "{}", decision.reason);
        }
    }
    let short = Growth::of(&[(0.0, 1.0), (1.0, 1.0)], 0.0, &[]);
    insta::assert_snapshot!(told(&short), @"INCONCLUSIVE: 2 samples after warm-up, too few: a trend takes 10");
    let one = Growth::of(&[(0.0, 1.0)], 0.0, &[]);
    insta::assert_snapshot!(told(&one), @"INCONCLUSIVE: 1 sample after warm-up, too few: a trend takes 10");
    let none = Growth::of(&[], 0.0, &[]);
    assert_eq!(decide(&none, Known::ALL, 2.0, GrowthBy::Cumulative).outcome, Outcome::Inconclusive);
}

#[test]
fn a_growth_around_the_limit_is_undecided_and_says_for_how_long() {
    let wobbling = |at_s: f64| 40.0 + at_s * 1.7 / 60.0 + 8.0 * (at_s / 240.0).sin();
    let decision = decide(&seen(wobbling), Known::ALL, 2.0, GrowthBy::Steady);
    assert_eq!(decision.outcome, Outcome::Inconclusive, "{}", decision.reason);
    assert!(decision.more_min.is_some_and(|more| more >= 1.0), "{decision:?}");
}

#[test]
fn by_the_cumulative_rate_a_step_counts_for_what_it_is_divided_by() {
    let step = seen(|at_s| 30.0 + after(at_s, 600.0, 60.0));
    let decision = decide(&step, Known::ALL, 2.0, GrowthBy::Cumulative);
    insta::assert_snapshot!(decision.reason, @"2.14/min cumulative; not below the limit of 2/min");
    assert_eq!(decision.outcome, Outcome::Fail);
    assert_eq!(decide(&step, Known::ALL, 3.0, GrowthBy::Cumulative).outcome, Outcome::Pass);
}

#[test]
fn a_limit_of_zero_is_held_by_what_does_not_grow() {
    assert_eq!(decide(&seen(|at_s| 300.0 - at_s / 12.0), Known::ALL, 0.0, GrowthBy::Steady).outcome, Outcome::Pass);
    assert_eq!(decide(&seen(|_| 30.0), Known::ALL, 0.0, GrowthBy::Cumulative).outcome, Outcome::Pass);
}
