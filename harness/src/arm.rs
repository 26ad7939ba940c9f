//! Arms: one child process per strategy under test, supervised.
//!
//! A supervisor task owns the child and says what becomes of it as [`ArmNews`]. The child limits itself (it is this
//! executable: `leaksoak arm --config FILE`), dies with the harness, and is stopped by SIGTERM, then SIGKILL. Its stderr
//! is kept in `arms/<name>.log`.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use leaksoak_reports::record::events::Exit;
use leaksoak_scenarios::{Restart, Strategy};
use leaksoak_strategies::ArmConfig;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use cgroup::Cgroup;
use last_words::last_words;

pub mod cgroup;
pub mod client;
mod last_words;

/// Time from SIGTERM to SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Time from a crash to the next start, under `restart = "on-crash"`.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// Restarts before an arm is left down.
const MAX_RESTARTS: u32 = 100;

/// What became of an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmNews {
    /// Its name.
    pub arm: String,
    /// What.
    pub what: What,
}

/// What can become of an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Its process runs.
    Started {
        /// The process.
        pid: u32,
    },
    /// Its process has ended.
    Exited {
        /// How.
        exit: Exit,
        /// It was asked to.
        expected: bool,
        /// It will not be started again.
        stays_down: bool,
        /// The line of its stderr that tells why, else the last one.
        last_words: Option<String>,
    },
    /// Its process could not be started.
    NotStarted {
        /// The error.
        reason: String,
    },
}

/// All that is needed to start an arm, again if need be.
#[derive(Debug)]
pub struct ArmProcess {
    config: ArmConfig,
    config_file: PathBuf,
    log_file: PathBuf,
    restart: Restart,
    cgroup: Option<Cgroup>,
}

/// An arm's instructions, in its state directory.
const CONFIG_FILE: &str = "arm.json";

/// Changes which containers an arm monitors, in its instructions; what else somebody has changed in them stays.
///
/// # Errors
/// They cannot be read or written.
pub fn name_containers(state_dir: &Path, names: Option<BTreeSet<String>>) -> io::Result<()> {
    let file = state_dir.join(CONFIG_FILE);
    let mut config = ArmConfig::read(&file).map_err(io::Error::other)?;
    config.containers = names;
    let beside = file.with_extension("new");
    fs::write(&beside, serde_json::to_vec_pretty(&config)?)?;
    fs::rename(beside, file)
}

/// The running supervisors.
#[derive(Debug)]
pub struct Supervisors {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    news: mpsc::UnboundedReceiver<ArmNews>,
}

impl ArmProcess {
    /// Writes the arm's instructions and makes its state directory (0700).
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn prepare(config: ArmConfig, log_file: PathBuf, restart: Restart, cgroup: Option<Cgroup>) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&config.state_dir)?;
        let config_file = config.state_dir.join(CONFIG_FILE);
        fs::write(&config_file, serde_json::to_vec_pretty(&config)?)?;
        Ok(Self { config, config_file, log_file, restart, cgroup })
    }

    fn spawn(&self) -> io::Result<Child> {
        // A socket that a killed predecessor left would keep the next from binding.
        match fs::remove_file(&self.config.own_socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log_file)?;
        let mut command = if let Strategy::Program { program } = &self.config.strategy {
            Command::new(program)
        } else {
            let mut command = Command::new("/proc/self/exe");
            command.arg0("leaksoak").arg("arm");
            command
        };
        command
            .arg("--config")
            .arg(&self.config_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }

    /// Runs the arm until it is stopped or stays down.
    async fn supervise(self, mut stop: watch::Receiver<bool>, news: mpsc::UnboundedSender<ArmNews>) {
        let tell = |what| {
            // Nobody listens any more only when the run is being torn down.
            let _ = news.send(ArmNews { arm: self.config.name.clone(), what });
        };
        let mut restarts = 0;
        loop {
            let kills_before = self.oom_kills();
            let said_before = fs::metadata(&self.log_file).map_or(0, |log| log.len());
            let mut child = match self.spawn() {
                Ok(child) => child,
                Err(error) => return tell(What::NotStarted { reason: error.to_string() }),
            };
            tell(What::Started { pid: child.id().unwrap_or_default() });
            let (status, expected) = tokio::select! {
                status = child.wait() => (status, false),
                () = asked_to_stop(&mut stop) => (terminate(&mut child).await, true),
            };
            let oom_killed = self.oom_kills() > kills_before;
            let stays_down = expected || self.restart == Restart::Never || restarts == MAX_RESTARTS;
            let status = match status {
                Ok(status) => status,
                Err(error) => return tell(What::NotStarted { reason: format!("waiting for it: {error}") }),
            };
            let exit = exit(status, oom_killed);
            let last_words = last_words(&self.log_file, said_before, exit);
            tell(What::Exited { exit, expected, stays_down, last_words });
            if stays_down {
                return;
            }
            restarts += 1;
            tokio::select! {
                () = tokio::time::sleep(RESTART_DELAY) => {}
                () = asked_to_stop(&mut stop) => return,
            }
        }
    }

    fn oom_kills(&self) -> u64 {
        self.cgroup.as_ref().and_then(Cgroup::oom_kills).unwrap_or(0)
    }
}

impl Drop for ArmProcess {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            // Refused while the process is being reaped: the run's end removes what is left.
            let _ = cgroup.remove();
        }
    }
}

impl Supervisors {
    /// Starts every arm.
    #[must_use]
    pub fn start(arms: Vec<ArmProcess>) -> Self {
        let (stop, _) = watch::channel(false);
        let (tell, news) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for arm in arms {
            tasks.spawn(arm.supervise(stop.subscribe(), tell.clone()));
        }
        Self { tasks, stop, news }
    }

    /// What became of an arm next; `None` when all have ended for good.
    pub async fn next(&mut self) -> Option<ArmNews> {
        self.news.recv().await
    }

    /// Asks every arm to end. [`next`](Self::next) tells when they have.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// How many arms run or may run again.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tasks.len()
    }
}

/// Until the supervisors are told to stop, or are gone.
async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    // Either way it is time to stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn terminate(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It has ended already, and `wait` will say how.
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(STOP_GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

fn exit(status: ExitStatus, oom_killed: bool) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code { code },
        (None, Some(9)) if oom_killed => Exit::OomKilled,
        (None, signal) => Exit::Signal { signal: signal.unwrap_or_default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_the_oom_killer_s_only_if_the_cgroup_says_so() {
        assert_eq!(exit(ExitStatus::from_raw(9), true), Exit::OomKilled);
        assert_eq!(exit(ExitStatus::from_raw(9), false), Exit::Signal { signal: 9 });
        assert_eq!(exit(ExitStatus::from_raw(11), true), Exit::Signal { signal: 11 });
        assert_eq!(exit(ExitStatus::from_raw(256), true), Exit::Code { code: 1 });
    }
}
