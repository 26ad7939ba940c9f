//! What fails in mid-run: the engine's answers, its frames, the engine itself, the reader, the disk. No line is lost by it, and
//! none doubled that need not be; what was held is let go, and counted so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaksoak_strategies::health::State;
use leaksoak_strategies::hybrid::{Hybrid, HybridSettings};
use leaksoak_strategies::metrics::{ErrorKind, Metrics};
use leaksoak_strategies::pooled::{ClientSettings, Pooled};

use crate::arm::{Arm, Place, eventually, numbers, tasks};
use crate::jsonlog::JsonLog;
use crate::server::Speaks;

const ROTATION: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(3600);

const HTTP2: Speaks = Speaks::Http2 { max_streams: 2_000 };

fn all_accounted_for(metrics: &Metrics) -> bool {
    metrics.streams_opened.get() == metrics.streams_released.get() + metrics.streams_active.get()
}

fn print_number(place: &Place, id: &str, number: usize) {
    place.engine.print(id, i64::try_from(number).unwrap(), &number.to_string());
}

#[tokio::test]
async fn a_rotation_that_is_refused_leaves_the_old_stream_in_place() {
    for speaks in [Speaks::Http1, HTTP2] {
        for status in [404, 500] {
            let place = Place::speaking(speaks);
            place.engine.create_and_run("a");
            print_number(&place, "a", 0);
            let arm = place.start(Pooled::new(ROTATION));
            let metrics = arm.metrics();
            eventually("it rotates", || metrics.stream_rotations.get() > 0).await;
            place.engine.refuse_logs(Some(status));
            for number in 1..10 {
                let refused = place.engine.logs_refused();
                eventually("a rotation was refused", || place.engine.logs_refused() > refused).await;
                print_number(&place, "a", number);
                eventually("the line", || place.sink.texts("a").len() == number + 1).await;
            }
            assert_eq!(metrics.streams_active.get(), 1, "{status}");
            assert_eq!(metrics.streams_reopened.get(), 0, "{status}: the old stream has not ended");
            assert!(metrics.errors.get(ErrorKind::Engine) >= 9, "{status}: each is counted");
            place.engine.refuse_logs(None);
            let rotations = metrics.stream_rotations.get();
            eventually("it rotates again", || metrics.stream_rotations.get() > rotations + 2).await;
            print_number(&place, "a", 10);
            eventually("the last line", || place.sink.texts("a").len() >= 11).await;
            assert_eq!(place.sink.texts("a"), numbers(11), "{status}");
            eventually("every stream is accounted for", || all_accounted_for(metrics)).await;
            arm.stop().await;
        }
    }
}

#[tokio::test]
async fn a_container_is_followed_again_after_its_log_was_not_found_for_a_while() {
    for status in [404, 500] {
        let place = Place::new();
        place.engine.create_and_run("a");
        print_number(&place, "a", 0);
        let arm = place.start(Pooled::new(NEVER));
        eventually("the first line", || place.sink.texts("a").len() == 1).await;
        place.engine.refuse_logs(Some(status));
        place.engine.break_logs();
        eventually("it is refused", || place.engine.logs_refused() >= 2).await;
        print_number(&place, "a", 1);
        assert_eq!(arm.metrics().streams_active.get(), 0, "{status}");
        place.engine.refuse_logs(None);
        eventually("the line", || place.sink.texts("a").len() >= 2).await;
        assert_eq!(arm.metrics().streams_active.get(), 1, "{status}");
        assert_eq!(place.sink.texts("a"), numbers(2), "{status}");
        arm.stop().await;
    }
}

#[tokio::test]
async fn the_rest_of_a_stopped_container_is_read_although_its_log_was_not_found_at_first() {
    let place = Place::new();
    place.engine.create_and_run("a");
    print_number(&place, "a", 0);
    let arm = place.start(Pooled::new(NEVER));
    eventually("the first line", || place.sink.texts("a").len() == 1).await;
    place.engine.refuse_logs(Some(404));
    place.engine.print_and_stop("a", 1, "1");
    eventually("it is refused", || place.engine.logs_refused() >= 1).await;
    place.engine.refuse_logs(None);
    eventually("the last line", || place.sink.texts("a").len() >= 2).await;
    eventually("no stream", || arm.metrics().streams_active.get() == 0).await;
    arm.stop().await;
    assert_eq!(place.sink.texts("a"), numbers(2));
}

#[tokio::test]
async fn a_stream_that_is_cut_within_a_frame_is_opened_again_without_loss() {
    for speaks in [Speaks::Http1, HTTP2] {
        let place = Place::speaking(speaks);
        place.engine.create_and_run("a");
        let arm = place.start(Pooled::new(NEVER));
        let metrics = arm.metrics();
        for number in 0..10 {
            print_number(&place, "a", number);
            eventually("the line", || place.sink.texts("a").len() == number + 1).await;
            place.engine.cut_logs();
            eventually("it is opened again", || metrics.streams_reopened.get() == number as u64 + 1).await;
        }
        print_number(&place, "a", 10);
        eventually("the last line", || place.sink.texts("a").len() >= 11).await;
        assert_eq!(place.sink.texts("a"), numbers(11));
        assert_eq!(metrics.streams_active.get(), 1);
        assert_eq!(metrics.errors.get(ErrorKind::Parse), 0, "half a frame is nobody's line");
        eventually("every stream is accounted for", || all_accounted_for(metrics)).await;
        arm.stop().await;
    }
}

#[tokio::test]
async fn an_engine_that_restarts_is_followed_on_over_http2() {
    const CONTAINERS: usize = 50;
    let mut place = Place::speaking(HTTP2);
    let ids: Vec<_> = (0..CONTAINERS).map(|number| format!("c{number:02}")).collect();
    for id in &ids {
        place.engine.create_and_run(id);
        print_number(&place, id, 0);
    }
    let arm = place.start_with(
        place.engine_address(),
        ClientSettings { coalesce: Duration::from_millis(1), ..ClientSettings::default() },
        Pooled::new(Duration::from_millis(200)),
    );
    let metrics = Arc::clone(&arm.context.metrics);
    eventually("all streams", || metrics.streams_active.get() == CONTAINERS as u64).await;
    let mut printed = 1;
    for restart in 1..=3 {
        let delivered = metrics.lines_delivered.get();
        for id in &ids {
            print_number(&place, id, printed);
        }
        eventually("all lines", || metrics.lines_delivered.get() >= delivered + CONTAINERS as u64).await;
        let tasks_before = tasks();
        let ids = &ids;
        place.engine.restart(|engine| {
            for id in ids {
                let number = printed + 1;
                engine.print(id, i64::try_from(number).unwrap(), &number.to_string());
            }
        });
        printed += 2;
        eventually("what was printed meanwhile", || ids.iter().all(|id| place.sink.texts(id).len() >= printed)).await;
        eventually("all streams again", || metrics.streams_active.get() == CONTAINERS as u64).await;
        eventually("one connection", || metrics.connections_active.get() == 1 && place.engine.connections() == 1).await;
        eventually("every stream is accounted for", || all_accounted_for(&metrics)).await;
        eventually("tasks as before", || tasks() <= tasks_before).await;
        assert!(metrics.streams_reopened.get() >= (restart * CONTAINERS) as u64);
    }
    for id in &ids {
        assert_eq!(place.sink.texts(id), numbers(printed), "{id}");
    }
    arm.stop().await;
}

#[tokio::test]
async fn a_reader_that_panics_has_let_go_of_everything_and_the_stream_is_opened_again() {
    for speaks in [Speaks::Http1, HTTP2] {
        let place = Place::speaking(speaks);
        place.engine.create_and_run("a");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&taken);
        let take = move |line: &leaksoak_strategies::line::Line<'_>| {
            assert!(!line.text.starts_with("panic"), "as the test wants it");
            lines.lock().unwrap().push(line.text.to_string());
        };
        let before = tasks();
        let (context, trigger, mut strategy) = place.hand_to(take, ClientSettings::of_an_arm(), Pooled::new(NEVER));
        let metrics = &context.metrics;
        for round in 0..5 {
            print_number(&place, "a", 2 * round);
            eventually("the line", || taken.lock().unwrap().len() == round + 1).await;
            let running = tasks();
            place.engine.print("a", i64::try_from(2 * round + 1).unwrap(), "panic");
            eventually("it is opened again", || metrics.streams_reopened.get() == round as u64 + 1).await;
            eventually("a stream", || metrics.streams_active.get() == 1).await;
            eventually("the one before is released", || {
                metrics.streams_released.get() == round as u64 + 1 && metrics.streams_settling.get() == 0
            })
            .await;
            eventually("tasks as before", || tasks() <= running).await;
        }
        assert_eq!(*taken.lock().unwrap(), ["0", "2", "4", "6", "8"]);
        assert!(all_accounted_for(metrics));
        trigger.request();
        strategy.join().await.unwrap().unwrap();
        let metrics = Arc::clone(metrics);
        drop(context);
        eventually("all is released", || {
            metrics.streams_released.get() == metrics.streams_opened.get() && metrics.connections_active.get() == 0
        })
        .await;
        eventually("no task", || tasks() <= before).await;
    }
}

fn disk(arm: &Arm) -> State {
    arm.context.health.report().disk
}

#[tokio::test]
async fn a_disk_that_is_full_under_the_offsets_loses_no_line_and_no_offset() {
    let place = Place::new();
    let mut log = JsonLog::create(&place.path("a"), "a");
    place.engine.create("a", log.path());
    place.engine.run("a");
    let hybrid = || Hybrid::new(HybridSettings::new(Duration::from_millis(200)));
    let offsets = || std::fs::read_to_string(place.state("offsets.json")).unwrap();

    log.print_numbers(10);
    let arm = place.start(hybrid());
    eventually("the first lines", || place.sink.texts("a").len() == 10).await;
    arm.stop().await;
    let valid = offsets();

    // What is written there from now on meets a full disk.
    std::os::unix::fs::symlink("/dev/full", place.state("offsets.new")).unwrap();
    let arm = place.start(hybrid());
    log.print_numbers(10);
    eventually("the next lines", || place.sink.texts("a").len() >= 20).await;
    eventually(
        "the disk's state is told",
        || matches!(disk(&arm), State::Failed { error } if error.contains("No space left on device")),
    )
    .await;
    assert!(arm.metrics().errors.get(ErrorKind::File) > 0);
    assert_eq!(place.sink.texts("a"), numbers(20), "nothing is lost or doubled while it lives");
    assert_eq!(offsets(), valid, "the old ones are whole");

    // Once there is room again, the next batch is saved, and with it what could not be.
    std::fs::remove_file(place.state("offsets.new")).unwrap();
    log.print_numbers(10);
    eventually("the disk works again", || disk(&arm) == State::Ok).await;
    eventually("the last lines", || arm.metrics().lines_delivered.get() == 20).await;
    assert_ne!(offsets(), valid);
    arm.die().await;
    let arm = place.start(hybrid());
    log.print_numbers(1);
    eventually("the line", || place.sink.texts("a").len() >= 31).await;
    assert_eq!(place.sink.texts("a"), numbers(31));
    arm.stop().await;
}

#[tokio::test]
async fn an_arm_that_is_killed_while_its_disk_is_full_goes_on_from_the_last_offsets_there_are() {
    let place = Place::new();
    let mut log = JsonLog::create(&place.path("a"), "a");
    place.engine.create("a", log.path());
    place.engine.run("a");
    let hybrid = || Hybrid::new(HybridSettings::new(Duration::from_millis(200)));
    log.print_numbers(10);
    let arm = place.start(hybrid());
    eventually("the first lines", || place.sink.texts("a").len() == 10).await;
    arm.stop().await;
    std::os::unix::fs::symlink("/dev/full", place.state("offsets.new")).unwrap();
    let arm = place.start(hybrid());
    log.print_numbers(5);
    eventually("the next lines", || place.sink.texts("a").len() == 15).await;
    arm.die().await;
    std::fs::remove_file(place.state("offsets.new")).unwrap();
    let arm = place.start(hybrid());
    eventually("the same again", || place.sink.texts("a").len() >= 20).await;
    let again = (0..15).chain(10..15).map(|number| number.to_string());
    assert_eq!(place.sink.texts("a"), again.collect::<Vec<_>>());
    arm.stop().await;
}
