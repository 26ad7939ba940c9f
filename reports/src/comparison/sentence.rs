//! A comparison as a sentence: "pooled leaks 16.0 FDs/min less than naive, 95 % CI 15.8 to 16.2".

use crate::analysis::{Comparison, Estimate, Quantity};
use crate::words::{bytes, latency, rate};

/// Smallest difference that is told, as a share.
const WORTH_A_LINE: f64 = 0.01;

/// What differs, a line each. Of what has a ratio, less than 1 % is not worth a line.
pub(super) fn lines(comparisons: &[Comparison], subject: &str, reference: &str) -> Vec<String> {
    let is_much =
        |comparison: &&Comparison| comparison.ratio.is_none_or(|ratio| (ratio.value - 1.0).abs() >= WORTH_A_LINE);
    comparisons.iter().filter(is_much).filter_map(|comparison| sentence(comparison, subject, reference)).collect()
}

/// What `subject` does more or less than `reference`; `None` where the difference may be chance.
pub(super) fn sentence(comparison: &Comparison, subject: &str, reference: &str) -> Option<String> {
    let difference = comparison.difference.filter(|_| comparison.significant)?;
    let less = difference.value < 0.0;
    let size = size(difference);
    let quantity = comparison.quantity;
    let form = |value: f64| quantity.form(value);
    let interval = format!("95 % CI {} to {}", form(size.low), form(size.high));
    let by = form(size.value);
    let word = |lower: &'static str, higher: &'static str| if less { lower } else { higher };
    Some(match quantity {
        Quantity::FdGrowth | Quantity::TaskGrowth | Quantity::ThreadGrowth => {
            let what = quantity.metric().map_or("", crate::analysis::Metric::word);
            format!("{subject} leaks {by} {what}/min {} than {reference}, {interval}", word("less", "more"))
        }
        Quantity::CpuPerMillionLines => format!(
            "{subject} takes {by} s of CPU per million lines {} than {reference}{}, {interval}",
            word("less", "more"),
            share(comparison)
        ),
        Quantity::Memory => {
            format!(
                "{subject} holds {by} of memory {} than {reference}{}, {interval}",
                word("less", "more"),
                share(comparison)
            )
        }
        Quantity::LatencyP50 => {
            format!("{subject} delivers its median line {by} {} than {reference}, {interval}", word("sooner", "later"))
        }
        Quantity::LatencyP99 => format!(
            "{subject} delivers 99 % of its lines {by} {} than {reference}, {interval}",
            word("sooner", "later")
        ),
        Quantity::Loss => {
            format!("{subject} loses {by} {} of the lines than {reference}, {interval}", word("less", "more"))
        }
    })
}

/// ` (35 %)`, of the ratio.
fn share(comparison: &Comparison) -> String {
    comparison.ratio.map(|ratio| format!(" ({:.0} %)", (ratio.value - 1.0).abs() * 100.0)).unwrap_or_default()
}

/// Without its sign, from the nearer bound to the farther.
fn size(difference: Estimate) -> Estimate {
    if difference.value < 0.0 {
        Estimate { value: -difference.value, low: -difference.high, high: -difference.low }
    } else {
        difference
    }
}

impl Quantity {
    /// The words for it in a report.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::FdGrowth => "FDs/min",
            Self::TaskGrowth => "tasks/min",
            Self::ThreadGrowth => "threads/min",
            Self::CpuPerMillionLines => "CPU s per million lines",
            Self::Memory => "memory",
            Self::LatencyP50 => "latency p50",
            Self::LatencyP99 => "latency p99",
            Self::Loss => "loss",
        }
    }

    /// A value of it, with its unit where the words do not have it.
    pub(crate) fn form(self, value: f64) -> String {
        if value < 0.0 {
            return match self.form(-value) {
                text if !text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) => text,
                text => format!("-{text}"),
            };
        }
        match self {
            Self::FdGrowth | Self::TaskGrowth | Self::ThreadGrowth | Self::CpuPerMillionLines => rate(value),
            Self::Memory => bytes(value),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative here")]
            Self::LatencyP50 | Self::LatencyP99 => latency(value.round() as u64),
            Self::Loss => format!("{value:.2} %"),
        }
    }
}
