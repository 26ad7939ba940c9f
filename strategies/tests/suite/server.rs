//! An HTTP server, on a thread of its own, until it is dropped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;

/// An error of a body makes hyper break the connection.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    /// HTTP/2 as well, with so many streams at most on a connection.
    Http2 {
        max_streams: u32,
    },
}

pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    connections: Arc<Connections>,
    tcp: SocketAddr,
}

#[derive(Default)]
struct Connections {
    now: AtomicUsize,
    ever: AtomicUsize,
    most: AtomicUsize,
}

impl Server {
    /// Listens on `socket`, and on a TCP port. `answer` gives `None` to break the connection instead of answering.
    pub(crate) fn start<F>(
        socket: &Path,
        speaks: Speaks,
        answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<Response<Body>>> + Send + 'static,
    {
        let unix = std::os::unix::net::UnixListener::bind(socket).unwrap();
        unix.set_nonblocking(true).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let tcp_address = tcp.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let connections = Arc::new(Connections::default());
        let serving = Serving { speaks, answer: Arc::new(answer), connections: Arc::clone(&connections) };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let unix = UnixListener::from_std(unix).unwrap();
                let tcp = TcpListener::from_std(tcp).unwrap();
                let accepting = async {
                    loop {
                        tokio::select! {
                            accepted = unix.accept() => serving.converse(accepted.unwrap().0),
                            accepted = tcp.accept() => serving.converse(accepted.unwrap().0),
                        }
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread), connections, tcp: tcp_address }
    }

    pub(crate) fn tcp_address(&self) -> SocketAddr {
        self.tcp
    }

    pub(crate) fn connections_now(&self) -> usize {
        self.connections.now.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(crate) fn most_connections(&self) -> usize {
        self.connections.most.load(Ordering::SeqCst)
    }

    pub(crate) fn connections_ever(&self) -> usize {
        self.connections.ever.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Closes every connection, and listens no more.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Serving<A> {
    speaks: Speaks,
    answer: Arc<A>,
    connections: Arc<Connections>,
}

impl<F, A> Serving<A>
where
    F: Future<Output = Option<Response<Body>>> + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
{
    fn converse(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (answer, connections) = (Arc::clone(&self.answer), Arc::clone(&self.connections));
        let mut http = auto::Builder::new(TokioExecutor::new());
        match self.speaks {
            Speaks::Http1 => http = http.http1_only(),
            Speaks::Http2 { max_streams } => {
                http.http2().max_concurrent_streams(max_streams);
            }
        }
        tokio::spawn(async move {
            connections.ever.fetch_add(1, Ordering::SeqCst);
            let now = connections.now.fetch_add(1, Ordering::SeqCst) + 1;
            connections.most.fetch_max(now, Ordering::SeqCst);
            let (broken, mut breaks) = tokio::sync::mpsc::unbounded_channel::<Infallible>();
            let broken = Arc::new(std::sync::Mutex::new(Some(broken)));
            let service = service_fn(move |request| {
                let response = answer(request);
                let broken = Arc::clone(&broken);
                async move {
                    if let Some(response) = response.await {
                        return Ok::<_, Infallible>(response);
                    }
                    // Dropped: the receiver below ends, and the connection with it.
                    drop(broken.lock().unwrap().take());
                    std::future::pending().await
                }
            });
            tokio::select! {
                _ = http.serve_connection(TokioIo::new(stream), service) => {}
                _ = breaks.recv() => {}
            }
            connections.now.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
