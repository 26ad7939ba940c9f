//! `pooled` on streams that always have something to say: one task reads them all, and nothing else is different.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaksoak_strategies::metrics::{ErrorKind, Metrics};
use leaksoak_strategies::pooled::{ClientSettings, Pooled};

use crate::arm::{Arm, Place, eventually, numbers, tasks};
use crate::sink::Mood;

const NEVER: Duration = Duration::from_secs(3600);

const IDS: [&str; 3] = ["a", "b", "c"];

/// Everything is printed several times as often.
const TICK: Duration = Duration::from_millis(20);

/// The task that wakes those streams which are read on a tick and are not busy.
const CLOCK: usize = 1;

/// Containers that print the same numbers.
struct Printing<'a> {
    place: &'a Place,
    printed: usize,
}

impl<'a> Printing<'a> {
    /// So long that all streams are busy.
    async fn begin(place: &'a Place, metrics: &Metrics) -> Self {
        let mut printing = Self { place, printed: 0 };
        printing.until("all are busy", || all_busy(metrics)).await;
        printing
    }

    /// One number after the other until the condition holds.
    async fn until(&mut self, what: &str, condition: impl Fn() -> bool) {
        let print = async {
            while !condition() {
                let nanos = i64::try_from(self.printed).unwrap();
                for id in IDS {
                    self.place.engine.print(id, nanos, &self.printed.to_string());
                }
                self.printed += 1;
                tokio::time::sleep(TICK / 4).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), print).await.is_ok(), "never: {what}");
    }

    fn print_at_once(&mut self, count: usize) {
        let numbers = self.printed..self.printed + count;
        for id in IDS {
            let line = |number: usize| (i64::try_from(number).unwrap(), number.to_string());
            self.place.engine.print_many(id, numbers.clone().map(line));
        }
        self.printed = numbers.end;
    }

    async fn all_are_captured_once(&self) {
        self.all_are_once_in(|id| self.place.sink.texts(id)).await;
    }

    async fn all_are_once_in(&self, texts: impl Fn(&str) -> Vec<String>) {
        eventually("all lines", || IDS.iter().all(|id| texts(id).len() >= self.printed)).await;
        for id in IDS {
            assert_eq!(texts(id), numbers(self.printed), "{id}");
        }
    }
}

fn settings() -> ClientSettings {
    ClientSettings { coalesce: TICK, ..ClientSettings::of_an_arm() }
}

/// The arm when its streams are open.
async fn start(place: &Place, rotate_every: Duration) -> Arm {
    for id in IDS {
        place.engine.create_and_run(id);
    }
    let arm = place.start_with(place.engine_address(), settings(), Pooled::new(rotate_every));
    settled(arm.metrics()).await;
    arm
}

fn all_busy(metrics: &Metrics) -> bool {
    metrics.streams_busy.get() == IDS.len() as u64
}

/// Every stream is open, and no connection besides theirs and that of the events.
async fn settled(metrics: &Metrics) {
    let (streams, connections) = (IDS.len() as u64, IDS.len() as u64 + 1);
    eventually("the streams and nothing else", || {
        metrics.streams_active.get() == streams
            && metrics.connections_active.get() == connections
            && metrics.streams_opened.get() == metrics.streams_released.get() + streams
    })
    .await;
}

#[tokio::test]
async fn they_are_read_by_one_task_until_they_are_idle() {
    let place = Place::new();
    let arm = start(&place, NEVER).await;
    let metrics = arm.metrics();
    let before = tasks();
    let mut printing = Printing { place: &place, printed: 0 };
    for _ in 0..3 {
        printing.until("all are busy", || all_busy(metrics)).await;
        let many = (IDS.len() * (printing.printed + 100)) as u64;
        printing.until("many lines", || metrics.lines_delivered.get() >= many).await;
        printing.until("no task of theirs", || all_busy(metrics) && tasks() <= before + CLOCK).await;
        printing.all_are_captured_once().await;
        eventually("none is busy", || metrics.streams_busy.get() == 0).await;
        eventually("no task of theirs", || tasks() <= before + CLOCK).await;
    }
    assert_eq!(metrics.streams_opened.get(), IDS.len() as u64);
    arm.stop().await;
}

#[tokio::test]
async fn far_more_than_is_read_at_once_is_captured_in_order() {
    let place = Place::new();
    let arm = start(&place, NEVER).await;
    let metrics = arm.metrics();
    let mut printing = Printing::begin(&place, metrics).await;
    for _ in 0..3 {
        printing.print_at_once(10_000);
        printing.until("they are busy", || all_busy(metrics)).await;
    }
    printing.all_are_captured_once().await;
    arm.stop().await;
}

#[tokio::test]
async fn a_full_queue_holds_all_of_them_up_and_loses_no_line() {
    let place = Place::new();
    let arm = start(&place, Duration::from_millis(400)).await;
    let metrics = arm.metrics();
    let mut printing = Printing::begin(&place, metrics).await;
    place.sink.is_now(Mood::Answers(429));
    printing.print_at_once(20_000);
    let printed = (IDS.len() * printing.printed) as u64;
    printing.until("the sink is asked again", || metrics.retries.get() >= 2).await;
    assert!(metrics.lines_read.get() < printed, "all of them in the queue");
    place.sink.is_now(Mood::Takes);
    printing.all_are_captured_once().await;
    assert_eq!(metrics.dead_letters.get(), 0);
    arm.stop().await;
}

#[tokio::test]
async fn they_rotate() {
    let place = Place::new();
    let arm = start(&place, Duration::from_millis(400)).await;
    let metrics = arm.metrics();
    let mut printing = Printing::begin(&place, metrics).await;
    printing.until("rotations", || metrics.stream_rotations.get() >= 12 && all_busy(metrics)).await;
    printing.all_are_captured_once().await;
    assert_eq!(metrics.errors.get(ErrorKind::Engine), 0);
    eventually("connections as before", || metrics.connections_active.get() <= IDS.len() as u64 + 2).await;
    arm.stop().await;
}

#[tokio::test]
async fn those_that_break_are_opened_again_without_loss() {
    let place = Place::new();
    let arm = start(&place, NEVER).await;
    let metrics = arm.metrics();
    let before = tasks();
    let mut printing = Printing::begin(&place, metrics).await;
    for round in 1..=10 {
        if round % 2 == 0 {
            place.engine.break_logs();
        } else {
            place.engine.cut_logs();
        }
        let reopened = round * IDS.len() as u64;
        printing.until("they are opened again", || metrics.streams_reopened.get() == reopened).await;
        printing.until("they are busy again", || all_busy(metrics)).await;
    }
    printing.all_are_captured_once().await;
    settled(metrics).await;
    eventually("tasks as before", || tasks() <= before + CLOCK).await;
    arm.stop().await;
}

#[tokio::test]
async fn those_that_end_are_read_to_their_end() {
    let place = Place::new();
    let arm = start(&place, NEVER).await;
    let metrics = arm.metrics();
    let printing = Printing::begin(&place, metrics).await;
    for id in IDS {
        place.engine.stop(id);
    }
    eventually("no stream", || metrics.streams_active.get() == 0).await;
    printing.all_are_captured_once().await;
    arm.stop().await;
}

#[tokio::test]
async fn an_arm_that_stops_has_read_what_is_there() {
    let place = Place::new();
    let arm = start(&place, NEVER).await;
    let metrics = Arc::clone(&arm.context.metrics);
    let printing = Printing::begin(&place, &metrics).await;
    arm.stop().await;
    printing.all_are_captured_once().await;
    eventually("all is released", || metrics.connections_active.get() == 0).await;
    assert_eq!(metrics.streams_released.get(), metrics.streams_opened.get());
}

#[tokio::test]
async fn an_arm_that_is_gone_has_let_go_of_everything() {
    let place = Place::new();
    let before = tasks();
    let arm = start(&place, NEVER).await;
    let metrics = Arc::clone(&arm.context.metrics);
    Printing::begin(&place, &metrics).await;
    arm.die().await;
    eventually("no task", || tasks() == before).await;
    eventually("no connection", || metrics.connections_active.get() == 0).await;
    assert_eq!(metrics.streams_released.get(), metrics.streams_opened.get());
    assert_eq!(metrics.streams_busy.get(), 0);
}

#[tokio::test]
async fn a_panic_ends_the_one_whose_line_it_was() {
    let place = Place::new();
    for id in IDS {
        place.engine.create_and_run(id);
    }
    let taken = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&taken);
    let take = move |line: &leaksoak_strategies::line::Line<'_>| {
        assert!(line.text != "panic", "as the test wants it");
        lines.lock().unwrap().push((line.container.to_owned(), line.text.to_string()));
    };
    let (context, trigger, mut strategy) = place.hand_to(take, settings(), Pooled::new(NEVER));
    let metrics = &context.metrics;
    let mut printing = Printing::begin(&place, metrics).await;
    for round in 1..=5 {
        place.engine.print("b", i64::try_from(printing.printed).unwrap(), "panic");
        printing.until("it is opened again", || metrics.streams_reopened.get() == round).await;
        printing.until("it is busy again", || all_busy(metrics)).await;
    }
    let texts = |id: &str| {
        let taken = taken.lock().unwrap();
        taken.iter().filter(|(of, _)| of == id).map(|(_, text)| text.clone()).collect()
    };
    printing.all_are_once_in(texts).await;
    settled(metrics).await;
    trigger.request();
    strategy.join().await.unwrap().unwrap();
}
