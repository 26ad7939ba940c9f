//! What a run tells: [`RunEvent`]s, the only contract between what runs and what records or shows.
//!
//! Each consumer lives on a thread of its own behind a queue of its own, so that a slow disk does not hold up the sampler,
//! and a stopped terminal neither the sampler nor the record. The first error is kept, and that consumer is given
//! nothing more; the others go on. A record whose disk stands still for a thousand events does hold up the run: it
//! would have nothing to show for going on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use leaksoak_reports::record::checkpoints::{Checkpoint, FdGroup, LatencyRow, TaskGroup};
use leaksoak_reports::record::events::EventRecord;
use leaksoak_reports::record::ledger::Ledger;
use leaksoak_reports::record::run_info::RunInfo;
use leaksoak_reports::record::samples::Sample;

/// Events that may wait for the consumers before the run waits for them.
const QUEUE: usize = 1_024;

/// Something that the run tells.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The run is set up; its record lies there.
    Started {
        /// Its facts.
        info: Box<RunInfo>,
        /// The run directory.
        directory: PathBuf,
    },
    /// Something happened.
    Happened(EventRecord),
    /// Every subject was read once.
    Sampled {
        /// One per subject.
        samples: Vec<Sample>,
        /// Lines that each arm has not delivered yet, as far as is known now; of no arm before anything is known.
        missing_lines: BTreeMap<String, u64>,
    },
    /// The coarser reading, after that of the same tick.
    Checkpointed {
        /// One row per arm.
        rows: Vec<Checkpoint>,
        /// What every subject holds open.
        groups: Vec<FdGroup>,
        /// The tasks of every arm that tells them.
        tasks: Vec<TaskGroup>,
        /// The latency of every arm's lines since the one before.
        latency: Vec<LatencyRow>,
        /// The account as it stands.
        ledger: Ledger,
    },
    /// The account is closed.
    Closed(Ledger),
}

/// Takes in what a run tells.
pub trait Consumer: Send {
    /// Takes in one event.
    ///
    /// # Errors
    /// Its words end the run: a record that cannot be written is worth nothing.
    fn consume(&mut self, event: &RunEvent) -> Result<(), String>;

    /// Whether it can do without events that come faster than it takes them in. A display can, a record cannot.
    fn may_miss(&self) -> bool {
        false
    }
}

/// Hands events to the consumers.
#[derive(Debug)]
pub struct Bus {
    lines: Vec<Line>,
    failure: Arc<OnceLock<String>>,
}

/// The way to one consumer.
#[derive(Debug)]
struct Line {
    events: SyncSender<Arc<RunEvent>>,
    may_miss: bool,
    thread: JoinHandle<()>,
}

impl Bus {
    /// Starts the consumers' threads.
    #[must_use]
    pub fn start(consumers: Vec<Box<dyn Consumer>>) -> Self {
        let failure = Arc::new(OnceLock::new());
        let line = |consumer: Box<dyn Consumer>| {
            let (events, queue) = mpsc::sync_channel(QUEUE);
            let may_miss = consumer.may_miss();
            let told = Arc::clone(&failure);
            Line { events, may_miss, thread: std::thread::spawn(move || consume(&queue, consumer, &told)) }
        };
        Self { lines: consumers.into_iter().map(line).collect(), failure }
    }

    /// Hands over one event.
    pub fn send(&self, event: RunEvent) {
        let event = Arc::new(event);
        for line in &self.lines {
            if line.may_miss {
                // Full, or gone: either way it does without.
                let _ = line.events.try_send(Arc::clone(&event));
            } else if line.events.send(Arc::clone(&event)).is_err() {
                // It goes only by an error, which it has told, or by a panic.
                self.failure.get_or_init(|| PANICKED.into());
            }
        }
    }

    /// The first error of a consumer, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Waits until everything sent was taken in.
    ///
    /// # Errors
    /// The first error of a consumer.
    pub fn finish(self) -> Result<(), String> {
        for Line { events, thread, .. } in self.lines {
            drop(events);
            if thread.join().is_err() {
                self.failure.get_or_init(|| PANICKED.into());
            }
        }
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }
}

const PANICKED: &str = "a consumer of the run's events panicked: this is a bug, please report it";

fn consume(queue: &Receiver<Arc<RunEvent>>, mut consumer: Box<dyn Consumer>, failure: &OnceLock<String>) {
    for event in queue {
        if let Err(error) = consumer.consume(&event) {
            // Only the first is told.
            let _ = failure.set(error);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(mpsc::Sender<()>, usize);

    impl Consumer for Counting {
        fn consume(&mut self, _: &RunEvent) -> Result<(), String> {
            self.1 -= 1;
            self.0.send(()).map_err(|error| error.to_string())?;
            if self.1 == 0 { Err("full".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn a_consumer_that_fails_is_told_of_and_the_others_go_on() {
        let (tell, told) = mpsc::channel();
        let bus = Bus::start(vec![Box::new(Counting(tell.clone(), 2)), Box::new(Counting(tell, usize::MAX))]);
        for _ in 0..5 {
            bus.send(RunEvent::Sampled { samples: Vec::new(), missing_lines: BTreeMap::new() });
        }
        assert_eq!(bus.finish(), Err("full".into()));
        assert_eq!(told.iter().count(), 2 + 5);
    }
}
