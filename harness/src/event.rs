//! What a run tells: [`RunEvent`]s, the only contract between what runs and what records or shows.
//!
//! Consumers live on a thread of their own, so that a slow disk or terminal never holds up the sampler. The first
//! error of each is kept, and that consumer is given nothing more; the others go on.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use leaksoak_reports::record::checkpoints::{Checkpoint, FdGroup};
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
    Sampled(Vec<Sample>),
    /// The coarser reading, after that of the same tick.
    Checkpointed {
        /// One row per arm.
        rows: Vec<Checkpoint>,
        /// What every subject holds open.
        groups: Vec<FdGroup>,
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
}

/// Hands events to the consumers.
#[derive(Debug)]
pub struct Bus {
    events: Option<SyncSender<RunEvent>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<OnceLock<String>>,
}

impl Bus {
    /// Starts the consumers' thread.
    #[must_use]
    pub fn start(consumers: Vec<Box<dyn Consumer>>) -> Self {
        let (events, queue) = mpsc::sync_channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let told = Arc::clone(&failure);
        let thread = std::thread::spawn(move || consume(&queue, consumers, &told));
        Self { events: Some(events), thread: Some(thread), failure }
    }

    /// Hands over one event.
    pub fn send(&self, event: RunEvent) {
        if let Some(events) = &self.events {
            // The thread lives as long as the channel; if a consumer panicked, `finish` says so.
            let _ = events.send(event);
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
    pub fn finish(mut self) -> Result<(), String> {
        self.events = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            return Err("a consumer of the run's events panicked: this is a bug, please report it".into());
        }
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }
}

fn consume(queue: &Receiver<RunEvent>, mut consumers: Vec<Box<dyn Consumer>>, failure: &OnceLock<String>) {
    for event in queue {
        consumers.retain_mut(|consumer| match consumer.consume(&event) {
            Ok(()) => true,
            Err(error) => {
                // Only the first is told.
                let _ = failure.set(error);
                false
            }
        });
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
            bus.send(RunEvent::Sampled(Vec::new()));
        }
        assert_eq!(bus.finish(), Err("full".into()));
        assert_eq!(told.iter().count(), 2 + 5);
    }
}
