//! `hybrid` without its protections: each that is taken away is missed in its own way, and only in that.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use leaksoak_scenarios::Protection;
use leaksoak_strategies::health::State;
use leaksoak_strategies::hybrid::{Archived, HybridSettings};
use leaksoak_strategies::metrics::DropReason;

use crate::arm::{Arm, Place, eventually, numbers, tasks};
use crate::jsonlog::JsonLog;
use crate::sink::Mood;

const OFTEN: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

fn without(protections: &[Protection], rotate_every: Duration) -> Archived {
    Archived::new(HybridSettings {
        ignore_older: Some(Duration::from_secs(365 * 86_400)),
        without: protections.to_vec(),
        ..HybridSettings::new(rotate_every)
    })
}

fn log(place: &Place, lines: usize) -> JsonLog {
    let mut log = JsonLog::create(&place.path("a"), "a");
    log.print_numbers(lines);
    place.engine.create("a", log.path());
    place.engine.run("a");
    log
}

/// Inotify instances of this process that watch this file.
fn instances_on(file: &Path) -> usize {
    let watched = format!("ino:{:x} ", std::fs::metadata(file).unwrap().ino());
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    infos
        .filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok())
        .filter(|info| info.lines().any(|line| line.starts_with("inotify") && line.contains(&watched)))
        .count()
}

async fn rotated(arm: &Arm) {
    eventually("ten rotations", || arm.metrics().stream_rotations.get() >= 10).await;
}

#[tokio::test]
async fn without_closed_watchers_each_rotation_leaves_an_inotify_instance_behind() {
    let place = Place::new();
    let log = log(&place, 3);
    let arm = place.start(without(&[Protection::ClosedWatchers], OFTEN));
    rotated(&arm).await;
    eventually("an instance for each", || instances_on(log.path()) >= 10).await;
    assert_eq!(place.sink.texts("a"), numbers(3), "the offsets are kept");
    arm.stop().await;
}

#[tokio::test]
async fn without_offsets_everything_is_read_again_and_no_watcher_is_left() {
    let place = Place::new();
    let log = log(&place, 3);
    let arm = place.start(without(&[Protection::Offsets], OFTEN));
    rotated(&arm).await;
    eventually("all lines, again and again", || place.sink.texts("a").len() >= 30).await;
    eventually("old watchers are closed", || instances_on(log.path()) <= 2).await;
    arm.stop().await;
}

#[tokio::test]
async fn without_a_retry_limit_every_refused_line_is_a_task_on_the_shared_connection() {
    let place = Place::new();
    let _log = log(&place, 50);
    place.sink.is_now(Mood::Refuses(""));
    let before = tasks();
    let arm = place.start(without(&[Protection::RetryLimit], NEVER));
    eventually("a retry of each line", || arm.metrics().retries.get() >= 50).await;
    assert!(tasks() >= before + 50, "a task for each of 50 lines");
    assert!(place.sink.connections() <= 2, "{} connections", place.sink.connections());
    arm.stop().await;
}

#[tokio::test]
async fn without_a_shared_connection_every_refused_line_leaves_one_behind() {
    let place = Place::new();
    let _log = log(&place, 50);
    place.sink.is_now(Mood::Refuses(""));
    let arm = place.start(without(&[Protection::SharedConnection], NEVER));
    eventually("a dead letter of each line", || arm.metrics().dead_letters.get() >= 50).await;
    assert!(place.sink.connections() >= 50, "{} connections", place.sink.connections());
    assert_eq!(arm.metrics().retries.get(), 50, "each is retried once");
    arm.stop().await;
}

#[tokio::test]
async fn without_a_timestamp_filter_old_lines_are_sent_and_with_it_they_are_not() {
    const OLD: &str = "{\"log\":\"old\\n\",\"stream\":\"stdout\",\"time\":\"2001-01-01T00:00:00Z\"}\n";
    for (protections, sent) in [(&[Protection::TimestampFilter][..], 1), (&[Protection::Offsets], 0)] {
        let place = Place::new();
        let mut log = log(&place, 0);
        let arm = place.start(without(protections, NEVER));
        let metrics = arm.metrics();
        eventually("the sink was reached", || arm.context.health.report().sink == State::Ok).await;
        // What a log store does to a batch from another year.
        place.sink.is_now(Mood::Answers(400));
        log.write(OLD);
        eventually("it is dealt with", || {
            metrics.dead_letters.get() + metrics.lines_dropped.get(DropReason::TooOld) == 1
        })
        .await;
        assert_eq!(metrics.dead_letters.get(), sent);
        arm.stop().await;
    }
}

#[tokio::test]
async fn as_archived_every_refused_line_becomes_a_task_and_a_connection() {
    let place = Place::new();
    let _log = log(&place, 50);
    place.sink.is_now(Mood::Refuses(""));
    let before = tasks();
    let arm = place.start(without(&Protection::ALL, NEVER));
    eventually("a connection for each line", || place.sink.connections() >= 50).await;
    eventually("a retry of each line", || arm.metrics().retries.get() >= 50).await;
    assert!(tasks() >= before + 100, "a retry and its connection for each of 50 lines");
    arm.stop().await;
}
