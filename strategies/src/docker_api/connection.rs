//! An open connection to an engine, counted for as long as it is open.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop;

use crate::docker_api::coalesced::{BusySocket, Coalesced, READ_BYTES};
use crate::metrics::{GaugeGuard, Metrics};

thread_local! {
    /// Read into by whichever connection is read, so that one that is silent holds no buffer, and none is cleared for a read.
    static CHUNK: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What a connection reads from and writes to.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// The same for whoever reads many that are busy, if it is, and is read on a tick.
    fn busy(&self) -> Option<BusySocket> {
        None
    }
}

impl Socket for UnixStream {}

impl Socket for TcpStream {}

impl Socket for Coalesced {
    fn busy(&self) -> Option<BusySocket> {
        self.busy()
    }
}

/// An open connection; it is closed when this is dropped.
pub struct EngineConnection {
    // Dropped, and so closed, before what tells of it.
    socket: TokioIo<Box<dyn Socket>>,
    _counted: GaugeGuard,
    life: Arc<ConnectionLife>,
}

/// Ends with a connection, and with it all that waits for that end.
#[derive(Debug, Default)]
pub struct ConnectionLife(Mutex<Vec<Settling>>);

/// A stream that nobody reads any more, and whose connection is not closed yet.
///
/// Dropping a response does not close its connection: the task that drives it does, when it next runs. So that a stream is
/// counted as released when it is, this waits with the connection for its end.
#[derive(Debug)]
pub(crate) struct Settling {
    metrics: Arc<Metrics>,
    _counted: GaugeGuard,
}

impl EngineConnection {
    pub(super) fn new(socket: Box<dyn Socket>, metrics: &Metrics) -> Self {
        Self { socket: TokioIo::new(socket), _counted: metrics.connections_active.hold(), life: Arc::default() }
    }

    /// What ends with this.
    pub(super) fn life(&self) -> Weak<ConnectionLife> {
        Arc::downgrade(&self.life)
    }

    /// The next bytes; `None` at the end. Cancel-safe.
    pub(super) async fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let socket = self.socket.inner_mut();
        poll_fn(|cx| {
            // One that always has more does not keep the others of its runtime waiting.
            let turn = ready!(coop::poll_proceed(cx));
            CHUNK.with_borrow_mut(|chunk| {
                let mut chunk = ReadBuf::new(chunk);
                ready!(Pin::new(&mut *socket).poll_read(cx, &mut chunk))?;
                turn.made_progress();
                let filled = chunk.filled();
                Poll::Ready(Ok((!filled.is_empty()).then(|| Bytes::copy_from_slice(filled))))
            })
        })
        .await
    }

    /// Its socket for whoever reads many that are busy, if it is.
    pub(super) fn busy(&self) -> Option<BusySocket> {
        self.socket.inner().busy()
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Box<dyn Socket>>> {
        Pin::new(&mut self.get_mut().socket)
    }
}

impl ConnectionLife {
    pub(crate) fn ends_with(&self, settling: Settling) {
        // Nothing under the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(settling);
    }
}

impl Settling {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { _counted: metrics.streams_settling.hold(), metrics }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.metrics.streams_released.inc();
    }
}

impl fmt::Debug for EngineConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConnection").finish_non_exhaustive()
    }
}

impl Connection for EngineConnection {
    /// Every response of this connection carries its life in its extensions.
    fn connected(&self) -> Connected {
        Connected::new().extra(self.life())
    }
}

impl Read for EngineConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_read(cx, buffer)
    }
}

impl Write for EngineConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}
