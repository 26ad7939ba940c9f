//! The arm's log: lines on stderr, which the harness keeps as `arms/<name>.log`.
//!
//! For the rare event that a person should read: what fails often is counted in [`crate::metrics`], not told here.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

/// How much it matters; what matters less than the level that was set is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Level {
    /// The arm ends by it.
    Error,
    /// It goes on, and something is not as it should be.
    Warn,
    /// What a person would want to know of.
    #[default]
    Info,
    /// Every step.
    Debug,
}

/// One process is one arm, so its level is the process's.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// From now on, lines of this level and of those that matter more are told.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Writes one line to the arm's log.
pub fn say(level: Level, message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        // Nobody is left to be told that stderr is gone; `eprintln!` would panic here.
        let _ = writeln!(std::io::stderr().lock(), "{message}");
    }
}

/// An error and its causes on one line: `what: because: because`.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
