//! `cargo bench -p leaksoak --bench engines`: how fast a backlog of 8 x 250,000 lines comes out of the Docker engine that
//! answers here, and out of the embedded one; the same client, by turns, in one run.
//!
//! The client is a socket and a buffer: it counts newlines, so that what is measured is the engine. Where no Docker
//! engine answers, the embedded one is measured alone.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use leaksoak::engine::embedded::process::EngineProcess;
use leaksoak::engine::image::{Contents, REPOSITORY};
use leaksoak::engine::{LABEL_RUN, address};
use leaksoak::owner::RunId;
use leaksoak_strategies::docker_api::EngineAddress;
use serde_json::{Value, json};

const CONTAINERS: usize = 8;
const LINES: u64 = 250_000;
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    // In a container, and as the embedded engine, this executable is leaksoak itself.
    match std::env::args().nth(1).as_deref() {
        Some("workload" | "engine") => leaksoak::cli::main(),
        _ => match bench() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

type Failure = Box<dyn std::error::Error>;

fn bench() -> Result<(), Failure> {
    let scratch = std::env::temp_dir().join(format!("leaksoak-bench-{}", std::process::id()));
    std::fs::create_dir(&scratch)?;
    let measured = measure_in(&scratch);
    std::fs::remove_dir_all(&scratch)?;
    measured
}

fn measure_in(scratch: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let embedded = runtime.block_on(EngineProcess::start(scratch))?;
    let mut engines = vec![Engine::at("embedded", embedded.socket().to_owned())?];
    let docker = address::address(std::env::var("DOCKER_HOST").ok().as_deref(), None);
    match docker.map(|address| (address::probe(&address).is_ok(), address)) {
        Ok((true, EngineAddress::Unix(path))) => engines.push(Engine::at("docker", path)?),
        _ => println!("no Docker engine answers on a Unix socket: the embedded one alone"),
    }
    let measured = measure(&mut engines);
    for engine in &engines {
        engine.clear()?;
    }
    runtime.block_on(embedded.stop())?;
    measured
}

fn measure(engines: &mut [Engine]) -> Result<(), Failure> {
    for engine in &mut *engines {
        engine.fill()?;
    }
    for _ in 0..ROUNDS {
        for engine in &mut *engines {
            engine.read()?;
        }
    }
    println!("backlog of {CONTAINERS} x {LINES} lines of 120 B, medians of {ROUNDS} rounds by turns:\n");
    println!("| engine | k lines/s | engine CPU, s per million lines | client CPU, s per million lines |");
    println!("| --- | ---: | ---: | ---: |");
    for engine in &*engines {
        let Round { lines_per_s, engine_cpu, client_cpu } = engine.median();
        println!("| {} | {:.0} | {engine_cpu:.2} | {client_cpu:.2} |", engine.name, lines_per_s / 1e3);
    }
    if let [embedded, docker] = &*engines {
        let (ours, theirs) = (embedded.median(), docker.median());
        println!(
            "\nembedded / docker: {:.1}x the lines per second, {:.2}x the CPU per line",
            ours.lines_per_s / theirs.lines_per_s,
            ours.engine_cpu / theirs.engine_cpu
        );
    }
    Ok(())
}

/// What one round gave.
#[derive(Debug, Clone, Copy)]
struct Round {
    lines_per_s: f64,
    engine_cpu: f64,
    client_cpu: f64,
}

struct Engine {
    name: &'static str,
    socket: PathBuf,
    pid: u32,
    run: String,
    containers: Vec<String>,
    rounds: Vec<Round>,
}

impl Engine {
    fn at(name: &'static str, socket: PathBuf) -> Result<Self, Failure> {
        let pid = address::probe(&EngineAddress::Unix(socket.clone()))?
            .ok_or("the engine's process is not on this machine: its CPU cannot be read")?;
        let run = RunId::of_this_process()?.to_string();
        Ok(Self { name, socket, pid, run, containers: Vec::new(), rounds: Vec::new() })
    }

    /// Has the containers print their lines, and waits until they have ended.
    fn fill(&mut self) -> Result<(), Failure> {
        let contents = Contents::of_this_process()?;
        let tag = contents.tag()?;
        let (repo, hash) = tag.split_once(':').unwrap_or((REPOSITORY, "latest"));
        let mut archive = Vec::new();
        contents.write_tar(&mut archive)?;
        self.ask("POST", &format!("/images/create?fromSrc=-&repo={repo}&tag={hash}"), "application/x-tar", &archive)?;
        for number in 0..CONTAINERS {
            let body = json!({
                "Image": tag,
                "Entrypoint": contents.entrypoint(),
                "Cmd": ["workload", "--container", format!("c{number}"), "--rate", "50000/s", "--line-bytes", "120B",
                    "--lines", LINES.to_string()],
                "Labels": { LABEL_RUN: self.run },
                "HostConfig": { "NetworkMode": "none", "LogConfig": {
                    // Said outright, since a daemon may have defaults of its own: nothing is rotated away.
                    "Type": "json-file", "Config": { "max-size": "1g", "max-file": "2" },
                } },
            });
            let made = self.ask("POST", "/containers/create", "application/json", body.to_string().as_bytes())?;
            let made: Value = serde_json::from_slice(&made)?;
            self.containers.push(made["Id"].as_str().ok_or("a container without an id")?.to_owned());
        }
        for id in &self.containers {
            self.ask("POST", &format!("/containers/{id}/start"), "application/json", b"")?;
        }
        for id in &self.containers {
            self.ask("POST", &format!("/containers/{id}/wait"), "application/json", b"")?;
        }
        Ok(())
    }

    /// Reads every log whole, all at once.
    fn read(&mut self) -> Result<(), Failure> {
        let (engine_before, client_before) = (cpu_s(self.pid)?, cpu_s(std::process::id())?);
        let began = Instant::now();
        let readers: Vec<_> = self
            .containers
            .iter()
            .map(|id| {
                let (socket, path) = (self.socket.clone(), format!("/containers/{id}/logs?stdout=1&stderr=1"));
                std::thread::spawn(move || count_lines(&socket, &path))
            })
            .collect();
        let mut lines = 0;
        for reader in readers {
            lines += reader.join().map_err(|_| "a reader panicked")??;
        }
        let took = began.elapsed();
        // Each container prints a final line too.
        let expected = CONTAINERS as u64 * (LINES + 1);
        if lines != expected {
            return Err(format!("{} gave {lines} lines, not {expected}", self.name).into());
        }
        let per_million = |seconds: f64| seconds * 1e6 / lines as f64;
        self.rounds.push(Round {
            lines_per_s: lines as f64 / took.as_secs_f64(),
            engine_cpu: per_million(cpu_s(self.pid)? - engine_before),
            client_cpu: per_million(cpu_s(std::process::id())? - client_before),
        });
        Ok(())
    }

    fn clear(&self) -> Result<(), Failure> {
        for id in &self.containers {
            self.ask("DELETE", &format!("/containers/{id}?force=1"), "application/json", b"")?;
        }
        let tag = Contents::of_this_process()?.tag()?;
        self.ask("DELETE", &format!("/images/{tag}"), "application/json", b"").map(drop)
    }

    fn median(&self) -> Round {
        let of = |value: fn(&Round) -> f64| {
            let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Round {
            lines_per_s: of(|round| round.lines_per_s),
            engine_cpu: of(|round| round.engine_cpu),
            client_cpu: of(|round| round.client_cpu),
        }
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut stream = send(&self.socket, method, path, kind, body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or("an answer without a head")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let body = answer.split_off(end + 4);
        if status >= 400 {
            return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }
}

/// Sends a request of HTTP/1.0: its answer ends with the connection, and its body comes as it is.
fn send(socket: &Path, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    Ok(stream)
}

fn count_lines(socket: &Path, path: &str) -> io::Result<u64> {
    let mut stream = send(socket, "GET", path, "application/json", b"")?;
    let mut block = vec![0; 256 << 10];
    let (mut lines, mut head) = (0, true);
    loop {
        let read = stream.read(&mut block)?;
        if read == 0 {
            return Ok(lines);
        }
        let mut text = &block[..read];
        if head {
            // It comes whole with the first bytes, on a socket of this machine.
            let end = memchr::memmem::find(text, b"\r\n\r\n").map_or(read, |end| end + 4);
            text = &text[end..];
            head = false;
        }
        // A frame's header holds a 0x0a too where the frame's length does: none of these lines' does.
        lines += memchr::memchr_iter(b'\n', text).count() as u64;
    }
}

/// CPU time of a process, user and system.
fn cpu_s(pid: u32) -> Result<f64, Failure> {
    let stat = procfs::process::Process::new(i32::try_from(pid)?)?.stat()?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}
