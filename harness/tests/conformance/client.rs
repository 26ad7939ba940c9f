//! A Docker client with nothing between the test and the wire: any method, path, headers and body.
//!
//! Guarantees: what the engine sent is what the test sees; no call waits for ever ([`PATIENCE`]).
//! Does not: know any call of the API.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AsHeaderName, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// The longest that an engine may take for anything that a test asks of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2 in the clear, by prior knowledge.
    Http2,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), content_type: None, body: Bytes::new() }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.content_type = Some("application/json");
        self.body = body.to_string().into();
        self
    }

    pub(crate) fn bytes(mut self, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Self {
        self.content_type = content_type;
        self.body = body.into();
        self
    }
}

/// The head of an answer, its body still on the way.
pub(crate) struct Opened {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Opened {
    /// A header's text.
    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// A body on the way.
pub(crate) struct Body {
    incoming: Incoming,
    /// What has come so far.
    pub(crate) bytes: Vec<u8>,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// As its length or its last chunk said.
    Whole,
    /// The connection broke.
    Broken,
}

/// Percent-encodes every byte that may not stand in a path or a query as it is.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
        encoded
    })
}

/// One client of one engine; every call has a connection of its own.
pub(crate) struct Client {
    runtime: Runtime,
    socket: PathBuf,
    protocol: Protocol,
}

impl Client {
    pub(crate) fn new(socket: &Path, protocol: Protocol) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, socket: socket.to_owned(), protocol }
    }

    /// Asks, and waits for the head of the answer.
    pub(crate) fn open(&self, call: &Call) -> Opened {
        let said = format!("{} {}", call.method, call.path);
        self.within(PATIENCE, &said, async {
            let response = self.send(call).await.unwrap_or_else(|error| panic!("{said}: {error}"));
            let (head, incoming) = response.into_parts();
            Opened { status: head.status.as_u16(), headers: head.headers, body: Body { incoming, bytes: Vec::new() } }
        })
    }

    async fn send(&self, call: &Call) -> Result<Response<Incoming>, Box<dyn std::error::Error>> {
        let stream = TokioIo::new(UnixStream::connect(&self.socket).await?);
        let mut request = Request::builder().method(call.method);
        request = match self.protocol {
            Protocol::Http1 => request.uri(&call.path).header(HOST, "docker"),
            Protocol::Http2 => request.uri(format!("http://docker{}", call.path)),
        };
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Full::new(call.body.clone()))?;
        // The connection's task ends when the body has been read or dropped.
        Ok(match self.protocol {
            Protocol::Http1 => {
                let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
                tokio::spawn(connection);
                sender.send_request(request).await?
            }
            Protocol::Http2 => {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                sender.send_request(request).await?
            }
        })
    }

    /// Reads on until `enough` says so; `Some`: the body ended before.
    pub(crate) fn read_until(
        &self,
        body: &mut Body,
        what: &str,
        mut enough: impl FnMut(&[u8]) -> bool,
    ) -> Option<BodyEnd> {
        self.within(PATIENCE, what, async {
            while !enough(&body.bytes) {
                match body.incoming.frame().await {
                    None => return Some(BodyEnd::Whole),
                    Some(Err(_)) => return Some(BodyEnd::Broken),
                    Some(Ok(frame)) => body.bytes.extend(frame.into_data().unwrap_or_default()),
                }
            }
            None
        })
    }

    /// Reads the body to its end.
    pub(crate) fn read_to_end(&self, body: &mut Body, what: &str) -> BodyEnd {
        self.read_until(body, what, |_| false).unwrap_or(BodyEnd::Whole)
    }

    fn within<T>(&self, limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(limit, future).await };
        self.runtime.block_on(limited).unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
    }
}
