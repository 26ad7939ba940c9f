//! The part of the Docker Engine API that monitoring needs: list, inspect, events, logs.
//!
//! [`Engine`] knows paths and shapes; how a request reaches the engine is a [`Transport`]'s business, and is what the
//! strategies differ in. Answers that are not streams are read whole, up to [`MAX_ANSWER_BYTES`].
//!
//! Does not: change anything in the engine, retry, or pool.

pub(crate) mod coalesced;
pub mod connection;
pub mod connector;
pub mod events;
pub mod frames;
pub mod logs;
pub mod timestamp;

mod address;
mod body;
mod log_stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use address::{AddressError, EngineAddress};
pub use body::Body;
use events::EventStream;
use frames::FrameError;
pub use log_stream::{Lines, LogStream};
use logs::{LogQuery, NoTimestamp};
use timestamp::Timestamp;

/// The longest answer read whole: the list of some ten thousand containers.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long an answer that is no stream may take after its headers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It could not be sent, or no answer came.
    #[error("GET {path}: no answer from the engine")]
    Request {
        /// What was asked for.
        path: String,
        /// Why: no socket, refused, closed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer within the time allowed.
    #[error("GET {path}: no answer from the engine within {after:?}")]
    Timeout {
        /// What was asked for.
        path: String,
        /// How long was waited.
        after: Duration,
    },
    /// The engine answered with an error.
    #[error("GET {path}: the engine answered {status}: {message}")]
    Status {
        /// What was asked for.
        path: String,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer broke off.
    #[error("the engine's answer broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not the JSON that the API promises.
    #[error("GET {path}: the engine's answer cannot be read")]
    Json {
        /// What was asked for.
        path: String,
        /// Where it went wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A log stream is out of step.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A log line is not what was asked for.
    #[error(transparent)]
    Line(#[from] NoTimestamp),
}

impl EngineError {
    /// Whether the engine says that there is no such container. A path that it does not know is something else: it speaks
    /// another version of the API.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, message, .. } if message != "page not found")
    }

    /// Whether the cause is that this process has no file descriptor left.
    pub fn is_out_of_descriptors(&self) -> bool {
        let mut cause: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = cause {
            if error.downcast_ref::<std::io::Error>().is_some_and(crate::files::is_out_of_descriptors) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// Sends GET requests to an engine.
///
/// An implementation decides about connections: shared or new, kept alive or not, their limits and timeouts.
pub trait Transport: Send + Sync + 'static {
    /// Sends `GET path` and resolves with the answer's head; the body is read by the caller and may be endless.
    /// Dropping the body ends the request.
    fn get(&self, path: String, answer: Answer) -> BoxFuture<'_, Result<Response<Body>, EngineError>>;
}

/// What kind of answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A document, which has to be told from one that broke off.
    Document,
    /// A stream that has no end of its own, so that its end and its breaking off may look the same.
    Stream,
}

/// An engine, asked through a [`Transport`]. Cheap to clone; clones share the transport.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<dyn Transport>,
    version: Arc<str>,
}

/// A container as the engine lists it: enough to tell whether it has to be inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedContainer {
    /// The engine's id of it, 64 hex digits.
    pub id: String,
    /// Its names, without the leading `/`: its own, and those that links to it give it.
    pub names: Vec<String>,
    /// It runs at this moment, held or not; `None`: the engine does not say.
    pub running: Option<bool>,
}

/// A container as the engine describes it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// The engine's id of it, 64 hex digits.
    pub id: String,
    /// Its name, without the leading `/`.
    pub name: String,
    /// Its output is a terminal's: one stream, no frames.
    pub tty: bool,
    /// Where the engine keeps its log, if in a file.
    pub log_path: Option<PathBuf>,
    /// It runs at this moment.
    pub running: bool,
    /// When it was last started; `None`: never.
    pub started_at: Option<Timestamp>,
}

impl Engine {
    /// An engine that is asked through `transport`, in version `api_version` (`1.41`, or `v1.41`) of the API.
    pub fn new(transport: impl Transport, api_version: &str) -> Self {
        let version = api_version.strip_prefix('v').unwrap_or(api_version);
        Self { transport: Arc::new(transport), version: version.into() }
    }

    /// Whether the engine answers.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.whole("/_ping").await.map(drop)
    }

    /// The containers with all of these labels (`key=value`, or `key` alone), whatever their state; without labels, all.
    pub async fn containers(&self, labels: &[String]) -> Result<Vec<ListedContainer>, EngineError> {
        let filters = encode(&serde_json::json!({ "label": labels }).to_string());
        let listed: Vec<Listed> = self.json(&format!("/containers/json?all=1&filters={filters}")).await?;
        Ok(listed.into_iter().map(ListedContainer::from).collect())
    }

    /// The state of a container; `None` when there is none of this id (or name).
    pub async fn inspect(&self, id: &str) -> Result<Option<ContainerState>, EngineError> {
        match self.json::<Inspected>(&format!("/containers/{}/json", encode(id))).await {
            Ok(inspected) => Ok(Some(inspected.into())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Start, death, renaming and destruction of the containers with all of these labels, from `since_unix_s` on and as they
    /// come.
    pub async fn events(&self, labels: &[String], since_unix_s: u64) -> Result<EventStream, EngineError> {
        let filters = serde_json::json!({
            "type": ["container"], "event": ["start", "die", "destroy", "rename"], "label": labels,
        });
        let filters = encode(&filters.to_string());
        let path = format!("/events?since={since_unix_s}&filters={filters}");
        let response = self.get(&path, Answer::Document).await?;
        Ok(EventStream::new(response.into_body()))
    }

    /// A container's log, as the bytes that [`frames::Demultiplexer`] takes.
    pub async fn logs(&self, id: &str, query: LogQuery) -> Result<Body, EngineError> {
        let answer = if query.follow { Answer::Stream } else { Answer::Document };
        Ok(self.get(&query.path(id), answer).await?.into_body())
    }

    /// A container's log, line by line. Whether it has a terminal (`tty`) is what [`Engine::inspect`] and
    /// [`crate::discovery`] say of it.
    pub async fn log_lines(&self, id: &str, tty: bool, query: LogQuery) -> Result<LogStream, EngineError> {
        Ok(LogStream::new(self.logs(id, query).await?, tty))
    }

    async fn get(&self, path: &str, answer: Answer) -> Result<Response<Body>, EngineError> {
        let path = format!("/v{}{path}", self.version);
        let response = self.transport.get(path.clone(), answer).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let answer = read_whole(response, &path).await?;
        Err(EngineError::Status { path, status: status.as_u16(), message: message_of(&answer) })
    }

    async fn whole(&self, path: &str) -> Result<Vec<u8>, EngineError> {
        let response = self.get(path, Answer::Document).await?;
        read_whole(response, path).await
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        let answer = self.whole(path).await?;
        serde_json::from_slice(&answer).map_err(|source| EngineError::Json { path: path.to_owned(), source })
    }
}

async fn read_whole(response: Response<Body>, path: &str) -> Result<Vec<u8>, EngineError> {
    let whole = response.into_body().read_whole(MAX_ANSWER_BYTES);
    match tokio::time::timeout(ANSWER_TIMEOUT, whole).await {
        Ok(whole) => whole,
        Err(_) => Err(EngineError::Timeout { path: path.to_owned(), after: ANSWER_TIMEOUT }),
    }
}

/// The engine says `{"message": "..."}`; whatever else it says is shown as it is, in one short line.
fn message_of(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        message: String,
    }
    let message = serde_json::from_slice(answer)
        .map_or_else(|_| String::from_utf8_lossy(answer).into_owned(), |problem: Problem| problem.message);
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// A text as a part of a path, or as a query parameter's value.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    encoded
}

/// An entry of the list, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    state: Option<String>,
}

impl From<Listed> for ListedContainer {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            names: listed.names.iter().map(|name| name.trim_start_matches('/').to_owned()).collect(),
            // What an inspection calls running.
            running: listed.state.map(|state| matches!(state.as_str(), "running" | "paused" | "restarting")),
        }
    }
}

/// The answer to an inspection, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    #[serde(default)]
    log_path: String,
    state: InspectedState,
    config: InspectedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    running: bool,
    #[serde(default)]
    started_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default)]
    tty: bool,
}

impl From<Inspected> for ContainerState {
    fn from(inspected: Inspected) -> Self {
        Self {
            id: inspected.id,
            name: inspected.name.trim_start_matches('/').to_owned(),
            tty: inspected.config.tty,
            log_path: (!inspected.log_path.is_empty()).then(|| inspected.log_path.into()),
            running: inspected.state.running,
            // Go's zero time, which stands for "never", is out of a `Timestamp`'s range.
            started_at: Timestamp::parse(&inspected.state.started_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_stays_within_its_part_of_the_path() {
        assert_eq!(encode(r#"{"label":["a=b"]}"#), "%7B%22label%22%3A%5B%22a%3Db%22%5D%7D");
        assert_eq!(encode("a/json?x= "), "a%2Fjson%3Fx%3D%20");
        assert_eq!(encode("leaksoak-r1_c.01~"), "leaksoak-r1_c.01~");
    }

    #[test]
    fn a_path_that_the_engine_does_not_know_is_no_missing_container() {
        let answered =
            |message: &str| EngineError::Status { path: String::new(), status: 404, message: message.to_owned() };
        assert!(answered("No such container: x").is_not_found());
        assert!(!answered("page not found").is_not_found());
    }

    #[test]
    fn the_engines_own_words_are_kept_on_one_line() {
        assert_eq!(message_of(br#"{"message":"No such container: x"}"#), "No such container: x");
        assert_eq!(message_of(b"page not\nfound"), "page not found");
    }

    #[test]
    fn a_list_of_dockerd_20_10_is_read() {
        let answer = r#"[{"Id":"b467","Names":["/one","/two/alias"],"Image":"image:1","State":"paused","Status":"Up 1 s"},
            {"Id":"c5","Names":["/three"],"State":"exited"},{"Id":"d6"}]"#;
        let listed: Vec<_> =
            serde_json::from_str::<Vec<Listed>>(answer).unwrap().into_iter().map(ListedContainer::from).collect();
        assert_eq!(listed[0].names, ["one", "two/alias"]);
        assert_eq!([&listed[0], &listed[1], &listed[2]].map(|listed| listed.running), [Some(true), Some(false), None]);
    }

    #[test]
    fn an_inspection_of_dockerd_20_10_is_read() {
        let answer = r#"{"Id":"b467","Created":"2026-11-23T13:15:57Z","State":{"Status":"running","Running":true,
            "StartedAt":"2026-11-23T13:15:57.920100415Z","FinishedAt":"0001-01-01T00:00:00Z"},"Name":"/one",
            "LogPath":"/var/lib/docker/containers/b467/b467-json.log","Config":{"Tty":false,"Hostname":"b467"}}"#;
        let state = ContainerState::from(serde_json::from_str::<Inspected>(answer).unwrap());
        assert_eq!((state.name.as_str(), state.running, state.tty), ("one", true, false));
        assert_eq!(state.log_path.as_deref(), Some("/var/lib/docker/containers/b467/b467-json.log".as_ref()));
        assert_eq!(state.started_at, Timestamp::parse("2026-11-23T13:15:57.920100415Z"));
    }

    #[test]
    fn a_container_that_never_ran_has_no_start() {
        let answer = r#"{"Id":"a","State":{"Running":false,"StartedAt":"0001-01-01T00:00:00Z"},"Name":"/a",
            "LogPath":"","Config":{}}"#;
        let state = ContainerState::from(serde_json::from_str::<Inspected>(answer).unwrap());
        assert_eq!((state.started_at, state.log_path), (None, None));
    }
}
