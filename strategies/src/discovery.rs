//! Which containers there are to monitor: list, then events, then list again whenever the events break off, and once in a
//! while although they do not.
//!
//! Guarantees: a container that exists for as long as one inspection takes is reported, whenever it starts. The events
//! are subscribed to before the list is made, and replayed from a little earlier, so nothing falls in between; each
//! start is reported once, because events and list entries alike only cause the engine to be asked how things are. An event
//! that the engine did not tell is made up for by the next list, within half a minute.
//!
//! A container is known by the engine's id: one that is renamed stays the same and is told by its new name, and one that
//! takes an old name is another.
//!
//! Does not: see a container that starts and is removed before it can be inspected; its log is
//! gone as well.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::delivery::Backoff;
use crate::docker_api::timestamp::Timestamp;
use crate::docker_api::{ContainerState, Engine, EngineError, ListedContainer};
use crate::health::{Dependency, Health};
use crate::metrics::{ErrorKind, Metrics};
use crate::selection::Selection;
use crate::settings::LiveSettings;
use crate::task::OwnedTask;

/// Events this much older than the subscription are asked for as well: dockerd answers before it has subscribed.
const REPLAY: Duration = Duration::from_secs(5);

/// How often the containers are listed again. It costs one request, and an inspection of each container that is not as it
/// was known to be.
const RESYNC: Duration = Duration::from_secs(30);

/// Inspections under way at once. One after another they wait for each other's answers, a tick of a coalesced connection
/// each: ten seconds for a thousand containers.
const AT_ONCE: usize = 32;

/// First and longest pause between two attempts to reach the engine.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A container to monitor.
#[derive(Debug)]
pub struct Container {
    /// The engine's id of it.
    pub id: String,
    name: Mutex<Arc<str>>,
    /// Its output is a terminal's.
    pub tty: bool,
    /// Where the engine keeps its log, if in a file.
    pub log_path: Option<PathBuf>,
}

impl Container {
    /// The container that this state describes.
    pub fn new(state: ContainerState) -> Self {
        let ContainerState { id, name, tty, log_path, .. } = state;
        Self { id, name: Mutex::new(name.into()), tty, log_path }
    }

    /// One of this id and name, of which no more is known.
    #[cfg(test)]
    pub(crate) fn known_by(id: &str) -> Self {
        Self { id: id.to_owned(), name: Mutex::new(id.into()), tty: false, log_path: None }
    }

    /// What it is called now. Whoever keeps it will not hear of a new name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.lock_name())
    }

    fn rename(&self, name: &str) {
        let mut known = self.lock_name();
        if **known != *name {
            *known = name.into();
        }
    }

    fn lock_name(&self) -> MutexGuard<'_, Arc<str>> {
        // Nothing under the lock can panic.
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a container.
#[derive(Debug, Clone)]
pub enum ContainerEvent {
    /// It was started, for the first time or again. One that had ended before it was found is reported as started and
    /// stopped: its log is there to be read.
    Started(Arc<Container>),
    /// It has ended. Its log is complete, and stays.
    Stopped {
        /// The engine's id of it.
        id: String,
    },
    /// It was removed, and its log with it.
    Removed {
        /// The engine's id of it.
        id: String,
    },
}

/// The stream of what becomes of the containers.
#[derive(Debug)]
pub struct Discovery {
    events: mpsc::Receiver<ContainerEvent>,
    /// `None`: every container is told of.
    named: Option<LiveSettings>,
    selection: Selection,
    /// Told next.
    ready: VecDeque<ContainerEvent>,
    _task: OwnedTask<()>,
}

impl Discovery {
    /// Looks for containers with all of `labels` (`key=value`, or `key` alone), from now on and for as long as this lives.
    pub fn start(engine: Engine, labels: Vec<String>, metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        let (out, events) = mpsc::channel(64);
        let watcher = Watcher { engine, labels, known: Known::default(), out, metrics, health };
        Self {
            events,
            named: None,
            selection: Selection::default(),
            ready: VecDeque::new(),
            _task: OwnedTask::spawn(watcher.run()),
        }
    }

    /// Only tells of the containers that the settings name, from when they do.
    #[must_use]
    pub fn only_named(mut self, settings: LiveSettings) -> Self {
        self.named = Some(settings);
        self
    }

    /// What happened next. Never ends while the runtime lives. Cancel-safe.
    pub async fn next(&mut self) -> ContainerEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let Some(settings) = &mut self.named else { return next(&mut self.events).await };
            tokio::select! {
                event = next(&mut self.events) => {
                    self.ready.extend(self.selection.on(event, &settings.now().containers));
                }
                () = settings.changed() => self.ready.extend(self.selection.named(&settings.now().containers)),
            }
        }
    }
}

async fn next(events: &mut mpsc::Receiver<ContainerEvent>) -> ContainerEvent {
    match events.recv().await {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

struct Watcher {
    engine: Engine,
    labels: Vec<String>,
    known: Known,
    out: mpsc::Sender<ContainerEvent>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Watcher {
    async fn run(mut self) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            if let Err(error) = self.watch(&mut backoff).await {
                self.metrics.errors.inc(ErrorKind::Engine);
                self.health.failed(Dependency::Engine, &error);
            }
            tokio::time::sleep(backoff.delay()).await;
        }
    }

    /// Until the events break off.
    async fn watch(&mut self, backoff: &mut Backoff) -> Result<(), EngineError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut events = self.engine.events(&self.labels, now.saturating_sub(REPLAY).as_secs()).await?;
        self.list(|_, _| true).await?;
        self.health.ok(Dependency::Engine);
        backoff.reset();
        let mut resync = tokio::time::interval_at(Instant::now() + RESYNC, RESYNC);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ids = events.next_ids() => match ids? {
                    Some(ids) => self.look(ids).await?,
                    None => return Ok(()),
                },
                _ = resync.tick() => self.list(|known, listed| !known.is_as_listed(listed)).await?,
            }
        }
    }

    /// Looks at what the list has, as far as it `may_be_news`, and at what it has no more. What was known before the list was asked
    /// for is no older than the list, so that nothing new is taken for gone.
    async fn list(&mut self, may_be_news: impl Fn(&Known, &ListedContainer) -> bool) -> Result<(), EngineError> {
        let listed = self.engine.containers(&self.labels).await?;
        for id in self.known.not_in(&listed) {
            self.report(&id, None).await;
        }
        let news = listed.into_iter().filter(|listed| may_be_news(&self.known, listed));
        let ids = news.map(|container| container.id).collect();
        self.look(ids).await
    }

    /// Inspects these containers, no two of the same id, several at once; reports in their order.
    async fn look(&mut self, ids: Vec<String>) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        let inspect = |id: String| {
            let engine = engine.clone();
            async move {
                let state = engine.inspect(&id).await;
                (id, state)
            }
        };
        let mut looked = stream::iter(ids).map(inspect).buffered(AT_ONCE);
        while let Some((id, state)) = looked.next().await {
            self.report(&id, state?).await;
        }
        Ok(())
    }

    async fn report(&mut self, id: &str, state: Option<ContainerState>) {
        for event in self.known.observe(id, state) {
            // A closed channel means that nobody looks for containers any more; this task is about to be aborted.
            let _ = self.out.send(event).await;
        }
    }
}

/// What has been reported so far. Pure: observations in, events out.
#[derive(Debug, Default)]
struct Known(HashMap<String, Life>);

#[derive(Debug)]
struct Life {
    container: Arc<Container>,
    started_at: Option<Timestamp>,
    running: bool,
}

impl Known {
    /// The engine was asked about `id` and said `state` (`None`: no such container).
    fn observe(&mut self, id: &str, state: Option<ContainerState>) -> Vec<ContainerEvent> {
        let Some(state) = state else {
            let known = self.0.remove(id).is_some();
            return if known { vec![ContainerEvent::Removed { id: id.to_owned() }] } else { Vec::new() };
        };
        let (started_at, running) = (state.started_at, state.running);
        let before = self.0.remove(id);
        let started = started_at.is_some() && before.as_ref().and_then(|life| life.started_at) != started_at;
        let was_running = before.as_ref().is_some_and(|life| life.running);
        let container = match before {
            // One that has never run is not known to anyone, and where its log lies is decided when it starts.
            Some(life) if life.started_at.is_some() => {
                life.container.rename(&state.name);
                life.container
            }
            _ => Arc::new(Container::new(state)),
        };
        let mut events = Vec::new();
        if started {
            events.push(ContainerEvent::Started(Arc::clone(&container)));
        }
        self.0.insert(id.to_owned(), Life { container, started_at, running });
        if !running && (started || was_running) {
            events.push(ContainerEvent::Stopped { id: id.to_owned() });
        }
        events
    }

    fn not_in(&self, listed: &[ListedContainer]) -> Vec<String> {
        let listed: HashSet<&str> = listed.iter().map(|container| container.id.as_str()).collect();
        self.0.keys().filter(|id| !listed.contains(id.as_str())).cloned().collect()
    }

    /// Whether an inspection would find nothing new, as far as the list tells.
    fn is_as_listed(&self, listed: &ListedContainer) -> bool {
        self.0.get(&listed.id).is_some_and(|life| {
            listed.running == Some(life.running) && listed.names.iter().any(|name| **name == *life.container.name())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(started_at: Option<i64>, running: bool) -> ContainerState {
        ContainerState {
            id: "a".to_owned(),
            name: "one".to_owned(),
            tty: false,
            log_path: None,
            running,
            started_at: started_at.map(Timestamp::from_unix_nanos),
        }
    }

    fn told(events: &[ContainerEvent]) -> Vec<&'static str> {
        events
            .iter()
            .map(|event| match event {
                ContainerEvent::Started(_) => "started",
                ContainerEvent::Stopped { .. } => "stopped",
                ContainerEvent::Removed { .. } => "removed",
            })
            .collect()
    }

    #[test]
    fn a_life_is_told_once_however_often_it_is_looked_at() {
        let mut known = Known::default();
        assert_eq!(told(&known.observe("a", Some(state(None, false)))), [""; 0], "created only");
        assert_eq!(told(&known.observe("a", Some(state(Some(1), true)))), ["started"]);
        assert_eq!(told(&known.observe("a", Some(state(Some(1), true)))), [""; 0]);
        assert_eq!(told(&known.observe("a", Some(state(Some(1), false)))), ["stopped"]);
        assert_eq!(told(&known.observe("a", Some(state(Some(1), false)))), [""; 0]);
        assert_eq!(told(&known.observe("a", None)), ["removed"]);
        assert_eq!(told(&known.observe("a", None)), [""; 0]);
    }

    #[test]
    fn the_log_of_a_container_that_was_seen_before_its_start_is_known() {
        let mut known = Known::default();
        known.observe("a", Some(state(None, false)));
        let started = ContainerState { log_path: Some("/a-json.log".into()), ..state(Some(1), true) };
        let events = known.observe("a", Some(started));
        let [ContainerEvent::Started(container)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(container.log_path.as_deref(), Some("/a-json.log".as_ref()));
    }

    #[test]
    fn a_restart_that_nobody_saw_is_a_start() {
        let mut known = Known::default();
        known.observe("a", Some(state(Some(1), true)));
        assert_eq!(told(&known.observe("a", Some(state(Some(2), true)))), ["started"]);
    }

    #[test]
    fn a_life_that_was_over_before_it_was_seen_is_told_whole() {
        let mut known = Known::default();
        assert_eq!(told(&known.observe("a", Some(state(Some(1), false)))), ["started", "stopped"]);
        assert_eq!(told(&known.observe("a", Some(state(Some(2), false)))), ["started", "stopped"]);
    }

    #[test]
    fn a_renamed_container_is_the_same_by_another_name() {
        let mut known = Known::default();
        let events = known.observe("a", Some(state(Some(1), true)));
        let [ContainerEvent::Started(container)] = &events[..] else { panic!("{events:?}") };
        let renamed = || ContainerState { name: "two".to_owned(), ..state(Some(1), true) };
        assert_eq!(told(&known.observe("a", Some(renamed()))), [""; 0]);
        assert_eq!(&*container.name(), "two");
        let restarted = ContainerState { started_at: Some(Timestamp::from_unix_nanos(2)), ..renamed() };
        let events = known.observe("a", Some(restarted));
        let [ContainerEvent::Started(again)] = &events[..] else { panic!("{events:?}") };
        assert!(Arc::ptr_eq(container, again));
    }

    #[test]
    fn those_that_the_list_no_longer_has_are_found() {
        let mut known = Known::default();
        known.observe("a", Some(state(Some(1), true)));
        let listed = |id: &str| ListedContainer { id: id.to_owned(), names: Vec::new(), running: None };
        assert_eq!(known.not_in(&[listed("a")]), [""; 0]);
        assert_eq!(known.not_in(&[listed("b")]), ["a"]);
    }

    #[test]
    fn what_the_list_tells_otherwise_is_looked_at() {
        let mut known = Known::default();
        known.observe("a", Some(state(Some(1), true)));
        let listed = |id: &str, names: &[&str], running| ListedContainer {
            id: id.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            running,
        };
        assert!(known.is_as_listed(&listed("a", &["linked/alias", "one"], Some(true))));
        for other in [
            listed("b", &["one"], Some(true)),
            listed("a", &["one"], Some(false)),
            listed("a", &["one"], None),
            listed("a", &["two"], Some(true)),
        ] {
            assert!(!known.is_as_listed(&other), "{other:?}");
        }
    }
}
