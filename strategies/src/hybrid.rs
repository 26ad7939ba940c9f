//! The strategy `hybrid`: the API to find the containers, their json-file logs for the content.
//!
//! One task reads all files, woken by one inotify instance. A file that is written to all the time is looked at once in
//! `coalesce`, and inotify is not asked about it; one that was quiet, at once. Each is followed through rotations, and up to
//! where each log was delivered is kept in `offsets.json` and its journal, so that a restarted arm goes on where it was.
//! Every `rotate_every` the identity of every live file is checked, whatever inotify has said.
//!
//! Guarantees: one open file per running container, a deleted one no longer than it takes to read its rest; at least once
//! delivery across restarts, with no more duplicates than one batch.
//!
//! Needs to read the engine's files: root, as a rule, on the engine's machine. A container whose log cannot be read is
//! reported, and left out or followed over the API, as the fallback says.

mod age;
mod archived;
mod busy;
mod chain;
pub mod jsonfile;
mod offsets;
mod settled;
mod tail;
mod watch;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use leaksoak_scenarios::{Fallback, Protection};
use tokio::time::{Instant, sleep_until, timeout};

use crate::delivery::Ticket;
use crate::discovery::{Container, ContainerEvent};
use crate::docker_api::EngineAddress;
use crate::followers::Followers;
use crate::log_reader::Captured;
use crate::metrics::{ErrorKind, GaugeGuard};
use crate::pooled::{self, BusyStreams, Rotation};
use crate::strategy::{Context, Strategy, StrategyError};
use age::AgeFilter;
use busy::Busy;
use settled::Settled;
use tail::{Advance, Output, Tail};
use watch::{Change, Watcher};

pub use archived::Archived;

/// Read from one log before the next has its turn.
const BUFFER_BYTES: usize = 64 << 10;

/// At the end: how long to wait for the acknowledgement of what was read, so that the offsets include it.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_millis(1500);

/// How a hybrid goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HybridSettings {
    /// How often the identity of each live file is checked, whatever inotify has said.
    pub rotate_every: Duration,
    /// Files are looked at at most this often while they are written to. Zero: at every write.
    pub coalesce: Duration,
    /// Lines older than this are left out. `None`: none is.
    pub ignore_older: Option<Duration>,
    /// What becomes of a container whose log cannot be read as a file.
    pub fallback: Fallback,
    /// What is taken away of it. Only [`Archived`] looks at this.
    pub without: Vec<Protection>,
}

impl HybridSettings {
    /// Nothing but the check of the files' identity.
    pub fn new(rotate_every: Duration) -> Self {
        Self {
            rotate_every,
            coalesce: Duration::ZERO,
            ignore_older: None,
            fallback: Fallback::None,
            without: Vec::new(),
        }
    }
}

/// Follows the json-file log of every container.
#[derive(Debug, Clone)]
pub struct Hybrid {
    settings: HybridSettings,
}

impl Hybrid {
    /// With these settings.
    pub fn new(settings: HybridSettings) -> Self {
        Self { settings }
    }
}

impl Strategy for Hybrid {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let HybridSettings { rotate_every, coalesce, .. } = self.settings;
        let mut monitor = Monitor::new(&context, self.settings)?;
        let mut discovery = context.discover();
        let mut shutdown = context.shutdown.clone();
        let mut over_the_api = Followers::default();
        let rotation = Rotation::new(rotate_every, &context.settings);
        let mut check = rotation.next_schedule();
        let busy = BusyStreams::default();
        let follow =
            |captured: Arc<Captured>| pooled::follow(context.clone(), captured, rotation.next_schedule(), busy.clone());
        let mut next_look = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next_look && monitor.look_at_the_hushed() {
                next_look = now + coalesce;
            }
            let more = monitor.advance().await == Advance::More;
            // After a while without a write this lies in the past: what comes then is looked at at once.
            let may_look = Instant::now() >= next_look;
            tokio::select! {
                event = discovery.next() => {
                    if let Some(event) = monitor.handle(event) {
                        over_the_api.handle(event, follow);
                    }
                }
                () = over_the_api.tend(follow) => {}
                () = monitor.watcher.changed(|id, change| mark(&mut monitor.logs, id, change)), if may_look => {
                    next_look = Instant::now() + coalesce;
                }
                // Of the hushed nobody else tells, though this is late for them already.
                () = sleep_until(next_look), if !may_look || monitor.any_is_hushed() => {}
                () = check.tick() => mark(&mut monitor.logs, None, Change::Names),
                () = shutdown.requested() => break,
                // Nothing else to do: go on reading, and let others of this runtime have their turn.
                () = tokio::task::yield_now(), if more => {}
            }
        }
        monitor.read_out().await;
        over_the_api.finish().await;
        Ok(())
    }
}

/// All logs that are followed.
struct Monitor {
    context: Context,
    settings: HybridSettings,
    output: Output,
    logs: HashMap<String, Log>,
    watcher: Watcher,
    settled: Settled,
    buffer: Box<[u8]>,
}

/// The log of one container.
struct Log {
    tail: Tail,
    state: State,
    /// Something may have been written.
    ready: bool,
    /// Why it could not be read, when that was last tried; said once for every new reason.
    trouble: Option<io::ErrorKind>,
    counted: Option<GaugeGuard>,
    busy: Busy,
    /// While the watcher does not tell when something is written.
    hushed: Option<GaugeGuard>,
}

/// What is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Anything.
    Running,
    /// What is written already.
    Stopped,
    /// The same, and after it the log is forgotten.
    Removed,
    /// Nothing, unless the container is started again.
    Finished,
}

impl Monitor {
    fn new(context: &Context, settings: HybridSettings) -> Result<Self, StrategyError> {
        let settled = load_offsets(context)?;
        Ok(Self {
            context: context.clone(),
            watcher: Watcher::new(!settings.coalesce.is_zero()),
            settings,
            output: Output {
                delivery: context.delivery.clone(),
                metrics: Arc::clone(&context.metrics),
                // Where nothing is acknowledged there is nothing to remember, and no line is to pay for it.
                settled: context.delivery.acknowledges().then(|| settled.clone()),
            },
            logs: HashMap::new(),
            settled,
            buffer: vec![0; BUFFER_BYTES].into(),
        })
    }

    /// Gives back what is to be followed over the API.
    fn handle(&mut self, event: ContainerEvent) -> Option<ContainerEvent> {
        match event {
            ContainerEvent::Started(container) if self.start(&container) => None,
            ContainerEvent::Started(container) => {
                (self.settings.fallback == Fallback::Pooled).then_some(ContainerEvent::Started(container))
            }
            ContainerEvent::Stopped { id } if self.logs.contains_key(&id) => {
                self.end(&id, State::Stopped);
                None
            }
            ContainerEvent::Removed { id } if self.logs.contains_key(&id) => {
                self.end(&id, State::Removed);
                None
            }
            elsewhere => Some(elsewhere),
        }
    }

    /// Begins to follow a log; false, having said why, when that cannot be read.
    fn start(&mut self, container: &Arc<Container>) -> bool {
        let live = match readable(container, &self.context.config.engine) {
            Ok(live) => live,
            Err(reason) => {
                let then = match self.settings.fallback {
                    Fallback::None => "it is left out",
                    Fallback::Pooled => "it is followed over the API",
                };
                crate::log::say(crate::log::Level::Warn, format_args!("{}: {reason}; {then}", container.name()));
                self.context.metrics.errors.inc(ErrorKind::File);
                return false;
            }
        };
        if let Some(directory) = live.parent() {
            // Before the file is looked at, so that nothing is written unseen in between.
            self.watcher.watch(&container.id, directory);
        }
        let log = self.logs.entry(container.id.clone()).or_insert_with(|| Log {
            tail: Tail::new(
                container,
                live,
                self.settled.get(&container.id),
                AgeFilter::new(self.settings.ignore_older),
            ),
            state: State::Running,
            ready: true,
            trouble: None,
            counted: None,
            busy: Busy::new(self.settings.coalesce),
            hushed: None,
        });
        log.hushed = None;
        log.state = State::Running;
        log.counted.get_or_insert_with(|| self.context.metrics.streams_active.hold());
        log.mark(Change::Names);
        true
    }

    fn end(&mut self, id: &str, state: State) {
        if let Some(log) = self.logs.get_mut(id) {
            log.state = state;
            log.mark(Change::Names);
        }
    }

    fn any_is_hushed(&self) -> bool {
        self.logs.values().any(|log| log.hushed.is_some())
    }

    /// Has those looked at whose writes are not told, and tells whether there are any.
    fn look_at_the_hushed(&mut self) -> bool {
        let logs = &mut self.logs;
        let mut any = false;
        for log in logs.values_mut().filter(|log| log.hushed.is_some()) {
            log.mark(Change::Written);
            any = true;
        }
        if any {
            self.watcher.look(|id, change| mark(logs, id, change));
        }
        any
    }

    /// Reads a piece of every log that is ready.
    async fn advance(&mut self) -> Advance {
        let mut all = Advance::AtEnd;
        let mut removed = Vec::new();
        let now = Instant::now();
        for (id, log) in self.logs.iter_mut().filter(|(_, log)| log.ready) {
            match log.advance(&mut self.buffer, &self.output).await {
                Advance::More => all = Advance::More,
                Advance::AtEnd if log.state == State::Removed => removed.push(id.clone()),
                Advance::AtEnd => {
                    let busy = log.busy.after_look(now, log.tail.bytes_read()) && log.state == State::Running;
                    if busy != log.hushed.is_some() {
                        let hushed = self.watcher.hush(id, busy).then(|| self.context.metrics.streams_busy.hold());
                        let was_hushed = std::mem::replace(&mut log.hushed, hushed);
                        if was_hushed.is_some() {
                            // What was written until then is told by nobody.
                            log.mark(Change::Written);
                            all = Advance::More;
                        }
                    }
                }
            }
        }
        for id in removed {
            self.logs.remove(&id);
            self.watcher.forget(&id);
            self.settled.forget(&id);
        }
        all
    }

    /// Reads what is there already, and saves how far that is acknowledged.
    async fn read_out(&mut self) {
        mark(&mut self.logs, None, Change::Names);
        while self.advance().await == Advance::More {}
        let last = self.logs.values().map(|log| log.tail.last_ticket()).max().unwrap_or_else(Ticket::default);
        // What is not acknowledged in time is read again by the next life of this arm.
        let _ = timeout(LAST_ACKNOWLEDGEMENT, self.context.delivery.wait_until_settled(last)).await;
    }
}

fn load_offsets(context: &Context) -> Result<Settled, StrategyError> {
    let path = context.config.state_dir.join("offsets.json");
    Settled::start(&path, &context.delivery, &context.metrics, &context.health).map_err(|source| StrategyError::File {
        doing: "cannot read the offsets from",
        path,
        source,
    })
}

/// Where a container's log lies, if it can be read; else why not. A file that is not there yet will be.
fn readable<'a>(container: &'a Container, engine: &EngineAddress) -> Result<&'a Path, String> {
    let Some(live) = &container.log_path else { return Err("no json-file log".to_owned()) };
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match File::open(live) {
        Err(error) if missing(&error) && live.parent().is_some_and(Path::is_dir) => Ok(live),
        Err(error) => {
            let elsewhere = match engine {
                EngineAddress::Tcp(_) => {
                    format!("; the engine's files are on its own machine, and {engine} may be another")
                }
                EngineAddress::Unix(_) => String::new(),
            };
            Err(format!("{} cannot be read ({error}{elsewhere})", live.display()))
        }
        Ok(_) => Ok(live),
    }
}

impl Log {
    fn mark(&mut self, change: Change) {
        if self.state == State::Finished {
            return;
        }
        self.ready = true;
        if change == Change::Names {
            self.tail.check_names();
        }
    }

    async fn advance(&mut self, buffer: &mut [u8], output: &Output) -> Advance {
        let advanced = match self.tail.advance(buffer, output).await {
            Ok(advanced) => {
                self.trouble = None;
                advanced
            }
            Err(error) => {
                output.metrics.errors.inc(ErrorKind::File);
                if self.trouble.replace(error.kind()) != Some(error.kind()) {
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!("a log cannot be read: {error}; it is tried again"),
                    );
                }
                Advance::AtEnd
            }
        };
        if advanced == Advance::AtEnd {
            self.ready = false;
            if matches!(self.state, State::Stopped | State::Removed) {
                self.tail.finish(output).await;
                self.counted = None;
            }
            if self.state == State::Stopped {
                self.state = State::Finished;
            }
        }
        advanced
    }
}

/// Notes that one log, or any, has changed.
fn mark(logs: &mut HashMap<String, Log>, id: Option<&str>, change: Change) {
    match id {
        Some(id) => logs.get_mut(id).into_iter().for_each(|log| log.mark(change)),
        None => logs.values_mut().for_each(|log| log.mark(change)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_api::ContainerState;

    #[test]
    fn a_log_on_another_machine_is_told_as_that() {
        let state = ContainerState {
            id: "a".to_owned(),
            name: "a".to_owned(),
            tty: false,
            log_path: Some("/nowhere/a/a-json.log".into()),
            running: true,
            started_at: None,
        };
        let container = Container::new(state);
        let said = |address: &str| readable(&container, &address.parse().unwrap()).unwrap_err();
        let remote = said("tcp://10.0.0.1:2375");
        assert!(remote.contains("/nowhere/a/a-json.log") && remote.contains("tcp://10.0.0.1:2375"), "{remote}");
        assert!(!said("unix:///run/docker.sock").contains("machine"));
    }

    #[test]
    fn a_finished_log_is_not_opened_again_by_a_check() {
        let container = Arc::new(Container::known_by("a"));
        let tail = Tail::new(&container, "/nowhere/a-json.log".as_ref(), None, AgeFilter::new(None));
        let busy = Busy::new(Duration::ZERO);
        let log = Log { tail, state: State::Finished, ready: false, trouble: None, counted: None, busy, hushed: None };
        let mut logs = HashMap::from([("a".to_owned(), log)]);
        for change in [Change::Names, Change::Written] {
            mark(&mut logs, None, change);
            mark(&mut logs, Some("a"), change);
        }
        assert!(!logs["a"].ready);
    }
}
