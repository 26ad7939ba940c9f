//! What a reader asks of a log: the parameters of `GET /containers/{id}/logs`.

use leaksoak_strategies::docker_api::timestamp::Timestamp;

/// Which records, in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the request")]
pub struct Query {
    /// Goes on with what is written, until the run ends.
    pub follow: bool,
    /// Records of standard output.
    pub stdout: bool,
    /// Records of standard error.
    pub stderr: bool,
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Ends at the first that is younger.
    pub until: Option<Timestamp>,
    /// Only so many last records, counted before anything else is left out; `None`: all.
    pub tail: Option<u64>,
    /// Each record with its timestamp before it.
    pub timestamps: bool,
    /// Each record with its attributes before it, of which ours have none: a space remains.
    pub details: bool,
}
