//! The rules of `[delivery]`.

use super::{RuleError, rule};
use crate::delivery::Delivery;
use crate::units::{Bytes, Span};

const BATCH_BYTES: std::ops::RangeInclusive<Bytes> = Bytes::new(1 << 10)..=Bytes::new(4 << 20);
const MAX_BATCH_WAIT: Span = Span::from_secs(60);
const MIN_RETRY: Span = Span::from_millis(1);
const MIN_BREAKER_OPEN: Span = Span::from_millis(10);
/// Of one file: what holds no line drops them all.
const MIN_DEAD_LETTERS: Bytes = Bytes::new(4 << 10);

/// The keys that are counts from 1, and the most of each.
const MOST: [(&str, u32); 4] =
    [("batch_lines", 100_000), ("queued_batches", 10_000), ("breaker_failures", 1_000), ("dead_letter_files", 100)];

/// The most that a key may be which is a count from 1.
pub(crate) fn most_of(key: &str) -> Option<u32> {
    MOST.into_iter().find(|(known, _)| *known == key).map(|(_, most)| most)
}

pub(crate) fn check(delivery: &Delivery) -> Result<(), RuleError> {
    let counts = [delivery.batch_lines, delivery.queued_batches, delivery.breaker_failures, delivery.dead_letter_files];
    for ((key, most), count) in MOST.into_iter().zip(counts) {
        let fits = (1..=most).contains(&count);
        rule(fits, format!("delivery.{key}"), format!("is {count}"), format!("use 1 to {most}"))?;
    }
    rule(
        BATCH_BYTES.contains(&delivery.batch_bytes),
        "delivery.batch_bytes",
        format!("is {}", delivery.batch_bytes),
        format!("use {} to {}: the sink takes 8MiB at once", BATCH_BYTES.start(), BATCH_BYTES.end()),
    )?;
    rule(
        delivery.batch_wait <= MAX_BATCH_WAIT,
        "delivery.batch_wait",
        format!("is {}", delivery.batch_wait),
        format!("use at most {MAX_BATCH_WAIT}"),
    )?;
    rule(
        delivery.retry_first >= MIN_RETRY,
        "delivery.retry_first",
        format!("is {}", delivery.retry_first),
        format!("use {MIN_RETRY} or longer"),
    )?;
    rule(
        delivery.retry_limit >= delivery.retry_first,
        "delivery.retry_limit",
        format!("is {}, shorter than `retry_first` ({})", delivery.retry_limit, delivery.retry_first),
        "make it at least as long: pauses grow from the one to the other",
    )?;
    rule(
        delivery.breaker_open >= MIN_BREAKER_OPEN,
        "delivery.breaker_open",
        format!("is {}", delivery.breaker_open),
        format!("use {MIN_BREAKER_OPEN} or longer"),
    )?;
    rule(
        delivery.dead_letter_bytes >= MIN_DEAD_LETTERS,
        "delivery.dead_letter_bytes",
        format!("is {}", delivery.dead_letter_bytes),
        format!("use {MIN_DEAD_LETTERS} or more"),
    )?;
    let files = u64::from(delivery.dead_letter_files);
    let (of_each, least) = (delivery.dead_letter_bytes.get() / files, MIN_DEAD_LETTERS.get() * files);
    rule(
        of_each >= MIN_DEAD_LETTERS.get(),
        "delivery.dead_letter_bytes",
        format!("is {}, which is {} for each of {files} files", delivery.dead_letter_bytes, Bytes::new(of_each)),
        format!(
            "use {} or more, or fewer `dead_letter_files`: each has {MIN_DEAD_LETTERS} at least",
            Bytes::new(least)
        ),
    )
}
