//! Connections: where the engine listens, and what is spoken on them.
//!
//! HTTP/1.1 and, for a client that begins with its preface, HTTP/2 without TLS ("prior knowledge", RFC 9113 section 3.3),
//! on the same sockets. A connection's task ends with its client, and everything that it had under way with it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

use super::api::answer::Body;
use super::fault::Faults;

/// Time for a request's head, as Docker's.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Streams that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 10_000;
/// Wait after a connection could not be accepted (no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket, of mode 0600.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// An open listener.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket's.
    Unix(UnixListener),
    /// A TCP port's.
    Tcp(TcpListener),
}

trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

impl Address {
    /// Listens there. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, or this user may not.
    pub async fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Unix(path) => bind_unix(path).map(Listener::Unix),
            Self::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there already")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Box::new(stream) as _),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as _)
            }
        }
    }
}

/// Serves `address` with `handle` for ever; does not listen, and closes connections, when a fault says so.
///
/// # Errors
/// It cannot listen there again after a fault.
pub async fn serve<H, F>(address: Address, listener: Listener, faults: Arc<Faults>, handle: H) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let mut standing = faults.watch();
    let mut listener = Some(listener);
    let mut disconnects = standing.borrow().disconnects;
    let mut connections = JoinSet::new();
    loop {
        let now = *standing.borrow_and_update();
        if now.disconnects != disconnects {
            disconnects = now.disconnects;
            connections.shutdown().await;
        }
        match (&listener, now.refusing > 0) {
            (Some(_), true) => listener = None,
            (None, false) => listener = Some(address.listen().await?),
            _ => {}
        }
        tokio::select! {
            changed = standing.changed() => changed.map_err(io::Error::other)?,
            // Reaped, so that none is kept.
            Some(_) = connections.join_next() => {}
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(connection) => drop(connections.spawn(converse(connection, handle.clone()))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn accept(listener: Option<&Listener>) -> io::Result<Box<dyn Connection>> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// One connection, to its end.
async fn converse<H, F>(connection: Box<dyn Connection>, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    // A client that speaks no HTTP, breaks off or goes away is its own business; the connection is closed.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(connection), service_fn(handle)).await;
}
