//! A client that is made anew for every request, as hyperlocal's `Client::unix()` is in the examples that people copy.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::Response;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::docker_api::connector::CountingConnector;
use crate::docker_api::{EngineError, Transport};
use crate::metrics::Metrics;
use crate::pooled::request;

#[derive(Debug)]
pub(super) struct ClientPerRequest {
    socket: PathBuf,
    metrics: Arc<Metrics>,
}

impl ClientPerRequest {
    pub(super) fn new(socket: PathBuf, metrics: Arc<Metrics>) -> Self {
        Self { socket, metrics }
    }
}

impl Transport for ClientPerRequest {
    fn get(&self, path: String) -> BoxFuture<'_, Result<Response<Incoming>, EngineError>> {
        Box::pin(async move {
            let request = request(&self.socket, &path)?;
            // What `Client::unix()` does, with a connector that counts: no pool is shared, no wait is limited.
            // A client of one request has no use for idle connections.
            let client = Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(CountingConnector::new(Arc::clone(&self.metrics)));
            client.request(request).await.map_err(|error| EngineError::Request { path, source: error.into() })
        })
    }
}
