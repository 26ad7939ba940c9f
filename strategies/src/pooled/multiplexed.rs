//! Many answers over one connection: HTTP/2, spoken from the first byte on ("prior knowledge").

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::client::request;
use crate::docker_api::Body;
use crate::docker_api::connector::EngineConnector;

/// How long an engine may take to show that it does not speak HTTP/2.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// Read ahead of whoever takes the bytes: of one stream, and of all of a connection's. A stream that is not read holds up
/// the others once the latter is used up, which takes 256 of them.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A connection that says nothing for so long is asked whether it still lives, and is given up without an answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The connections, mostly one.
#[derive(Debug)]
pub(super) struct Multiplexed {
    connector: EngineConnector,
    max_streams: usize,
    idle_timeout: Duration,
    connections: Mutex<Vec<Shared>>,
}

#[derive(Debug)]
struct Shared {
    sender: SendRequest<Empty<Bytes>>,
    streams: Arc<Streams>,
    used_at: Instant,
}

#[derive(Debug)]
struct Streams {
    open: AtomicUsize,
    /// What the engine allows.
    allowed: AtomicUsize,
}

/// A place among the streams of a connection.
struct Place(Arc<Streams>);

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("cannot connect")]
    Connect(#[from] io::Error),
    #[error("no answer over HTTP/2; if the engine does not speak it, use http = \"auto\" or \"1\"")]
    Http(#[from] hyper::Error),
}

impl Multiplexed {
    pub(super) fn new(connector: EngineConnector, max_streams: usize, idle_timeout: Duration) -> Self {
        Self { connector, max_streams: max_streams.max(1), idle_timeout, connections: Mutex::default() }
    }

    /// Whether the engine answers over HTTP/2. An error says that there is no engine.
    pub(super) async fn probe(&self) -> io::Result<bool> {
        let Ok(mut ping) = request("/_ping") else { return Ok(false) };
        *ping.version_mut() = Version::HTTP_2;
        match timeout(PROBE_TIME, self.send(ping)).await {
            Ok(Ok(response)) => Ok(response.version() == Version::HTTP_2),
            Ok(Err(SendError::Connect(error))) => Err(error),
            Ok(Err(SendError::Http(_))) | Err(_) => {
                self.connections.lock().await.clear();
                Ok(false)
            }
        }
    }

    /// Sends over a connection that has a place left, or over a new one.
    pub(super) async fn send(&self, request: Request<Empty<Bytes>>) -> Result<Response<Body>, SendError> {
        let (mut sender, place) = self.place().await?;
        let response = sender.send_request(request).await?;
        Ok(Body::of(response).map(|body| body.holding(place)))
    }

    async fn place(&self) -> Result<(SendRequest<Empty<Bytes>>, Place), SendError> {
        // Held while connecting, so that many who find no place make one connection and not as many.
        let mut connections = self.connections.lock().await;
        connections.retain(|shared| {
            let idle = shared.streams.open.load(Ordering::Relaxed) == 0 && shared.used_at.elapsed() > self.idle_timeout;
            !shared.sender.is_closed() && !idle
        });
        let with_place = connections.iter().position(|shared| shared.streams.has_place(self.max_streams));
        if with_place.is_none() {
            connections.push(self.connect().await?);
        }
        let last = connections.len() - 1;
        let shared = &mut connections[with_place.unwrap_or(last)];
        shared.used_at = Instant::now();
        Ok((shared.sender.clone(), Place::take(&shared.streams)))
    }

    async fn connect(&self) -> Result<Shared, SendError> {
        let socket = self.connector.connect().await?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .handshake(socket)
            .await?;
        let streams = Arc::new(Streams {
            open: AtomicUsize::new(0),
            allowed: AtomicUsize::new(connection.current_max_send_streams()),
        });
        let allowed = Arc::clone(&streams);
        // It ends when the connection does, or when nobody has a use for it any more.
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // How it ended is told to those who have a stream on it.
            let _ = std::future::poll_fn(|cx| {
                let ended = connection.as_mut().poll(cx);
                allowed.allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
                ended
            })
            .await;
        });
        Ok(Shared { sender, streams, used_at: Instant::now() })
    }
}

impl Streams {
    fn has_place(&self, max_streams: usize) -> bool {
        self.open.load(Ordering::Relaxed) < max_streams.min(self.allowed.load(Ordering::Relaxed))
    }
}

impl Place {
    fn take(streams: &Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
