//! The recorder: writes what the run tells into its run directory, and fsyncs it at checkpoints.

use leaksoak_reports::RunWriter;

use crate::event::{Consumer, RunEvent};

/// Writes a run directory.
#[derive(Debug)]
pub struct Recorder {
    writer: RunWriter,
}

impl Recorder {
    /// Writes to a directory that was made for it.
    #[must_use]
    pub fn new(writer: RunWriter) -> Self {
        Self { writer }
    }
}

impl Consumer for Recorder {
    fn consume(&mut self, event: &RunEvent) -> Result<(), String> {
        let writer = &mut self.writer;
        let written = match event {
            RunEvent::Started { .. } => Ok(()),
            RunEvent::Happened(record) => writer.event(record).and_then(|()| writer.flush()),
            RunEvent::Sampled { samples, .. } => {
                samples.iter().try_for_each(|sample| writer.sample(sample)).and_then(|()| writer.flush())
            }
            RunEvent::Checkpointed { rows, groups, tasks, latency, ledger } => rows
                .iter()
                .try_for_each(|row| writer.checkpoint(row))
                .and_then(|()| groups.iter().try_for_each(|group| writer.fd_group(group)))
                .and_then(|()| tasks.iter().try_for_each(|group| writer.task_group(group)))
                .and_then(|()| latency.iter().try_for_each(|row| writer.latency(row)))
                .and_then(|()| writer.ledger(ledger))
                .and_then(|()| writer.sync()),
            RunEvent::Closed(ledger) => writer.ledger(ledger).and_then(|()| writer.sync()),
        };
        written.map_err(|error| error.to_string())
    }
}
