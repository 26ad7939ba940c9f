//! The embedded engine as a child of the harness: started, awaited, spoken to about faults, ended.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::engine::EngineError;

/// Time to begin to serve. It takes some ten milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from SIGTERM to SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// What it says when it serves; an address follows.
pub const READY: &str = "listening on ";

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

    /// What it wrote to its log.
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
