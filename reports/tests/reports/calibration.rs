//! A small version of `examples/calibrate`: the same series, fewer of them, so that a rule that errs is caught by the tests.

#[path = "../../examples/calibrate/classes.rs"]
mod classes;
#[path = "../../examples/calibrate/count.rs"]
mod count;
#[path = "../../examples/calibrate/noise.rs"]
mod noise;
#[path = "../../examples/calibrate/peers.rs"]
mod peers;

use classes::Class;
use count::Count;
use noise::Kind;

/// Of each class and kind of noise: few enough for an unoptimised build.
const SERIES: u64 = 3;

#[test]
fn the_verdict_errs_no_more_often_than_asked_for() {
    for class in Class::ALL {
        let counts = Kind::ALL.map(|kind| count::of(class, kind, SERIES));
        let count = counts.iter().fold(Count::default(), Count::plus);
        let share = |of: u64| of as f64 / count.series as f64;
        let asked = class.asked();
        let what = format!("{}, asked: {}", class.words(), asked.words());
        // One more than asked for may happen by chance.
        let chance = 1.0 / count.series as f64;
        assert!(share(count.pass) >= asked.pass_least - chance, "{what}: {count:?}");
        assert!(share(count.pass) <= asked.pass_most + chance / 2.0, "{what}: {count:?}");
        assert!(share(count.fail) >= asked.fail_least - chance, "{what}: {count:?}");
        assert!(share(count.fail) <= asked.fail_most + chance / 2.0, "{what}: {count:?}");
        assert!(share(count.named) >= 0.65, "{what}: {count:?}");
        assert!(!class.is_line() || share(count.covered) >= 0.75, "{what}: {count:?}");
        assert!(class != Class::SlowLeak || share(count.told) >= 0.9, "{what}: {count:?}");
    }
}

#[test]
fn the_middle_of_the_limit_is_not_decided() {
    let counts = count::by_rate(4);
    let at = |rate: f64| counts.iter().find(|(of, _)| (of - rate).abs() < 1e-9).map(|(_, count)| count).unwrap();
    assert_eq!((at(0.0).pass, at(4.0).fail), (4, 4));
    assert!(at(2.0).pass + at(2.0).fail < 4, "{:?}", at(2.0));
}

#[test]
fn others_call_one_step_a_leak() {
    let all: Vec<String> =
        count::all(1).iter().map(|(class, kind, _)| format!("{} {}", class.words(), kind.word())).collect();
    assert_eq!(all.len(), Class::ALL.len() * Kind::ALL.len(), "{all:?}");
    let steps = count::of(Class::OneStep, Kind::White, 12);
    assert_eq!((steps.pass, steps.fail), (12, 0));
    for (peer, (_, fail)) in peers::ALL.iter().zip(steps.peers) {
        assert!(fail >= 3, "{}: {fail}", peer.name);
    }
}
