//! What an arm's process is told: one JSON file, written by whoever starts it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use leaksoak_scenarios::{Delivery, Strategy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::docker_api::EngineAddress;
use crate::log::Level;

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
    /// Only containers with all of these labels are monitored, e.g. `leaksoak.run=abc`; a key alone stands for any value of it.
    /// None: all containers that the engine has.
    pub labels: Vec<String>,
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
    /// What the arm's log tells.
    #[serde(default)]
    pub log_level: Level,
    /// Names of the containers to monitor; left out: all that have the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<BTreeSet<String>>,
    /// `cgroup.procs` files of the cgroups to join before anything else, where there are any.
    pub cgroup_procs: Vec<PathBuf>,
}

/// Instructions that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Their file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} is not an arm's instructions", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("{}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Key, value, and what to do.
        problem: String,
    },
}

impl ArmConfig {
    /// Reads and checks the instructions in a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let config: Self =
            serde_json::from_slice(&text).map_err(|source| ConfigError::Json { path: path.to_owned(), source })?;
        match config.delivery.problem().or_else(|| config.strategy.problem()) {
            Some(problem) => Err(ConfigError::Value { path: path.to_owned(), problem }),
            None => Ok(config),
        }
    }

    /// A key in which `other` differs that cannot change while an arm with these instructions runs.
    pub(crate) fn fixed_key_changed_by(&self, other: &Self) -> Option<String> {
        let mut alike = other.clone();
        alike.delivery = self.delivery;
        alike.log_level = self.log_level;
        alike.containers.clone_from(&self.containers);
        if let Some(every) = self.strategy.rotate_every() {
            alike.strategy = alike.strategy.rotated_every(every);
        }
        if alike == *self {
            return None;
        }
        let keys = |config: &Self| match serde_json::to_value(config) {
            Ok(Value::Object(keys)) => keys,
            _ => Map::new(),
        };
        let (ours, others) = (keys(self), keys(&alike));
        let changed = ours.into_iter().find(|(key, value)| others.get(key) != Some(value));
        Some(changed.map_or_else(|| "something".to_owned(), |(key, _)| key))
    }
}
