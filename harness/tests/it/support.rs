//! What the tests of the binary share: running it, finding an engine, waiting for something to become true.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use rustix::fs::{FlockOperation, flock};
use tokio::runtime::Runtime;

/// A command of the binary under test.
pub(crate) fn leaksoak(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaksoak"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The real engine, held by one test at a time: runs disturb each other's figures. Everything that is left is
/// removed when it is let go.
pub(crate) struct Docker {
    runtime: Runtime,
    api: bollard::Docker,
    _turn: File,
}

impl Docker {
    /// `None`, with a message, where no engine answers; a failure where `LEAKSOAK_REQUIRE_DOCKER` says that one must.
    pub(crate) fn take() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answers = runtime.block_on(async {
            let api = bollard::Docker::connect_with_defaults()?.negotiate_version().await?;
            api.ping().await?;
            Ok::<_, bollard::errors::Error>(api)
        });
        let api = match answers {
            Ok(api) => api,
            Err(error) => {
                assert!(
                    std::env::var_os("LEAKSOAK_REQUIRE_DOCKER").is_none(),
                    "LEAKSOAK_REQUIRE_DOCKER is set, but no Docker engine answers: {error}"
                );
                eprintln!("skipped, no Docker engine answers: {error}");
                return None;
            }
        };
        let turn = File::open(env!("CARGO_BIN_EXE_leaksoak")).unwrap();
        flock(&turn, FlockOperation::LockExclusive).unwrap();
        Some(Self { runtime, api, _turn: turn })
    }

    /// How many containers of the run recorded in `directory` there are.
    pub(crate) fn containers_of(&self, directory: &Path) -> usize {
        self.labelled(&[&format!("leaksoak.run={}", run_id(directory))]).len()
    }

    /// Removes a container of the run recorded in `directory`, by someone else's hand.
    pub(crate) fn remove(&self, directory: &Path, container: &str) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let run = run_id(directory);
        for id in self.labelled(&[&format!("leaksoak.run={run}"), &format!("leaksoak.container={container}")]) {
            self.runtime.block_on(self.api.remove_container(&id, Some(options.clone()))).unwrap();
        }
    }

    fn labelled(&self, labels: &[&str]) -> Vec<String> {
        let filters = HashMap::from([("label", labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.runtime.block_on(self.api.list_containers(Some(options))).unwrap();
        containers.into_iter().filter_map(|container| container.id).collect()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let cleaned = leaksoak(&["clean"]).output().unwrap();
        if !std::thread::panicking() {
            assert!(cleaned.status.success(), "{}", stderr(&cleaned));
        }
    }
}

fn run_id(directory: &Path) -> String {
    let info: serde_json::Value = serde_json::from_slice(&fs::read(directory.join("run.json")).unwrap()).unwrap();
    info["run_id"].as_str().unwrap().to_owned()
}

/// Waits until `condition` holds, and fails if it does not within `limit`.
pub(crate) fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Whether a process lives (a zombie does not).
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// The processes of the arms that a run directory tells of.
pub(crate) fn arm_pids(directory: &Path) -> Vec<u32> {
    let events = fs::read_to_string(directory.join("events.jsonl")).unwrap_or_default();
    events
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|record| record["event"]["kind"] == "arm_started")
        .filter_map(|record| record["event"]["pid"].as_u64()?.try_into().ok())
        .collect()
}

/// A file system of a few hundred kilobytes; `None`, with a message, where none may be mounted.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}
