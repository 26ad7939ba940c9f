//! `run.json`: what was run, where, by which version.

use leaksoak_scenarios::Scenario;
use serde::{Deserialize, Serialize};

/// Version of the run directory's format; a reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// The facts of a run, written before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Unique; the value of the containers' `leaksoak.run` label.
    pub run_id: String,
    /// Wall clock at the start.
    pub started_unix_ms: u64,
    /// Version of leaksoak.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The scenario as resolved, overrides included.
    pub scenario: Scenario,
    /// The engine.
    pub engine: EngineInfo,
    /// The host.
    pub host: HostInfo,
}

/// What runs the containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `docker` or `embedded`.
    pub kind: String,
    /// `unix:///var/run/docker.sock`, ...
    pub address: String,
    /// As the engine says, e.g. `20.10.24`.
    pub version: String,
    /// As negotiated, e.g. `1.41`.
    pub api_version: String,
    /// The daemon's process where it is local and could be found.
    pub pid: Option<u32>,
}

/// Where the run took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// `uname -r`.
    pub kernel: String,
    /// Processors that the harness may use.
    pub cpus: u32,
    /// Bytes.
    pub memory_bytes: u64,
    /// `1`, `2` or `none`.
    pub cgroup: String,
    /// `fs.inotify.max_user_instances`: a followed log costs dockerd one each.
    pub inotify_max_user_instances: Option<u64>,
    /// `kernel.threads-max`.
    #[serde(default)]
    pub threads_max: Option<u64>,
}
