//! Where growth is said to come from.

use leaksoak_reports::analysis::{Metric, Operation};
use leaksoak_reports::record::events::{Event, EventRecord};
use leaksoak_reports::{Recording, Report, judge, render};

use crate::support::{SMOKE, Script, leaking};

fn naive() -> Script {
    Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control()
}

fn recording() -> Recording {
    SMOKE.record(&[Script::steady("pooled", "pooled"), naive()])
}

fn summary(recording: &Recording) -> String {
    render::markdown(&Report::of(recording, &judge(recording)))
}

#[test]
fn the_engine_s_growth_is_matched_with_what_one_arm_left_open() {
    let side = judge(&recording()).turns.swap_remove(0).engine_side.unwrap();
    let arms: Vec<&str> = side.arms.iter().map(|arm| arm.arm.as_str()).collect();
    let held = side.held_per_connection.unwrap();
    assert_eq!((side.matches, arms, held.fds, held.by_kind.len()), (true, vec!["naive"], 3.0, 3));
    assert!((held.tasks.unwrap() - 5.0).abs() < 0.1, "{held:?}");
}

#[test]
fn growth_of_the_engine_that_the_arms_do_not_explain_is_not_laid_at_their_door() {
    let mut recording = recording();
    for group in recording.fd_groups.iter_mut().filter(|group| group.subject == "engine") {
        group.count *= 2;
    }
    assert!(
        !judge(&recording).turns.swap_remove(0).engine_side.unwrap().matches,
        "a stranger holds as many connections again"
    );
    let summary = summary(&recording);
    assert!(!summary.contains("left behind") && summary.contains("cannot be attributed to one of them"), "{summary}");
}

#[test]
fn what_grew_is_ranked_with_its_share_and_logs_of_several_containers_are_one_finding() {
    let verdict = judge(&recording());
    let told: Vec<_> = verdict.turns[0]
        .grown
        .iter()
        .map(|group| (group.subject.as_str(), group.metric, group.target.as_str(), group.share_pct.round()))
        .collect();
    assert_eq!(
        told[..2],
        [
            ("naive", Metric::Fds, "/var/run/docker.sock", 100.0),
            ("naive", Metric::Tasks, "strategies/src/naive.rs:99", 100.0)
        ]
    );
    assert!(told.contains(&("engine", Metric::Fds, "/var/lib/docker/containers/*/*-json.log", 33.0)), "{told:?}");
}

#[test]
fn tasks_that_grew_from_nobody_knows_where_are_said_to() {
    let mut recording = recording();
    recording.task_groups.clear();
    assert!(summary(&recording).contains("By which lines the tasks were spawned is not known"));
    assert!(!summary(&SMOKE.record(&[Script::steady("pooled", "pooled")])).contains("is not known"));
}

#[test]
fn a_leak_is_given_by_each_operation_that_took_place() {
    let verdict = judge(&recording());
    let naive = &verdict.arms[1].per_operation;
    let of = |metric, operation| {
        let found = naive.iter().find(|growth| growth.metric == metric && growth.operation == operation);
        found.map(|growth| (growth.growth.value * 10.0).round() / 10.0)
    };
    // 8 containers are rotated every 2 s: 240 rotations a minute, at 4,800 lines a minute; none is started after the zero.
    assert_eq!(of(Metric::Fds, Operation::StreamRotation), Some(0.5));
    assert_eq!(of(Metric::Tasks, Operation::StreamRotation), Some(1.0));
    assert_eq!(of(Metric::Fds, Operation::MillionLines), Some(25_000.0));
    assert_eq!(of(Metric::Fds, Operation::ContainerStart), None);
}

#[test]
fn growth_by_container_starts_counts_those_of_the_judged_time() {
    let mut recording = recording();
    for at_s in [20.0, 30.0, 40.0, 50.0, 59.0] {
        let event = Event::ContainerStarted { container: "c05".to_owned() };
        recording.events.push(EventRecord { elapsed_s: at_s, unix_ms: 0, event });
    }
    let verdict = judge(&recording);
    let by_start = verdict.arms[1].per_operation.iter().find(|growth| growth.operation == Operation::ContainerStart);
    // Six a minute for 120 FDs a minute.
    assert!((by_start.unwrap().growth.value - 20.0).abs() < 0.5, "{by_start:?}");
}
