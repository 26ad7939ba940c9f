//! The record schema: what a run directory holds, file by file, and how it is written and read.
//!
//! The harness writes through these types, every report is made from them alone. Files are append-only while
//! the run lives; one that ends in a torn line (a `kill -9`, a full disk) is read up to its last whole line,
//! and the reader says so. A value that is not known is `None`, an empty cell, never zero.

mod append;
pub mod checkpoints;
mod dir;
mod error;
pub mod events;
pub mod ledger;
mod reader;
pub mod run_info;
pub mod samples;
mod writer;

pub use dir::RunDir;
pub(crate) use dir::replace;
pub use error::RecordError;
pub use reader::Recording;
pub use writer::{RunWriter, begin_turns};
