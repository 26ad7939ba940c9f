//! Makes connections to one engine, over a Unix socket or TCP.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use rustix::net::sockopt::set_socket_keepalive;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

use crate::docker_api::EngineAddress;
use crate::docker_api::coalesced::{Coalesced, Ticks};
use crate::docker_api::connection::{EngineConnection, Socket};
use crate::metrics::Metrics;

/// Connects to one engine, whatever the URI of a request says, and counts the connections.
#[derive(Debug, Clone)]
pub struct EngineConnector {
    address: EngineAddress,
    metrics: Arc<Metrics>,
    time_limit: Option<Duration>,
    ticks: Option<Ticks>,
}

impl EngineConnector {
    /// Counts connections in `metrics.connections_active`; waits for one as long as the kernel does.
    pub fn new(address: EngineAddress, metrics: Arc<Metrics>) -> Self {
        Self { address, metrics, time_limit: None, ticks: None }
    }

    /// Gives up after `limit`, which is counted in `metrics.connection_timeouts`.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self }
    }

    /// Reads a busy connection at most this often, see [`coalesced`](super::coalesced). Zero: whenever something has come.
    #[must_use]
    pub fn with_coalescing(self, every: Duration) -> Self {
        Self { ticks: (!every.is_zero()).then(|| Ticks::new(every)), ..self }
    }

    /// One more connection.
    pub async fn connect(&self) -> io::Result<EngineConnection> {
        let socket = match self.time_limit {
            None => self.open().await?,
            Some(limit) => tokio::time::timeout(limit, self.open()).await.unwrap_or_else(|_| {
                self.metrics.connection_timeouts.inc();
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))
            })?,
        };
        Ok(EngineConnection::new(socket, &self.metrics))
    }

    async fn open(&self) -> io::Result<Box<dyn Socket>> {
        match (&self.address, self.ticks.clone()) {
            (EngineAddress::Unix(path), None) => Ok(Box::new(UnixStream::connect(path).await?)),
            (EngineAddress::Unix(path), Some(ticks)) => {
                Ok(Box::new(Coalesced::new(UnixStream::connect(path).await?.into_std()?, ticks)))
            }
            (EngineAddress::Tcp(address), None) => Ok(Box::new(connect_tcp(address).await?)),
            (EngineAddress::Tcp(address), Some(ticks)) => {
                Ok(Box::new(Coalesced::new(connect_tcp(address).await?.into_std()?, ticks)))
            }
        }
    }
}

async fn connect_tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // A followed log may be silent for days: only so is it noticed that the engine's machine has gone.
    set_socket_keepalive(&stream, true)?;
    Ok(stream)
}

impl Service<Uri> for EngineConnector {
    type Response = EngineConnection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<EngineConnection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await })
    }
}
