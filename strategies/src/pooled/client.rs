//! The client that all of an arm's requests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::docker_api::connector::CountingConnector;
use crate::docker_api::{EngineError, Transport};
use crate::metrics::Metrics;

/// Limits of a [`PooledClient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    /// Idle connections kept for the next request; further ones are closed.
    pub max_idle: usize,
    /// How long a connection is kept idle.
    pub idle_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the engine may take to the end of an answer's headers, connecting included.
    pub header_timeout: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            max_idle: 4,
            idle_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(15),
        }
    }
}

/// One client for a whole process: connections are kept alive and used again, within bounds, and every wait is limited.
///
/// A body that is dropped before its end closes its connection; hyper notices within moments, not at once.
#[derive(Debug)]
pub struct PooledClient {
    client: Client<CountingConnector, Empty<Bytes>>,
    socket: PathBuf,
    settings: ClientSettings,
    metrics: Arc<Metrics>,
}

impl PooledClient {
    /// A client of the engine at this Unix socket. Connects with its first request.
    pub fn new(socket: &Path, settings: ClientSettings, metrics: Arc<Metrics>) -> Self {
        let connector = CountingConnector::new(Arc::clone(&metrics)).with_time_limit(settings.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(settings.max_idle)
            .pool_idle_timeout(settings.idle_timeout)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, socket: socket.to_owned(), settings, metrics }
    }
}

impl Transport for PooledClient {
    fn get(&self, path: String) -> BoxFuture<'_, Result<Response<Incoming>, EngineError>> {
        Box::pin(async move {
            let request = request(&self.socket, &path)?;
            let after = self.settings.header_timeout;
            match tokio::time::timeout(after, self.client.request(request)).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(EngineError::Request { path, source: error.into() }),
                Err(_) => {
                    self.metrics.connection_timeouts.inc();
                    Err(EngineError::Timeout { path, after })
                }
            }
        })
    }
}

/// `GET path` at the engine's socket.
pub(crate) fn request(socket: &Path, path: &str) -> Result<Request<Empty<Bytes>>, EngineError> {
    Request::get(hyper::Uri::from(hyperlocal::Uri::new(socket, path)))
        // Else it would be the socket's path in hexadecimal digits, which some engines refuse.
        .header(header::HOST, "docker")
        .body(Empty::new())
        .map_err(|error| EngineError::Request { path: path.to_owned(), source: error.into() })
}
