//! Clients that mean no good, or do not know better: the embedded engine answers them as it should or closes the
//! connection; afterwards it lives, holds nothing of theirs, and has written nowhere but in its directory.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Completion, Failed, Trial};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::client::{Call, Protocol, encode};
use crate::engines::{Embedded, place};
use crate::session::{READY, Session};
use crate::support::{SmallDisk, eventually};

/// Memory that an engine may keep of what it needed for a moment: its allocator's, not a client's.
const SLACK_BYTES: u64 = 12 << 20;

type Attack = fn() -> Completion;

const ALL: &[(&str, Attack)] = &[
    ("what_is_no_http_gets_400_or_a_closed_connection", what_is_no_http_gets_400_or_a_closed_connection),
    ("heads_that_are_too_large_are_refused", heads_that_are_too_large_are_refused),
    ("bodies_that_are_too_large_are_refused", bodies_that_are_too_large_are_refused),
    ("json_that_is_too_deep_is_refused", json_that_is_too_deep_is_refused),
    ("values_of_every_wrong_type_are_answered", values_of_every_wrong_type_are_answered),
    ("queries_of_every_kind_are_answered", queries_of_every_kind_are_answered),
    ("half_open_clients_are_let_go", half_open_clients_are_let_go),
    ("thousands_connect_at_once", thousands_connect_at_once),
    ("more_connect_than_there_are_descriptors", more_connect_than_there_are_descriptors),
    ("names_that_are_paths_lead_nowhere", names_that_are_paths_lead_nowhere),
    ("followers_that_vanish_leave_nothing", followers_that_vanish_leave_nothing),
    ("a_follower_that_does_not_read_is_bounded_and_loses_nothing", a_follower_that_does_not_read_loses_nothing),
    ("streams_that_are_reset_at_once_leave_nothing", streams_that_are_reset_at_once_leave_nothing),
    ("a_full_disk_costs_lines_and_nothing_else", a_full_disk_costs_lines_and_nothing_else),
];

/// The trials; with `run` false, only their names.
pub(crate) fn trials(run: bool) -> Vec<Trial> {
    ALL.iter()
        .map(|(name, attack)| {
            Trial::ignorable_test(format!("hostile::{name}"), move || {
                Ok::<_, Failed>(if run { attack() } else { Completion::Completed })
            })
        })
        .collect()
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Vitals {
    fds: usize,
    threads: usize,
    rss_bytes: u64,
}

impl Vitals {
    fn of(engine: &Embedded) -> Self {
        let count = |what| fs::read_dir(format!("/proc/{}/{what}", engine.pid())).unwrap().count();
        let statm = fs::read_to_string(format!("/proc/{}/statm", engine.pid())).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        Self { fds: count("fd"), threads: count("task"), rss_bytes: pages * rustix::param::page_size() as u64 }
    }
}

/// Asserts that an engine comes to hold no more than `before`.
fn settles(engine: &Embedded, before: Vitals) {
    answers(engine);
    eventually(Duration::from_secs(10), &format!("{:?} come down to {before:?}", Vitals::of(engine)), || {
        let now = Vitals::of(engine);
        now.fds <= before.fds && now.threads <= before.threads && now.rss_bytes <= before.rss_bytes + SLACK_BYTES
    });
}

/// Does something three times; the first may fill caches, the others may not add to what is held.
fn leaves_nothing(engine: &Embedded, mut what: impl FnMut()) {
    let idle = Vitals::of(engine);
    what();
    eventually(Duration::from_secs(10), "descriptors and threads come down", || {
        let now = Vitals::of(engine);
        now.fds <= idle.fds && now.threads <= idle.threads
    });
    let before = Vitals { rss_bytes: Vitals::of(engine).rss_bytes, ..idle };
    what();
    what();
    settles(engine, before);
}

fn engine() -> Embedded {
    Embedded::start_as(Command::new(env!("CARGO_BIN_EXE_leaksoak")), place())
}

fn answers(engine: &Embedded) {
    assert_eq!(session(engine).quietly(&Call::new("GET", "/_ping")).body, b"OK");
}

fn session(engine: &Embedded) -> Session<'_> {
    Session::new(&engine.engine, Protocol::Http1)
}

fn connect(engine: &Embedded) -> UnixStream {
    let stream = UnixStream::connect(&engine.engine.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends bytes and no more; answers the status of the answer, if there is one before the connection is closed.
fn send(engine: &Embedded, bytes: &[u8]) -> Option<u16> {
    let mut stream = connect(engine);
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.strip_prefix("HTTP/1.1 ").map(|rest| rest[..3].parse().unwrap())
}

fn what_is_no_http_gets_400_or_a_closed_connection() -> Completion {
    let engine = engine();
    let before = Vitals::of(&engine);
    let random: Vec<u8> = (0..4_096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    for bytes in [
        &b""[..],
        b"\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nbad name: x\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: \x01\r\n\r\n",
        b"GET /\x80\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nx",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\njunk that is no frame, and more of it",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x00",
        &random,
    ] {
        let status = send(&engine, bytes);
        let told = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert!(status.is_none_or(|status| (400..=599).contains(&status)), "{told:?} was answered {status:?}");
    }
    settles(&engine, before);
    Completion::Completed
}

fn heads_that_are_too_large_are_refused() -> Completion {
    let engine = engine();
    leaves_nothing(&engine, || {
        let big = "x".repeat(4 << 20);
        for head in [
            format!("GET /_ping HTTP/1.1\r\nHost: x\r\nX: {big}\r\n\r\n"),
            format!("GET /{big} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /_ping?{big} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(20_000)),
            format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{big}"),
        ] {
            let status = send(&engine, head.as_bytes());
            assert!(status.is_none_or(|status| [400, 414, 431].contains(&status)), "{status:?}");
        }
    });
    Completion::Completed
}

fn bodies_that_are_too_large_are_refused() -> Completion {
    let engine = engine();
    let before = Vitals::of(&engine);
    let mut most = before.rss_bytes;
    let mut stream = connect(&engine);
    let head = "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n{\"Image\":\"";
    stream.write_all(head.as_bytes()).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..256 {
        // It is refused on the way.
        if stream.write_all(&block).is_err() {
            break;
        }
        most = most.max(Vitals::of(&engine).rss_bytes);
    }
    assert!(most < before.rss_bytes + (64 << 20), "{before:?} grew to {most} bytes");
    drop(stream);
    settles(&engine, before);
    Completion::Completed
}

fn json_that_is_too_deep_is_refused() -> Completion {
    let engine = engine();
    let before = Vitals::of(&engine);
    let s = session(&engine);
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"HostConfig\":", "}")] {
        let body = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let call = Call::new("POST", "/containers/create").bytes(Some("application/json"), body.clone());
        assert!((400..600).contains(&s.quietly(&call).status));
        let filters = encode(&body[..20_000]);
        let status = s.quietly(&Call::new("GET", format!("/containers/json?filters={filters}"))).status;
        assert!((400..600).contains(&status), "{status}");
    }
    drop(s);
    settles(&engine, before);
    Completion::Completed
}

/// Every place in `body`, by its path.
fn places(body: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    if let Value::Object(fields) = body {
        for (key, value) in fields {
            places(value, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }
    }
}

fn values_of_every_wrong_type_are_answered() -> Completion {
    let engine = engine();
    let mut s = session(&engine);
    let good = s.body("a", READY);
    let mut found = Vec::new();
    places(&good, "", &mut found);
    let long = "x".repeat(100_000);
    let wrong = [
        json!(null),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!("x"),
        json!(""),
        json!([]),
        json!({}),
        json!(true),
        json!([null]),
        json!([[]]),
        json!({ "": null }),
        json!({ "a": { "b": [] } }),
        json!("\u{0}\u{202e}\u{ffff}"),
        json!(long),
    ];
    for path in found {
        for value in &wrong {
            let mut body = good.clone();
            *body.pointer_mut(&path).unwrap() = value.clone();
            let answer = s.quietly(&Call::new("POST", "/containers/create").json(&body));
            assert!(answer.status == 201 || (400..600).contains(&answer.status), "{path} {value}: {}", answer.status);
            let told = answer.json();
            if answer.status == 201 {
                // What was taken can be told of, and taken back.
                let id = told["Id"].as_str().unwrap().to_owned();
                s.knows(&id, "x");
                assert_eq!(s.quietly(&Call::new("GET", format!("/containers/{id}/json"))).status, 200);
                assert_eq!(s.quietly(&Call::new("DELETE", format!("/containers/{id}?force=1"))).status, 204);
            } else {
                assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{path} {value}: {told}");
            }
        }
    }
    drop(s);
    answers(&engine);
    Completion::Completed
}

fn queries_of_every_kind_are_answered() -> Completion {
    let engine = engine();
    let mut s = session(&engine);
    s.run_to_end("a", 3);
    let paths: Vec<_> = ["logs?stdout=1&", "json?", "top?", "stats?stream=0&one-shot=1&"]
        .iter()
        .map(|rest| s.path(&format!("a/{rest}")))
        .chain(
            ["/containers/json?", "/images/json?", "/events?until=1&", "/info?", "/version?", "/_ping?"]
                .map(str::to_owned),
        )
        .collect();
    let values = [
        "",
        "%",
        "%zz",
        "%00",
        "%ff%fe",
        "-1",
        "99999999999999999999999999",
        "1e400",
        "NaN",
        "..%2F..%2F",
        "%F0%9F%92%A3",
        "&&&",
        "a=b=c",
        "%7B",
        "%5B%5D",
        "null",
        "true;false",
        "18446744073709551615",
        "-9223372036854775808",
        "0x10",
        "+1",
        "1.999999999999",
    ];
    for path in paths {
        for key in
            ["since", "until", "tail", "limit", "filters", "timestamps", "ps_args", "size", "all", "details", "%ff"]
        {
            // A later value of the same name does not count.
            if path.contains(&format!("{key}=")) {
                continue;
            }
            for value in values {
                let answer = s.quietly(&Call::new("GET", format!("{path}{key}={value}")));
                assert!((200..600).contains(&answer.status), "{path}{key}={value}: {}", answer.status);
            }
        }
    }
    drop(s);
    answers(&engine);
    Completion::Completed
}

fn half_open_clients_are_let_go() -> Completion {
    let engine = engine();
    leaves_nothing(&engine, || {
        let mut streams = Vec::new();
        for number in 0..400 {
            let mut stream = connect(&engine);
            let head = [
                "",
                "G",
                "GET /_ping HTTP/1.1\r\nHost:",
                "POST /containers/create HTTP/1.1\r\nContent-Length: 50\r\n\r\n{",
            ];
            stream.write_all(head[number % 4].as_bytes()).unwrap();
            if number % 3 == 0 {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            streams.push(stream);
        }
        // Others are served meanwhile.
        answers(&engine);
    });
    Completion::Completed
}

/// As many descriptors as this process may have.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX))
}

fn thousands_connect_at_once() -> Completion {
    let count = (raise_limit().saturating_sub(1_000)).min(10_000);
    let engine = engine();
    let before = Vitals::of(&engine);
    let mut streams: Vec<UnixStream> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = connect(&engine);
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    let at_most = Vitals::of(&engine);
    assert!(at_most.fds >= count, "{at_most:?} of {count}");
    assert!(at_most.threads <= before.threads + 16, "{before:?} {at_most:?}");
    drop(streams);
    // The memory of so many is the allocator's for a while: what may not be is that it goes on growing.
    eventually(Duration::from_secs(20), "the descriptors are closed", || Vitals::of(&engine).fds <= before.fds);
    answers(&engine);
    println!(
        "hostile: {count} connections at once, {} KiB of memory each",
        (at_most.rss_bytes - before.rss_bytes) / 1_024 / count as u64
    );
    Completion::Completed
}

fn more_connect_than_there_are_descriptors() -> Completion {
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_leaksoak")]);
    let engine = Embedded::start_as(few, place());
    let before = Vitals::of(&engine);
    let mut streams: Vec<UnixStream> = (0..200).map(|_| connect(&engine)).collect();
    eventually(Duration::from_secs(10), "it has no descriptor left", || Vitals::of(&engine).fds >= 64);
    // Those that it took are served.
    streams[0].write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    streams[0].read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    drop(streams);
    settles(&engine, before);
    Completion::Completed
}

/// Every file below `directory`, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

fn names_that_are_paths_lead_nowhere() -> Completion {
    let outside = tempfile::tempdir().unwrap();
    let directory = tempfile::Builder::new().prefix("engine").tempdir_in(outside.path()).unwrap();
    let engine = Embedded::start_as(Command::new(env!("CARGO_BIN_EXE_leaksoak")), directory);
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let beside = |engine: &Embedded| {
        let mut all = files(outside.path());
        all.retain(|path| !path.starts_with(engine.directory().join("data")));
        all
    };
    let before = beside(&engine);
    let mut s = session(&engine);
    s.run_to_end("a", 2);
    let up = "../".repeat(8);
    let absolute = secret.display().to_string();
    for name in [&up[..], "..", ".", "/", "../secret", &absolute, "a/../../b", "a\0b", "~root", "$(touch x)", "C:\\x"] {
        let encoded = encode(name);
        let body = s.body("x", READY);
        let created = s.quietly(&Call::new("POST", format!("/containers/create?name={encoded}")).json(&body));
        assert_eq!(created.status, 400, "{name}");
        for call in [
            Call::new("GET", format!("/containers/{encoded}/json")),
            Call::new("GET", format!("/containers/{encoded}/logs?stdout=1")),
            Call::new("POST", format!("/containers/{encoded}/start")),
            Call::new("DELETE", format!("/containers/{encoded}?force=1&v=1")),
            Call::new("GET", format!("/images/{encoded}/json")),
            Call::new("DELETE", format!("/images/{encoded}?force=1")),
            Call::new("POST", s.path(&format!("a/rename?name={encoded}"))),
            Call::new("POST", format!("/images/create?fromSrc=-&repo={encoded}&tag=x")).bytes(None, vec![0; 1_024]),
            Call::new("POST", format!("/images/create?fromSrc=-&repo=x&tag={encoded}")).bytes(None, vec![0; 1_024]),
        ] {
            let answer = s.quietly(&call);
            assert!((300..600).contains(&answer.status), "{} {}: {}", call.method, call.path, answer.status);
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret\n"), "{call:?}");
        }
        let log = json!({ "HostConfig": { "LogConfig": { "Config": { "max-size": name, "labels": name } } },
            "Hostname": name, "Labels": { name: name }, "WorkingDir": name, "User": name });
        s.create_with("b", READY, &log);
        s.quietly(&Call::new("DELETE", s.path("b?force=1")));
    }
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(beside(&engine), before, "nothing is written outside of its directory");
    drop(s);
    answers(&engine);
    Completion::Completed
}

fn followers_that_vanish_leave_nothing() -> Completion {
    let engine = engine();
    let mut s = session(&engine);
    s.run("a", &["--rate", "500/s", "--line-bytes", "200B"]);
    s.run("b", READY);
    s.has_lines("a", 10);
    s.has_lines("b", 1);
    let requests: Vec<String> =
        ["a/logs?follow=1&stdout=1", "b/logs?follow=1&stdout=1", "b/stats", "b/attach?stream=1&stdout=1", "b/wait"]
            .iter()
            .map(|path| s.path(path))
            .chain(["/events".to_owned()])
            .collect();
    let mut before = Vitals::of(&engine);
    for round in 0..4 {
        let mut streams = Vec::new();
        for number in 0..300 {
            let path = &requests[number % requests.len()];
            let method = if path.contains("attach") || path.contains("wait") { "POST" } else { "GET" };
            let mut stream = connect(&engine);
            stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200", "{path}");
            streams.push(stream);
        }
        drop(streams);
        eventually(Duration::from_secs(10), &format!("round {round}: everything is let go"), || {
            Vitals::of(&engine).fds <= before.fds
        });
        if round == 1 {
            // What the allocator keeps of two rounds has to do for two more.
            before.rss_bytes = Vitals::of(&engine).rss_bytes;
        }
    }
    settles(&engine, before);
    Completion::Completed
}

fn a_follower_that_does_not_read_loses_nothing() -> Completion {
    const LINES: usize = 20_000;
    let engine = engine();
    let mut s = session(&engine);
    let lines = LINES.to_string();
    s.create_with(
        "a",
        &["--burst", "500", "--every", "100ms", "--line-bytes", "200B", "--lines", &lines],
        &json!({ "HostConfig": { "LogConfig": { "Config": { "max-size": "100m" } } } }),
    );
    s.start("a");
    let mut streams: Vec<UnixStream> = (0..50)
        .map(|_| {
            let mut stream = connect(&engine);
            let path = s.path("a/logs?follow=1&stdout=1");
            stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            stream
        })
        .collect();
    let before = Vitals::of(&engine);
    s.post(s.path("a/wait"));
    let after = Vitals::of(&engine);
    // Some four megabytes lie before each of fifty.
    assert!(after.rss_bytes < before.rss_bytes + (32 << 20), "{before:?} {after:?}");
    for stream in &mut streams {
        let mut body = Vec::new();
        stream.read_to_end(&mut body).unwrap();
        let count = memchr::memmem::find_iter(&body, b"soak c=a seq=").count();
        assert_eq!(count, LINES + 1);
    }
    drop(s);
    answers(&engine);
    Completion::Completed
}

fn streams_that_are_reset_at_once_leave_nothing() -> Completion {
    let engine = engine();
    let mut s = session(&engine);
    s.run_ready("a");
    let path = s.path("a/logs?follow=1&stdout=1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    leaves_nothing(&engine, || {
        runtime.block_on(async {
            let stream = tokio::net::UnixStream::connect(&engine.engine.socket).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http2::handshake(
                hyper_util::rt::TokioExecutor::new(),
                hyper_util::rt::TokioIo::new(stream),
            )
            .await
            .unwrap();
            let connection = tokio::spawn(connection);
            for _ in 0..2_000 {
                let request = hyper::Request::get(format!("http://docker{path}"))
                    .body(http_body_util::Empty::<hyper::body::Bytes>::new())
                    .unwrap();
                // An engine that has had enough of it may end the connection.
                if sender.ready().await.is_err() {
                    break;
                }
                let answer = sender.send_request(request);
                tokio::select! {
                    biased;
                    _ = answer => {}
                    () = tokio::task::yield_now() => {}
                }
            }
            drop(sender);
            connection.abort();
            // It ends with the abort, or by what the engine said.
            let _ = connection.await;
        });
    });
    Completion::Completed
}

fn a_full_disk_costs_lines_and_nothing_else() -> Completion {
    let mount = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(mount.path()) else {
        return Completion::ignored_with("a tmpfs cannot be mounted here");
    };
    let directory = tempfile::tempdir_in(mount.path()).unwrap();
    let engine = Embedded::start_as(Command::new(env!("CARGO_BIN_EXE_leaksoak")), directory);
    let before = Vitals::of(&engine);
    let mut s = session(&engine);
    s.run("a", &["--burst", "200", "--every", "100ms", "--line-bytes", "500B"]);
    s.run("b", &["--burst", "1", "--every", "100ms"]);
    eventually(Duration::from_secs(20), "the engine tells of lines that it lost", || {
        s.quietly(&Call::new("GET", "/info")).json()["Warnings"].to_string().contains("could not be written")
    });
    for path in ["/_ping", "/containers/json?all=1", "/info", &s.path("a/json"), &s.path("a/logs?stdout=1&tail=5")] {
        assert_eq!(s.quietly(&Call::new("GET", path)).status, 200, "{path}");
    }
    // Whole lines only, whatever was cut.
    for frame in s.quietly(&Call::new("GET", s.path("a/logs?stdout=1"))).frames() {
        assert!(frame.text.starts_with("soak c=a seq="), "{frame:?}");
    }
    assert_eq!(s.post(s.path("a/stop?t=5")).status, 204);
    assert_eq!(s.delete(s.path("a?force=1")).status, 204);
    // There is room again, and logs go on.
    let lines = |s: &Session<'_>| s.quietly(&Call::new("GET", s.path("b/logs?stdout=1"))).frames().len();
    let had = lines(&s);
    eventually(Duration::from_secs(20), "the other container's log goes on", || lines(&s) > had + 2);
    // With the session go the connections that its calls left to their tasks.
    drop(s);
    settles(&engine, before);
    Completion::Completed
}
