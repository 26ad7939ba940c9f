//! The sink: where every arm delivers what it captured; the ground truth of a run.
//!
//! HTTP/1.1 on a Unix socket: `POST /v1/arms/<name>/lines`, any format, one record a line. The workload's tokens are
//! found in the body and entered in the [`ledger`]; a line that the scenario's rules refuse is named in the answer.
//! Bodies are limited to [`MAX_BODY`] bytes (413 above), unknown paths are 404, unknown arms 404: a batch answered
//! other than 200 was not counted at all.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::clock::unix_ns;
use crate::workload::line;
use ledger::{Arrival, Book};

pub mod ledger;
pub mod seq_set;

/// Largest body accepted, bytes.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// A running sink. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct Sink {
    book: Arc<Mutex<Book>>,
    _server: JoinSet<()>,
}

impl Sink {
    /// Serves `book` on a new Unix socket at `path`, mode 0600 by the 0700 directory it lies in.
    ///
    /// # Errors
    /// The socket cannot be bound.
    pub fn serve(path: &Path, book: Book) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let book = Arc::new(Mutex::new(book));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&book)));
        Ok(Self { book, _server: server })
    }

    /// The ledger's books.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

/// A panic while the lock was held is a bug that has been reported; the counts are whole all the same.
fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: UnixListener, book: Arc<Mutex<Book>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&book)));
                }
                // Out of descriptors: those who wait are served when others have gone.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: UnixStream, book: Arc<Mutex<Book>>) {
    let service = service_fn(|request| {
        let book = Arc::clone(&book);
        async move { Ok::<_, Infallible>(answer(request, &book).await) }
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

async fn answer(request: Request<Incoming>, book: &Mutex<Book>) -> Response<Full<Bytes>> {
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
    let account = enter(&mut lock(book), &arm, &body.to_bytes(), unix_ns());
    match serde_json::to_vec(&account) {
        Ok(json) => Response::new(Full::new(Bytes::from(json))),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Enters every token of a body; one refused token refuses its line.
fn enter(book: &mut Book, arm: &str, body: &[u8], now_ns: u64) -> Account {
    let mut account = Account::default();
    for (index, record) in body.split(|byte| *byte == b'\n').enumerate() {
        let mut refused = false;
        for token in line::tokens(record) {
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

fn text(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(message.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_line_is_named_by_its_place_in_the_body() {
        let mut book = Book::new(&["a".into()], &["c01".into()], Some(10));
        let body = b"{\"line\":\"soak c=c01 seq=1 t=95 x\"}\nno token here\n{\"line\":\"soak c=c01 seq=2 t=50 x\"}\n";
        let account = enter(&mut book, "a", body, 100);
        assert_eq!(account.accepted, 1);
        assert_eq!(account.refused.iter().map(|refusal| refusal.index).collect::<Vec<_>>(), [2]);
    }
}
