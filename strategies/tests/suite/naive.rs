//! `naive`: each mistake leaks exactly what it is said to leak, and the work is done all the same.

use std::time::Duration;

use leaksoak_scenarios::Mistake;
use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::naive::Naive;

use crate::arm::{Place, eventually, numbers, tasks};

const EVERY: [Mistake; 5] =
    [Mistake::ForgottenHandle, Mistake::DetachedTimeout, Mistake::StuckPump, Mistake::KeptBody, Mistake::BlockingRead];

/// Names the threads of a test's runtime, so that they are told from those of the tests beside it.
const BLOCKING_THREAD: &str = "naive-blocking";

#[tokio::test]
async fn a_forgotten_handle_leaks_one_connection_and_two_tasks_a_rotation() {
    assert_leaks(Mistake::ForgottenHandle, 2).await;
}

#[tokio::test]
async fn a_detached_timeout_leaks_one_connection_and_two_tasks_a_rotation() {
    assert_leaks(Mistake::DetachedTimeout, 2).await;
}

#[tokio::test]
async fn a_stuck_pump_leaks_one_connection_and_two_tasks_a_rotation() {
    assert_leaks(Mistake::StuckPump, 2).await;
}

#[tokio::test]
async fn a_kept_body_leaks_one_connection_and_one_task_a_rotation() {
    assert_leaks(Mistake::KeptBody, 1).await;
}

#[test]
fn a_blocking_read_leaks_one_connection_and_one_thread_a_rotation() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().thread_name(BLOCKING_THREAD).build().unwrap();
    runtime.block_on(async {
        let leaked = assert_leaks(Mistake::BlockingRead, 0).await;
        // The last one's thread may have ended already.
        eventually("the threads end with the engine", || threads() == 0).await;
        assert!(leaked.threads_at_most >= leaked.streams, "{leaked:?}");
    });
}

#[derive(Debug)]
struct Leaked {
    streams: u64,
    threads_at_most: u64,
}

/// A silent container for some rotations: each keeps one connection and `tasks_each` tasks, no more and no less.
async fn assert_leaks(mistake: Mistake, tasks_each: u64) -> Leaked {
    let place = Place::new();
    place.engine.create_and_run("silent");
    // Long enough for a busy machine to come to rest in between: only then is everything accounted for.
    let arm = place.start(Naive::new(Duration::from_millis(200), mistake));
    let metrics = arm.metrics();
    let rotations = || metrics.stream_rotations.get();
    eventually("a few rotations", || rotations() >= 3 && not_leaked(metrics, tasks_each).is_some()).await;
    let (before, so_far) = (not_leaked(metrics, tasks_each), rotations());
    eventually("many rotations", || rotations() >= so_far + 12).await;
    eventually("connections and tasks accounted for", || not_leaked(metrics, tasks_each) == before).await;
    let leaked = Leaked { streams: metrics.streams_active.get(), threads_at_most: threads() };
    arm.stop().await;
    leaked
}

/// The connections and tasks that are left over when one connection and `tasks_each` tasks are taken off for every
/// stream there ever was; `None` in the middle of a rotation.
fn not_leaked(metrics: &Metrics, tasks_each: u64) -> Option<(u64, u64)> {
    let streams = metrics.streams_active.get();
    let between_rotations = streams == 1 + metrics.stream_rotations.get();
    let others = metrics.connections_active.get().checked_sub(streams)?;
    // The events; those of discovery's other requests are closed soon after. Each is driven by a task.
    (between_rotations && others == 1).then(|| (others, tasks() as u64 - others - tasks_each * streams))
}

fn threads() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == BLOCKING_THREAD).count() as u64
}

#[tokio::test]
async fn no_mistake_loses_or_doubles_a_line() {
    for mistake in EVERY {
        let place = Place::new();
        place.engine.create_and_run("chatty");
        let arm = place.start(Naive::new(Duration::from_millis(20), mistake));
        let metrics = arm.metrics();
        for printed in 0..30 {
            let rotations = metrics.stream_rotations.get();
            place.engine.print("chatty", printed, &printed.to_string());
            eventually("a rotation", || metrics.stream_rotations.get() > rotations).await;
        }
        arm.stop().await;
        assert_eq!(place.sink.texts("chatty"), numbers(30), "{mistake:?}");
    }
}

#[tokio::test]
async fn a_stuck_pump_ends_when_its_container_prints() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let arm = place.start(Naive::new(Duration::from_millis(20), Mistake::StuckPump));
    let metrics = arm.metrics();
    eventually("streams that leak", || metrics.streams_active.get() >= 10).await;
    place.engine.print("a", 0, "0");
    eventually("they end", || metrics.streams_active.get() <= 5).await;
    arm.stop().await;
    assert_eq!(place.sink.texts("a"), numbers(1));
}

#[tokio::test]
async fn a_last_line_that_the_engine_keeps_from_followers_is_captured() {
    for mistake in EVERY {
        let place = Place::new();
        place.engine.create_and_run("a");
        place.engine.print("a", 0, "0");
        let arm = place.start(Naive::new(Duration::from_secs(3600), mistake));
        eventually("the first line", || place.sink.texts("a").len() == 1).await;
        place.engine.print_and_stop("a", 1, "1");
        eventually("the last line", || place.sink.texts("a") == numbers(2)).await;
        arm.stop().await;
    }
}
