//! Delivery: whatever the sink does, every line is accounted for.

use std::time::Duration;

use leaksoak_strategies::delivery::{Delivery, Limits};
use leaksoak_strategies::line::{Line, StreamKind};
use leaksoak_strategies::metrics::{DropReason, ErrorKind};

use crate::arm::{Place, eventually, numbers};
use crate::sink::Mood;

fn small() -> Limits {
    Limits { batch_lines: 10, batch_wait: Duration::from_millis(2), queued_batches: 2, ..Limits::default() }
}

async fn hand_over(delivery: &Delivery, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let line = Line {
            container: "a",
            stream: StreamKind::Stdout,
            time: "2026-11-23T13:15:57.5Z".into(),
            text: number.to_string().into(),
        };
        delivery.deliver(&line).await;
    }
}

/// What is in the dead-letter file: reason and text.
fn dead_letters(place: &Place) -> Vec<(String, String)> {
    let file = std::fs::read_to_string(place.state("dead-letters.ndjson")).unwrap();
    file.lines()
        .map(|letter| {
            let letter: serde_json::Value = serde_json::from_str(letter).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&letter["reason"]), text(&letter["entry"]["line"]))
        })
        .collect()
}

#[tokio::test]
async fn every_line_arrives_in_order_over_one_connection() {
    let place = Place::new();
    let (delivery, pipeline, metrics) = place.deliver(small());
    hand_over(&delivery, 0..1000).await;
    pipeline.finish(Duration::from_secs(5)).await;
    assert_eq!(place.sink.texts("a"), numbers(1000));
    assert_eq!(metrics.lines_delivered.get(), 1000);
    assert_eq!(place.sink.connections_ever(), 1);
}

#[tokio::test]
async fn a_sink_that_is_busy_or_breaks_the_connection_gets_the_lines_later() {
    for mood in [Mood::Answers(503), Mood::Answers(429), Mood::Breaks] {
        let place = Place::new();
        let (delivery, pipeline, metrics) = place.deliver(small());
        hand_over(&delivery, 0..25).await;
        eventually("the sink has taken some", || !place.sink.texts("a").is_empty()).await;
        place.sink.is_now(mood);
        hand_over(&delivery, 25..50).await;
        eventually("a retry", || metrics.retries.get() >= 2).await;
        place.sink.is_now(Mood::Takes);
        pipeline.finish(Duration::from_secs(10)).await;
        assert_eq!(place.sink.texts("a"), numbers(50));
        assert!(metrics.errors.get(ErrorKind::Sink) >= 2);
        assert_eq!(metrics.dead_letters.get(), 0);
    }
}

#[tokio::test]
async fn a_full_queue_holds_up_the_reader_instead_of_growing() {
    let place = Place::new();
    place.sink.is_now(Mood::Answers(503));
    let (delivery, pipeline, _) = place.deliver(small());
    let reader = tokio::spawn({
        let delivery = delivery.clone();
        async move { hand_over(&delivery, 0..100).await }
    });
    // It waits for room: only a change of the sink can end this.
    let held_up = tokio::time::timeout(Duration::from_millis(300), async {
        while !reader.is_finished() {
            tokio::task::yield_now().await;
        }
    });
    assert!(held_up.await.is_err(), "100 lines were taken into a queue of 40");
    place.sink.is_now(Mood::Takes);
    reader.await.unwrap();
    pipeline.finish(Duration::from_secs(10)).await;
    assert_eq!(place.sink.texts("a"), numbers(100));
}

#[tokio::test]
async fn refused_lines_are_kept_as_dead_letters_and_the_rest_arrives() {
    let place = Place::new();
    place.sink.is_now(Mood::Refuses("7"));
    let (delivery, pipeline, metrics) = place.deliver(small());
    hand_over(&delivery, 0..20).await;
    pipeline.finish(Duration::from_secs(5)).await;
    assert_eq!(dead_letters(&place), ["7", "17"].map(|text| ("too_old".to_owned(), text.to_owned())));
    assert_eq!(place.sink.texts("a").len(), 18);
    assert_eq!((metrics.lines_refused.get(), metrics.dead_letters.get()), (2, 2));
}

#[tokio::test]
async fn a_rejected_batch_is_not_tried_again() {
    let place = Place::new();
    let (delivery, pipeline, metrics) = place.deliver(small());
    hand_over(&delivery, 0..1).await;
    eventually("the first", || place.sink.texts("a").len() == 1).await;
    place.sink.is_now(Mood::Answers(400));
    hand_over(&delivery, 1..2).await;
    eventually("the dead letter", || metrics.dead_letters.get() == 1).await;
    assert_eq!(metrics.retries.get(), 0);
    assert_eq!(dead_letters(&place), [("rejected".to_owned(), "1".to_owned())]);
    place.sink.is_now(Mood::Takes);
    pipeline.finish(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_sink_that_stays_away_is_given_up_on_in_time() {
    let place = Place::new();
    let (delivery, pipeline, metrics) = place.deliver(Limits { give_up_after: Duration::from_millis(100), ..small() });
    hand_over(&delivery, 0..1).await;
    eventually("the first", || place.sink.texts("a").len() == 1).await;
    place.sink.is_now(Mood::Answers(500));
    hand_over(&delivery, 1..2).await;
    eventually("the dead letter", || metrics.dead_letters.get() == 1).await;
    assert_eq!(dead_letters(&place), [("sink_unavailable".to_owned(), "1".to_owned())]);
    pipeline.finish(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_is_undelivered_at_the_end_is_kept_as_dead_letters() {
    let place = Place::new();
    place.sink.is_now(Mood::Answers(503));
    let (delivery, pipeline, metrics) = place.deliver(small());
    hand_over(&delivery, 0..30).await;
    pipeline.finish(Duration::from_millis(100)).await;
    let kept: Vec<String> = dead_letters(&place).into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, numbers(30));
    assert_eq!(metrics.dead_letters.get(), 30);
    hand_over(&delivery, 30..31).await;
    assert_eq!(metrics.lines_dropped.get(DropReason::Closed), 1);
}

#[tokio::test]
async fn diverted_refusals_go_to_whoever_asked_for_them() {
    let place = Place::new();
    place.sink.is_now(Mood::Refuses("1"));
    let (delivery, pipeline, metrics) = place.deliver(small());
    let mut refused = delivery.divert_refused();
    hand_over(&delivery, 0..2).await;
    let line = refused.recv().await.unwrap();
    assert_eq!(line.reason, "too_old");
    insta::assert_snapshot!(
        String::from_utf8(line.entry).unwrap(),
        @r#"{"container":"a","stream":"stdout","t":"2026-11-23T13:15:57.5Z","line":"1"}"#
    );
    pipeline.finish(Duration::from_secs(5)).await;
    assert_eq!(metrics.dead_letters.get(), 0);
}

#[tokio::test]
async fn a_ticket_is_settled_when_the_sink_has_the_line_and_not_before() {
    let place = Place::new();
    place.sink.is_now(Mood::Answers(503));
    let (delivery, pipeline, metrics) = place.deliver(small());
    let line =
        Line { container: "a", stream: StreamKind::Stdout, time: "2026-11-23T13:15:57.5Z".into(), text: "0".into() };
    let ticket = delivery.deliver(&line).await;
    eventually("the sink was tried", || metrics.errors.get(ErrorKind::Sink) > 0).await;
    assert!(delivery.settled() < ticket);
    place.sink.is_now(Mood::Takes);
    delivery.wait_until_settled(ticket).await;
    assert_eq!(place.sink.texts("a"), ["0"]);
    pipeline.finish(Duration::from_secs(5)).await;
}
