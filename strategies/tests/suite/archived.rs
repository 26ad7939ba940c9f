//! `hybrid` with `as_archived`: it fails in the ways that it is said to fail in.

use std::time::Duration;

use leaksoak_strategies::hybrid::Archived;

use crate::arm::{Place, eventually, tasks};
use crate::jsonlog::JsonLog;
use crate::sink::Mood;

#[tokio::test]
async fn every_rotation_reads_everything_again_and_leaves_a_watcher_behind() {
    let place = Place::new();
    let mut log = JsonLog::create(&place.path("a"), "a");
    log.print_numbers(3);
    place.engine.create("a", log.path());
    place.engine.run("a");
    let arm = place.start(Archived::new(Duration::from_millis(20)));
    let metrics = arm.metrics();
    eventually("ten rotations", || metrics.stream_rotations.get() >= 10).await;
    eventually("a watcher for each", || metrics.streams_active.get() >= 10).await;
    eventually("all lines, again and again", || place.sink.texts("a").len() >= 30).await;
    arm.stop().await;
}

#[tokio::test]
async fn every_refused_line_becomes_a_task_and_a_connection() {
    let place = Place::new();
    let mut log = JsonLog::create(&place.path("a"), "a");
    log.print_numbers(50);
    place.engine.create("a", log.path());
    place.engine.run("a");
    place.sink.is_now(Mood::Refuses(""));
    let before = tasks();
    let arm = place.start(Archived::new(Duration::from_secs(3600)));
    eventually("a connection for each line", || place.sink.connections() >= 50).await;
    eventually("a retry of each line", || arm.metrics().retries.get() >= 50).await;
    assert!(tasks() >= before + 100, "a retry and its connection for each of 50 lines");
    arm.stop().await;
}
