//! Quantities with their units: durations ("30m"), sizes ("1MiB"), rates ("10/s").
//!
//! Guarantees: a value that parsed is finite and in range, and prints in a form that parses back to itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time, written `500ms`, `30s`, `2m`, `1h30m`, `2d`. Resolution: 1 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Span(Duration);

/// A number of bytes, written `120B`, `64KiB`, `1MiB`, `2GiB` (binary) or `10kB`, `5MB` (decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bytes(u64);

/// Events per second, written `10/s`, `600/min`, `0.5/s`. Above zero, at most 1,000,000 per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rate(f64);
