//! The sink: where every arm delivers what it captured; the ground truth of a run.
//!
//! HTTP/1.1 on a Unix socket: `POST /v1/arms/<name>/lines`, any format, one record a line. The workload's tokens are
//! found in the body and entered in the [`ledger`]; a line that the scenario's rules refuse is named in the answer.
//! Bodies are limited to [`MAX_BODY`] bytes (413 above), unknown paths are 404, unknown arms 404: a batch answered
//! other than 200 was not counted at all. What the scenario wants it to do wrong, and when, is in [`faults`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use leaksoak_scenarios::SinkFault;
use leaksoak_strategies::metrics::{Gauge, GaugeGuard};
use serde::Serialize;
use std::convert::Infallible;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::unix_ns;
use crate::workload::line;
use faults::Faults;
use ledger::{Arrival, Book};

pub mod faults;
pub mod ledger;
pub mod seq_set;

/// Largest body accepted, bytes.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// A running sink. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct Sink {
    served: Arc<Served>,
    _server: JoinSet<()>,
}

/// What every connection needs.
#[derive(Debug)]
struct Served {
    book: Mutex<Book>,
    faults: Faults,
    connections: Gauge,
}

impl Sink {
    /// Serves `book` on a new Unix socket at `path`, mode 0600 by the 0700 directory it lies in. It does nothing wrong
    /// until [`begin`](Self::begin).
    ///
    /// # Errors
    /// The socket cannot be bound.
    pub fn serve(path: &Path, book: Book, faults: &[SinkFault]) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let served =
            Arc::new(Served { book: Mutex::new(book), faults: Faults::new(faults), connections: Gauge::default() });
        let mut task = JoinSet::new();
        task.spawn(serve(listener, path.to_owned(), Arc::clone(&served)));
        Ok(Self { served, _server: task })
    }

    /// The times of its faults count from `zero`.
    pub fn begin(&self, zero: Instant) {
        self.served.faults.begin(zero);
    }

    /// From now on it does nothing wrong any more.
    pub fn behave(&self) {
        self.served.faults.end();
    }

    /// Connections that the arms hold. Each is a descriptor and a task of this process, and not of its making.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.served.connections.get()
    }

    /// The ledger's books.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.served.book)
    }
}

/// A panic while the lock was held is a bug that has been reported; the counts are whole all the same.
fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves, but for the times in which it is down: then nothing listens, and no connection is left.
async fn serve(listener: UnixListener, path: PathBuf, served: Arc<Served>) {
    let mut listener = Some(listener);
    loop {
        if let Some(listener) = listener.take() {
            tokio::select! {
                never = accept(listener, &served) => match never {},
                () = served.faults.until_down(true) => {}
            }
        }
        served.faults.until_down(false).await;
        // Its directory is the run's own: what lies there under this name is the socket that was listened on before.
        let _ = std::fs::remove_file(&path);
        listener = UnixListener::bind(&path).ok();
        if listener.is_none() {
            // Out of descriptors: it stays down until there are some.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn accept(listener: UnixListener, served: &Arc<Served>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(served), served.connections.hold()));
                }
                // Out of descriptors: those who wait are served when others have gone.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The connection is to be broken without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut, as the scenario wants it")]
struct Cut;

async fn connection(stream: UnixStream, served: Arc<Served>, _counted: GaugeGuard) {
    let service = service_fn(|request| {
        let served = Arc::clone(&served);
        async move { answer(request, &served).await }
    });
    // An arm that breaks off in mid-request is that arm's affair: what was not answered was not counted.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The body of a 200.
#[derive(Debug, Default, Serialize)]
struct Account {
    accepted: u64,
    refused: Vec<Refusal>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    /// Line of the body, from 0.
    index: usize,
    reason: &'static str,
}

async fn answer(request: Request<Incoming>, served: &Served) -> Result<Response<Full<Bytes>>, Cut> {
    if request.method() == Method::POST {
        let active = served.faults.active();
        // A sleep of no time is one of up to a millisecond: the timer counts in those.
        if !active.delay.is_zero() {
            tokio::time::sleep(active.delay).await;
        }
        if active.cuts() {
            return Err(Cut);
        }
        if let Some(status) = active.answers() {
            return Ok(text(status, "the scenario wants this answer\n"));
        }
    }
    Ok(account_for(request, served).await)
}

async fn account_for(request: Request<Incoming>, served: &Served) -> Response<Full<Bytes>> {
    let book = &served.book;
    let path = request.uri().path();
    if request.method() == Method::GET && path == "/healthz" {
        return text(StatusCode::OK, "ok\n");
    }
    let Some(arm) = path.strip_prefix("/v1/arms/").and_then(|rest| rest.strip_suffix("/lines")).map(str::to_owned)
    else {
        return text(StatusCode::NOT_FOUND, "no such path: POST /v1/arms/<name>/lines\n");
    };
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "lines are POSTed\n");
    }
    if !lock(book).knows(&arm) {
        return text(StatusCode::NOT_FOUND, "no such arm in this run\n");
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "a body is at most 8 MiB, and whole\n");
    };
    let active = served.faults.active();
    let account = enter(&mut lock(book), &arm, &body.to_bytes(), unix_ns(), || active.refuses());
    match serde_json::to_vec(&account) {
        Ok(json) => Response::new(Full::new(Bytes::from(json))),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Enters every token of a body; one refused token refuses its line, and so does `at_will`.
fn enter(book: &mut Book, arm: &str, body: &[u8], now_ns: u64, at_will: impl Fn() -> bool) -> Account {
    let mut account = Account::default();
    for (index, record) in records(body).enumerate() {
        let mut tokens = line::tokens(record).peekable();
        if tokens.peek().is_some() && at_will() {
            tokens.for_each(|token| book.refuse(arm, token));
            account.refused.push(Refusal { index, reason: "refused" });
            continue;
        }
        let mut refused = false;
        for token in tokens {
            match book.enter(arm, token, now_ns) {
                Arrival::Accepted => account.accepted += 1,
                Arrival::Refused => refused = true,
            }
        }
        if refused {
            account.refused.push(Refusal { index, reason: "too_old" });
        }
    }
    account
}

/// What lies between newlines.
fn records(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    ends.scan(0, |start, end| {
        let record = &body[*start..end];
        *start = end + 1;
        Some(record)
    })
}

fn text(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(message.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::{SinkFaultKind, Span};

    #[test]
    fn a_refused_line_is_named_by_its_place_in_the_body() {
        let mut book = Book::new(&["a".into()], &["c01".into()], Some(10));
        let body = b"{\"line\":\"soak c=c01 seq=1 t=95 x\"}\nno token here\n{\"line\":\"soak c=c01 seq=2 t=50 x\"}\n";
        let account = enter(&mut book, "a", body, 100, || false);
        assert_eq!(account.accepted, 1);
        assert_eq!(account.refused.iter().map(|refusal| refusal.index).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn records_are_what_lies_between_newlines() {
        for body in ["", "\n", "a", "a\n", "a\n\nb", "\na\n"] {
            let body = body.as_bytes();
            assert!(records(body).eq(body.split(|byte| *byte == b'\n')), "{body:?}");
        }
    }

    #[test]
    fn a_line_refused_at_will_is_not_delivered_and_what_is_no_line_is_not_refused() {
        let mut book = Book::new(&["a".into()], &["c01".into()], None);
        let body = b"{\"line\":\"soak c=c01 seq=1 t=95 x\"}\nno token here\n";
        let account = enter(&mut book, "a", body, 100, || true);
        assert_eq!((account.accepted, account.refused.len(), account.refused[0].reason), (0, 1, "refused"));
        assert_eq!((book.delivered("a"), book.close(false).arms[0].total.refused), (0, 1));
    }

    async fn post(path: &Path) -> Result<Vec<u8>, io::Error> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = UnixStream::connect(path).await?;
        stream
            .write_all(b"POST /v1/arms/a/lines HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn connections_are_counted_for_as_long_as_they_are_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.sock");
        let sink = Sink::serve(&path, Book::new(&["a".into()], &[], None), &[]).unwrap();
        let held = UnixStream::connect(&path).await.unwrap();
        // Taken in order: the one before is counted by then.
        post(&path).await.unwrap();
        while sink.connections() != 1 {
            tokio::task::yield_now().await;
        }
        drop(held);
        while sink.connections() != 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_sink_that_is_down_takes_no_connection_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.sock");
        let down = SinkFault { kind: SinkFaultKind::Down, from: Span::ZERO, lasts: None };
        let sink = Sink::serve(&path, Book::new(&["a".into()], &[], None), &[down]).unwrap();
        assert!(post(&path).await.unwrap().starts_with(b"HTTP/1.1 200"));
        sink.begin(Instant::now());
        while post(&path).await.is_ok() {
            tokio::task::yield_now().await;
        }
        sink.behave();
        while post(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(post(&path).await.unwrap().starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_cut_gives_no_answer_and_an_answer_is_the_one_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, expected) in [
            (SinkFaultKind::Cut { pct: 100.0 }, ""),
            (SinkFaultKind::Answer { status: 429, pct: 100.0 }, "HTTP/1.1 429"),
        ] {
            let path = dir.path().join(format!("{}.sock", expected.len()));
            let fault = SinkFault { kind, from: Span::ZERO, lasts: None };
            let sink = Sink::serve(&path, Book::new(&["a".into()], &[], None), &[fault]).unwrap();
            sink.begin(Instant::now());
            let answer = String::from_utf8(post(&path).await.unwrap()).unwrap();
            assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
        }
    }
}
