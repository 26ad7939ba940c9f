//! From a scenario to what is made for it: names, paths, containers, arms. Pure, but for the clock in the names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use leaksoak_scenarios::{Restart, Scenario};
use leaksoak_strategies::ArmConfig;
use leaksoak_strategies::docker_api::EngineAddress;
use leaksoak_strategies::log::Level;

use crate::clock::unix_ms;
use crate::engine::{ContainerSpec, LABEL_RUN, container_name};
use crate::owner::RunId;

/// Where run directories are made unless `--out` names one.
pub const RUNS: &str = "leaksoak-runs";

/// Everything that a run will make.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id.
    pub run: RunId,
    /// What was asked.
    pub scenario: Scenario,
    /// The run directory, absolute.
    pub directory: PathBuf,
    /// For sockets and scratch files, mode 0700; short, since a socket's path may have 107 bytes.
    pub scratch: PathBuf,
    /// One per container.
    pub containers: Vec<ContainerSpec>,
    /// One per arm.
    pub arms: Vec<ArmPlan>,
}

/// One arm, before it is started.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmPlan {
    /// Its instructions.
    pub config: ArmConfig,
    /// Its stderr.
    pub log_file: PathBuf,
    /// When it is started again.
    pub restart: Restart,
    /// Its memory limit, bytes.
    pub memory_bytes: u64,
}

/// What an engine must have told before arms can be planned.
#[derive(Debug, Clone, Copy)]
pub struct EngineFacts<'a> {
    /// Where it listens.
    pub address: &'a EngineAddress,
    /// The negotiated version.
    pub api_version: &'a str,
}

impl Plan {
    /// Plans a run of `scenario` into `directory` (absolute).
    #[must_use]
    pub fn new(run: RunId, scenario: Scenario, directory: PathBuf, engine: EngineFacts<'_>) -> Self {
        let scratch = scratch_dir(&run);
        let width = scenario.container_count().to_string().len().max(2);
        let containers = scenario
            .loads()
            .enumerate()
            .map(|(index, load)| ContainerSpec { id: format!("c{:0width$}", index + 1), load, log: scenario.log })
            .collect();
        let arms = scenario
            .arms
            .iter()
            .map(|arm| ArmPlan {
                config: ArmConfig {
                    name: arm.name.clone(),
                    strategy: arm.strategy.clone(),
                    delivery: scenario.delivery,
                    engine: engine.address.clone(),
                    api_version: engine.api_version.to_owned(),
                    labels: vec![format!("{LABEL_RUN}={run}")],
                    sink_socket: scratch.join("sink.sock"),
                    own_socket: scratch.join(format!("{}.sock", arm.name)),
                    state_dir: directory.join("arms").join(&arm.name),
                    nofile: arm.nofile,
                    parent_pid: std::process::id(),
                    log_level: Level::default(),
                    containers: None,
                    cgroup_procs: Vec::new(),
                },
                log_file: directory.join("arms").join(format!("{}.log", arm.name)),
                restart: arm.restart,
                memory_bytes: arm.memory.get(),
            })
            .collect();
        let mut plan = Self { run, scenario, directory, scratch, containers, arms };
        if let Some(first) = plan.scenario.stages.first() {
            let names = plan.share(first.share_pct);
            for arm in &mut plan.arms {
                arm.config.containers.clone_from(&names);
            }
        }
        plan
    }

    /// The engine's names of the containers that are monitored at `share_pct`; `None`: all of them.
    #[must_use]
    pub fn share(&self, share_pct: u32) -> Option<BTreeSet<String>> {
        let share = self.scenario.share(share_pct);
        let names = || share.iter().map(|index| container_name(&self.run, &self.containers[*index].id)).collect();
        (share.len() < self.containers.len()).then(names)
    }
}

/// The scratch directory of `run`.
#[must_use]
pub fn scratch_dir(run: &RunId) -> PathBuf {
    std::env::temp_dir().join(format!("{SCRATCH_PREFIX}{run}"))
}

/// Begins the name of every scratch directory; the run's id follows.
pub const SCRATCH_PREFIX: &str = "leaksoak-";

/// `leaksoak-runs/<scenario>-<UTC time>`.
#[must_use]
pub fn default_directory(scenario: &str) -> PathBuf {
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms());
    let time: String =
        humantime::format_rfc3339_seconds(now).to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    Path::new(RUNS).join(format!("{scenario}-{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::{Load, Overrides, load};

    fn plan() -> Plan {
        let scenario = load("soak-30m", &Overrides::default()).unwrap();
        let address = EngineAddress::Unix("/run/docker.sock".into());
        let engine = EngineFacts { address: &address, api_version: "1.41" };
        Plan::new(RunId::of_this_process().unwrap(), scenario, "/runs/x".into(), engine)
    }

    #[test]
    fn containers_are_numbered_in_the_order_of_their_groups() {
        let plan = plan();
        let ids: Vec<_> = plan.containers.iter().map(|container| container.id.as_str()).collect();
        assert_eq!(ids, ["c01", "c02", "c03", "c04", "c05", "c06", "c07", "c08"]);
        assert!(plan.containers.iter().any(|container| container.load == Load::Silent));
    }

    #[test]
    fn an_arm_s_sockets_are_short_and_its_state_lies_in_the_run_directory() {
        for arm in plan().arms {
            assert!(arm.config.own_socket.as_os_str().len() < 100, "{:?}", arm.config.own_socket);
            assert!(arm.config.state_dir.starts_with("/runs/x/arms"));
        }
    }
}
