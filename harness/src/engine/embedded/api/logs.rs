//! `GET /containers/{id}/logs`

use std::io;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt, stream};
use hyper::StatusCode;
use hyper::body::Bytes;

use super::answer::{self, Answer, ApiError};
use super::parameters::Parameters;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::fault::Guard;
use crate::engine::embedded::log::query::Query;
use crate::engine::embedded::log::reader::Reader;

/// Answers with a container's log.
pub(super) fn logs(daemon: &Daemon, reference: &str, parameters: &Parameters) -> Result<Answer, ApiError> {
    let mut query = Query {
        follow: parameters.flag("follow"),
        stdout: parameters.flag("stdout"),
        stderr: parameters.flag("stderr"),
        since: parameters.time("since")?,
        until: parameters.time("until")?,
        // What is no number, or below 0, is all.
        tail: parameters.get("tail").parse().ok(),
        timestamps: parameters.flag("timestamps"),
        details: parameters.flag("details"),
    };
    if !query.stdout && !query.stderr {
        return Err(ApiError::bad("Bad parameters: you must choose at least one stream"));
    }
    let log = {
        let mut table = daemon.table();
        let container = table.find(reference)?;
        // Nothing is to come of one that does not run.
        query.follow &= container.lifecycle.status().is_up();
        Arc::clone(&container.log)
    };
    let reader = log.read(query);
    let reader = reader.map_err(|error| ApiError::internal(format!("reading the log of {reference}: {error}")))?;
    Ok(answer::with(StatusCode::OK, None, answer::streaming(chunks(daemon.faults.guard(), reader))))
}

/// What a reader reads, unless a fault keeps it.
pub(super) fn chunks(guard: Guard, reader: Reader) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((guard, reader)), |standing| async move {
        let (mut guard, mut reader) = standing?;
        let chunk = match guard.pass(reader.next_chunk()).await {
            Ok(chunk) => chunk?,
            Err(error) => Err(error),
        };
        match chunk.map(|chunk| guard.tear(chunk)) {
            Ok((chunk, false)) => Some((Ok(vec![Ok(chunk)]), Some((guard, reader)))),
            Ok((half, true)) => Some((Ok(vec![Ok(half), Err(io::Error::other("a frame was cut on request"))]), None)),
            Err(error) => Some((Err(error), None)),
        }
    })
    .map_ok(stream::iter)
    .try_flatten()
}
