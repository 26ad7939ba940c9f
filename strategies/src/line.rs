//! One captured line, on its way from a container to the sink.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Which output of the container a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line as the sink is told of it: serialised, it is one line of `POST /v1/arms/<name>/lines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// Container name.
    pub container: &'a str,
    /// Output it was printed to.
    pub stream: StreamKind,
    /// When the engine received it, RFC 3339 with up to nine digits of fraction, as the engine wrote it.
    #[serde(rename = "t")]
    pub time: Cow<'a, str>,
    /// The text without its newline; bytes that are not UTF-8 have become U+FFFD.
    #[serde(rename = "line")]
    pub text: Cow<'a, str>,
}

/// The longest line carried, in bytes; what is longer is cut here and counted as a parse error.
///
/// Twice the longest line that a scenario may ask for, so that only a broken stream meets it.
pub const MAX_LINE_BYTES: usize = 2 << 20;
