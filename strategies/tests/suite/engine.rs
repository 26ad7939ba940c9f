//! An engine whose containers do what the test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response, StatusCode};
use leaksoak_strategies::docker_api::Transport;
use tokio::sync::{mpsc, watch};

use crate::server::{Body, Server, Speaks};
use crate::wired::Wired;

/// 2026-11-23T13:15:57Z, the second in which every line is printed.
const SECOND: i64 = 1_795_439_757;

pub(crate) struct Engine {
    world: Arc<World>,
    server: Server,
    socket: PathBuf,
    speaks: Speaks,
}

struct World {
    script: Mutex<Script>,
    /// Tells all streams that something has changed.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Script {
    containers: BTreeMap<String, Container>,
    /// Id and labels of what something has happened to, for those who listen.
    events: Vec<(String, Vec<String>)>,
    events_are_lost: bool,
    /// Streams of events and of logs that were opened before this number of breaks are over.
    event_breaks: usize,
    log_breaks: usize,
    /// The same for log streams, which end within a frame: half of the last entry is sent once more before.
    log_cuts: usize,
    /// What those get who ask for a log.
    refusing_logs: Option<StatusCode>,
    logs_refused: usize,
    /// After this many entries, each log stream goes back by as many, once: what dockerd does when a log is rotated.
    goes_back: Option<(usize, usize)>,
    /// The `tail` of every log stream that was asked for.
    tails: Vec<Option<usize>>,
    starts: i64,
    inspections: usize,
}

#[derive(Clone, Default)]
struct Container {
    /// Else it is called by its id.
    name: Option<String>,
    /// `key=value`.
    labels: Vec<String>,
    tty: bool,
    running: bool,
    started: Option<i64>,
    log: Vec<Entry>,
    /// Entries at the end that are told only to those who do not follow.
    hidden_from_followers: usize,
    log_path: PathBuf,
}

#[derive(Clone)]
struct Entry {
    nanos: i64,
    stderr: bool,
    text: String,
}

impl Engine {
    pub(crate) fn start(socket: &Path) -> Self {
        Self::speaking(Speaks::Http1, socket)
    }

    pub(crate) fn speaking(speaks: Speaks, socket: &Path) -> Self {
        let world = Arc::new(World { script: Mutex::default(), changed: watch::Sender::new(0) });
        let server = serve(&world, socket, speaks);
        Self { world, server, socket: socket.to_owned(), speaks }
    }

    /// A container that was created, and not started.
    pub(crate) fn create(&self, id: &str, log_path: &Path) {
        self.change(|script| {
            let labels = vec!["leaksoak.run=test".to_owned()];
            let container = Container { labels, log_path: log_path.to_owned(), ..Container::default() };
            script.containers.insert(id.to_owned(), container);
        });
    }

    pub(crate) fn run(&self, id: &str) {
        self.change(|script| {
            script.starts += 1;
            let started = script.starts;
            let container = script.containers.get_mut(id).unwrap();
            container.running = true;
            container.hidden_from_followers = 0;
            container.started = Some(started);
            script.tell(id);
        });
    }

    pub(crate) fn create_and_run(&self, id: &str) {
        self.create(id, Path::new(""));
        self.run(id);
    }

    /// Another name for a container; the same one at once for several if the test wants it.
    pub(crate) fn rename(&self, id: &str, name: &str) {
        self.change(|script| {
            script.containers.get_mut(id).unwrap().name = Some(name.to_owned());
            script.tell(id);
        });
    }

    /// Labels, `key=value`, besides the one that all have.
    pub(crate) fn label(&self, id: &str, labels: &[&str]) {
        self.change(|script| {
            let container = script.containers.get_mut(id).unwrap();
            container.labels.extend(labels.iter().map(|label| (*label).to_owned()));
        });
    }

    /// A container whose output is a terminal's.
    pub(crate) fn create_tty(&self, id: &str) {
        self.create(id, Path::new(""));
        self.change(|script| script.containers.get_mut(id).unwrap().tty = true);
    }

    /// A line on stdout, `nanos` after the second.
    pub(crate) fn print(&self, id: &str, nanos: i64, text: &str) {
        self.print_to(id, false, nanos, text);
    }

    pub(crate) fn print_to(&self, id: &str, stderr: bool, nanos: i64, text: &str) {
        let entry = Entry { nanos, stderr, text: text.to_owned() };
        self.change(|script| script.containers.get_mut(id).unwrap().log.push(entry));
    }

    /// Lines on stdout of `(nanos, text)`, all at once.
    pub(crate) fn print_many(&self, id: &str, lines: impl Iterator<Item = (i64, String)>) {
        self.change(|script| {
            let log = &mut script.containers.get_mut(id).unwrap().log;
            log.extend(lines.map(|(nanos, text)| Entry { nanos, stderr: false, text }));
        });
    }

    pub(crate) fn stop(&self, id: &str) {
        self.change(|script| {
            script.containers.get_mut(id).unwrap().running = false;
            script.tell(id);
        });
    }

    /// Prints a last line and stops, so quickly that those who follow the log do not get the line: what dockerd does.
    pub(crate) fn print_and_stop(&self, id: &str, nanos: i64, text: &str) {
        let entry = Entry { nanos, stderr: false, text: text.to_owned() };
        self.change(|script| {
            let container = script.containers.get_mut(id).unwrap();
            container.log.push(entry);
            container.hidden_from_followers = 1;
            container.running = false;
            script.tell(id);
        });
    }

    pub(crate) fn remove(&self, id: &str) {
        self.change(|script| {
            script.tell(id);
            script.containers.remove(id);
        });
    }

    /// Ends the streams of events, after something has happened that they did not tell.
    pub(crate) fn break_events_and(&self, meanwhile: impl FnOnce(&Self)) {
        self.world.script().events_are_lost = true;
        meanwhile(self);
        self.change(|script| {
            script.events_are_lost = false;
            script.event_breaks += 1;
        });
    }

    /// Breaks the connection of every log stream.
    pub(crate) fn break_logs(&self) {
        self.change(|script| script.log_breaks += 1);
    }

    /// Breaks every log stream in the middle of a frame.
    pub(crate) fn cut_logs(&self) {
        self.change(|script| script.log_cuts += 1);
    }

    /// Answers those who ask for a log with this from now on; those who have one read on.
    pub(crate) fn refuse_logs(&self, status: Option<u16>) {
        self.change(|script| script.refusing_logs = status.map(|status| StatusCode::from_u16(status).unwrap()));
    }

    /// How often that was done.
    pub(crate) fn logs_refused(&self) -> usize {
        self.world.script().logs_refused
    }

    /// Breaks all connections, and comes back once `meanwhile` has happened.
    pub(crate) fn restart(&mut self, meanwhile: impl FnOnce(&Self)) {
        self.server.stop();
        std::fs::remove_file(&self.socket).unwrap();
        meanwhile(self);
        self.server = serve(&self.world, &self.socket, self.speaks);
    }

    /// The same as [`Engine::break_logs`], and lines on stdout of `(nanos, text)` that none of the broken streams tells.
    pub(crate) fn break_logs_and_print(&self, id: &str, lines: impl Iterator<Item = (i64, String)>) {
        self.change(|script| {
            script.log_breaks += 1;
            let log = &mut script.containers.get_mut(id).unwrap().log;
            log.extend(lines.map(|(nanos, text)| Entry { nanos, stderr: false, text }));
        });
    }

    pub(crate) fn let_logs_go_back(&self, after: usize, by: usize) {
        self.change(|script| script.goes_back = Some((after, by)));
    }

    /// The `tail` of every log stream that was asked for so far, in their order.
    pub(crate) fn tails(&self) -> Vec<Option<usize>> {
        self.world.script().tails.clone()
    }

    /// Something happens, and the events never tell of it.
    pub(crate) fn untold(&self, happens: impl FnOnce(&Self)) {
        self.world.script().events_are_lost = true;
        happens(self);
        self.world.script().events_are_lost = false;
    }

    /// A way to this engine that does not leave the test's runtime.
    pub(crate) fn wired(&self) -> impl Transport {
        let world = Arc::clone(&self.world);
        Wired::to(move |request| world.answer(request))
    }

    /// Inspections asked for so far.
    pub(crate) fn inspections(&self) -> usize {
        self.world.script().inspections
    }

    pub(crate) fn tcp_address(&self) -> SocketAddr {
        self.server.tcp_address()
    }

    pub(crate) fn connections(&self) -> usize {
        self.server.connections_now()
    }

    /// The most connections that were open at once.
    pub(crate) fn most_connections(&self) -> usize {
        self.server.most_connections()
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.world.script());
        self.world.changed.send_modify(|version| *version += 1);
    }
}

fn serve(world: &Arc<World>, socket: &Path, speaks: Speaks) -> Server {
    let answering = Arc::clone(world);
    Server::start(socket, speaks, move |request| {
        let response = answering.answer(&request);
        async { Some(response) }
    })
}

impl Script {
    fn tell(&mut self, id: &str) {
        if !self.events_are_lost {
            let labels = self.containers.get(id).map(|container| container.labels.clone()).unwrap_or_default();
            self.events.push((id.to_owned(), labels));
        }
    }
}

impl World {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path().strip_prefix("/v1.41").unwrap_or_default();
        match path.split('/').collect::<Vec<_>>()[..] {
            ["", "_ping"] => whole(StatusCode::OK, "OK".to_owned()),
            ["", "events"] => {
                let wanted = labels_wanted(request.uri().query().unwrap_or_default());
                streamed(|out| Arc::clone(self).tell_events(wanted, out))
            }
            ["", "containers", "json"] => {
                let wanted = labels_wanted(request.uri().query().unwrap_or_default());
                let script = self.script();
                let listed = script.containers.iter().filter(|(_, it)| it.has_all(&wanted));
                let listed: Vec<_> = listed.map(|(id, it)| it.summary(id)).collect();
                whole(StatusCode::OK, serde_json::json!(listed).to_string())
            }
            ["", "containers", id, what] => {
                let container = self.script().containers.get(id).cloned();
                match (container, what) {
                    (None, _) => whole(StatusCode::NOT_FOUND, format!("{{\"message\":\"No such container: {id}\"}}")),
                    (Some(container), "json") => {
                        self.script().inspections += 1;
                        whole(StatusCode::OK, container.inspection(id))
                    }
                    (Some(_), "logs") if self.script().refusing_logs.is_some() => {
                        let mut script = self.script();
                        script.logs_refused += 1;
                        let status = script.refusing_logs.unwrap_or_default();
                        whole(status, "{\"message\":\"refused by the test\"}".to_owned())
                    }
                    (Some(_), "logs") => {
                        let query = LogQuery::parse(request.uri().query().unwrap_or_default());
                        streamed(|out| Arc::clone(self).tell_log(id.to_owned(), query, out))
                    }
                    _ => whole(StatusCode::BAD_REQUEST, String::new()),
                }
            }
            _ => whole(StatusCode::BAD_REQUEST, String::new()),
        }
    }

    async fn tell_events(self: Arc<Self>, wanted: Vec<String>, out: Out) {
        let mut changed = self.changed.subscribe();
        let (mut told, breaks) = {
            let script = self.script();
            (script.events.len(), script.event_breaks)
        };
        loop {
            changed.mark_unchanged();
            let events = {
                let script = self.script();
                if script.event_breaks > breaks {
                    return;
                }
                script.events[told..].to_vec()
            };
            told += events.len();
            for (id, labels) in events {
                if !wanted.iter().all(|wanted| has(&labels, wanted)) {
                    continue;
                }
                let event = serde_json::json!({ "Type": "container", "Actor": { "ID": id } });
                if out.send(Ok(format!("{event}\n").into())).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = out.closed() => return,
            }
        }
    }

    async fn tell_log(self: Arc<Self>, id: String, query: LogQuery, out: Out) {
        let mut changed = self.changed.subscribe();
        let (breaks, cuts, mut at) = {
            let mut script = self.script();
            script.tails.push(query.tail);
            let printed = script.containers.get(&id).map_or(0, |container| container.log.len());
            (script.log_breaks, script.log_cuts, query.tail.map_or(0, |tail| printed.saturating_sub(tail)))
        };
        let mut may_go_back = true;
        loop {
            changed.mark_unchanged();
            let (entries, tty, running, broken, cut, goes_back) = {
                let script = self.script();
                let container = script.containers.get(&id);
                let hidden =
                    if query.follow { container.map_or(0, |container| container.hidden_from_followers) } else { 0 };
                let entries = container.map_or(Vec::new(), |it| it.log[at..it.log.len() - hidden].to_vec());
                let running = container.is_some_and(|container| container.running);
                let tty = container.is_some_and(|container| container.tty);
                let cut = (script.log_cuts > cuts).then(|| container.and_then(|it| it.log.last().cloned())).flatten();
                (entries, tty, running, script.log_breaks > breaks, cut, script.goes_back)
            };
            if let Some(last) = cut {
                let frame = last.bytes(tty);
                let _ = out.send(Ok(frame.slice(..frame.len() / 2))).await;
                let _ = out.send(Err(std::io::Error::other("cut by the test"))).await;
                return;
            }
            if broken {
                let _ = out.send(Err(std::io::Error::other("broken by the test"))).await;
                return;
            }
            let mut went_back = false;
            for entry in entries {
                at += 1;
                if SECOND * 1_000_000_000 + entry.nanos >= query.since && out.send(Ok(entry.bytes(tty))).await.is_err()
                {
                    return;
                }
                if let Some((after, by)) = goes_back.filter(|(after, _)| may_go_back && at == *after) {
                    at = after - by;
                    (may_go_back, went_back) = (false, true);
                    break;
                }
            }
            if went_back {
                continue;
            }
            if !running || !query.follow {
                return;
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = out.closed() => return,
            }
        }
    }
}

impl Container {
    fn has_all(&self, wanted: &[String]) -> bool {
        wanted.iter().all(|wanted| has(&self.labels, wanted))
    }

    fn summary(&self, id: &str) -> serde_json::Value {
        let state = match (self.running, self.started) {
            (true, _) => "running",
            (false, Some(_)) => "exited",
            (false, None) => "created",
        };
        serde_json::json!({ "Id": id, "Names": [format!("/{}", self.name.as_deref().unwrap_or(id))], "State": state })
    }

    fn inspection(&self, id: &str) -> String {
        let started = self
            .started
            .map_or("0001-01-01T00:00:00Z".to_owned(), |nth| format!("2026-11-23T13:{:02}:{:02}Z", nth / 60, nth % 60));
        serde_json::json!({
            "Id": id,
            "Name": format!("/{}", self.name.as_deref().unwrap_or(id)),
            "LogPath": self.log_path,
            "State": { "Running": self.running, "StartedAt": started },
            "Config": { "Tty": self.tty },
        })
        .to_string()
    }
}

impl Entry {
    /// In a frame of its own, unless the container has a terminal.
    fn bytes(&self, tty: bool) -> Bytes {
        let line = format!("2026-11-23T13:15:57.{:09}Z {}\n", self.nanos, self.text);
        if tty {
            return line.into();
        }
        let mut frame = vec![if self.stderr { 2 } else { 1 }, 0, 0, 0];
        frame.extend(u32::try_from(line.len()).unwrap().to_be_bytes());
        frame.extend(line.bytes());
        frame.into()
    }
}

/// Whether `wanted`, `key=value` or `key` alone, is among the labels.
fn has(labels: &[String], wanted: &str) -> bool {
    labels.iter().any(|label| label == wanted || label.split('=').next() == Some(wanted))
}

/// The labels in the filters of a query.
fn labels_wanted(query: &str) -> Vec<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("filters=")).unwrap_or("{}");
    let mut bytes = value.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        text.push(if byte == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
        } else {
            byte
        });
    }
    let filters: serde_json::Value = serde_json::from_slice(&text).unwrap();
    serde_json::from_value(filters["label"].clone()).unwrap_or_default()
}

type Out = mpsc::Sender<std::io::Result<Bytes>>;

/// A body of what `tell` sends. It learns from its end of the channel when nobody listens any more.
fn streamed<F: Future<Output = ()> + Send + 'static>(tell: impl FnOnce(Out) -> F) -> Response<Body> {
    let (out, told) = mpsc::channel(16);
    tokio::spawn(tell(out));
    let chunks = stream::unfold(told, |mut told| async move {
        let chunk = told.recv().await?;
        Some((chunk.map(Frame::data), told))
    });
    Response::new(StreamBody::new(chunks).boxed_unsync())
}

fn whole(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

struct LogQuery {
    /// In nanoseconds; 0, the beginning of time, when none was given.
    since: i64,
    tail: Option<usize>,
    follow: bool,
}

impl LogQuery {
    fn parse(query: &str) -> Self {
        let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        Self {
            since: value("since").map_or(0, |since| since.replace('.', "").parse().unwrap()),
            tail: value("tail").map(|tail| tail.parse().unwrap()),
            follow: value("follow") == Some("1"),
        }
    }
}
