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
}

struct World {
    script: Mutex<Script>,
    /// Tells all streams that something has changed.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Script {
    containers: BTreeMap<String, Container>,
    /// Ids of what has happened, for those who listen.
    events: Vec<String>,
    events_are_lost: bool,
    /// Streams of events and of logs that were opened before this number of breaks are over.
    event_breaks: usize,
    log_breaks: usize,
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
        let answering = Arc::clone(&world);
        let server = Server::start(socket, speaks, move |request| {
            let response = answering.answer(&request);
            async { Some(response) }
        });
        Self { world, server }
    }

    /// A container that was created, and not started.
    pub(crate) fn create(&self, id: &str, log_path: &Path) {
        self.change(|script| {
            let container = Container { log_path: log_path.to_owned(), ..Container::default() };
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
            script.containers.remove(id);
            script.tell(id);
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

    /// The same, and lines on stdout of `(nanos, text)` that none of the broken streams tells.
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

impl Script {
    fn tell(&mut self, id: &str) {
        if !self.events_are_lost {
            self.events.push(id.to_owned());
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
            ["", "events"] => streamed(|out| Arc::clone(self).tell_events(out)),
            ["", "containers", "json"] => {
                let listed: Vec<_> = self.script().containers.iter().map(|(id, it)| it.summary(id)).collect();
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

    async fn tell_events(self: Arc<Self>, out: Out) {
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
            for id in events {
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
        let (breaks, mut at) = {
            let mut script = self.script();
            script.tails.push(query.tail);
            let printed = script.containers.get(&id).map_or(0, |container| container.log.len());
            (script.log_breaks, query.tail.map_or(0, |tail| printed.saturating_sub(tail)))
        };
        let mut may_go_back = true;
        loop {
            changed.mark_unchanged();
            let (entries, tty, running, broken, goes_back) = {
                let script = self.script();
                let container = script.containers.get(&id);
                let hidden =
                    if query.follow { container.map_or(0, |container| container.hidden_from_followers) } else { 0 };
                let entries = container.map_or(Vec::new(), |it| it.log[at..it.log.len() - hidden].to_vec());
                let running = container.is_some_and(|container| container.running);
                let tty = container.is_some_and(|container| container.tty);
                (entries, tty, running, script.log_breaks > breaks, script.goes_back)
            };
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
