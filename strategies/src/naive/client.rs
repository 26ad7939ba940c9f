//! A client that is made anew for every request, as in the examples that people copy.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::Response;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::docker_api::connector::EngineConnector;
use crate::docker_api::{Answer, Body, EngineAddress, EngineError, Transport};
use crate::metrics::Metrics;
use crate::pooled::request;

#[derive(Debug)]
pub(super) struct ClientPerRequest {
    address: EngineAddress,
    metrics: Arc<Metrics>,
}

impl ClientPerRequest {
    pub(super) fn new(address: EngineAddress, metrics: Arc<Metrics>) -> Self {
        Self { address, metrics }
    }
}

impl Transport for ClientPerRequest {
    fn get(&self, path: String, _: Answer) -> BoxFuture<'_, Result<Response<Body>, EngineError>> {
        Box::pin(async move {
            // What hyperlocal's `Client::unix()` does, with a connector that counts: no pool is shared, no wait is
            // limited. A client of one request has no use for idle connections.
            let connector = EngineConnector::new(self.address.clone(), Arc::clone(&self.metrics));
            let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
            let answer = async { Ok(Body::of(client.request(request(&path)?).await?)) };
            answer.await.map_err(|source| EngineError::Request { path, source })
        })
    }
}
