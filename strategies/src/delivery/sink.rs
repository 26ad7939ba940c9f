//! The sink over HTTP/1.1 on its Unix socket: one connection, kept alive, made again when it broke.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use crate::metrics::Metrics;
use crate::task::OwnedTask;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the sink may take for a request, its answer included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// An answer names refused lines at most.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What the sink said of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// Lines counted.
    pub accepted: u64,
    /// Lines refused.
    #[serde(default)]
    pub refused: Vec<Refusal>,
}

/// One line refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why, e.g. `too_old`.
    pub reason: String,
}

/// A batch that was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// No connection.
    #[error("cannot connect to the sink at {}", socket.display())]
    Connect {
        /// The sink's socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Connecting, or the answer, took too long.
    #[error("the sink did not answer within {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to the sink broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is not to be had at the moment: 429 or 5xx.
    #[error("the sink answered {0}")]
    Busy(StatusCode),
    /// It will not take this batch, however often it is sent.
    #[error("the sink rejected the batch with {0}")]
    Rejected(StatusCode),
    /// It answered 200 with something that is no answer.
    #[error("the sink's answer cannot be read")]
    Answer(#[source] serde_json::Error),
}

impl SinkError {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Rejected(_))
    }

    /// Whether the cause is that this process has no file descriptor left.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if crate::files::is_out_of_descriptors(source))
    }
}

/// A client of the sink. It holds at most one connection, from its first request until it is dropped or that breaks.
#[derive(Debug)]
pub struct SinkClient {
    socket: PathBuf,
    lines_path: String,
    connection: Option<Connection>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; its end is the connection's.
    _driver: OwnedTask<()>,
}

impl SinkClient {
    /// A client that posts in the name of `arm`. Connects at its first request.
    pub fn new(socket: &Path, arm: &str, metrics: Arc<Metrics>) -> Self {
        Self { socket: socket.to_owned(), lines_path: format!("/v1/arms/{arm}/lines"), connection: None, metrics }
    }

    /// Whether the sink is there.
    pub async fn probe(&mut self) -> Result<(), SinkError> {
        self.send(Method::GET, "/healthz".to_owned(), Bytes::new()).await.map(drop)
    }

    /// Posts lines: NDJSON, one object a line. A cancelled call may or may not have been counted.
    pub async fn post(&mut self, lines: Bytes) -> Result<Answer, SinkError> {
        let answer = self.send(Method::POST, self.lines_path.clone(), lines).await?;
        serde_json::from_slice(&answer).map_err(SinkError::Answer)
    }

    async fn send(&mut self, method: Method, path: String, body: Bytes) -> Result<Bytes, SinkError> {
        // Taken out, so that an error or a cancellation on the way drops a connection in an unknown state.
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.sender.is_closed() => connection,
            _ => self.timed(CONNECT_TIMEOUT, self.connect()).await?,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "sink")
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(Full::new(body))
            .map_err(|error| SinkError::Broken(error.into()))?;
        let (status, body) = self.timed(ANSWER_TIMEOUT, connection.round_trip(request)).await?;
        self.connection = Some(connection);
        match status {
            status if status.is_success() => Ok(body),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(SinkError::Busy(status))
            }
            status => Err(SinkError::Rejected(status)),
        }
    }

    async fn connect(&self) -> Result<Connection, SinkError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| SinkError::Connect { socket: self.socket.clone(), source })?;
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| SinkError::Broken(error.into()))?;
        let driver = OwnedTask::spawn(async {
            // Whoever waits for an answer is told of the error too, and acts on it.
            let _ = driver.await;
        });
        Ok(Connection { sender, _driver: driver })
    }

    async fn timed<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, SinkError> {
        tokio::time::timeout(limit, future).await.unwrap_or_else(|_| {
            self.metrics.connection_timeouts.inc();
            Err(SinkError::Timeout { after: limit })
        })
    }
}

impl Connection {
    async fn round_trip(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), SinkError> {
        let response = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = response.await.map_err(|error| SinkError::Broken(error.into()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(SinkError::Broken)?;
        Ok((status, body.to_bytes()))
    }
}
