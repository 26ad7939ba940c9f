//! One answer that has a connection to itself, and goes on to the connection's end: how logs are followed over HTTP/1.
//!
//! hyper asks and reads the answer's head. From there on nothing of HTTP is left, only bytes, and whoever reads the body
//! reads the socket: hyper's task and its channel between the two would cost more than the lines do.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{Request, Response};

use super::client::BoxError;
use crate::docker_api::Body;
use crate::docker_api::connector::EngineConnector;

/// Sends a request of HTTP/1.0 over a new connection. An answer whose head says where it ends, as that of an error does, stays
/// with hyper.
pub(super) async fn send(
    connector: &EngineConnector,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Body>, BoxError> {
    let (mut sender, mut connection) = http1::handshake(connector.connect().await?).await?;
    let answer = {
        let mut answer = pin!(sender.send_request(request));
        poll_fn(|cx| {
            // Its own end or error is told to the request as well.
            let ended = connection.poll_without_shutdown(cx);
            match answer.as_mut().poll(cx) {
                Poll::Pending if ended.is_ready() => Poll::Ready(None),
                answer => answer.map(Some),
            }
        })
        .await
        .ok_or("the connection ended before an answer came")??
    };
    let head = answer.headers();
    if head.contains_key(CONTENT_LENGTH) || head.contains_key(TRANSFER_ENCODING) {
        tokio::spawn(async move {
            // How it ended is told to whoever reads the body.
            let _ = connection.await;
        });
        return Ok(Body::of(answer));
    }
    let rest = connection.into_parts();
    let (head, mut incoming) = answer.into_parts();
    // What hyper has passed on already; its end of the channel is gone, so nothing is waited for.
    let mut begun = Vec::new();
    while let Some(Some(Ok(frame))) = incoming.frame().now_or_never() {
        begun.extend(frame.into_data().ok());
    }
    begun.push(rest.read_buf);
    Ok(Response::from_parts(head, Body::rest_of(rest.io, begun)))
}
