//! `hybrid`: the log is followed through whatever happens to its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leaksoak_scenarios::Fallback;
use leaksoak_strategies::hybrid::{Hybrid, HybridSettings};
use leaksoak_strategies::line::Line;
use leaksoak_strategies::metrics::{DropReason, ErrorKind};
use leaksoak_strategies::pooled::ClientSettings;

use crate::arm::{Arm, Place, deleted_files_held, eventually, files_held, numbers, tasks};
use crate::jsonlog::{JsonLog, record};
use crate::sink::Mood;

/// Often enough that a test need not wait for it, seldom enough that inotify has to work.
const CHECK: Duration = Duration::from_millis(200);

fn hybrid(rotate_every: Duration) -> Hybrid {
    Hybrid::new(HybridSettings::new(rotate_every))
}

fn log(place: &Place, id: &str) -> JsonLog {
    let log = JsonLog::create(&place.path(id), id);
    place.engine.create(id, log.path());
    place.engine.run(id);
    log
}

async fn captured(place: &Place, id: &str, count: usize) {
    eventually("all lines", || place.sink.texts(id).len() >= count).await;
    assert_eq!(place.sink.texts(id), numbers(count));
}

async fn followed(arm: &Arm) {
    eventually("the file is open", || arm.metrics().streams_active.get() == 1).await;
}

#[tokio::test]
async fn what_was_written_before_is_read_from_the_oldest_file_on() {
    let place = Place::new();
    let mut log = log(&place, "a");
    for _ in 0..3 {
        log.print_numbers(10);
        log.rotate(5);
    }
    log.print_numbers(10);
    let arm = place.start(hybrid(CHECK));
    captured(&place, "a", 40).await;
    log.print_numbers(10);
    captured(&place, "a", 50).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_hundred_rotations_are_followed_and_no_deleted_file_is_held() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(CHECK));
    followed(&arm).await;
    let tasks_before = tasks();
    for round in 1..=100 {
        log.print_numbers(20);
        log.rotate(3);
        // With three files, what is three rotations old is gone: the tail may fall behind by two.
        log.print_numbers(1);
        eventually("the tail is near", || place.sink.texts("a").len() >= 21 * (round - 1)).await;
    }
    captured(&place, "a", 2100).await;
    eventually("no deleted file", || deleted_files_held(&place.path("a")) == 0).await;
    eventually("tasks as before", || tasks() <= tasks_before).await;
    assert_eq!(arm.metrics().stream_rotations.get(), 100);
    arm.stop().await;
}

#[tokio::test]
async fn several_rotations_between_two_looks_lose_nothing_that_is_still_there() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(CHECK));
    followed(&arm).await;
    for _ in 0..20 {
        // No await in between: the arm, on the same thread, sees all of it at once.
        for _ in 0..3 {
            log.print_numbers(5);
            log.rotate(5);
        }
        let printed = log.printed();
        eventually("the tail is there", || place.sink.texts("a").len() >= printed).await;
    }
    captured(&place, "a", 300).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_beginning() {
    let place = Place::new();
    let mut log = log(&place, "a");
    log.print_numbers(10);
    let arm = place.start(hybrid(CHECK));
    captured(&place, "a", 10).await;
    log.truncate();
    log.print_numbers(2);
    captured(&place, "a", 12).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_removed_containers_log_is_read_to_its_last_byte_and_let_go() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(CHECK));
    followed(&arm).await;
    log.print_numbers(500);
    log.delete();
    place.engine.remove("a");
    captured(&place, "a", 500).await;
    eventually("the file is closed", || deleted_files_held(&place.path("a")) == 0).await;
    assert_eq!(arm.metrics().streams_active.get(), 0);
    arm.stop().await;
}

#[tokio::test]
async fn a_file_deleted_under_a_running_container_is_read_on_and_then_its_successor() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(Duration::from_millis(20)));
    followed(&arm).await;
    std::fs::remove_file(log.path()).unwrap();
    log.print_numbers(10);
    captured(&place, "a", 10).await;
    log.reopen();
    log.print_numbers(10);
    captured(&place, "a", 20).await;
    eventually("the deleted file is closed", || deleted_files_held(&place.path("a")) == 0).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_stopped_container_leaves_no_file_open_and_may_start_again() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(CHECK));
    for life in 1..=3 {
        followed(&arm).await;
        log.print_numbers(10);
        place.engine.stop("a");
        eventually("the stream is over", || arm.metrics().streams_active.get() == 0).await;
        captured(&place, "a", 10 * life).await;
        assert_eq!(files_held(&place.path("a")).len(), 1, "the test's own");
        place.engine.run("a");
    }
    arm.stop().await;
}

#[tokio::test]
async fn lines_in_parts_and_records_in_pieces_are_put_together() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm = place.start(hybrid(CHECK));
    followed(&arm).await;
    let end = record("three\n");
    log.write(&format!("{}\n{}\n{}", record("one "), record("two "), &end[..20]));
    log.write(&format!("{}\n", &end[20..]));
    eventually("the line", || place.sink.texts("a") == ["one two three"]).await;
    log.write(&format!("{}\n", record("without an end")));
    place.engine.stop("a");
    eventually("the last line", || place.sink.texts("a").last().is_some_and(|text| text == "without an end")).await;
    arm.stop().await;
}

#[tokio::test]
async fn bad_records_are_counted_and_the_rest_is_captured() {
    let place = Place::new();
    let mut log = log(&place, "a");
    log.print_numbers(1);
    log.write("not a record\n\0\0\0\n");
    log.print_numbers(1);
    let arm = place.start(hybrid(CHECK));
    captured(&place, "a", 2).await;
    assert_eq!(arm.metrics().lines_dropped.get(DropReason::Unparsable), 2);
    assert_eq!(arm.metrics().errors.get(ErrorKind::Parse), 2);
    arm.stop().await;
}

#[tokio::test]
async fn a_restarted_arm_goes_on_where_it_was_also_in_a_file_that_was_rotated_since() {
    let place = Place::new();
    let mut log = log(&place, "a");
    for life in 1..=5 {
        let arm = place.start(hybrid(CHECK));
        captured(&place, "a", 10 * life - 10).await;
        log.print_numbers(4);
        captured(&place, "a", 10 * life - 6).await;
        arm.stop().await;
        log.print_numbers(3);
        log.rotate(5);
        log.print_numbers(3);
    }
    let arm = place.start(hybrid(CHECK));
    captured(&place, "a", 50).await;
    arm.stop().await;
}

#[tokio::test]
async fn an_arm_that_dies_before_the_sink_has_answered_delivers_again() {
    let place = Place::new();
    let mut log = log(&place, "a");
    place.sink.is_now(Mood::Answers(503));
    log.print_numbers(10);
    let arm = place.start(hybrid(CHECK));
    eventually("all is read", || arm.metrics().lines_read.get() == 10).await;
    eventually("the sink was tried", || arm.metrics().errors.get(ErrorKind::Sink) > 0).await;
    arm.die().await;
    place.sink.is_now(Mood::Takes);
    let arm = place.start(hybrid(CHECK));
    captured(&place, "a", 10).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_container_without_a_log_file_is_left_out_and_the_others_are_followed() {
    let place = Place::new();
    place.engine.create_and_run("journald");
    let mut log = log(&place, "z");
    log.print_numbers(3);
    let arm = place.start(hybrid(CHECK));
    captured(&place, "z", 3).await;
    assert_eq!(arm.metrics().errors.get(ErrorKind::File), 1);
    arm.stop().await;
}

#[tokio::test]
async fn a_container_whose_log_cannot_be_read_is_followed_over_the_api_where_that_is_allowed() {
    let place = Place::new();
    place.engine.create_and_run("journald");
    place.engine.create("denied", &place.path("no/such/directory/a-json.log"));
    place.engine.run("denied");
    let mut log = log(&place, "z");
    log.print_numbers(3);
    let arm = place.start(Hybrid::new(HybridSettings { fallback: Fallback::Pooled, ..HybridSettings::new(CHECK) }));
    for id in ["journald", "denied"] {
        place.engine.print(id, 0, "0");
        captured(&place, id, 1).await;
    }
    captured(&place, "z", 3).await;
    assert_eq!(arm.metrics().errors.get(ErrorKind::File), 2, "each is reported");
    assert_eq!(arm.metrics().streams_active.get(), 3);
    place.engine.remove("journald");
    eventually("its stream is over", || arm.metrics().streams_active.get() == 2).await;
    arm.stop().await;
}

#[tokio::test]
async fn lines_that_are_too_old_are_left_out_and_counted() {
    let place = Place::new();
    let mut log = log(&place, "a");
    log.write("{\"log\":\"old\\n\",\"stream\":\"stdout\",\"time\":\"2001-01-01T00:00:00Z\"}\n");
    log.print_numbers(3);
    let settings =
        HybridSettings { ignore_older: Some(Duration::from_secs(365 * 86_400)), ..HybridSettings::new(CHECK) };
    let arm = place.start(Hybrid::new(settings));
    captured(&place, "a", 3).await;
    assert_eq!(arm.metrics().lines_dropped.get(DropReason::TooOld), 1);
    arm.stop().await;
}

#[tokio::test]
async fn with_coalescing_a_quiet_file_is_read_at_once_and_a_busy_one_loses_nothing() {
    let place = Place::new();
    let mut log = log(&place, "a");
    let arm =
        place.start(Hybrid::new(HybridSettings { coalesce: Duration::from_millis(10), ..HybridSettings::new(CHECK) }));
    followed(&arm).await;
    for round in 1..=50 {
        log.print_numbers(10);
        if round % 10 == 0 {
            log.rotate(5);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    captured(&place, "a", 500).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_busy_file_is_read_on_after_a_look_that_took_longer_than_a_tick() {
    const TICK: Duration = Duration::from_millis(10);
    const NEVER: Duration = Duration::from_secs(3600);
    let place = Place::new();
    let mut log = log(&place, "a");
    let taken = Arc::new(AtomicUsize::new(0));
    let lines = Arc::clone(&taken);
    let take = move |line: &Line<'_>| {
        if line.text == "slow" {
            let begun = std::time::Instant::now();
            while begun.elapsed() < 3 * TICK {}
        }
        lines.fetch_add(1, Ordering::Relaxed);
    };
    let settings = HybridSettings { coalesce: TICK, ..HybridSettings::new(NEVER) };
    let (context, trigger, mut strategy) = place.hand_to(take, ClientSettings::of_an_arm(), Hybrid::new(settings));
    let mut printed = 0;
    for _ in 0..5 {
        while context.metrics.streams_busy.get() == 0 {
            log.print_numbers(1);
            printed += 1;
            tokio::time::sleep(TICK / 4).await;
        }
        log.write("{\"log\":\"slow\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T13:15:57Z\"}\n");
        printed += 1;
        eventually("the slow line, and what was printed before", || taken.load(Ordering::Relaxed) == printed).await;
        log.print_numbers(1);
        printed += 1;
        eventually("the line after", || taken.load(Ordering::Relaxed) == printed).await;
    }
    trigger.request();
    strategy.join().await.unwrap().unwrap();
}

#[tokio::test]
async fn an_arm_that_is_killed_again_and_again_repeats_no_more_than_a_batch_each_time() {
    const BATCH: usize = 1024;
    let place = Place::new();
    let mut log = log(&place, "a");
    log.print_numbers(20_000);
    for life in 1..=10 {
        let arm = place.start(hybrid(CHECK));
        let before = place.sink.texts("a").len();
        eventually("some are delivered", || place.sink.texts("a").len() >= before + 600).await;
        arm.die().await;
        let texts = place.sink.texts("a");
        let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
        assert!(
            texts.len() - distinct.len() <= life * BATCH,
            "{} of {} twice",
            texts.len() - distinct.len(),
            texts.len()
        );
    }
    let arm = place.start(hybrid(CHECK));
    let all: std::collections::BTreeSet<_> = numbers(20_000).into_iter().collect();
    eventually("all lines", || place.sink.texts("a").last().is_some_and(|text| text == "19999")).await;
    let distinct: std::collections::BTreeSet<_> = place.sink.texts("a").into_iter().collect();
    assert_eq!(distinct, all);
    arm.stop().await;
}
