//! The arm's log: lines on stderr, which the harness keeps as `arms/<name>.log`.
//!
//! For the rare event that a person should read: what fails often is counted in [`crate::metrics`], not told here.

use std::error::Error;
use std::fmt::Write as _;

/// Writes one line to the arm's log.
pub(crate) fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // Nobody is left to be told that stderr is gone; `eprintln!` would panic here.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// An error and its causes on one line: `what: because: because`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
