//! `pooled`: nothing lost, nothing doubled, nothing left behind.

use std::time::Duration;

use leaksoak_strategies::pooled::Pooled;

use crate::arm::{Place, eventually, numbers, tasks};

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_stream_that_begins_after_what_was_captured_is_opened_again_further_back() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print("a", 0, "0");
    let arm = place.start(Pooled::new(NEVER));
    eventually("the first line", || place.sink.texts("a").len() == 1).await;
    let mut printed = 1;
    for more in [100, 1_000, 20_000] {
        // Two of each timestamp.
        let lines = (printed..printed + more).map(|number| (i64::try_from(number / 2).unwrap(), number.to_string()));
        place.engine.break_logs_and_print("a", lines);
        printed += more;
        eventually("all lines", || place.sink.texts("a").len() >= printed).await;
        assert_eq!(place.sink.texts("a"), numbers(printed));
    }
    assert_eq!(
        place.engine.tails(),
        [None, Some(128), Some(128), Some(8192), Some(128), Some(8192), None],
        "as far back as is needed and no further"
    );
    assert_eq!(arm.metrics().streams_widened.get(), 3);
    arm.stop().await;
}

#[tokio::test]
async fn streams_and_tasks_are_gone_when_the_arm_has_stopped() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let before = tasks();
    let arm = place.start(Pooled::new(NEVER));
    let metrics = std::sync::Arc::clone(&arm.context.metrics);
    eventually("the stream", || metrics.streams_active.get() == 1).await;
    arm.stop().await;
    eventually("no stream", || metrics.streams_active.get() == 0).await;
    eventually("no connection", || metrics.connections_active.get() == 0).await;
    eventually("no task", || tasks() == before).await;
}

#[tokio::test]
async fn what_was_printed_before_the_arm_began_is_captured_too() {
    let place = Place::new();
    place.engine.create_and_run("ended");
    place.engine.print("ended", 0, "0");
    place.engine.stop("ended");
    place.engine.create_and_run("running");
    place.engine.print("running", 0, "0");
    let arm = place.start(Pooled::new(NEVER));
    eventually("both", || place.sink.texts("ended") == ["0"] && place.sink.texts("running") == ["0"]).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_container_that_starts_again_is_followed_on_from_where_it_stopped() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let arm = place.start(Pooled::new(NEVER));
    for life in 0..3 {
        place.engine.print("a", life, &life.to_string());
        place.engine.stop("a");
        eventually("no stream", || arm.metrics().streams_active.get() == 0).await;
        let printed = usize::try_from(life).unwrap() + 1;
        eventually("the line", || place.sink.texts("a").len() >= printed).await;
        assert_eq!(place.sink.texts("a"), numbers(printed));
        place.engine.run("a");
        eventually("a stream", || arm.metrics().streams_active.get() == 1).await;
    }
    arm.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again_without_loss() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let arm = place.start(Pooled::new(NEVER));
    for number in 0..5_usize {
        place.engine.print("a", i64::try_from(number).unwrap(), &number.to_string());
        eventually("the line", || place.sink.texts("a").len() == number + 1).await;
        place.engine.break_logs();
        let broken = number as u64 + 1;
        eventually("the break is counted", || arm.metrics().streams_reopened.get() == broken).await;
    }
    assert_eq!(place.sink.texts("a"), numbers(5));
    arm.stop().await;
}

#[tokio::test]
async fn lines_that_the_engine_repeats_in_one_response_are_delivered_once() {
    let place = Place::new();
    place.engine.create("a", "".as_ref());
    place.engine.let_logs_go_back(10, 7);
    for number in 0..20 {
        place.engine.print("a", number, &number.to_string());
    }
    place.engine.run("a");
    let arm = place.start(Pooled::new(NEVER));
    eventually("all lines", || place.sink.texts("a").len() >= 20).await;
    assert_eq!(place.sink.texts("a"), numbers(20));
    arm.stop().await;
}

#[tokio::test]
async fn a_last_line_that_the_engine_keeps_from_followers_is_captured() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print("a", 0, "0");
    let arm = place.start(Pooled::new(NEVER));
    eventually("the first line", || place.sink.texts("a").len() == 1).await;
    place.engine.print_and_stop("a", 1, "1");
    eventually("the last line", || place.sink.texts("a") == numbers(2)).await;
    arm.stop().await;
}

#[tokio::test]
async fn stdout_and_stderr_are_kept_apart() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print_to("a", false, 0, "out");
    place.engine.print_to("a", true, 0, "err");
    let arm = place.start(Pooled::new(NEVER));
    eventually("both", || place.sink.texts("a").len() == 2).await;
    assert_eq!(place.sink.texts_on("a", "stdout"), ["out"]);
    assert_eq!(place.sink.texts_on("a", "stderr"), ["err"]);
    arm.stop().await;
}

#[tokio::test]
async fn what_is_there_when_the_arm_is_stopped_is_read_and_delivered() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let arm = place.start(Pooled::new(NEVER));
    eventually("the stream", || arm.metrics().streams_active.get() == 1).await;
    for number in 0..3000 {
        place.engine.print("a", number, &number.to_string());
    }
    arm.stop().await;
    assert_eq!(place.sink.texts("a"), numbers(3000));
}

#[tokio::test]
async fn a_stream_that_is_far_behind_goes_on_and_is_not_replaced() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print("a", 0, "0");
    let arm = place.start(Pooled::new(Duration::from_millis(50)));
    let metrics = arm.metrics();
    eventually("it rotates", || metrics.stream_rotations.get() > 0).await;
    let lines = (1..60_000).map(|number: i64| (number, number.to_string()));
    place.engine.print_many("a", lines);
    eventually("all lines", || place.sink.texts("a").len() >= 60_000).await;
    assert_eq!(place.sink.texts("a"), numbers(60_000));
    let whole_logs = place.engine.tails().iter().skip(1).filter(|tail| tail.is_none()).count();
    assert_eq!(whole_logs, 0, "nobody begins again from the beginning");
    let rotations = metrics.stream_rotations.get();
    eventually("it rotates again", || metrics.stream_rotations.get() > rotations).await;
    arm.stop().await;
}

#[tokio::test]
async fn a_renamed_container_is_followed_on_under_its_new_name() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.engine.print("a", 0, "0");
    let arm = place.start(Pooled::new(Duration::from_millis(20)));
    eventually("the first line", || place.sink.texts("a").len() == 1).await;
    place.engine.rename("a", "b");
    let mut printed = 0;
    while place.sink.texts("b").is_empty() {
        printed += 1;
        place.engine.print("a", printed, &printed.to_string());
        eventually("the line", || place.sink.texts("a").len() + place.sink.texts("b").len() == count(printed)).await;
    }
    assert_eq!([place.sink.texts("a"), place.sink.texts("b")].concat(), numbers(count(printed)));
    arm.stop().await;
}

/// Lines from 0 to the last.
fn count(last: i64) -> usize {
    usize::try_from(last).unwrap() + 1
}

#[tokio::test]
async fn a_container_that_takes_the_name_of_a_removed_one_is_another() {
    let place = Place::new();
    let arm = place.start(Pooled::new(NEVER));
    for id in ["first", "second", "third"] {
        place.engine.create(id, "".as_ref());
        place.engine.rename(id, "app");
        // All print the same at the same time: only by its id is one told from the one before.
        place.engine.print(id, 0, "hello");
        place.engine.run(id);
        let before = place.sink.texts("app").len();
        eventually("its line", || place.sink.texts("app").len() == before + 1).await;
        place.engine.remove(id);
        eventually("no stream", || arm.metrics().streams_active.get() == 0).await;
    }
    arm.stop().await;
    assert_eq!(place.sink.texts("app"), ["hello"; 3]);
}

#[tokio::test]
async fn the_output_of_a_terminal_has_no_frames() {
    let place = Place::new();
    place.engine.create_tty("a");
    place.engine.run("a");
    let arm = place.start(Pooled::new(Duration::from_millis(10)));
    for number in 0..50 {
        let rotations = arm.metrics().stream_rotations.get();
        place.engine.print("a", number, &number.to_string());
        eventually("a rotation", || arm.metrics().stream_rotations.get() > rotations).await;
    }
    arm.stop().await;
    assert_eq!(place.sink.texts("a"), numbers(50));
}
