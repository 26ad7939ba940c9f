//! Discovery: no container is missed, whenever the events break off.

use std::sync::Arc;

use leaksoak_strategies::discovery::{ContainerEvent, Discovery};
use leaksoak_strategies::docker_api::{Engine, EngineAddress};
use leaksoak_strategies::health::{Health, State};
use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::pooled::{ClientSettings, PooledClient};

use crate::arm::{Place, eventually};

fn discover(place: &Place) -> (Discovery, Arc<Health>) {
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    let client = PooledClient::new(place.engine_address(), ClientSettings::default(), Arc::clone(&metrics));
    let engine = Engine::new(client, "1.41");
    (Discovery::start(engine, "leaksoak.run=test".to_owned(), metrics, Arc::clone(&health)), health)
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

#[tokio::test]
async fn an_engine_that_comes_late_is_found() {
    let place = Place::new();
    let socket = place.path("late.sock");
    let health = Arc::new(Health::default());
    let client = PooledClient::new(EngineAddress::Unix(socket.clone()), ClientSettings::default(), Arc::default());
    let mut discovery =
        Discovery::start(Engine::new(client, "1.41"), "x=y".to_owned(), Arc::default(), Arc::clone(&health));
    eventually("the failure is told", || {
        serde_json::to_string(&health.report()).unwrap().contains("No such file or directory")
    })
    .await;
    let engine = crate::engine::Engine::start(&socket);
    engine.create_and_run("a");
    assert_eq!(next(&mut discovery).await, "a started");
}
