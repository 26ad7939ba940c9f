//! An HTTP/1.1 server on a Unix socket, on a thread of its own, until it is dropped.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

/// An error of a body makes hyper break the connection.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct Connections {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Server {
    /// `answer` gives `None` to break the connection instead of answering.
    pub(crate) fn start<F>(socket: &Path, answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Response<Body>>> + Send + 'static,
    {
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let connections = Arc::new(Connections::default());
        let counted = Arc::clone(&connections);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(UnixListener::from_std(listener).unwrap(), Arc::new(answer), counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread), connections }
    }

    pub(crate) fn connections_now(&self) -> usize {
        self.connections.now.load(Ordering::SeqCst)
    }

    pub(crate) fn connections_ever(&self) -> usize {
        self.connections.ever.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn serve<F, A>(listener: UnixListener, answer: Arc<A>, connections: Arc<Connections>)
where
    F: Future<Output = Option<Response<Body>>> + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answer, connections) = (Arc::clone(&answer), Arc::clone(&connections));
        tokio::spawn(async move {
            connections.ever.fetch_add(1, Ordering::SeqCst);
            connections.now.fetch_add(1, Ordering::SeqCst);
            let (broken, mut breaks) = tokio::sync::mpsc::unbounded_channel::<Infallible>();
            let broken = std::sync::Mutex::new(Some(broken));
            let service = service_fn(|request| {
                let response = answer(request);
                let broken = &broken;
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
                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
                _ = breaks.recv() => {}
            }
            connections.now.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
