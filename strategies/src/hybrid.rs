//! The strategy `hybrid`: the API to find the containers, their json-file logs for the content.
//!
//! One task reads all files, woken by one inotify instance. Each file is followed through rotations, and up to where
//! each log was delivered is kept in `offsets.json`, so that a restarted arm goes on where it was. Every `rotate_every`
//! the identity of every live file is checked, whatever inotify has said.
//!
//! Guarantees: one open file per running container, a deleted one no longer than it takes to read its rest; at least once
//! delivery across restarts, with no more duplicates than what was not acknowledged.
//!
//! Needs to read the engine's files: root, as a rule, on the engine's machine. A container without a json-file log is
//! reported and left out.

mod archived;
mod chain;
pub mod jsonfile;
mod offsets;
mod tail;
mod watch;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::delivery::Ticket;
use crate::discovery::{Container, ContainerEvent};
use crate::metrics::{ErrorKind, GaugeGuard};
use crate::strategy::{Context, Strategy, StrategyError};
use offsets::Offsets;
use tail::{Advance, Output, Tail};
use watch::{Change, Watcher};

pub use archived::Archived;

/// How often the offsets are written, if they have moved.
const SAVE_EVERY: Duration = Duration::from_millis(250);

/// Read from one log before the next has its turn.
const BUFFER_BYTES: usize = 64 << 10;

/// At the end: how long to wait for the acknowledgement of what was read, so that the offsets include it.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_millis(1500);

/// Follows the json-file log of every container.
#[derive(Debug, Clone, Copy)]
pub struct Hybrid {
    rotate_every: Duration,
}

impl Hybrid {
    /// Checks the identity of each live file every `rotate_every`.
    pub fn new(rotate_every: Duration) -> Self {
        Self { rotate_every }
    }
}

impl Strategy for Hybrid {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let mut monitor = Monitor::new(&context)?;
        let mut discovery = context.discover();
        let mut shutdown = context.shutdown.clone();
        let mut check = ticks(self.rotate_every.max(Duration::from_millis(1)));
        let mut save = ticks(SAVE_EVERY);
        loop {
            let more = monitor.advance().await == Advance::More;
            tokio::select! {
                event = discovery.next() => monitor.handle(event),
                () = monitor.watcher.changed(|id, change| mark(&mut monitor.logs, id, change)) => {}
                _ = check.tick() => mark(&mut monitor.logs, None, Change::Names),
                _ = save.tick() => monitor.save(),
                () = shutdown.requested() => break,
                // Nothing else to do: go on reading.
                () = std::future::ready(()), if more => {}
            }
        }
        monitor.read_out().await;
        Ok(())
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// All logs that are followed.
struct Monitor {
    context: Context,
    output: Output,
    logs: HashMap<String, Log>,
    watcher: Watcher,
    offsets: Offsets,
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
    fn new(context: &Context) -> Result<Self, StrategyError> {
        let path = context.config.state_dir.join("offsets.json");
        let offsets = Offsets::load(&path).map_err(|source| StrategyError::File {
            doing: "cannot read the offsets from",
            path,
            source,
        })?;
        Ok(Self {
            context: context.clone(),
            output: Output { delivery: context.delivery.clone(), metrics: Arc::clone(&context.metrics) },
            logs: HashMap::new(),
            watcher: Watcher::new(),
            offsets,
            buffer: vec![0; BUFFER_BYTES].into(),
        })
    }

    fn handle(&mut self, event: ContainerEvent) {
        match event {
            ContainerEvent::Started(container) => self.start(&container),
            ContainerEvent::Stopped { id } => self.end(&id, State::Stopped),
            ContainerEvent::Removed { id } => self.end(&id, State::Removed),
        }
    }

    fn start(&mut self, container: &Container) {
        let Some(live) = &container.log_path else {
            crate::log::say(format_args!("{}: no json-file log; it is left out", container.name));
            self.context.metrics.errors.inc(ErrorKind::File);
            return;
        };
        if let Some(directory) = live.parent() {
            // Before the file is looked at, so that nothing is written unseen in between.
            self.watcher.watch(&container.id, directory);
        }
        let log = self.logs.entry(container.id.clone()).or_insert_with(|| Log {
            tail: Tail::new(&container.name, live, self.offsets.get(&container.id)),
            state: State::Running,
            ready: true,
            trouble: None,
            counted: None,
        });
        log.state = State::Running;
        log.counted.get_or_insert_with(|| self.context.metrics.streams_active.hold());
        log.mark(Change::Names);
    }

    fn end(&mut self, id: &str, state: State) {
        if let Some(log) = self.logs.get_mut(id) {
            log.state = state;
            log.mark(Change::Names);
        }
    }

    /// Reads a piece of every log that is ready.
    async fn advance(&mut self) -> Advance {
        let mut all = Advance::AtEnd;
        let mut removed = Vec::new();
        for (id, log) in self.logs.iter_mut().filter(|(_, log)| log.ready) {
            match log.advance(&mut self.buffer, &self.output).await {
                Advance::More => all = Advance::More,
                Advance::AtEnd if log.state == State::Removed => removed.push(id.clone()),
                Advance::AtEnd => {}
            }
        }
        for id in removed {
            self.logs.remove(&id);
            self.watcher.forget(&id);
            self.offsets.remove(&id);
        }
        all
    }

    fn save(&mut self) {
        let settled = self.context.delivery.settled();
        for (id, log) in &mut self.logs {
            if let Some(position) = log.tail.settled(settled) {
                self.offsets.set(id, position);
            }
        }
        if let Err(error) = self.offsets.save() {
            self.context.metrics.errors.inc(ErrorKind::File);
            crate::log::say(format_args!("the offsets cannot be saved: {error}"));
        }
    }

    /// Reads what is there already, and saves how far that is acknowledged.
    async fn read_out(&mut self) {
        mark(&mut self.logs, None, Change::Names);
        while self.advance().await == Advance::More {}
        let last = self.logs.values().map(|log| log.tail.last_ticket()).max().unwrap_or_else(Ticket::default);
        // What is not acknowledged in time is read again by the next life of this arm.
        let _ = timeout(LAST_ACKNOWLEDGEMENT, self.context.delivery.wait_until_settled(last)).await;
        self.save();
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
                    crate::log::say(format_args!("a log cannot be read: {error}; it is tried again"));
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

    #[test]
    fn a_finished_log_is_not_opened_again_by_a_check() {
        let tail = Tail::new("a", "/nowhere/a-json.log".as_ref(), None);
        let log = Log { tail, state: State::Finished, ready: false, trouble: None, counted: None };
        let mut logs = HashMap::from([("a".to_owned(), log)]);
        for change in [Change::Names, Change::Written] {
            mark(&mut logs, None, change);
            mark(&mut logs, Some("a"), change);
        }
        assert!(!logs["a"].ready);
    }
}
