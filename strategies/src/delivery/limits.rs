//! The sizes and times of a delivery.

use std::time::Duration;

use leaksoak_scenarios::Delivery as Asked;

use super::Backoff;
use super::breaker::BreakerLimits;
use super::dead_letter::DeadLetterLimits;

/// The sizes and times of a delivery. They may be changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines in a batch.
    pub batch_lines: usize,
    /// Bytes in a batch; the line that passes it is still in.
    pub batch_bytes: usize,
    /// The longest that a line waits for its batch to fill.
    pub batch_wait: Duration,
    /// Full batches that wait; with these, and one being filled, the queue is full.
    pub queued_batches: usize,
    /// First pause between two tries of a batch.
    pub retry_first: Duration,
    /// Longest pause between two tries.
    pub retry_limit: Duration,
    /// How long one batch is tried before it goes to the dead-letter file.
    pub give_up_after: Duration,
    /// When nothing is tried for a while.
    pub breaker: BreakerLimits,
    /// How much is kept of what could not be delivered.
    pub dead_letters: DeadLetterLimits,
}

impl Limits {
    /// The pauses between tries.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.retry_first, self.retry_limit)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&Asked::default())
    }
}

impl From<&Asked> for Limits {
    fn from(asked: &Asked) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            batch_lines: count(asked.batch_lines),
            batch_bytes: usize::try_from(asked.batch_bytes.get()).unwrap_or(usize::MAX),
            batch_wait: asked.batch_wait.as_duration(),
            queued_batches: count(asked.queued_batches),
            retry_first: asked.retry_first.as_duration(),
            retry_limit: asked.retry_limit.as_duration(),
            give_up_after: asked.give_up_after.as_duration(),
            breaker: BreakerLimits { failures: asked.breaker_failures, open: asked.breaker_open.as_duration() },
            dead_letters: DeadLetterLimits { bytes: asked.dead_letter_bytes.get(), files: asked.dead_letter_files },
        }
    }
}
