//! What a run means: the record of it, the statistics over it, the verdict, and the reports that show it.
//!
//! Data flows one way: [`record`] (what was measured, read from and written to a run directory) -> [`analysis`]
//! (rates with their intervals) -> [`verdict`] (one rule per criterion) -> [`render`] (finished data to bytes).
//! [`write_reports`] does all of it for one directory, from that directory alone, on any machine.
//!
//! Synchronous and pure but for the reading and writing of run directories: no runtime, no engine, no clock.

pub mod analysis;
pub mod comparison;
pub mod record;
pub mod render;
mod report;
pub mod verdict;
pub mod words;

pub use analysis::{RateTracker, Rates};
pub use comparison::{RunComparison, compare_runs};
pub use record::{RecordError, Recording, RunDir, RunWriter, begin_turns};
pub use report::{Report, ReportError, write_reports};
pub use verdict::early::EarlyStop;
pub use verdict::{Outcome, RunVerdict, judge};
