//! One scenario's conversation with one engine: it asks, and everything it hears is written down, normalised.
//!
//! Guarantees: containers and images that a session makes carry the labels of this process's run and are removed when
//! it ends, however it ends; its names are its own. Does not: judge what it hears.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use leaksoak::engine::{LABEL_CONTAINER, LABEL_MACHINE, LABEL_RUN};
use leaksoak::owner::{RunId, machine};
use serde_json::{Value, json};

use crate::client::{Body, BodyEnd, Call, Client, Protocol};
use crate::engines::Engine;
use crate::frames::{self, Frame};
use crate::normalise::Aliases;
use crate::support::eventually;

/// A call's answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        serde_json::Deserializer::from_slice(&self.body).into_iter().map(Result::unwrap).collect()
    }

    /// The frames of a container's output.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        frames::parse(&self.body).unwrap_or_else(|| panic!("no frames: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A stream that is being read.
pub(crate) struct Stream {
    what: String,
    body: Body,
}

impl Stream {
    /// What has come so far.
    pub(crate) fn so_far(&self) -> &[u8] {
        &self.body.bytes
    }
}

/// What was heard, in order, normalised: each a JSON object.
pub(crate) type Transcript = Vec<Value>;

/// A workload that prints a line and waits.
pub(crate) const READY: &[&str] = &["--burst", "1", "--every", "1h"];

/// See the module.
pub(crate) struct Session<'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) client: Client,
    pub(crate) aliases: Aliases,
    transcript: Transcript,
    containers: Vec<String>,
    /// Ids of the images that there were before this session made any; `None`: it makes none.
    images_before: Option<Vec<String>>,
    prefix: String,
}

static SESSIONS: AtomicU32 = AtomicU32::new(1);

/// The run whose labels containers carry, so that what a killed test leaves is found by `leaksoak clean`.
fn run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| RunId::of_this_process().unwrap().to_string())
}

impl<'e> Session<'e> {
    pub(crate) fn new(engine: &'e Engine, protocol: Protocol) -> Self {
        let prefix = format!("conf-{}-{}-", std::process::id(), SESSIONS.fetch_add(1, Ordering::Relaxed));
        let image = engine.image();
        let mut aliases = Aliases::default();
        aliases.add(&prefix, "~");
        aliases.add(&image.tag, "<image>");
        aliases.add(&image.id, "<image id>");
        aliases.add(run(), "<run>");
        aliases.add(&machine(), "<machine>");
        aliases.add(&engine.data_root, "<data root>");
        Self {
            engine,
            client: Client::new(&engine.socket, protocol),
            aliases,
            transcript: Transcript::new(),
            containers: Vec::new(),
            images_before: None,
            prefix,
        }
    }

    /// What was heard.
    pub(crate) fn into_transcript(mut self) -> Transcript {
        std::mem::take(&mut self.transcript)
    }

    // --- asking -----------------------------------------------------------------------------------------------------

    pub(crate) fn get(&mut self, path: impl Into<String>) -> Answer {
        self.call(&Call::new("GET", path))
    }

    pub(crate) fn post(&mut self, path: impl Into<String>) -> Answer {
        self.call(&Call::new("POST", path))
    }

    pub(crate) fn delete(&mut self, path: impl Into<String>) -> Answer {
        self.call(&Call::new("DELETE", path))
    }

    /// Asks, and writes down the answer.
    pub(crate) fn call(&mut self, call: &Call) -> Answer {
        self.call_for(call, "")
    }

    /// The same, with a word on what is asked that the path does not say.
    pub(crate) fn call_for(&mut self, call: &Call, why: &str) -> Answer {
        let answer = self.quietly(call);
        let body = self.render(&answer.body);
        self.heard(call, why, answer.status, answer.content_type.as_deref(), body.as_ref());
        answer
    }

    /// Asks, and writes down no more than the status.
    pub(crate) fn status_of(&mut self, call: &Call) -> Answer {
        let answer = self.quietly(call);
        self.heard(call, "", answer.status, answer.content_type.as_deref(), None);
        answer
    }

    /// Asks, and writes down the answer with its numbers and strings taken for their kinds alone.
    pub(crate) fn shape_of(&mut self, call: &Call) -> Answer {
        let answer = self.quietly(call);
        let body = serde_json::from_slice(&answer.body).ok().map(|value| shape(&value));
        self.heard(call, "its shape", answer.status, answer.content_type.as_deref(), body.as_ref());
        answer
    }

    /// Asks, and writes nothing down: for what a scenario needs to know by the way.
    pub(crate) fn quietly(&self, call: &Call) -> Answer {
        let mut opened = self.client.open(call);
        let end = self.client.read_to_end(&mut opened.body, &format!("the body of {} {}", call.method, call.path));
        assert_eq!(end, BodyEnd::Whole, "the body of {} {}", call.method, call.path);
        Answer { status: opened.status, content_type: opened.header(CONTENT_TYPE), body: opened.body.bytes }
    }

    /// Asks for a stream, and writes down the head of the answer.
    pub(crate) fn open(&mut self, call: &Call) -> Stream {
        let opened = self.client.open(call);
        self.heard(call, "the head", opened.status, opened.header(CONTENT_TYPE).as_deref(), None);
        Stream { what: format!("{} {}", call.method, call.path), body: opened.body }
    }

    /// Reads a stream until `enough`.
    pub(crate) fn read_until(&self, stream: &mut Stream, enough: impl FnMut(&[u8]) -> bool) {
        let ended = self.client.read_until(&mut stream.body, &stream.what, enough);
        assert_eq!(ended, None, "{} ended early: {}", stream.what, String::from_utf8_lossy(&stream.body.bytes));
    }

    /// Reads a log stream until it has given `count` frames in all.
    pub(crate) fn read_frames(&self, stream: &mut Stream, count: usize) {
        self.read_until(stream, |bytes| frames::parse(bytes).is_some_and(|frames| frames.len() >= count));
    }

    /// Reads a stream to its end, and writes down all that it gave and how it ended.
    pub(crate) fn end(&mut self, mut stream: Stream) -> Vec<u8> {
        let end = self.client.read_to_end(&mut stream.body, &stream.what);
        let body = self.render(&stream.body.bytes);
        let what = self.aliases.text(&stream.what);
        self.transcript.push(json!({ "stream": what, "ended": format!("{end:?}"), "body": body }));
        stream.body.bytes
    }

    /// Reads a stream to its end, and writes nothing down.
    pub(crate) fn client_end(&self, mut stream: Stream) -> BodyEnd {
        self.client.read_to_end(&mut stream.body, &stream.what)
    }

    /// Writes down something that a scenario found out.
    pub(crate) fn saw(&mut self, what: &str, value: impl Into<Value>) {
        let value = self.aliases.json(&value.into());
        self.transcript.push(json!({ "saw": what, "value": value }));
    }

    fn heard(&mut self, call: &Call, why: &str, status: u16, content_type: Option<&str>, body: Option<&Value>) {
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        let asked = format!("{} {}{why}", call.method, self.aliases.text(&call.path));
        self.transcript.push(json!({ "call": asked, "status": status, "type": content_type, "body": body }));
    }

    fn render(&self, body: &[u8]) -> Option<Value> {
        if body.is_empty() {
            return None;
        }
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return Some(self.aliases.json(&value));
        }
        let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(body).into_iter().collect();
        if let Ok(lines) = lines {
            return Some(json!({ "json lines": self.aliases.json(&lines.into()) }));
        }
        if let Some(frames) = frames::parse(body) {
            let frame = |frame: &Frame| self.aliases.text(&format!("{}: {}", frame.stream, frame.text));
            return Some(json!({ "frames": frames.iter().map(frame).collect::<Vec<_>>() }));
        }
        let lines = String::from_utf8_lossy(body);
        Some(json!({ "text": lines.split_inclusive('\n').map(|line| self.aliases.text(line)).collect::<Vec<_>>() }))
    }

    // --- containers -------------------------------------------------------------------------------------------------

    /// The full name of the container that the scenario calls `name`.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The path of a container, and what is to be done with it: `a`, `a/start`.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/containers/{}{rest}", self.prefix)
    }

    /// A body that creates a container of the workload, with these arguments.
    pub(crate) fn body(&self, name: &str, arguments: &[&str]) -> Value {
        let image = self.engine.image();
        let mut command = vec!["workload", "--container", name];
        command.extend(arguments);
        // Said in full: a daemon may have defaults of its own.
        let log = json!({ "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } });
        json!({
            "Image": image.tag,
            "Entrypoint": image.entrypoint,
            "Cmd": command,
            "Labels": {
                LABEL_RUN: run(),
                LABEL_MACHINE: machine(),
                LABEL_CONTAINER: name,
            },
            "HostConfig": { "NetworkMode": "none", "LogConfig": log },
        })
    }

    /// Creates a container; answers its id.
    pub(crate) fn create(&mut self, name: &str, arguments: &[&str]) -> String {
        self.create_with(name, arguments, &json!({}))
    }

    /// Creates a container by a body into which `more` is merged.
    pub(crate) fn create_with(&mut self, name: &str, arguments: &[&str], more: &Value) -> String {
        let mut body = self.body(name, arguments);
        merge(&mut body, more);
        let call = Call::new("POST", format!("/containers/create?name={}", self.name(name))).json(&body);
        let answer = self.quietly(&call);
        if answer.status == 201 {
            let id = answer.json()["Id"].as_str().unwrap().to_owned();
            self.knows(&id, name);
        }
        let rendered = self.render(&answer.body);
        self.heard(&call, "", answer.status, answer.content_type.as_deref(), rendered.as_ref());
        self.containers.last().cloned().unwrap_or_default()
    }

    /// Takes a container for its own: its id has a word, and it is removed in the end.
    pub(crate) fn knows(&mut self, id: &str, name: &str) {
        self.aliases.add(id, &format!("<id {name}>"));
        self.aliases.add(&id[..12], &format!("<id {name}, 12>"));
        self.containers.push(id.to_owned());
    }

    /// Has the images that it makes from now on removed in the end.
    pub(crate) fn makes_images(&mut self) {
        if self.images_before.is_none() {
            self.images_before = Some(self.images().into_iter().map(|(id, _)| id).collect());
        }
    }

    /// Ids and names of all images.
    fn images(&self) -> Vec<(String, Vec<String>)> {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let listed = self.quietly(&Call::new("GET", "/images/json")).json();
        let images = listed.as_array().into_iter().flatten();
        images.map(|image| (image["Id"].as_str().unwrap().to_owned(), texts(&image["RepoTags"]))).collect()
    }

    /// Creates and starts a container.
    pub(crate) fn run(&mut self, name: &str, arguments: &[&str]) -> String {
        let id = self.create(name, arguments);
        self.start(name);
        id
    }

    /// Starts a container, and waits until it is under way: before, PID 1 has no handler for any signal.
    pub(crate) fn start_ready(&mut self, name: &str) {
        self.start(name);
        self.ready(name, 1);
    }

    /// Creates and starts a container that has printed its first line, and waits.
    pub(crate) fn run_ready(&mut self, name: &str) -> String {
        let id = self.create(name, READY);
        self.start_ready(name);
        id
    }

    /// Waits until a container has printed its first line for the `times`-th time.
    pub(crate) fn ready(&self, name: &str, times: usize) {
        let call = Call::new("GET", self.path(&format!("{name}/logs?stdout=1&stderr=1")));
        eventually(Duration::from_secs(20), &format!("{name} is ready for the {times}. time"), || {
            let log = String::from_utf8_lossy(&self.quietly(&call).body).into_owned();
            log.matches(" seq=1 ").count() >= times
        });
    }

    /// Creates a container that prints `lines` lines and a final one, runs it to its end.
    pub(crate) fn run_to_end(&mut self, name: &str, lines: usize) -> String {
        let id = self.run(name, &["--rate", "200/s", "--lines", &lines.to_string(), "--line-bytes", "80B"]);
        self.post(self.path(&format!("{name}/wait")));
        id
    }

    pub(crate) fn start(&mut self, name: &str) -> Answer {
        self.post(self.path(&format!("{name}/start")))
    }

    /// Waits until a container has printed so many lines.
    pub(crate) fn has_lines(&self, name: &str, lines: usize) {
        let call = Call::new("GET", self.path(&format!("{name}/logs?stdout=1&stderr=1")));
        eventually(Duration::from_secs(20), &format!("{name} has printed {lines} lines"), || {
            self.quietly(&call).frames().len() >= lines
        });
    }

    /// Waits until a container is in that state.
    pub(crate) fn becomes(&self, name: &str, status: &str) {
        let call = Call::new("GET", self.path(&format!("{name}/json")));
        eventually(Duration::from_secs(20), &format!("{name} is {status}"), || {
            self.quietly(&call).json()["State"]["Status"] == status
        });
    }

    /// Writes down a container's state.
    pub(crate) fn saw_state(&mut self, name: &str) -> Value {
        let inspected = self.quietly(&Call::new("GET", self.path(&format!("{name}/json")))).json();
        let state = inspected["State"].clone();
        self.saw(&format!("the state of {name}"), state.clone());
        state
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // By their names, since a scenario may have made some by calls of its own.
        let path = format!("/containers/json?all=1&filters=%7B%22name%22%3A%5B%22{}%22%5D%7D", self.prefix);
        let left = self.quietly(&Call::new("GET", path)).json();
        for id in left.as_array().into_iter().flatten().filter_map(|container| container["Id"].as_str()) {
            self.quietly(&Call::new("DELETE", format!("/containers/{id}?force=1&v=1")));
        }
        let Some(before) = &self.images_before else { return };
        for (id, names) in self.images() {
            // Its own have names of its own, or, where an import went wrong half-way, none.
            let is_own = names.iter().all(|name| name == "<none>:<none>" || name.starts_with(&self.prefix));
            if is_own && !before.contains(&id) {
                self.quietly(&Call::new("DELETE", format!("/images/{id}?force=1")));
            }
        }
    }
}

/// Puts `more` into `into`, objects into objects; null takes a key away.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// What a value is made of: of arrays, the first item tells.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        Value::String(_) => "a string".into(),
        Value::Number(_) => "a number".into(),
        Value::Bool(_) => "a boolean".into(),
        Value::Null => Value::Null,
    }
}
