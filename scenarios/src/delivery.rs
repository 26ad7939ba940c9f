//! How every arm hands its lines to the sink: the sizes and times of the delivery, the same for all arms of a run.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Span};

/// One size or time each; what is left out has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, `[delivery]`")]
pub struct Delivery {
    /// Lines in a batch, 1 to 100,000. Default 1,024.
    pub batch_lines: u32,
    /// Bytes in a batch, 1 KiB to 4 MiB; the line that passes it is still in. Default 256 KiB.
    pub batch_bytes: Bytes,
    /// The longest that a line waits for its batch to fill, at most 1 min. Default 50 ms.
    pub batch_wait: Span,
    /// Full batches that wait, 1 to 10,000: with these, and one being filled, readers are held up. Default 8.
    pub queued_batches: u32,
    /// First pause between two tries of a batch; each doubles, less up to a half at random. At least 1 ms. Default 50 ms.
    pub retry_first: Span,
    /// Longest pause between two tries, at least `retry_first`. Default 5 s.
    pub retry_limit: Span,
    /// How long a batch is tried before it becomes dead letters. Default 5 min.
    pub give_up_after: Span,
    /// Failures in a row that open the circuit breaker, at least 1. Default 5.
    pub breaker_failures: u32,
    /// How long it stays open before one batch is tried, at least 10 ms. Default 2 s.
    pub breaker_open: Span,
    /// Size of all dead-letter files of an arm together, at least 4 KiB for each of them. Default 64 MiB.
    pub dead_letter_bytes: Bytes,
    /// Number of those files, 1 to 100: when the last is full, the oldest is dropped, and its lines are counted. Default 4.
    pub dead_letter_files: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            batch_lines: 1024,
            batch_bytes: Bytes::new(256 << 10),
            batch_wait: Span::from_millis(50),
            queued_batches: 8,
            retry_first: Span::from_millis(50),
            retry_limit: Span::from_secs(5),
            give_up_after: Span::from_secs(300),
            breaker_failures: 5,
            breaker_open: Span::from_secs(2),
            dead_letter_bytes: Bytes::new(64 << 20),
            dead_letter_files: 4,
        }
    }
}

impl Delivery {
    /// What is wrong with it: key, value, and what to do.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        crate::raw::check_delivery(self).err().map(|error| error.to_string())
    }
}
