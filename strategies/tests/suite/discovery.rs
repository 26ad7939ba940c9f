//! Discovery: no container is missed, whenever the events break off.

use std::sync::Arc;
use std::time::Duration;

use leaksoak_strategies::discovery::{ContainerEvent, Discovery};
use leaksoak_strategies::docker_api::{Engine, EngineAddress};
use leaksoak_strategies::health::{Health, State};
use leaksoak_strategies::metrics::{ErrorKind, Metrics};
use leaksoak_strategies::pooled::{ClientSettings, PooledClient};
use tokio::time::Instant;

use crate::arm::{Place, eventually};

fn discover(place: &Place) -> (Discovery, Arc<Health>) {
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    let client = PooledClient::new(place.engine_address(), ClientSettings::default(), Arc::clone(&metrics));
    let engine = Engine::new(client, "1.41");
    (Discovery::start(engine, vec!["leaksoak.run=test".to_owned()], metrics, Arc::clone(&health)), health)
}

async fn next(discovery: &mut Discovery) -> String {
    match discovery.next().await {
        ContainerEvent::Started(container) => format!("{} started", container.name()),
        ContainerEvent::Stopped { id } => format!("{id} stopped"),
        ContainerEvent::Removed { id } => format!("{id} removed"),
    }
}

#[tokio::test]
async fn a_life_is_told_as_it_happens() {
    let place = Place::new();
    place.engine.create("a", "".as_ref());
    let (mut discovery, health) = discover(&place);
    eventually("the list was read", || health.report().engine == State::Ok).await;
    place.engine.run("a");
    assert_eq!(next(&mut discovery).await, "a started");
    place.engine.stop("a");
    assert_eq!(next(&mut discovery).await, "a stopped");
    place.engine.run("a");
    assert_eq!(next(&mut discovery).await, "a started");
    place.engine.remove("a");
    assert_eq!(next(&mut discovery).await, "a removed");
}

#[tokio::test]
async fn a_renamed_container_is_known_by_its_new_name() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let (mut discovery, _) = discover(&place);
    let ContainerEvent::Started(container) = discovery.next().await else { panic!("nothing else can have happened") };
    assert_eq!(&*container.name(), "a");
    place.engine.rename("a", "b");
    eventually("the new name", || &*container.name() == "b").await;
}

#[tokio::test]
async fn what_happened_while_the_events_were_broken_is_found_by_listing_again() {
    let place = Place::new();
    place.engine.create_and_run("stays");
    place.engine.create_and_run("goes");
    let (mut discovery, _) = discover(&place);
    assert_eq!(next(&mut discovery).await, "goes started");
    assert_eq!(next(&mut discovery).await, "stays started");
    place.engine.break_events_and(|engine| {
        engine.create_and_run("new");
        engine.stop("stays");
        engine.run("stays");
        engine.remove("goes");
    });
    assert_eq!(next(&mut discovery).await, "goes removed");
    assert_eq!(next(&mut discovery).await, "new started");
    assert_eq!(next(&mut discovery).await, "stays started");
}

#[tokio::test(start_paused = true)]
async fn what_the_events_never_told_is_found_within_half_a_minute() {
    let place = Place::new();
    place.engine.create("late", "".as_ref());
    place.engine.create_and_run("goes");
    place.engine.create_and_run("stays");
    let metrics = Arc::new(Metrics::default());
    let engine = Engine::new(place.engine.wired(), "1.41");
    let mut discovery =
        Discovery::start(engine, vec!["leaksoak.run=test".to_owned()], Arc::clone(&metrics), Arc::default());
    assert_eq!(next(&mut discovery).await, "goes started");
    let ContainerEvent::Started(stays) = discovery.next().await else { panic!("it runs") };
    let since = Instant::now();
    place.engine.untold(|engine| {
        engine.run("late");
        engine.create_and_run("new");
        engine.rename("stays", "renamed");
        engine.remove("goes");
    });
    assert_eq!(next(&mut discovery).await, "goes removed");
    assert_eq!(next(&mut discovery).await, "late started");
    assert_eq!(next(&mut discovery).await, "new started");
    eventually("the new name", || &*stays.name() == "renamed").await;
    assert!(since.elapsed() <= Duration::from_secs(31), "{:?}", since.elapsed());
    assert_eq!(metrics.errors.get(ErrorKind::Engine), 0, "the events did not break off");

    let inspections = place.engine.inspections();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(place.engine.inspections(), inspections, "what is as it was costs no inspection");
}

#[tokio::test]
async fn a_thousand_containers_are_found_a_few_at_a_time() {
    let place = Place::new();
    for number in 0..1_000 {
        place.engine.create_and_run(&format!("c{number:03}"));
    }
    let (mut discovery, _) = discover(&place);
    for number in 0..1_000 {
        assert_eq!(next(&mut discovery).await, format!("c{number:03} started"), "in the order of the list");
    }
    // 32 are asked for at a time, and as many connections may still be closing.
    assert!(place.engine.most_connections() <= 100, "{} connections", place.engine.most_connections());
}

#[tokio::test]
async fn only_containers_with_all_of_the_labels_are_told_of() {
    let place = Place::new();
    let labelled = |id: &str, labels: &[&str]| {
        place.engine.create(id, "".as_ref());
        place.engine.label(id, labels);
    };
    labelled("both", &["app=web", "tier=front"]);
    labelled("one", &["app=web", "tier=back"]);
    labelled("none", &[]);
    let start = |labels: &[&str]| {
        let client = PooledClient::new(place.engine_address(), ClientSettings::default(), Arc::default());
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Discovery::start(Engine::new(client, "1.41"), labels, Arc::default(), Arc::default())
    };
    for id in ["both", "none", "one"] {
        place.engine.run(id);
    }
    let [mut both, mut key, mut all] = [&["app=web", "tier=front"][..], &["tier"], &[]].map(start);
    // Those that are listed, and then those that the events tell of.
    assert_eq!(next(&mut both).await, "both started");
    assert_eq!([next(&mut key).await, next(&mut key).await], ["both started", "one started"]);
    assert_eq!(
        [next(&mut all).await, next(&mut all).await, next(&mut all).await].join(", "),
        "both started, none started, one started"
    );
    labelled("later", &["tier=front", "app=web", "more=of them"]);
    for id in ["none", "one", "both"] {
        place.engine.stop(id);
    }
    place.engine.run("later");
    assert_eq!([next(&mut both).await, next(&mut both).await], ["both stopped", "later started"]);
    assert_eq!([next(&mut key).await, next(&mut key).await], ["one stopped", "both stopped"]);
    assert_eq!([next(&mut all).await, next(&mut all).await], ["none stopped", "one stopped"]);
}

#[tokio::test]
async fn an_engine_that_comes_late_is_found() {
    let place = Place::new();
    let socket = place.path("late.sock");
    let health = Arc::new(Health::default());
    let client = PooledClient::new(EngineAddress::Unix(socket.clone()), ClientSettings::default(), Arc::default());
    let mut discovery = Discovery::start(
        Engine::new(client, "1.41"),
        vec!["leaksoak.run=test".to_owned()],
        Arc::default(),
        Arc::clone(&health),
    );
    eventually("the failure is told", || {
        serde_json::to_string(&health.report()).unwrap().contains("No such file or directory")
    })
    .await;
    let engine = crate::engine::Engine::start(&socket);
    engine.create_and_run("a");
    assert_eq!(next(&mut discovery).await, "a started");
}
