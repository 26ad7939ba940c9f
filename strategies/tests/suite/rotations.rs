//! A thousand rotations of `pooled`, over every kind of connection: no line lost, none doubled, nothing left behind.

use std::time::Duration;

use leaksoak_scenarios::Http;
use leaksoak_strategies::docker_api::EngineAddress;
use leaksoak_strategies::metrics::ErrorKind;
use leaksoak_strategies::pooled::{ClientSettings, Pooled};

use crate::arm::{Place, eventually, numbers, tasks};
use crate::server::Speaks;

const HTTP2: Speaks = Speaks::Http2 { max_streams: 200 };

/// Two streams, the events, and one that is idle or just being closed.
const CONNECTIONS_HTTP1: u64 = 4;

#[tokio::test]
async fn over_http1() {
    let place = Place::new();
    assert_clean(&place, place.engine_address(), ClientSettings::default(), CONNECTIONS_HTTP1).await;
}

#[tokio::test]
async fn over_http1_read_on_a_tick() {
    let place = Place::new();
    let settings = ClientSettings { coalesce: Duration::from_millis(1), ..ClientSettings::default() };
    assert_clean(&place, place.engine_address(), settings, CONNECTIONS_HTTP1).await;
}

#[tokio::test]
async fn over_tcp_read_on_a_tick() {
    let place = Place::new();
    let settings = ClientSettings { coalesce: Duration::from_millis(1), ..ClientSettings::default() };
    let address = EngineAddress::Tcp(place.engine.tcp_address().to_string());
    assert_clean(&place, address, settings, CONNECTIONS_HTTP1).await;
}

#[tokio::test]
async fn over_one_http2_connection() {
    let place = Place::speaking(HTTP2);
    assert_clean(&place, place.engine_address(), ClientSettings::default(), 1).await;
}

#[tokio::test]
async fn over_one_http2_connection_read_on_a_tick() {
    let place = Place::speaking(HTTP2);
    let settings = ClientSettings { coalesce: Duration::from_millis(1), ..ClientSettings::default() };
    assert_clean(&place, place.engine_address(), settings, 1).await;
}

#[tokio::test]
async fn over_http1_although_the_engine_speaks_http2() {
    let place = Place::speaking(HTTP2);
    let settings = ClientSettings { http: Http::One, ..ClientSettings::default() };
    assert_clean(&place, place.engine_address(), settings, CONNECTIONS_HTTP1).await;
}

async fn assert_clean(place: &Place, engine: EngineAddress, settings: ClientSettings, connections: u64) {
    let settings = ClientSettings { max_idle: 1, ..settings };
    for id in ["chatty", "silent"] {
        place.engine.create_and_run(id);
    }
    let arm = place.start_with(engine, settings, Pooled::new(Duration::from_millis(4)));
    let metrics = arm.metrics();
    let rotations = |count| eventually("rotations", move || metrics.stream_rotations.get() >= count);
    let settled = || metrics.connections_active.get() <= connections && metrics.streams_settling.get() == 0;
    rotations(20).await;
    eventually("the streams settle", settled).await;
    let tasks_before = tasks();

    let mut printed = 0;
    for round in 1..=100 {
        // Two lines of each timestamp, and the silent one says something once in a while.
        for _ in 0..6 {
            place.engine.print("chatty", printed / 2, &printed.to_string());
            printed += 1;
        }
        if round % 25 == 0 {
            place.engine.print("silent", printed, &(round / 25 - 1).to_string());
        }
        rotations(20 + 10 * round).await;
    }
    eventually("all lines", || place.sink.texts("chatty").len() + place.sink.texts("silent").len() >= 604).await;
    assert_eq!(place.sink.texts("chatty"), numbers(600));
    assert_eq!(place.sink.texts("silent"), numbers(4));

    assert!(metrics.stream_rotations.get() >= 1000);
    eventually("tasks as before", || tasks() <= tasks_before).await;
    eventually("connections as before, at the engine's side as well", || {
        settled() && place.engine.connections() as u64 <= connections
    })
    .await;
    eventually("every stream is accounted for", || {
        metrics.streams_opened.get() == metrics.streams_released.get() + metrics.streams_active.get()
    })
    .await;
    assert!(metrics.streams_opened.get() >= 1002);
    assert_eq!(metrics.errors.get(ErrorKind::Engine), 0);
    assert_eq!(metrics.streams_widened.get(), 0);
    let whole_logs = place.engine.tails().iter().filter(|tail| tail.is_none()).count() as u64;
    // `silent` had nothing to begin from for the first 24 rounds.
    assert!(whole_logs < 2 + metrics.stream_rotations.get() / 2, "{whole_logs} streams read the whole log");
    let metrics = std::sync::Arc::clone(&arm.context.metrics);
    arm.stop().await;
    eventually("the last ones are released", || metrics.streams_released.get() == metrics.streams_opened.get()).await;
}

#[tokio::test]
async fn a_thousand_streams_share_one_connection() {
    let place = Place::speaking(Speaks::Http2 { max_streams: 2_000 });
    let ids: Vec<_> = (0..1_000).map(|number| format!("c{number:04}")).collect();
    for id in &ids {
        place.engine.create_and_run(id);
    }
    let arm = place.start(Pooled::new(Duration::from_secs(3600)));
    let metrics = arm.metrics();
    eventually("all streams", || metrics.streams_active.get() == 1_000).await;
    for id in &ids {
        place.engine.print(id, 0, "0");
    }
    eventually("all lines", || metrics.lines_delivered.get() == 1_000).await;
    assert_eq!(metrics.connections_active.get(), 1);
    assert_eq!(place.engine.connections(), 1);
    arm.stop().await;
}

#[tokio::test]
async fn an_engine_that_allows_few_streams_gets_more_connections() {
    let place = Place::speaking(Speaks::Http2 { max_streams: 8 });
    for number in 0..30 {
        place.engine.create_and_run(&format!("c{number}"));
    }
    let arm = place.start(Pooled::new(Duration::from_secs(3600)));
    let metrics = arm.metrics();
    eventually("all streams", || metrics.streams_active.get() == 30).await;
    // 30 streams and the events, 8 a connection; before the engine has said so, a connection may get more to ask for.
    let connections = metrics.connections_active.get();
    assert!((4..=8).contains(&connections), "{connections} connections");
    arm.stop().await;
}

#[tokio::test]
async fn an_engine_that_does_not_speak_http2_is_told_of_when_it_is_asked_for() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let settings = ClientSettings { http: Http::Two, ..ClientSettings::default() };
    let arm = place.start_with(place.engine_address(), settings, Pooled::new(Duration::from_secs(3600)));
    let health = std::sync::Arc::clone(&arm.context.health);
    eventually("the remedy", || serde_json::to_string(&health.report()).unwrap().contains("http = \\\"auto\\\"")).await;
    assert_eq!(arm.metrics().streams_active.get(), 0);
    arm.stop().await;
}
