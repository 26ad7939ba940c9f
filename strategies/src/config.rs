//! What an arm's process is told: one JSON file, written by whoever starts it.

use std::path::PathBuf;

use leaksoak_scenarios::{Delivery, Strategy};
use serde::{Deserialize, Serialize};

use crate::docker_api::EngineAddress;

/// The whole of an arm's instructions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmConfig {
    /// Arm name; the sink's account is kept under it.
    pub name: String,
    /// What to do.
    pub strategy: Strategy,
    /// How lines are handed to the sink.
    #[serde(default)]
    pub delivery: Delivery,
    /// Where the engine listens.
    pub engine: EngineAddress,
    /// Engine API version to ask for, e.g. `1.41`.
    pub api_version: String,
    /// Only containers with this label are monitored, e.g. `leaksoak.run=abc`.
    pub label: String,
    /// The sink's Unix socket; lines go to `POST /v1/arms/<name>/lines`.
    pub sink_socket: PathBuf,
    /// The socket this arm serves `/metrics` and `/healthz` on.
    pub own_socket: PathBuf,
    /// A directory of the arm's own: offsets, dead letters. It exists, mode 0700.
    pub state_dir: PathBuf,
    /// RLIMIT_NOFILE to set on itself, soft and hard.
    pub nofile: u64,
    /// Processes that must stay alive: the arm ends when its parent is not this one.
    pub parent_pid: u32,
    /// `cgroup.procs` files of the cgroups to join before anything else, where there are any.
    pub cgroup_procs: Vec<PathBuf>,
}
