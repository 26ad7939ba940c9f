//! Shapes of series whose shape is known; how often they are named right under noise is `examples/calibrate`'s.

use proptest::prelude::*;

use super::*;

/// 28 minutes at one sample a second.
fn named(value: impl Fn(f64) -> f64) -> Shaped {
    let points: Vec<(f64, f64)> = (0..1_680).map(f64::from).map(|at_s| (at_s, value(at_s))).collect();
    shape(&[], &points)
}

fn near(value: f64, wanted: f64, by: f64) -> bool {
    (value - wanted).abs() <= by
}

#[test]
fn a_step_has_its_time_and_its_height() {
    let Shape::Step { at_s, height } = named(|at_s| if at_s >= 700.0 { 21.0 } else { 12.0 }).shape else { panic!() };
    assert!(near(at_s, 700.0, 12.0) && near(height, 9.0, 0.1), "{at_s} {height}");
}

#[test]
fn single_steps_are_set_aside_and_a_staircase_is_not() {
    let two = named(|at_s| {
        if at_s >= 1_000.0 {
            60.0
        } else if at_s >= 400.0 {
            40.0
        } else {
            10.0
        }
    });
    assert!(matches!(two.shape, Shape::Steps { count: 2, .. }), "{:?}", two.shape);
    assert!(two.aside.is_some_and(|aside| aside.count == 2 && near(aside.height, 50.0, 0.5)), "{:?}", two.aside);
    let stairs = named(|at_s| 9.0 * (at_s / 150.0).floor());
    let Shape::Steps { count, height, every_s } = stairs.shape else { panic!("{:?}", stairs.shape) };
    assert!(count >= 10 && near(height, 9.0, 0.5) && near(every_s, 150.0, 5.0), "{count} {height} {every_s}");
    assert!(stairs.aside.is_none() && stairs.breaks.is_empty());
}

#[test]
fn what_fills_has_its_time_constant() {
    let filled = named(|at_s| (50.0 * (1.0 - (-at_s / 180.0).exp())).round());
    let Shape::Saturating { height, tau_s } = filled.shape else { panic!("{:?}", filled.shape) };
    assert!(near(height, 50.0, 3.0) && near(tau_s, 180.0, 40.0), "{height} {tau_s}");
    assert!(filled.from_s > 400.0);
}

#[test]
fn a_cycle_has_its_period_and_its_height() {
    let cycle = named(|at_s| (20.0 * (at_s / 97.0).fract()).round());
    let Shape::Sawtooth { period_s, height } = cycle.shape else { panic!("{:?}", cycle.shape) };
    assert!(near(period_s, 97.0, 0.5) && near(height, 20.0, 3.0), "{period_s} {height}");
}

#[test]
fn a_late_onset_has_its_time() {
    let late = named(|at_s| ((at_s - 840.0).max(0.0) * 4.0 / 60.0).round());
    let Shape::LateOnset { at_s } = late.shape else { panic!("{:?}", late.shape) };
    assert!(near(at_s, 840.0, 60.0), "{at_s}");
    assert!(near(late.from_s, 840.0, 60.0));
}

#[test]
fn a_parabola_accelerates_and_a_line_does_not() {
    assert_eq!(named(|at_s| (at_s / 60.0).powi(2).round()).shape, Shape::Accelerating);
    assert_eq!(named(|at_s| (at_s / 7.0).round()).shape, Shape::Linear);
    assert_eq!(named(|_| 7.0).shape, Shape::Flat);
}

proptest! {
    #[test]
    fn any_series_has_a_shape_and_what_it_says_is_finite(
        values in proptest::collection::vec(-1e9..1e9_f64, 0..120), every in 1e-3..1e4_f64,
    ) {
        let points: Vec<(f64, f64)> = values.iter().zip(0_u32..).map(|(value, at)| (f64::from(at) * every, *value)).collect();
        let (before, judged) = points.split_at(points.len() / 10);
        let shaped = shape(before, judged);
        prop_assert!(shaped.points.iter().all(|(at_s, value)| at_s.is_finite() && value.is_finite()));
        prop_assert!(shaped.from_s.is_finite() && shaped.breaks.iter().all(|at_s| at_s.is_finite()));
        prop_assert!(!shaped.shape.words().contains("NaN"), "{}", shaped.shape.words());
    }

    #[test]
    fn neither_level_nor_scale_change_what_a_step_is(level in -1e6..1e6_f64, height in 1.0..1e6_f64) {
        let stepped = named(|at_s| level + if at_s >= 700.0 { height } else { 0.0 });
        prop_assert!(matches!(stepped.shape, Shape::Step { .. }), "{:?}", stepped.shape);
    }
}
