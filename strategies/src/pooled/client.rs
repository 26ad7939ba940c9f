//! The client that all of an arm's requests share.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Response, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use leaksoak_scenarios::Http;
use tokio::sync::{OnceCell, Semaphore};

use super::exclusive;
use super::multiplexed::Multiplexed;
use crate::docker_api::connector::EngineConnector;
use crate::docker_api::{Answer, Body, EngineAddress, EngineError, Transport};
use crate::metrics::Metrics;

/// Limits of a [`PooledClient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    /// The protocol. [`Http::Auto`]: HTTP/2 if the engine speaks it without being asked to change, else HTTP/1.1.
    pub http: Http,
    /// How often a busy connection is read; zero: whenever something has come.
    pub coalesce: Duration,
    /// Answers that are waited for at a time, to their headers. Whoever asks for one more waits: an engine that has just
    /// come back is not asked for a thousand streams at once.
    pub max_pending: usize,
    /// HTTP/1.1: connections at the most, each of which serves one answer at a time. Whoever needs one more waits.
    pub max_connections: usize,
    /// HTTP/1.1: idle connections kept for the next request; further ones are closed.
    pub max_idle: usize,
    /// HTTP/2: answers at the most that one connection serves at a time, if the engine allows as many. With more, there is
    /// one more connection.
    pub max_streams_per_connection: usize,
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
            http: Http::Auto,
            coalesce: Duration::ZERO,
            // Answers come a tick apart, and in one come all that are there: so many make 3,200 a second at 10 ms. More
            // would take more connections of an HTTP/1.1 engine at once, and it answers no faster for it.
            max_pending: 32,
            max_connections: 10_000,
            max_idle: 4,
            max_streams_per_connection: 2_000,
            idle_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(15),
        }
    }
}

impl ClientSettings {
    /// Those of an arm. It asks in bursts half a minute apart: a connection that is kept for seconds after one is of no use to
    /// the next, but is counted by whoever looks then.
    pub fn of_an_arm() -> Self {
        Self { idle_timeout: Duration::from_millis(250), ..Self::default() }
    }
}

/// One client for a whole process: connections are kept alive and used again, within bounds, and every wait is limited.
///
/// Over HTTP/2 all answers share a connection. Over HTTP/1.1 each has one to itself, and a body that is dropped before its
/// end closes it: that of a stream at once, that of a document within moments, when hyper notices.
#[derive(Debug)]
pub struct PooledClient {
    connector: EngineConnector,
    http1: Client<EngineConnector, Empty<Bytes>>,
    pending: Semaphore,
    connections: Arc<Semaphore>,
    http2: Multiplexed,
    /// Once the engine was reached.
    speaks_http2: OnceCell<bool>,
    settings: ClientSettings,
    metrics: Arc<Metrics>,
}

impl PooledClient {
    /// A client of the engine at this address. Connects with its first request.
    pub fn new(address: EngineAddress, settings: ClientSettings, metrics: Arc<Metrics>) -> Self {
        let connector = EngineConnector::new(address, Arc::clone(&metrics))
            .with_time_limit(settings.connect_timeout)
            .with_coalescing(settings.coalesce);
        let http1 = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(settings.max_idle)
            .pool_idle_timeout(settings.idle_timeout)
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        Self {
            connector: connector.clone(),
            http1,
            pending: Semaphore::new(settings.max_pending.max(1)),
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            http2: Multiplexed::new(connector, settings.max_streams_per_connection, settings.idle_timeout),
            speaks_http2: OnceCell::new(),
            settings,
            metrics,
        }
    }

    async fn send(&self, path: &str, answer: Answer) -> Result<Response<Body>, BoxError> {
        let speaks_http2 = match self.settings.http {
            Http::One => &false,
            Http::Two => &true,
            Http::Auto => self.speaks_http2.get_or_try_init(|| self.http2.probe()).await?,
        };
        if *speaks_http2 {
            let mut request = request(path)?;
            *request.version_mut() = Version::HTTP_2;
            return Ok(self.http2.send(request).await?);
        }
        let mut request = request(path)?;
        let connection = Arc::clone(&self.connections).acquire_owned().await?;
        let response = match answer {
            Answer::Document => Body::of(self.http1.request(request).await?),
            Answer::Stream => {
                // The body then goes on to the connection's end instead of coming in chunks: the engine makes one of every
                // line, and taking them apart costs more than the lines.
                *request.version_mut() = Version::HTTP_10;
                exclusive::send(&self.connector, request).await?
            }
        };
        Ok(response.map(|body| body.holding(connection)))
    }
}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Transport for PooledClient {
    fn get(&self, path: String, answer: Answer) -> BoxFuture<'_, Result<Response<Body>, EngineError>> {
        Box::pin(async move {
            // Not a part of what is waited for: the answers before it are, each for as long as it may take.
            let _pending = match self.pending.acquire().await {
                Ok(pending) => pending,
                Err(source) => return Err(EngineError::Request { path, source: source.into() }),
            };
            let after = self.settings.header_timeout;
            match tokio::time::timeout(after, self.send(&path, answer)).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(source)) => Err(EngineError::Request { path, source }),
                Err(_) => {
                    self.metrics.connection_timeouts.inc();
                    Err(EngineError::Timeout { path, after })
                }
            }
        })
    }
}

/// `GET path`, of whichever engine a connection leads to.
pub(crate) fn request(path: &str) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    Request::get(format!("http://docker{path}")).body(Empty::new())
}
