//! `naive`: the leak is exactly what it is said to be, and the work is done all the same.

use std::time::Duration;

use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::naive::Naive;

use crate::arm::{Place, eventually, numbers, tasks};

#[tokio::test]
async fn each_rotation_leaks_one_connection_and_two_tasks_and_no_line() {
    let place = Place::new();
    for id in ["chatty", "silent"] {
        place.engine.create_and_run(id);
    }
    let arm = place.start(Naive::new(Duration::from_millis(20)));
    let metrics = arm.metrics();
    eventually("some rotations", || metrics.stream_rotations.get() >= 5 && not_leaked(metrics).is_some()).await;
    let not_leaked_before = not_leaked(metrics);
    for printed in 0..30 {
        let rotations = metrics.stream_rotations.get();
        place.engine.print("chatty", printed, &printed.to_string());
        eventually("a rotation", || metrics.stream_rotations.get() > rotations).await;
    }
    eventually("all lines", || place.sink.texts("chatty").len() >= 30).await;
    assert_eq!(place.sink.texts("chatty"), numbers(30));
    assert!(metrics.stream_rotations.get() >= 35);
    eventually("connections and tasks accounted for", || not_leaked(metrics) == not_leaked_before).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_last_line_that_the_engine_keeps_from_followers_is_captured() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print("a", 0, "0");
    let arm = place.start(Naive::new(Duration::from_secs(3600)));
    eventually("the first line", || place.sink.texts("a").len() == 1).await;
    place.engine.print_and_stop("a", 1, "1");
    eventually("the last line", || place.sink.texts("a") == numbers(2)).await;
    arm.stop().await;
}

/// The connections and tasks that are left over when one connection and two tasks are taken off for every rotation;
/// `None` in the middle of one.
fn not_leaked(metrics: &Metrics) -> Option<(u64, u64)> {
    let streams = metrics.streams_active.get();
    // Each container's first stream is no leak.
    let between_rotations = streams == 2 + metrics.stream_rotations.get();
    let connections = metrics.connections_active.get() - streams;
    let settled = connections <= 3;
    (between_rotations && settled).then(|| (connections, tasks() as u64 - connections - 2 * streams))
}
