//! The crate from outside: recordings made up for the purpose, judged, reported, written and read back.

#![expect(clippy::unwrap_used, reason = "what a helper of a test unwraps fails the test, as it should")]

mod attribution;
mod calibration;
mod charts;
mod comparisons;
mod files;
mod golden;

mod support;
mod verdicts;
