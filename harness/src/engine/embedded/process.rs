//! The embedded engine as a child of the harness: started, awaited, spoken to about faults, ended.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use leaksoak_scenarios::EngineFaultKind;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::engine::EngineError;

/// Time to begin to serve. It takes some ten milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from SIGTERM to SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Time for its answer to a fault that it is asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// What it says when it serves; an address follows.
pub const READY: &str = "listening on ";

/// Where an engine that serves `socket` is asked for faults.
#[must_use]
pub fn control_socket(socket: &Path) -> PathBuf {
    let mut control = socket.to_owned().into_os_string();
    control.push(".control");
    control.into()
}

/// Asks an embedded engine for faults.
#[derive(Debug, Clone)]
pub struct EngineControl {
    socket: PathBuf,
}

impl EngineControl {
    /// Makes it happen.
    ///
    /// # Errors
    /// The engine does not take it; the words say why.
    pub async fn happen(&self, fault: EngineFaultKind) -> Result<(), String> {
        let asked = async {
            let stream = UnixStream::connect(&self.socket).await.map_err(|error| error.to_string())?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            let body = serde_json::to_vec(&fault).map_err(|error| error.to_string())?;
            let request = Request::post("/faults")
                .header("host", "engine")
                .body(Full::new(Bytes::from(body)))
                .map_err(|error| error.to_string())?;
            // Driven beside its one request, which tells what goes wrong on it.
            tokio::select! {
                answer = sender.send_request(request) => {
                    answer.map(|answer| answer.status()).map_err(|error| error.to_string())
                }
                ended = connection => Err(ended.err().map_or("closed".to_owned(), |error| error.to_string())),
            }
        };
        match timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Ok(StatusCode::NO_CONTENT)) => Ok(()),
            Ok(Ok(status)) => Err(format!("the engine answered {status}")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("no answer from the engine".to_owned()),
        }
    }
}

/// A running child. Killed when this is dropped, and when the harness dies.
#[derive(Debug)]
pub struct EngineProcess {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl EngineProcess {
    /// Starts one whose sockets, data and log lie in `directory`, and waits until it serves.
    ///
    /// # Errors
    /// It does not start, or ends at once.
    pub async fn start(directory: &Path) -> Result<Self, EngineError> {
        let (socket, log) = (directory.join("engine.sock"), directory.join("engine.log"));
        let failed = |reason: String| EngineError::Embedded { reason };
        let started = File::create(&log).and_then(|stderr| {
            Command::new("/proc/self/exe")
                .arg0("leaksoak")
                .args(["engine", "--socket"])
                .arg(&socket)
                .arg("--data")
                .arg(directory.join("engine"))
                .arg("--parent")
                .arg(std::process::id().to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(stderr)
                .kill_on_drop(true)
                .spawn()
        });
        let mut child = started.map_err(|error| failed(error.to_string()))?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout);
            // Whatever comes of it is told by what was said.
            let _ = timeout(START_TIMEOUT, lines.read_line(&mut said)).await;
        }
        let process = Self { child, socket, log };
        if said.starts_with(READY) { Ok(process) } else { Err(failed(process.last_words())) }
    }

    /// Where it serves the API.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where it is asked for faults.
    #[must_use]
    pub fn control(&self) -> EngineControl {
        EngineControl { socket: control_socket(&self.socket) }
    }

    /// Where it writes its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            // It has ended already, which is what was wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_GRACE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        match last.last() {
            Some(line) => (*line).to_owned(),
            None => format!("it did not serve within {} s, and said nothing", START_TIMEOUT.as_secs()),
        }
    }
}
