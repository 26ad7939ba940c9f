//! A sink that does what the test says, and remembers what it took.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};

use crate::server::{Body, Server, Speaks};

pub(crate) struct Sink {
    ledger: Arc<Mutex<Ledger>>,
    server: Server,
}

#[derive(Default)]
struct Ledger {
    /// (container, stream, text) in the order of arrival.
    lines: Vec<(String, String, String)>,
    mood: Mood,
}

/// What the sink does with the next batches.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Takes,
    /// Answers with this status.
    Answers(u16),
    /// Breaks the connection without an answer.
    Breaks,
    /// Takes the rest, but refuses lines that contain this.
    Refuses(&'static str),
}

impl Sink {
    pub(crate) fn start(socket: &Path) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let taking = Arc::clone(&ledger);
        let server = Server::start(socket, Speaks::Http1, move |request| answer(Arc::clone(&taking), request));
        Self { ledger, server }
    }

    pub(crate) fn is_now(&self, mood: Mood) {
        self.ledger().mood = mood;
    }

    /// Texts taken from `container`, in the order of arrival.
    pub(crate) fn texts(&self, container: &str) -> Vec<String> {
        self.ledger().lines.iter().filter(|(from, ..)| from == container).map(|(.., text)| text.clone()).collect()
    }

    /// Texts taken from `container` on `stream`.
    pub(crate) fn texts_on(&self, container: &str, stream: &str) -> Vec<String> {
        let ledger = self.ledger();
        let lines = ledger.lines.iter().filter(|(from, on, _)| from == container && on == stream);
        lines.map(|(.., text)| text.clone()).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.server.connections_now()
    }

    pub(crate) fn connections_ever(&self) -> usize {
        self.server.connections_ever()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }
}

async fn answer(ledger: Arc<Mutex<Ledger>>, request: Request<Incoming>) -> Option<Response<Body>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.ok()?.to_bytes();
    let mut ledger = ledger.lock().unwrap();
    let answer = match (path.as_str(), ledger.mood) {
        (_, Mood::Breaks) => return None,
        (_, Mood::Answers(status)) => respond(status, String::new()),
        ("/healthz", _) => respond(200, "{}".to_owned()),
        ("/v1/arms/tested/lines", mood) => respond(200, ledger.take(&body, mood)),
        _ => respond(404, String::new()),
    };
    Some(answer)
}

impl Ledger {
    fn take(&mut self, body: &[u8], mood: Mood) -> String {
        let mut refused = Vec::new();
        let mut accepted = 0;
        for (index, line) in std::str::from_utf8(body).unwrap().lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            assert!(text("t").starts_with("2026-11-23T13:15:57."), "{line}");
            if matches!(mood, Mood::Refuses(part) if text("line").contains(part)) {
                refused.push(serde_json::json!({ "index": index, "reason": "too_old" }));
            } else {
                accepted += 1;
                self.lines.push((text("container"), text("stream"), text("line")));
            }
        }
        serde_json::json!({ "accepted": accepted, "refused": refused }).to_string()
    }
}

fn respond(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
