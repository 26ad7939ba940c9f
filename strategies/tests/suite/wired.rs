//! The scripted engine within the test's own runtime: with nobody outside to be waited for, time may be paused.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use leaksoak_strategies::docker_api::{Answer, Body, EngineError, Transport};

use crate::server;

/// Asks whoever answers, over a pipe of its own for every request.
pub(crate) struct Wired<A>(Arc<A>);

impl<A> Wired<A>
where
    A: Fn(&Request<Incoming>) -> Response<server::Body> + Send + Sync + 'static,
{
    pub(crate) fn to(answer: A) -> Self {
        Self(Arc::new(answer))
    }

    async fn ask(&self, path: &str) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let answer = Arc::clone(&self.0);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request);
                async { Ok::<_, Infallible>(response) }
            });
            // It ends with whoever asks.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service).await;
        });
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "docker").body(Empty::<Bytes>::new())?;
        Ok(Body::of(sender.send_request(request).await?))
    }
}

impl<A> Transport for Wired<A>
where
    A: Fn(&Request<Incoming>) -> Response<server::Body> + Send + Sync + 'static,
{
    fn get(&self, path: String, _: Answer) -> BoxFuture<'_, Result<Response<Body>, EngineError>> {
        Box::pin(async move { self.ask(&path).await.map_err(|source| EngineError::Request { path, source }) })
    }
}
