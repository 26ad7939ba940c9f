//! Connections to the engine's Unix socket, each of which is counted for as long as it is open.
//!
//! hyperlocal makes them; this adds the count, and a time limit where one is wanted.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyperlocal::UnixConnector;
use tower_service::Service;

use crate::metrics::{GaugeGuard, Metrics};

/// hyperlocal's connector, with its connections counted.
#[derive(Debug, Clone)]
pub struct CountingConnector {
    metrics: Arc<Metrics>,
    time_limit: Option<Duration>,
}

impl CountingConnector {
    /// Counts connections in `metrics.connections_active`; waits for one as long as the kernel does.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, time_limit: None }
    }

    /// Gives up after `limit`, which is counted in `metrics.connection_timeouts`.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self }
    }
}

impl Service<Uri> for CountingConnector {
    type Response = CountedStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<CountedStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = UnixConnector.call(uri);
        let Self { metrics, time_limit } = self.clone();
        Box::pin(async move {
            let stream = match time_limit {
                None => connecting.await?,
                Some(limit) => tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
                    metrics.connection_timeouts.inc();
                    Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))
                })?,
            };
            Ok(CountedStream { stream, _counted: metrics.connections_active.hold() })
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub struct CountedStream {
    stream: hyperlocal::UnixStream,
    _counted: GaugeGuard,
}

impl CountedStream {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut hyperlocal::UnixStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for CountedStream {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for CountedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Read::poll_read(self.stream(), cx, buffer)
    }
}

impl Write for CountedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Write::poll_write(self.stream(), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(self.stream(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(self.stream(), cx)
    }
}
