//! `POST /containers/{id}/attach`: the output of a container from now on, on a connection of its own.
//!
//! Nothing that is sent to it is read: workloads have no input.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::answer::{self, Answer, ApiError};
use super::logs::chunks;
use super::parameters::Parameters;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::lifecycle::Status;
use crate::engine::embedded::log::query::Query;

const RAW_STREAM: &str = "application/vnd.docker.raw-stream";

/// Attaches to a container's output.
pub(super) fn attach(
    daemon: &Daemon,
    reference: &str,
    parameters: &Parameters,
    mut request: Request<Incoming>,
) -> Result<Answer, ApiError> {
    let query = Query {
        follow: parameters.flag("stream"),
        stdout: parameters.flag("stdout"),
        stderr: parameters.flag("stderr"),
        since: None,
        until: None,
        tail: if parameters.flag("logs") { None } else { Some(0) },
        timestamps: false,
        details: false,
    };
    let log = {
        let mut table = daemon.table();
        let container = table.find(reference)?;
        if container.lifecycle.status() == Status::Paused {
            return Err(ApiError::conflict(format!(
                "Container {reference} is paused, unpause the container before attach"
            )));
        }
        Arc::clone(&container.log)
    };
    // `docker run` attaches before it starts: its first line must not be missed.
    let cannot = |error: std::io::Error| ApiError::internal(format!("attaching to {reference}: {error}"));
    log.begin_run().map_err(cannot)?;
    let output = chunks(daemon.faults.guard(), log.read(query).map_err(cannot)?).boxed();

    if !request.headers().contains_key(UPGRADE) {
        return Ok(answer::with(StatusCode::OK, Some(RAW_STREAM), answer::streaming(output)));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(connection) = upgrade.await {
            send(output, TokioIo::new(connection)).await;
        }
    });
    let mut answer = answer::status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(RAW_STREAM));
    Ok(answer)
}

/// Until the output ends, or the client has gone.
async fn send(
    mut output: impl Stream<Item = std::io::Result<Bytes>> + Unpin,
    mut connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) {
    let mut ignored = [0; 1_024];
    loop {
        tokio::select! {
            chunk = output.next() => match chunk {
                Some(Ok(chunk)) if connection.write_all(&chunk).await.is_ok() => {}
                _ => break,
            },
            // A client that has nothing to send may close that half at once: it still listens.
            read = tokio::io::AsyncReadExt::read(&mut connection, &mut ignored) => match read {
                Ok(0) => {
                    while let Some(Ok(chunk)) = output.next().await {
                        if connection.write_all(&chunk).await.is_err() {
                            return;
                        }
                    }
                    break;
                }
                Ok(_) => {}
                Err(_) => return,
            },
        }
    }
    // Nobody is there to be told.
    let _ = connection.shutdown().await;
}
